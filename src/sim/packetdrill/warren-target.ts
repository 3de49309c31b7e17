/** A Warren namespace as the host of a script: a tun device, virtual time, and one process. */
import { Kernel } from '../../core/control/kernel.ts';
import type { Namespace } from '../../core/control/namespace.ts';
import { type TunPort, tunAdd, tunAttach } from '../../core/device/tun.ts';
import { errnoName, NetError } from '../../core/errno.ts';
import { VirtualClock } from '../virtual-clock.ts';
import { remoteNetwork } from './remote-network.ts';
import type { Call, LeftPacket, PendingCall, ShellResult, Target, TargetConfig } from './target.ts';
import { Files } from './warren-files.ts';
import { WarrenProcess } from './warren-process.ts';
import { WarrenShell } from './warren-shell.ts';

export async function warrenTarget(config: TargetConfig): Promise<Target> {
  return new WarrenTarget(config);
}

class WarrenTarget implements Target {
  readonly kind = 'warren';
  private readonly clock: VirtualClock;
  private readonly kernel: Kernel;
  private readonly ns: Namespace;
  private readonly port: TunPort;
  private readonly process: WarrenProcess;
  private readonly shells: WarrenShell;
  private readonly left: LeftPacket[] = [];
  private readonly step = (): boolean => {
    this.process.retry();
    return this.left.length > 0 || this.process.hasReturned;
  };

  constructor(config: TargetConfig) {
    this.clock = new VirtualClock(config.seed);
    // Not at time 0: clocks of a machine that has just started are a special case.
    this.clock.set(1_000_000_000);
    this.kernel = new Kernel({ env: this.clock, seed: config.seed });
    this.ns = this.kernel.netns.add('packetdrill');
    this.ns.link.set('lo', { up: true });
    const dev = tunAdd(this.ns.net, 'tun0', { mode: 'tun', mtu: config.mtu });
    if (typeof dev === 'number') throw new NetError(dev, 'tun');
    const port = tunAttach(dev);
    if (typeof port === 'number') throw new NetError(port, errnoName(port));
    this.port = port;
    const isV6 = config.ipVersion === 'ipv6';
    // No packets that no script asked for.
    this.ns.sysctl.set('net.ipv6.conf.tun0.addr_gen_mode', '1');
    const nodad = isV6 ? ' nodad' : '';
    this.ns.ip(`addr add ${config.localIp}/${config.prefixLength} dev tun0${nodad}`);
    this.ns.ip('link set tun0 up');
    const family = isV6 ? '-6 ' : '';
    this.ns.ip(`${family}route add ${remoteNetwork(config)} via ${config.gatewayIp} dev tun0`);
    const files = new Files();
    this.process = new WarrenProcess(this.ns.net, files);
    this.shells = new WarrenShell(this.ns, files, (us) => this.clock.runFor(this.kernel.core, us));
    port.onTransmit = (bytes) => this.left.push({ bytes, atUs: this.clock.nowUs() });
  }

  get epochUs(): number {
    return this.clock.epochUs;
  }

  nowUs(): number {
    return this.clock.nowUs();
  }

  wait(atUs: number): Promise<void> {
    const us = atUs - this.clock.nowUs();
    if (!this.step() && us > 0) this.clock.runUntil(this.kernel.core, this.step, us);
    this.process.hasReturned = false;
    this.settle();
    return Promise.resolve();
  }

  /** What is due now happens now, and the stack's clock is ours. */
  private settle(): void {
    this.kernel.core.run();
    this.process.retry();
  }

  inject(packet: Uint8Array, gsoSize = 0): void {
    this.settle();
    this.port.receive(packet, gsoSize);
    this.settle();
  }

  take(): LeftPacket | null {
    return this.left.shift() ?? null;
  }

  call(call: Call): PendingCall {
    this.settle();
    const pending = this.process.call(call);
    this.settle();
    return pending;
  }

  shell(command: string): Promise<ShellResult> {
    this.settle();
    const result = this.shells.run(command);
    this.settle();
    return Promise.resolve(result);
  }

  close(): Promise<void> {
    this.process.closeAll();
    this.port.close();
    this.ns.destroy();
    return Promise.resolve();
  }
}
