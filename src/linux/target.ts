/**
 * The Linux kernel as what a packetdrill script runs against: a tun device in the network namespace that
 * this process is in, real system calls, real time (CLOCK_MONOTONIC).
 */
import { setImmediate as turn } from 'node:timers/promises';
import type {
  Call,
  CallResult,
  LeftPacket,
  PendingCall,
  ShellResult,
  Target,
  TargetConfig,
} from '../sim/packetdrill/target.ts';
import {
  AF_INET,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_GETFL,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  O_NONBLOCK,
  POLLIN,
  SO_LINGER,
  SOCK_DGRAM,
  SOL_SOCKET,
} from './abi.ts';
import type { CallLane } from './call-lane.ts';
import { CongestionDefault } from './congestion.ts';
import { type Ffi, loadFfi, monotonicUs } from './ffi.ts';
import { setUpHost } from './host-setup.ts';
import { type Output, type Prepared, prepare } from './marshal.ts';
import type { Arena, Block } from './memory.ts';
import { PacketTap } from './packet-tap.ts';
import { beRealtime } from './realtime.ts';
import { Shell } from './shell.ts';
import { TUN_NAME, Tun } from './tun.ts';
import { Workshop } from './workshop.ts';

/** The last moments before a deadline are spent awake: a sleep ends that much late at worst. */
const AWAKE_US = 80;
/** How long the process sleeps without looking at anything else. */
const SLEEP_US = 20_000;
const WARM_UP_ROUNDS = 3;
const WARM_UP_SLEEP_US = 500;
const POLLFD_BYTES = 8;

export interface LinuxOptions {
  /** Makes this process real-time (needs CAP_SYS_NICE; without, time is kept as well as it goes). */
  readonly realtime?: boolean;
  /** What targets of this process share; absent: the target has its own, and ends it. */
  readonly workshop?: Workshop;
}

/** A call that a thread makes, from its start until the script has seen its result. */
class LaneCall implements PendingCall {
  result: CallResult | null = null;
  readonly lane: CallLane;
  readonly output: (value: number, endUs: number) => CallResult;

  constructor(lane: CallLane, output: (value: number, endUs: number) => CallResult) {
    this.lane = lane;
    this.output = output;
  }

  /** Whether it has returned by now. */
  look(): boolean {
    if (this.result !== null) return true;
    if (!this.lane.done) return false;
    const { value, endUs } = this.lane.take();
    this.result = this.output(value, endUs);
    return true;
  }
}

export class LinuxTarget implements Target {
  readonly kind = 'linux';
  readonly epochUs: number = Date.now() * 1000 - monotonicUs();
  private readonly ffi: Ffi;
  private readonly tun: Tun;
  private readonly tap: PacketTap;
  private readonly congestion: CongestionDefault;
  private readonly shells: Shell;
  /** For what the target itself asks. */
  private readonly scratch: Arena;
  private readonly arena: Arena;
  private readonly kept: Arena;
  private readonly doneFd: number;
  private readonly polled: Block;
  private readonly timeout: Block;
  private readonly workshop: Workshop;
  private readonly ownsWorkshop: boolean;
  private readonly underWay = new Set<LaneCall>();
  private readonly left: LeftPacket[] = [];
  private readonly fds = new Set<number>();
  private returned = false;
  private closed = false;

  constructor(workshop: Workshop, config: TargetConfig, options: LinuxOptions) {
    const { ffi } = workshop;
    this.workshop = workshop;
    this.ownsWorkshop = options.workshop === undefined;
    this.ffi = ffi;
    workshop.begin();
    this.arena = ffi.newArena();
    this.kept = ffi.newArena();
    this.scratch = ffi.newArena();
    const own = ffi.newArena();
    this.polled = own.alloc(2 * POLLFD_BYTES);
    this.timeout = own.alloc(16);
    this.congestion = new CongestionDefault(ffi, own);
    this.shells = new Shell(this.congestion.inherited);
    this.tun = new Tun(ffi);
    this.tap = new PacketTap(ffi, TUN_NAME);
    this.doneFd = workshop.doneFd;
    [this.tap.fd, this.doneFd].forEach((fd, i) => {
      this.polled.view.setInt32(i * POLLFD_BYTES, fd, true);
      this.polled.view.setInt16(i * POLLFD_BYTES + 4, POLLIN, true);
    });
    try {
      // It starts while `ip` runs.
      const lane = workshop.lanes[0] ?? workshop.addLane();
      setUpHost(config);
      lane.ready();
      if (options.realtime === true) beRealtime(ffi, own);
      if (!workshop.isWarm) this.warmUp();
    } catch (error) {
      this.release();
      throw error;
    }
  }

  nowUs(): number {
    return monotonicUs();
  }

  async wait(atUs: number): Promise<void> {
    let slept = 0;
    for (;;) {
      this.look();
      if (this.left.length > 0 || this.returned) break;
      const us = atUs - monotonicUs();
      if (us <= 0) break;
      if (us <= AWAKE_US) continue;
      if (slept >= SLEEP_US) {
        // Signals and messages of the process, too, want to be looked at.
        await turn();
        slept = 0;
      } else slept += this.sleep(Math.min(us - AWAKE_US, SLEEP_US));
    }
    this.returned = false;
  }

  inject(packet: Uint8Array, gsoSize = 0): void {
    this.tun.inject(packet, gsoSize);
    this.settle();
  }

  take(): LeftPacket | null {
    if (this.left.length === 0) this.look();
    return this.left.shift() ?? null;
  }

  call(call: Call): PendingCall {
    if (this.mayBlock(call)) return this.onLane(call);
    const result = this.direct(call);
    this.settle();
    return { result };
  }

  shell(command: string): Promise<ShellResult> {
    return this.shells.run(command);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.workshop.finish();
    this.release();
    if (this.ownsWorkshop) await this.workshop.close();
  }

  /** What was just done may have woken calls under way: they come to their end before anything else. */
  private settle(): void {
    for (const { lane } of this.underWay) lane.settle();
  }

  /**
   * Does once what scripts will do: the first time takes milliseconds, in which V8 compiles and the
   * kernel maps what was never touched.
   */
  private warmUp(): void {
    const { result } = this.call({
      name: 'socket',
      domain: AF_INET,
      type: SOCK_DGRAM,
      protocol: 0,
    });
    const fd = result?.value ?? -1;
    for (let i = 0; i < WARM_UP_ROUNDS; i++) {
      this.call({ name: 'getsockname', fd });
      this.call({ name: 'poll', fds: [{ fd, events: POLLIN }], timeoutMs: 1 });
      this.call({ name: 'recvfrom', fd, len: 1, flags: MSG_DONTWAIT });
      while (this.underWay.size > 0) {
        this.look();
        this.sleep(WARM_UP_SLEEP_US);
      }
    }
    this.call({ name: 'close', fd });
    this.returned = false;
  }

  private release(): void {
    for (const fd of this.fds) this.closeNow(fd);
    this.tap.close();
    this.tun.close();
    this.shells.close();
  }

  /** Closes without waiting for what SO_LINGER would wait for. */
  private closeNow(fd: number): void {
    const { syscall, nr } = this.ffi;
    const off = this.scratch.alloc(8);
    syscall(nr.setsockopt, fd, SOL_SOCKET, SO_LINGER, off.address, 8);
    syscall(nr.close, fd);
    this.scratch.reset();
  }

  /** Takes in what has happened. */
  private look(): void {
    let some = false;
    for (let packet = this.tap.next(); packet !== null; packet = this.tap.next()) {
      some = true;
      this.left.push(packet);
    }
    if (some) this.tun.drain();
    for (const call of this.underWay) {
      if (!call.look()) continue;
      this.underWay.delete(call);
      this.returned = true;
    }
  }

  /** Until a packet leaves, a call returns, or the time is over. */
  private sleep(us: number): number {
    const { syscall, nr } = this.ffi;
    this.timeout.view.setBigInt64(0, BigInt(Math.floor(us / 1e6)), true);
    this.timeout.view.setBigInt64(8, BigInt(Math.floor((us % 1e6) * 1e3)), true);
    syscall(nr.ppoll, this.polled.address, 2, this.timeout.address, 0, 8);
    if (this.polled.view.getInt16(POLLFD_BYTES + 6, true) !== 0)
      syscall(nr.read, this.doneFd, this.timeout.address, 8);
    return us;
  }

  private direct(call: Call): CallResult {
    const prepared = prepare(call, { nr: this.ffi.nr, arena: this.arena, kept: this.kept });
    const value = this.ffi.syscall(prepared.nr, ...prepared.args);
    const endUs = monotonicUs();
    const result = this.finish(call, prepared, value, endUs);
    this.arena.reset();
    return result;
  }

  private onLane(call: Call): PendingCall {
    const lane = this.freeLane();
    const prepared = prepare(call, { nr: this.ffi.nr, arena: lane.arena, kept: this.kept });
    return this.runOnLane(lane, prepared, (value, endUs) =>
      this.finish(call, prepared, value, endUs),
    );
  }

  private runOnLane(
    lane: CallLane,
    prepared: Prepared,
    finish: (value: number, endUs: number) => CallResult,
  ): PendingCall {
    const pending = new LaneCall(lane, (value, endUs) => {
      const result = finish(value, endUs);
      lane.arena.reset();
      return result;
    });
    lane.run(prepared);
    if (!pending.look()) {
      this.underWay.add(pending);
      // The next call that blocks should not have to wait for a thread.
      if (!this.workshop.lanes.some((l) => l.idle || l.starting)) this.workshop.addLane();
    }
    return pending;
  }

  private freeLane(): CallLane {
    const { lanes } = this.workshop;
    let lane = lanes.find((l) => l.idle);
    if (lane === undefined) {
      // The one that was started when the last one got busy.
      lane = lanes.at(-1)?.starting ? lanes.at(-1) : undefined;
      lane ??= this.workshop.addLane();
      lane.ready();
    }
    return lane;
  }

  private finish(call: Call, prepared: Prepared, value: number, endUs: number): CallResult {
    this.account(call, value);
    if (value < 0) return { value: -1, errno: -value, endUs };
    const output: Output = prepared.output?.(value) ?? {};
    for (const fd of output.fds ?? []) this.fds.add(fd);
    return { value, errno: 0, endUs, ...output };
  }

  /** Which descriptors are open: what a script leaves open is closed at the end. */
  private account(call: Call, value: number): void {
    if (value < 0) return;
    const dup =
      call.name === 'fcntl' && (call.command === F_DUPFD || call.command === F_DUPFD_CLOEXEC);
    if (call.name === 'socket') this.congestion.apply(value, call.domain, call.type, call.protocol);
    if (call.name === 'close') this.fds.delete(call.fd);
    else if (
      dup ||
      call.name === 'socket' ||
      call.name === 'accept' ||
      call.name === 'open' ||
      call.name === 'epoll_create'
    )
      this.fds.add(value);
  }

  private mayBlock(call: Call): boolean {
    switch (call.name) {
      case 'poll':
      case 'epoll_wait':
        return call.timeoutMs !== 0;
      case 'close':
        return this.lingers(call.fd);
      case 'recvfrom':
      case 'recvmsg':
      case 'sendto':
      case 'sendmsg':
        return (call.flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) === 0 && this.isBlocking(call.fd);
      case 'splice':
        return this.isBlocking(call.from);
      case 'accept':
      case 'connect':
      case 'read':
      case 'readv':
      case 'write':
      case 'writev':
      case 'sendfile':
        return this.isBlocking(call.fd);
      default:
        return false;
    }
  }

  private isBlocking(fd: number): boolean {
    const flags = this.ffi.syscall(this.ffi.nr.fcntl, fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) === 0;
  }

  /** Whether close() may wait, which O_NONBLOCK does not change. */
  private lingers(fd: number): boolean {
    const { syscall, nr } = this.ffi;
    const value = this.scratch.alloc(8);
    const len = this.scratch.alloc(4);
    len.view.setInt32(0, 8, true);
    this.scratch.reset();
    const args = [fd, SOL_SOCKET, SO_LINGER, value.address, len.address];
    if (syscall(nr.getsockopt, ...args) < 0) return false;
    return value.view.getInt32(0, true) !== 0 && value.view.getInt32(4, true) > 0;
  }
}

/** A host in the network namespace that this process is in, which must be fresh. */
export async function linuxTarget(
  config: TargetConfig,
  options: LinuxOptions = {},
): Promise<Target> {
  const own = async (): Promise<Workshop> =>
    new Workshop(await loadFfi(), options.realtime === true);
  return new LinuxTarget(options.workshop ?? (await own()), config, options);
}
