/**
 * fq: a queue for each connection, served in turns, and packets that leave when their sender says (tc-fq(8); Linux
 * `net/sched/sch_fq.c`). TCP gives each packet its time of departure (`Packet.departUs`) and leaves the waiting to
 * this queue. LINUX: three bands by priority; here all flows are of one.
 */
import { drop } from '../drop.ts';
import type { Packet } from '../packet.ts';
import type { Timer } from '../timer.ts';
import { PriorityQueue } from '../util/priority-queue.ts';
import { mix32 } from '../util/random.ts';
import { frameLength } from '../wire/frame.ts';
import type { NetDevice } from './net-device.ts';
import { devHardStartXmit } from './output.ts';
import type { Qdisc } from './qdisc.ts';
import { QdiscStats } from './qdisc-stats.ts';

export interface FqOptions {
  /** Packets of all flows, of one. */
  readonly limit: number;
  readonly flowLimit: number;
  /** Bytes of a flow's turn, and of its first; 0: from the MTU. */
  readonly quantum: number;
  readonly initialQuantum: number;
  /** Bytes per second of a flow at most. */
  readonly maxRate: number;
  /** Times of departure count, and senders are told so. */
  readonly pacing: boolean;
}

export const FQ_DEFAULTS: FqOptions = Object.freeze({
  limit: 10_000,
  flowLimit: 100,
  quantum: 0,
  initialQuantum: 0,
  maxRate: Number.POSITIVE_INFINITY,
  pacing: true,
});

/** A sender that wants to wait longer than this is not believed, µs (`horizon 10s`, `horizon_drop`). */
const HORIZON_US = 10_000_000;
/** A flow that was idle for so long begins anew, µs (`refill_delay 40ms`). */
const REFILL_DELAY_US = 40_000;
/** Keys of flows that have a socket; those of others are 32-bit hashes. */
const OF_SOCKETS = 2 ** 32;
/** Flows without packets that are kept, so that their credit is. */
const IDLE_FLOWS = 1024;

class Flow {
  readonly key: number;
  readonly packets: Packet[] = [];
  credit: number;
  /** When its next packet may leave. */
  nextUs = 0;
  /** When it was served last. */
  ageUs = 0;
  throttled = false;

  constructor(key: number, credit: number) {
    this.key = key;
    this.credit = credit;
  }
}

export class Fq implements Qdisc {
  readonly kind = 'fq';
  readonly paces: boolean;
  readonly options: FqOptions;
  readonly stats: QdiscStats = new QdiscStats();
  /** Times that a flow had to wait for its time; packets over the flow's limit, beyond the horizon. */
  throttledTimes = 0;
  flowsOverLimit = 0;
  horizonDrops = 0;
  private readonly dev: NetDevice;
  private readonly timer: Timer;
  private readonly flows = new Map<number, Flow>();
  private fresh: Flow[] = [];
  private old: Flow[] = [];
  private readonly waiting = new PriorityQueue<Flow>();

  constructor(dev: NetDevice, options: FqOptions) {
    this.dev = dev;
    const mtu = dev.mtu + dev.hardHeaderLen;
    const quantum = options.quantum === 0 ? 2 * mtu : options.quantum;
    const initialQuantum = options.initialQuantum === 0 ? 10 * mtu : options.initialQuantum;
    this.options = { ...options, quantum, initialQuantum };
    this.paces = options.pacing;
    this.timer = dev.net.kernel.timer(() => this.run());
  }

  get flowCount(): number {
    return this.flows.size;
  }

  get throttledCount(): number {
    return this.waiting.size;
  }

  get inactiveCount(): number {
    return this.flows.size - this.fresh.length - this.old.length - this.waiting.size;
  }

  /** Linux `fq_enqueue` */
  enqueue(pkt: Packet): void {
    const { stats, options } = this;
    const nowUs = this.dev.net.kernel.nowUs;
    if (stats.backlogPackets >= options.limit) {
      this.refuse(pkt, 'fq limit');
      return;
    }
    if (options.pacing && pkt.departUs > nowUs + HORIZON_US) {
      this.horizonDrops++;
      this.refuse(pkt, 'fq horizon');
      return;
    }
    const flow = this.classify(pkt, nowUs);
    if (flow.packets.length >= options.flowLimit) {
      this.flowsOverLimit++;
      this.refuse(pkt, 'fq flow limit');
      return;
    }
    if (flow.packets.length === 0 && !flow.throttled) {
      if (nowUs - flow.ageUs > REFILL_DELAY_US)
        flow.credit = Math.max(flow.credit, options.quantum);
      this.fresh.push(flow);
    }
    flow.packets.push(pkt);
    stats.backlogPackets++;
    stats.backlogBytes += frameLength(pkt);
    this.run();
  }

  reset(): void {
    for (const flow of this.flows.values())
      for (const pkt of flow.packets) this.discard(pkt, 'fq reset');
    this.flows.clear();
    this.fresh = [];
    this.old = [];
    this.waiting.clear();
    this.stats.backlogPackets = 0;
    this.stats.backlogBytes = 0;
    this.timer.clear();
  }

  private refuse(pkt: Packet, why: string): void {
    this.stats.dropped++;
    this.discard(pkt, why);
  }

  private discard(pkt: Packet, why: string): void {
    drop(this.dev.net, pkt, 'QDISC_DROP', why);
  }

  /** The flow of a connection; without a socket, of its addresses and ports (`fq_classify`). */
  private classify(pkt: Packet, nowUs: number): Flow {
    const key = pkt.owner === null ? hashOf(pkt) : OF_SOCKETS + pkt.owner.flow;
    let flow = this.flows.get(key);
    if (flow === undefined) {
      if (this.flows.size >= IDLE_FLOWS) this.collect(nowUs);
      flow = new Flow(key, this.options.initialQuantum);
      flow.ageUs = nowUs;
      this.flows.set(key, flow);
    }
    return flow;
  }

  /** Forgets flows that have nothing to send (`fq_gc`). */
  private collect(nowUs: number): void {
    for (const flow of this.flows.values())
      if (flow.packets.length === 0 && !flow.throttled && nowUs - flow.ageUs > REFILL_DELAY_US)
        if (!this.fresh.includes(flow) && !this.old.includes(flow)) this.flows.delete(flow.key);
  }

  /** Sends all that may leave now, and sets the timer for the next flow that waits. */
  private run(): void {
    const nowUs = this.dev.net.kernel.nowUs;
    while (this.waiting.minKey() <= nowUs) {
      const flow = this.waiting.pop() as Flow;
      flow.throttled = false;
      this.old.push(flow);
    }
    for (let pkt = this.dequeue(nowUs); pkt !== null; pkt = this.dequeue(nowUs)) this.deliver(pkt);
    if (this.waiting.size > 0) this.timer.set(Math.ceil(this.waiting.minKey()));
  }

  /** The next packet whose time has come: new flows first, each for its quantum (`fq_dequeue`). */
  private dequeue(nowUs: number): Packet | null {
    for (;;) {
      const isFresh = this.fresh.length > 0;
      const list = isFresh ? this.fresh : this.old;
      const flow = list[0];
      if (flow === undefined) return null;
      if (flow.credit <= 0) {
        flow.credit += this.options.quantum;
        list.shift();
        this.old.push(flow);
        continue;
      }
      const pkt = flow.packets[0];
      if (pkt === undefined) {
        list.shift();
        // Force a pass through the old flows, so that nobody gains by pausing.
        if (isFresh && this.old.length > 0) this.old.push(flow);
        else flow.ageUs = nowUs;
        continue;
      }
      if (this.throttle(flow, pkt, nowUs)) {
        list.shift();
        continue;
      }
      flow.packets.shift();
      this.charge(flow, pkt, nowUs);
      return pkt;
    }
  }

  private throttle(flow: Flow, pkt: Packet, nowUs: number): boolean {
    const whenUs = Math.max(this.options.pacing ? pkt.departUs : 0, flow.nextUs);
    if (whenUs <= nowUs) return false;
    flow.nextUs = whenUs;
    flow.throttled = true;
    this.throttledTimes++;
    this.waiting.push(whenUs, flow);
    return true;
  }

  /** maxrate holds whatever the sender says. */
  private charge(flow: Flow, pkt: Packet, nowUs: number): void {
    const len = frameLength(pkt);
    flow.credit -= len;
    flow.ageUs = nowUs;
    const { maxRate } = this.options;
    if (maxRate !== Number.POSITIVE_INFINITY) flow.nextUs = nowUs + (len * 1_000_000) / maxRate;
  }

  private deliver(pkt: Packet): void {
    const { dev, stats } = this;
    const len = frameLength(pkt);
    stats.backlogPackets--;
    stats.backlogBytes -= len;
    stats.sentPackets += pkt.gsoSize > 0 ? Math.ceil(pkt.len / pkt.gsoSize) : 1;
    stats.sentBytes += len;
    const { owner } = pkt;
    pkt.owner = null;
    if (dev.up) devHardStartXmit(pkt, dev);
    else drop(dev.net, pkt, 'DEV_READY', dev.name);
    if (owner !== null) owner.released();
  }
}

function hashOf(pkt: Packet): number {
  const { ip, ip6, tcp, udp } = pkt;
  const head = tcp ?? udp;
  const ports = head === null ? 0 : (head.sport << 16) | head.dport;
  if (ip6 !== null) return ip6.src.hash(ip6.dst.hash(ports));
  return mix32(mix32(ip?.src ?? 0, ip?.dst ?? 0), ports);
}
