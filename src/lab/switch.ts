/**
 * The wires of a lab, as the process that carries them sees them: each wire is a namespace of its own
 * with a bridge in it and one port for each end. Pulling a cable takes the port down.
 */
import { bridgeAdd, bridgeAddPort } from '../core/device/bridge.ts';
import { type TunPort, tunAdd, tunAttach } from '../core/device/tun.ts';
import { vethAdd } from '../core/device/veth.ts';
import type { Kernel } from '../core/kernel.ts';
import { devClose, devOpen } from '../core/link/device-state.ts';
import type { NetDevice } from '../core/link/net-device.ts';
import type { NetNs } from '../core/net.ts';
import { LabError } from './file.ts';
import type { PlannedInterface, PlannedWire } from './plan.ts';

export class Switch {
  readonly wire: PlannedWire;
  private readonly net: NetNs;
  private readonly bridge: NetDevice;
  private readonly ports: Map<string, NetDevice> = new Map();
  private readonly pulled: Set<string> = new Set();

  constructor(kernel: Kernel, wire: PlannedWire) {
    this.wire = wire;
    this.net = kernel.addNetNs(null);
    this.bridge = made(bridgeAdd(this.net, 'br0', {}));
    open(this.bridge);
  }

  /** Joins a namespace of this process; returns its new interface, which is down and has no address. */
  joinNamespace(net: NetNs, node: string, planned: PlannedInterface): NetDevice {
    const pair = vethAdd({ net, name: planned.name }, { net: this.net, name: this.portName(node) });
    if (typeof pair === 'number') throw new LabError(`${node}: cannot make ${planned.name} (${pair})`);
    this.plug(node, pair[1]);
    return pair[0];
  }

  /** Joins something outside this process, which exchanges frames over the port that is returned. */
  joinPort(node: string): TunPort {
    const tap = made(tunAdd(this.net, this.portName(node), { mode: 'tap' }));
    const port = made(tunAttach(tap));
    this.plug(node, tap);
    return port;
  }

  /** Is this node's cable plugged in? */
  isPlugged(node: string): boolean {
    return this.ports.has(node) && !this.pulled.has(node);
  }

  /** The device on this side of the node's cable. */
  port(node: string): NetDevice | undefined {
    return this.ports.get(node);
  }

  pull(node: string): void {
    const port = this.ports.get(node);
    if (port === undefined || this.pulled.has(node)) return;
    this.pulled.add(node);
    devClose(port);
  }

  plugIn(node: string): void {
    const port = this.ports.get(node);
    if (port === undefined || !this.pulled.delete(node)) return;
    open(port);
  }

  private portName(_node: string): string {
    return `port${this.ports.size + 1}`;
  }

  private plug(node: string, port: NetDevice): void {
    this.ports.set(node, port);
    const errno = bridgeAddPort(this.bridge, port);
    if (errno !== 0) throw new LabError(`${node}: cannot join ${this.wire.name} (${errno})`);
    open(port);
  }
}

function made<T>(result: T | number): T {
  if (typeof result === 'number') throw new LabError(`cannot make a device (${result})`);
  return result;
}

function open(dev: NetDevice): void {
  const errno = devOpen(dev);
  if (errno !== 0) throw new LabError(`cannot bring up ${dev.name} (${errno})`);
}
