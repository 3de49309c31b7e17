/**
 * netem: a link with delay, loss, duplication, corruption, reordering and a rate (tc-netem(8); Linux
 * `net/sched/sch_netem.c`). Packets wait in order of the time at which they leave, so that jitter
 * reorders them. All chance comes from one stream per device and namespace.
 */
import { drop } from '../drop.ts';
import type { Packet } from '../packet.ts';
import type { Timer } from '../timer.ts';
import { PriorityQueue } from '../util/priority-queue.ts';
import type { Random } from '../util/random.ts';
import { frameBytes, frameLength, parseFrame, parseNetwork } from '../wire/frame.ts';
import { segment } from './gso.ts';
import type { NetDevice } from './net-device.ts';
import { Chance, CorrelatedRandom, jitterAt, LossModel } from './netem-chance.ts';
import type { NetemOptions } from './netem-options.ts';
import { devHardStartXmit } from './output.ts';
import type { Qdisc } from './qdisc.ts';
import { QdiscStats } from './qdisc-stats.ts';

export class Netem implements Qdisc {
  readonly kind = 'netem';
  readonly paces = false;
  readonly options: NetemOptions;
  readonly stats: QdiscStats = new QdiscStats();
  private readonly dev: NetDevice;
  private readonly timer: Timer;
  private readonly random: Random;
  private readonly jitter: CorrelatedRandom;
  private readonly duplicate: Chance;
  private readonly corrupt: Chance;
  private readonly reorder: Chance;
  private readonly loss: LossModel | null;
  /** By the time at which they leave, microseconds with fractions. */
  private readonly queue: PriorityQueue<Packet> = new PriorityQueue();
  /** Latest leaving time in the queue: that one leaves last, so it holds until the queue is empty. */
  private lastUs = 0;
  /** Packets since the last one that overtook. */
  private counter = 0;
  private duplicating = false;

  constructor(dev: NetDevice, options: NetemOptions) {
    this.dev = dev;
    this.options = options;
    const kernel = dev.net.kernel;
    this.random = kernel.ownRandom(`netem:${dev.net.name ?? dev.net.id}:${dev.name}`);
    this.timer = kernel.timer(() => this.dequeue());
    this.jitter = new CorrelatedRandom(this.random, options.delayCorrelation);
    this.duplicate = new Chance(this.random, options.duplicate);
    this.corrupt = new Chance(this.random, options.corrupt);
    this.reorder = new Chance(this.random, options.reorder);
    this.loss = options.loss === null ? null : new LossModel(this.random, options.loss);
  }

  enqueue(pkt: Packet): void {
    // DEVIATION: Linux delays and loses a GSO packet as a whole; a wire carries its segments.
    if (pkt.gsoSize > 0) {
      const parts = segment(pkt);
      for (let i = 0; i < parts.length; i++) this.enqueueOne(parts[i] as Packet);
    } else this.enqueueOne(pkt);
    this.dequeue();
  }

  reset(): void {
    for (const pkt of this.queue.clear()) drop(this.dev.net, pkt, 'QDISC_DROP', 'netem reset');
    this.stats.backlogPackets = 0;
    this.stats.backlogBytes = 0;
    this.timer.clear();
  }

  /** Linux `netem_enqueue`. */
  private enqueueOne(pkt: Packet): void {
    let count = !this.duplicating && this.duplicate.next() ? 2 : 1;
    if (this.loss?.next() === true) {
      // A marked packet counts as dropped, as on Linux.
      if (this.options.ecn && setCe(pkt)) this.stats.dropped++;
      else count--;
    }
    if (count === 0) {
      this.stats.dropped++;
      drop(this.dev.net, pkt, 'QDISC_DROP', 'netem loss');
      return;
    }
    const copy = count > 1 ? pkt.clone() : null;
    if (this.corrupt.next()) this.flipBit(pkt);
    if (this.queue.size >= this.options.limit) {
      this.stats.dropped++;
      this.stats.overlimits++;
      drop(this.dev.net, pkt, 'QDISC_OVERLIMIT', 'netem limit');
      return;
    }
    if (copy !== null) {
      // The copy meets loss and delay of its own, but is not duplicated again.
      this.duplicating = true;
      this.enqueueOne(copy);
      this.duplicating = false;
    }
    this.schedule(pkt);
  }

  private schedule(pkt: Packet): void {
    const o = this.options;
    const inGap = o.gap === 0 || this.counter < o.gap - 1;
    if (!inGap && this.reorder.next()) {
      this.counter = 0;
      this.stats.requeues++;
      this.deliver(pkt);
      return;
    }
    this.counter++;
    const nowUs = this.dev.net.kernel.nowUs;
    let fromUs = nowUs;
    let delay = o.delayUs;
    if (o.jitterUs > 0) delay += o.jitterUs * jitterAt(o.distribution, this.jitter.next());
    const len = frameLength(pkt);
    if (o.rate > 0) {
      // The wire is busy until the last packet in the queue has left.
      if (this.queue.size > 0) {
        fromUs = this.lastUs;
        delay = Math.max(0, delay - (fromUs - nowUs));
      }
      delay += transmitUs(len, o);
    }
    const leaveUs = fromUs + delay;
    if (this.queue.size === 0 || leaveUs > this.lastUs) this.lastUs = leaveUs;
    this.queue.push(leaveUs, pkt);
    this.stats.backlogPackets++;
    this.stats.backlogBytes += len;
  }

  /** Sends what is due, and sets the timer for the next one. */
  private dequeue(): void {
    const nowUs = this.dev.net.kernel.nowUs;
    while (this.queue.minKey() <= nowUs) {
      const pkt = this.queue.pop() as Packet;
      this.stats.backlogPackets--;
      this.stats.backlogBytes -= frameLength(pkt);
      this.deliver(pkt);
    }
    if (this.queue.size > 0) this.timer.set(Math.ceil(this.queue.minKey()));
  }

  private deliver(pkt: Packet): void {
    const dev = this.dev;
    this.stats.sentPackets++;
    this.stats.sentBytes += frameLength(pkt);
    if (dev.up) devHardStartXmit(pkt, dev);
    else drop(dev.net, pkt, 'DEV_READY', dev.name);
  }

  /** A bit that flips on the wire, anywhere in the frame. */
  private flipBit(pkt: Packet): void {
    const bytes = frameBytes(pkt);
    if (bytes.length === 0) return;
    const bit = this.random.below(bytes.length * 8);
    bytes[bit >>> 3] = (bytes[bit >>> 3] as number) ^ (1 << (bit & 7));
    if (pkt.eth !== null) parseFrame(bytes, pkt);
    else parseNetwork(bytes, pkt.proto, pkt);
  }
}

/** Microseconds that `len` bytes take at the rate (Linux `packet_time_ns`). */
function transmitUs(len: number, o: NetemOptions): number {
  let bytes = len + o.packetOverhead;
  if (o.cellSize > 0) bytes = Math.ceil(bytes / o.cellSize) * (o.cellSize + o.cellOverhead);
  return Math.max(0, (bytes * 1_000_000) / o.rate);
}

/** Marks congestion experienced; false if the sender is not capable of it (RFC 3168 §5). */
function setCe(pkt: Packet): boolean {
  const { ip, ip6 } = pkt;
  if (ip6 !== null && (ip6.tclass & 3) !== 0) {
    ip6.tclass |= 3;
    return true;
  }
  if (ip === null || (ip.tos & 3) === 0) return false;
  ip.tos |= 3;
  return true;
}
