/**
 * A neighbour: which link-layer address a next hop has, and how sure we are (RFC 4861 §7.3; Linux
 * `net/core/neighbour.c`). The table is in `link/neighbour-table.ts`; how to ask is the protocol's.
 *
 * TX 3/5. From: `network/ipv4/output.ts` To: `link/output.ts`
 */
import { drop } from '../drop.ts';
import { EINVAL, EPERM } from '../errno.ts';
import { ipLength, type Packet } from '../packet.ts';
import type { Timer } from '../timer.ts';
import { EthHeader } from '../wire/ethernet.ts';
import {
  NEIGH_UPDATE_ADMIN,
  NEIGH_UPDATE_OVERRIDE,
  NEIGH_UPDATE_WEAK_OVERRIDE,
  NUD_CONNECTED,
  NUD_DELAY,
  NUD_FAILED,
  NUD_IN_TIMER,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_NONE,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
  NUD_VALID,
} from './neighbour-state.ts';
import type { NeighbourTable } from './neighbour-table.ts';
import type { NetDevice } from './net-device.ts';
import { devQueueXmit } from './output.ts';

/** Shortest time between two probes (Linux `HZ/100`). */
const MIN_TIMER_US = 10_000;
const SECOND_US = 1_000_000;

/** @typeParam A the protocol's address: a signed 32-bit integer, or an `Ip6Addr` */
export class Neighbour<A = number> {
  readonly table: NeighbourTable<A>;
  readonly dev: NetDevice;
  readonly addr: A;
  /** `NUD_*` */
  state: number = NUD_NONE;
  /** 48-bit integer; meaningful in a state of NUD_VALID. */
  mac = 0;
  /** The link header of every packet to this neighbour; null while it has no address, and without one. */
  header: EthHeader | null = null;
  /** Removed from the table: whoever keeps it looks again. */
  dead = false;
  /** It said that it is a router (`NTF_ROUTER`; RFC 4861 §7.2.5). */
  isRouter = false;
  /** Requests sent without an answer. */
  probes = 0;
  /** Last use while in doubt, last confirmation, last change: microseconds. */
  usedUs: number;
  confirmedUs: number;
  updatedUs: number;
  /** Packets that wait for the address, oldest first; null: there never were any. */
  private queue: Packet[] | null = null;
  /** What they take of `unres_qlen_bytes`. */
  private queueBytes = 0;
  /** Null while there was nothing to wait for: a group's entry never needs one. */
  private timer: Timer | null = null;

  constructor(table: NeighbourTable<A>, dev: NetDevice, addr: A) {
    const nowUs = table.kernel.nowUs;
    this.table = table;
    this.dev = dev;
    this.addr = addr;
    this.usedUs = nowUs;
    this.confirmedUs = nowUs - 2000 * table.conf(dev).baseReachableTimeMs;
    this.updatedUs = nowUs;
  }

  /**
   * Sends a packet to this neighbour, or keeps it until the address is known; `pkt.dev` is the
   * neighbour's device. Takes ownership. Returns 0 or `-errno`.
   */
  output(pkt: Packet): number {
    const state = this.state;
    if ((state & NUD_CONNECTED) === 0) {
      this.usedUs = this.table.kernel.nowUs;
      if ((state & (NUD_DELAY | NUD_PROBE)) === 0 && !this.resolve(pkt)) return 0;
    }
    pkt.eth = this.header;
    return devQueueXmit(pkt);
  }

  /** Something above saw the neighbour answer (`dst_confirm`). */
  confirm(): void {
    this.confirmedUs = this.table.kernel.nowUs;
  }

  /** Packets that wait. */
  get waiting(): number {
    return this.queue?.length ?? 0;
  }

  /** What the timer waits for, or the packets in the queue, keep the entry from collection. */
  get busy(): boolean {
    return this.timer?.pending === true;
  }

  /** `ip neigh … use`: starts to resolve, as a packet would (`neigh_event_send` without one). */
  use(): void {
    this.usedUs = this.table.kernel.nowUs;
    if ((this.state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) === 0) this.resolve(null);
  }

  /** Address of a new entry that needs no resolution: the protocol's constructor calls it. */
  setNoarp(mac: number): void {
    this.setMac(mac);
    this.state = NUD_NOARP;
  }

  /**
   * New knowledge (Linux `__neigh_update`): `mac` null when the state changes alone. Returns 0 or
   * `-errno`; what the kernel says about a refusal is in `table.extack`.
   */
  update(mac: number | null, newState: number, flags: number): number {
    const old = this.state;
    if (this.dead) return this.refuse(EPERM, 'Neighbor entry is now dead');
    const admin = (flags & NEIGH_UPDATE_ADMIN) !== 0;
    if (!admin && (old & (NUD_NOARP | NUD_PERMANENT)) !== 0) return this.refuse(EPERM, '');
    if ((newState & NUD_VALID) === 0) {
      this.invalidate(newState);
      return 0;
    }
    const known = (old & NUD_VALID) !== 0;
    const hasMacs = this.dev.hardHeaderLen > 0;
    if (mac === null && hasMacs && !known)
      return this.refuse(EINVAL, 'No link layer address given');
    const address = mac === null || !hasMacs ? this.mac : mac;
    if ((newState & NUD_CONNECTED) !== 0) this.confirmedUs = this.table.kernel.nowUs;
    const differs = address !== this.mac || (hasMacs && this.header === null);
    if (!known || !differs) {
      // Hearsay about what we know already does not make us less sure.
      const keeps = known && newState === NUD_STALE && !admin;
      this.learn(address, differs, keeps ? old : newState);
    } else if ((flags & NEIGH_UPDATE_OVERRIDE) !== 0) {
      this.learn(address, true, newState);
    } else if ((flags & NEIGH_UPDATE_WEAK_OVERRIDE) !== 0 && (old & NUD_CONNECTED) !== 0) {
      this.learn(this.mac, false, NUD_STALE);
    }
    return 0;
  }

  /** Out of the table: the timer stops, what waits dies. Called by the table. */
  kill(): void {
    this.dead = true;
    this.timer?.clear();
    this.state = NUD_NONE;
    this.purge();
  }

  /** The second half of `__neigh_update`: takes over an address and a state in which it is valid. */
  private learn(mac: number, differs: boolean, state: number): void {
    const old = this.state;
    const nowUs = this.table.kernel.nowUs;
    if (state !== old || differs) this.updatedUs = nowUs;
    if (state !== old) {
      this.timer?.clear();
      if (state === NUD_PROBE) this.probes = 0;
      this.setState(state);
      if (state === NUD_REACHABLE) this.setTimer(nowUs + this.table.reachableUs(this.dev));
      else if ((state & NUD_IN_TIMER) !== 0) this.setTimer(nowUs);
    }
    if (differs) {
      this.setMac(mac);
      if ((state & NUD_CONNECTED) === 0)
        this.confirmedUs = nowUs - 2000 * this.table.conf(this.dev).baseReachableTimeMs;
    }
    if (state === old && !differs) return;
    if ((old & NUD_VALID) === 0) this.flush();
    this.emit();
  }

  /** The address is not, or no longer, to be used. */
  private invalidate(state: number): void {
    const old = this.state;
    this.timer?.clear();
    this.setState(state);
    const failed = (old & (NUD_INCOMPLETE | NUD_PROBE)) !== 0 && (state & NUD_FAILED) !== 0;
    if (failed) this.fail();
    if (failed || (old & NUD_VALID) !== 0) this.emit();
  }

  private refuse(errno: number, sentence: string): number {
    this.table.extack = sentence;
    return -errno;
  }

  private setState(state: number): void {
    const wasPermanent = (this.state & NUD_PERMANENT) !== 0;
    this.state = state;
    if (wasPermanent !== ((state & NUD_PERMANENT) !== 0)) this.table.updateGcList(this);
  }

  private setMac(mac: number): void {
    const dev = this.dev;
    this.mac = mac;
    if (dev.hardHeaderLen > 0)
      this.header = new EthHeader(mac, dev.mac, this.table.protocol.etherType);
  }

  /** Linux `__neigh_event_send`: true when the packet may go now; otherwise it is kept or dropped. */
  private resolve(pkt: Packet | null): boolean {
    const nowUs = this.table.kernel.nowUs;
    if (this.dead) return this.lose(pkt, 'NEIGH_DEAD');
    const conf = this.table.conf(this.dev);
    if (this.state === NUD_STALE) {
      this.updatedUs = nowUs;
      this.state = NUD_DELAY;
      this.setTimer(nowUs + conf.delayFirstProbeTime * SECOND_US);
      return true;
    }
    const starts = this.state !== NUD_INCOMPLETE;
    if (starts) {
      this.updatedUs = nowUs;
      if (conf.mcastSolicit === 0) {
        this.state = NUD_FAILED;
        return this.lose(pkt, 'NEIGH_FAILED');
      }
      // There is no address to which a unicast request could go.
      this.probes = conf.ucastSolicit;
      this.state = NUD_INCOMPLETE;
      this.setTimer(nowUs + this.retransUs());
    }
    if (pkt !== null) this.enqueue(pkt, conf.unresQlenBytes);
    if (starts) this.probe();
    return false;
  }

  private lose(pkt: Packet | null, reason: 'NEIGH_DEAD' | 'NEIGH_FAILED'): false {
    if (pkt !== null) drop(this.dev.net, pkt, reason, this.dev.name);
    return false;
  }

  /** The newest packets stay. */
  private enqueue(pkt: Packet, limit: number): void {
    const size = truesize(pkt);
    this.queue ??= [];
    while (this.queueBytes + size > limit && this.queue.length > 0)
      drop(this.dev.net, this.dequeue(), 'NEIGH_QUEUEFULL', this.dev.name);
    this.queue.push(pkt);
    this.queueBytes += size;
  }

  private dequeue(): Packet {
    const pkt = this.queue?.shift() as Packet;
    this.queueBytes -= truesize(pkt);
    return pkt;
  }

  /** The address is known: what waited goes, in order. */
  private flush(): void {
    while (this.waiting > 0 && (this.state & NUD_VALID) !== 0) {
      const pkt = this.dequeue();
      pkt.eth = this.header;
      devQueueXmit(pkt);
    }
  }

  /** Nobody answered: each packet that waits is reported to its sender (`neigh_invalidate`). */
  private fail(): void {
    this.updatedUs = this.table.kernel.nowUs;
    const linkFailure = this.table.kernel.protocols.linkFailure;
    // A report may itself need this neighbour, and begin to resolve it again.
    while (this.state === NUD_FAILED && this.waiting > 0) linkFailure(this.dequeue());
    this.purge();
  }

  private purge(): void {
    while (this.waiting > 0) drop(this.dev.net, this.dequeue(), 'QUEUE_PURGE', this.dev.name);
  }

  /** Linux `neigh_timer_handler`. */
  private onTimer(): void {
    if (this.state === NUD_REACHABLE) this.afterReachable();
    else if (this.state === NUD_DELAY) this.afterDelay();
    else this.afterProbe(false);
  }

  private afterReachable(): void {
    const nowUs = this.table.kernel.nowUs;
    const delayUs = this.table.conf(this.dev).delayFirstProbeTime * SECOND_US;
    const untilUs = this.confirmedUs + this.table.reachableUs(this.dev);
    if (nowUs <= untilUs) {
      this.arm(untilUs);
      return;
    }
    this.updatedUs = nowUs;
    if (nowUs <= this.usedUs + delayUs) {
      this.state = NUD_DELAY;
      this.arm(nowUs + delayUs);
    } else {
      this.state = NUD_STALE;
      this.emit();
    }
  }

  private afterDelay(): void {
    const nowUs = this.table.kernel.nowUs;
    this.updatedUs = nowUs;
    if (nowUs <= this.confirmedUs + this.table.conf(this.dev).delayFirstProbeTime * SECOND_US) {
      this.state = NUD_REACHABLE;
      this.arm(this.confirmedUs + this.table.reachableUs(this.dev));
      this.emit();
      return;
    }
    this.state = NUD_PROBE;
    this.probes = 0;
    this.afterProbe(true);
  }

  /** A request was not answered, or the first one is due (`isNew`). */
  private afterProbe(isNew: boolean): void {
    if (this.probes >= this.maxProbes()) {
      this.state = NUD_FAILED;
      this.fail();
      this.emit();
      return;
    }
    this.setTimer(this.table.kernel.nowUs + this.retransUs());
    this.probe();
    if (isNew) this.emit();
  }

  private setTimer(atUs: number): void {
    this.timer ??= this.table.kernel.timer(() => this.onTimer());
    this.timer.set(atUs);
  }

  /** Not before a hundredth of a second from now. */
  private arm(atUs: number): void {
    this.setTimer(Math.max(atUs, this.table.kernel.nowUs + MIN_TIMER_US));
  }

  private retransUs(): number {
    return Math.max(this.table.conf(this.dev).retransTimeMs * 1000, MIN_TIMER_US);
  }

  private maxProbes(): number {
    const conf = this.table.conf(this.dev);
    const mcast = this.state === NUD_PROBE ? conf.mcastResolicit : conf.mcastSolicit;
    return conf.ucastSolicit + mcast;
  }

  /** Asks: the last known address first, then everybody. */
  private probe(): void {
    const unicast = this.probes < this.table.conf(this.dev).ucastSolicit;
    this.probes++;
    this.table.protocol.solicit(this, this.queue?.at(-1) ?? null, unicast);
  }

  private emit(): void {
    this.dev.net.events.emit('newneigh', this);
  }
}

/** Sizes of the memory that Linux takes for a packet: its small-head cache, then powers of two. */
const SMALL_HEAD = 576;
const SK_BUFF = 256;
const SHARED_INFO = 320;
/** Link header, alignment and trailer around an IP packet. */
const HEADROOM = 46;

/** What Linux accounts for a packet of this size (`skb->truesize`), measured on 6.18. */
function truesize(pkt: Packet): number {
  const len = ipLength(pkt);
  // TCP's data lie in pages beside a small head.
  if (pkt.tcp !== null) return SK_BUFF + SMALL_HEAD + pkt.len;
  const head = ((len + HEADROOM + 63) & ~63) + SHARED_INFO;
  if (head <= SMALL_HEAD) return SK_BUFF + SMALL_HEAD;
  let size = 1024;
  while (size < head) size *= 2;
  return SK_BUFF + size;
}
