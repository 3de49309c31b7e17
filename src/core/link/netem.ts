/**
 * netem: a link with delay, loss, duplication, corruption, reordering and a rate (tc-netem(8); Linux
 * `net/sched/sch_netem.c`). Packets wait in order of the time at which they leave, so that jitter
 * reorders them. All chance comes from one stream per device and namespace.
 */
import { drop } from '../drop.ts';
import { ipLength, type Packet } from '../packet.ts';
import type { Timer } from '../timer.ts';
import type { Random } from '../util/random.ts';
import { ETH_P_IP } from '../wire/ethernet.ts';
import { frameBytes, frameLength, parseFrame, parseIpv4Packet } from '../wire/frame.ts';
import { segment } from './gso.ts';
import type { NetDevice } from './net-device.ts';
import { Chance, CorrelatedRandom, jitterAt, LossModel } from './netem-chance.ts';
import type { NetemOptions } from './netem-options.ts';
import type { Qdisc } from './qdisc.ts';

/** What `tc -s qdisc show` counts. */
export class QdiscStats {
  sentPackets = 0;
  sentBytes = 0;
  dropped = 0;
  overlimits = 0;
  /** Packets that overtook the queue. */
  requeues = 0;
  backlogPackets = 0;
  backlogBytes = 0;
}

/** A packet on its way. */
interface Entry {
  readonly pkt: Packet;
  /** Bytes on the wire. */
  readonly len: number;
  /** When it leaves, microseconds with fractions. */
  readonly timeUs: number;
  /** Order of arrival, breaks ties. */
  readonly order: number;
}

export class Netem implements Qdisc {
  readonly kind = 'netem';
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
  private readonly heap: Entry[] = [];
  private nextOrder = 0;
  /** Latest leaving time in the queue: that one leaves last, so it holds until the queue is empty. */
  private lastUs = 0;
  /** Packets since the last one that overtook. */
  private counter = 0;
  private duplicating = false;

  constructor(dev: NetDevice, options: NetemOptions) {
    this.dev = dev;
    this.options = options;
    const kernel = dev.net.kernel;
    this.random = kernel.random(`netem:${dev.net.name ?? dev.net.id}:${dev.name}`);
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
    for (const entry of this.heap) this.dropped(entry.pkt, 'QDISC_DROP', 'reset');
    this.heap.length = 0;
    this.stats.backlogPackets = 0;
    this.stats.backlogBytes = 0;
    this.timer.clear();
  }

  /** Linux `netem_enqueue`. */
  private enqueueOne(pkt: Packet): void {
    const twice = !this.duplicating && this.duplicate.next();
    if (this.loss?.next() === true) {
      if (this.options.ecn && setCe(pkt)) this.stats.dropped++;
      else if (!twice) {
        this.stats.dropped++;
        this.dropped(pkt, 'QDISC_DROP', 'loss');
        return;
      } else return this.enqueueCopy(pkt, true);
    }
    const copy = twice ? pkt.clone() : null;
    if (this.corrupt.next()) this.flipBit(pkt);
    if (this.heap.length >= this.options.limit) {
      this.stats.dropped++;
      this.stats.overlimits++;
      this.dropped(pkt, 'QDISC_OVERLIMIT', 'limit');
      return;
    }
    if (copy !== null) this.enqueueCopy(copy, false);
    this.schedule(pkt);
  }

  /** The second of two goes through all of it again, but is not duplicated. */
  private enqueueCopy(_pkt: Packet, _only: boolean): void {}
}
