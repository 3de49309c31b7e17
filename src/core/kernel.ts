/**
 * The machine: clock, timers, random streams, the packets that wait for the stack, and the namespaces.
 * Runs to completion: a driver's `xmit` only enqueues, `run()` drains.
 */

import { drop } from './drop.ts';
import type { Env } from './env.ts';
import type { NetWatcher } from './event.ts';
import { makeProtocols } from './inet.ts';
import { netifReceive } from './link/input.ts';
import type { NetDevice, PacketTap } from './link/net-device.ts';
import { NetNs } from './net.ts';
import { NO_PAYLOAD, Packet } from './packet.ts';
import type { Protocols } from './protocols.ts';
import { Timer, TimerQueue } from './timer.ts';
import type { Tracer } from './trace.ts';
import { Random } from './util/random.ts';

/** Packets taken from one device before the next one has its turn (Linux `dev_weight`). */
const BURST = 64;
/** Packets and timers handled in one `run()` before the host gets a turn. */
const RUN_BUDGET = 4096;

export interface KernelOptions {
  /** Clock, wake-up and entropy of the host. */
  readonly env: Env;
  /** Same seed, same packets. Chosen by `env.random()` when absent. */
  readonly seed?: number;
}

export class Kernel {
  readonly env: Env;
  readonly seed: number;
  /** Time of the current burst in microseconds: the clock that the stack reads. */
  nowUs: number;
  readonly timers: TimerQueue;
  readonly protocols: Protocols = makeProtocols();
  tracer: Tracer | null = null;
  /** Captures on every device of every namespace; null when none. */
  taps: PacketTap[] | null = null;
  /** Told of what happens in every namespace; replaced, never changed. */
  watchers: readonly NetWatcher[] = [];
  /** Devices whose carrier changed while one goes up or down; null: none does (`lweventlist`). */
  linkWatch: NetDevice[] | null = null;
  /** Packets on all backlogs. */
  backlogLength = 0;
  /** All namespaces that live, by id. */
  readonly namespaces: Map<number, NetNs> = new Map();
  /** Null until somebody asks for it with `initNet`. */
  initial: NetNs | null = null;
  /** net.core.devconf_inherit_init_net of the initial namespace. */
  devconfInherit = 0;
  private readonly names: Map<string, NetNs> = new Map();
  private cleanupList: NetNs[] = [];
  private cleanupTimer: Timer | null = null;
  private readonly streams: Map<string, Random> = new Map();
  private pollList: NetDevice[] = [];
  private running = false;
  /** What `env.wakeAt` was last told; Infinity: nothing. */
  private wakeUs = Number.POSITIVE_INFINITY;
  private lastPacketId = 0;
  private lastCookie = 0;
  private lastNetId = 0;
  private lastMac = 0;

  constructor(options: KernelOptions) {
    this.env = options.env;
    this.seed = options.seed ?? options.env.random();
    this.nowUs = options.env.nowUs();
    this.timers = new TimerQueue((atUs) => this.requestWake(atUs));
    options.env.attach?.(this);
  }

  /** Makes a namespace: lo, down, and nothing else (E8). Without a name it is anonymous. */
  addNetNs(name: string | null = null): NetNs {
    const net = new NetNs(this, ++this.lastNetId, name);
    this.namespaces.set(net.id, net);
    if (name !== null) this.names.set(name, net);
    net.events.emit('newnetns', net);
    return net;
  }

  findNetNs(name: string): NetNs | undefined {
    return this.names.get(name);
  }

  /**
   * The initial namespace: where real devices go when theirs ends, and whose settings new namespaces
   * inherit. It has no name, never ends, and is not there until somebody asks for it.
   */
  initNet(): NetNs {
    this.initial ??= this.addNetNs();
    return this.initial;
  }

  /** `ip netns del`: the name goes; the namespace lives on while it is referenced. */
  unnameNetNs(net: NetNs): void {
    const { name } = net;
    if (name === null || this.names.get(name) !== net) return;
    this.names.delete(name);
    net.name = null;
    net.release();
  }

  /** Called by `NetNs.destroy`. */
  forgetNetNs(net: NetNs): void {
    this.namespaces.delete(net.id);
    if (net.name !== null && this.names.get(net.name) === net) this.names.delete(net.name);
    if (this.initial === net) this.initial = null;
  }

  /** A namespace that nobody needs any more ends when the stack has time (`cleanup_net`). */
  cleanup(net: NetNs): void {
    if (net.dead || net === this.initial) return;
    this.cleanupList.push(net);
    this.cleanupTimer ??= this.timer(() => this.cleanupNow());
    this.cleanupTimer.set(this.nowUs);
  }

  /** Ends now what `cleanup` put off. */
  cleanupNow(): void {
    this.cleanupTimer?.clear();
    const list = this.cleanupList;
    this.cleanupList = [];
    for (const net of list) if (!net.referenced) net.destroy();
  }

  /** The stream of random numbers for one purpose; always the same object for one name. */
  random(purpose: string): Random {
    let stream = this.streams.get(purpose);
    if (stream === undefined) {
      stream = new Random(this.seed, purpose);
      this.streams.set(purpose, stream);
    }
    return stream;
  }

  /** A stream of random numbers that its owner keeps: nothing of it is left when the owner goes. */
  ownRandom(purpose: string): Random {
    return new Random(this.seed, purpose);
  }

  timer(fire: () => void): Timer {
    return new Timer(this.timers, fire);
  }

  /**
   * A packet that this kernel builds: new id, no payload, no headers. `dev`: where it will leave, if
   * that is known already.
   */
  newPacket(proto: number, dev: NetDevice | null = null): Packet {
    const pkt = new Packet(++this.lastPacketId, proto, NO_PAYLOAD, 0);
    pkt.dev = dev;
    return pkt;
  }

  nextCookie(): number {
    return ++this.lastCookie;
  }

  /** A locally administered unicast MAC, unique in this kernel and the same for the same seed. */
  nextMac(): number {
    const high = this.random('mac').below(2 ** 16);
    return 0x020000000000 + high * 2 ** 24 + (++this.lastMac & 0xffffff);
  }

  /**
   * Queues a frame that `dev` received (Linux `netif_rx`). Never a direct call into the stack. The
   * queue of one device holds net.core.netdev_max_backlog packets. False: it was dropped.
   */
  enqueue(pkt: Packet, dev: NetDevice): boolean {
    if (!dev.up) {
      drop(dev.net, pkt, 'DEV_READY', dev.name);
      return false;
    }
    const waiting = dev.backlog.length - dev.backlogHead;
    if (waiting >= dev.net.sysctl.netdevMaxBacklog) {
      dev.stats.rxDropped++;
      drop(dev.net, pkt, 'CPU_BACKLOG', dev.name);
      return false;
    }
    pkt.dev = dev;
    dev.backlog.push(pkt);
    this.backlogLength++;
    if (!dev.polled) {
      dev.polled = true;
      this.pollList.push(dev);
      if (!this.running) this.requestWake(this.nowUs);
    }
    return true;
  }

  /**
   * Handles what waits: due timers and queued packets, within a budget; then tells the host when to
   * call again. Does nothing when called from inside itself.
   */
  run(): void {
    if (this.running) return;
    this.running = true;
    this.wakeUs = Number.POSITIVE_INFINITY;
    try {
      this.nowUs = this.env.nowUs();
      let budget = RUN_BUDGET;
      while (budget > 0) {
        while (budget > 0 && this.timers.fireNext(this.nowUs)) budget--;
        if (this.pollList.length === 0) break;
        budget -= this.pollDevices();
      }
    } finally {
      this.running = false;
      const next = this.pollList.length > 0 ? this.nowUs : this.timers.nextAtUs();
      this.requestWake(next);
    }
  }

  /**
   * Lets the stack catch up inside a system call, as Linux runs softirqs when a call leaves the
   * kernel: only when much waits, so that small sends are handled in bursts.
   */
  softirq(): void {
    if (this.backlogLength >= BURST && !this.running) this.run();
  }

  /** True when nothing waits: no packets, no timer that is due. */
  get idle(): boolean {
    return this.pollList.length === 0 && this.timers.nextAtUs() > this.env.nowUs();
  }

  /** When `run()` has something to do: now, a timer's time, or Infinity. */
  nextEventUs(): number {
    return this.pollList.length > 0 ? this.nowUs : this.timers.nextAtUs();
  }

  private pollDevices(): number {
    const list = this.pollList;
    this.pollList = [];
    let done = 0;
    for (const dev of list) done += this.pollDevice(dev);
    return done;
  }

  private pollDevice(dev: NetDevice): number {
    let done = 0;
    const queue = dev.backlog;
    while (dev.backlogHead < queue.length && done < BURST) {
      const pkt = queue[dev.backlogHead] as Packet;
      dev.backlogHead++;
      this.backlogLength--;
      done++;
      netifReceive(pkt);
    }
    if (dev.backlogHead === queue.length) {
      queue.length = 0;
      dev.backlogHead = 0;
      dev.polled = false;
    } else {
      this.pollList.push(dev);
      if (dev.backlogHead >= 1024) {
        queue.splice(0, dev.backlogHead);
        dev.backlogHead = 0;
      }
    }
    return done;
  }

  private requestWake(atUs: number): void {
    if (atUs >= this.wakeUs || this.running) return;
    this.wakeUs = atUs;
    this.env.wakeAt(atUs);
  }
}
