/**
 * Putting fragments together (RFC 791 §3.2, RFC 815; Linux `ip_fragment.c`, `inet_fragment.c`). Memory is
 * bounded by net.ipv4.ipfrag_high_thresh; a datagram whose fragments overlap is given up whole (RFC 5722 §4,
 * which Linux applies to IPv4 too).
 */
import { type DropReason, drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { type Packet, PACKET_HOST } from '../../packet.ts';
import type { Timer } from '../../timer.ts';
import { parseL4 } from '../../wire/frame.ts';
import { ICMP_EXC_FRAGTIME, ICMP_TIME_EXCEEDED } from '../../wire/icmp.ts';
import { IP_MAX_MTU, IP_DF, IP_MF, IP_OFFSET, type Ipv4Header } from '../../wire/ipv4.ts';
import { icmpSend } from './icmp.ts';

/** What Linux accounts for a fragment besides its bytes (`skb->truesize`). */
const TRUESIZE_OVERHEAD = 576;
const QUEUE_OVERHEAD = 200;
/** net.ipv4.ipfrag_max_dist's table is bounded too. */
const MAX_PEERS = 1024;

/** One datagram that is not complete. */
class Queue {
  /** Fragments by offset, none overlapping. */
  readonly parts: Packet[] = [];
  /** Bytes that have come, and where the last fragment ends; -1 while unknown. */
  received = 0;
  end = -1;
  bytes = QUEUE_OVERHEAD;
  /** ECN fields that were seen, one bit each. */
  ecn = 0;
  maxDfSize = 0;
  maxSize = 0;
  readonly key: string;
  readonly timer: Timer;
  /** Counter of its sender when the last fragment came. */
  rid = 0;

  constructor(key: string, timer: Timer) {
    this.key = key;
    this.timer = timer;
  }
}

export class Reassembly {
  /** Bytes in use, as Linux counts them. */
  memory = 0;
  private readonly net: NetNs;
  private readonly queues: Map<string, Queue> = new Map();
  /** How many fragments each sender has sent: tells when one is too late (ipfrag_max_dist). */
  private readonly peers: Map<number, number> = new Map();

  constructor(net: NetNs) {
    this.net = net;
  }

  /** Datagrams that wait. */
  get pending(): number {
    return this.queues.size;
  }

  /** Takes a fragment; returns the whole datagram when it was the last one missing. */
  add(pkt: Packet): Packet | null {
    const { net } = this;
    net.mib[MIB.IpReasmReqds]++;
    const ip = pkt.ip as Ipv4Header;
    const dev = pkt.dev as NetDevice;
    const size = TRUESIZE_OVERHEAD + pkt.len;
    if (this.memory + size > net.sysctl.ipfragHighThresh) {
      this.fail(pkt, 'NOMEM');
      return null;
    }
    const queue = this.find(ip, dev);
    const reason = this.insert(queue, pkt, ip);
    if (reason !== null) {
      this.fail(pkt, reason);
      return null;
    }
    queue.bytes += size;
    this.memory += size;
    if (queue.end < 0 || queue.received !== queue.end || !startsAtZero(queue)) return null;
    return this.finish(queue);
  }

  destroy(): void {
    for (const queue of [...this.queues.values()]) this.remove(queue);
    this.peers.clear();
  }

  private find(ip: Ipv4Header, dev: NetDevice): Queue {
    const key = `${ip.src} ${ip.dst} ${ip.id} ${ip.protocol} ${dev.master?.ifindex ?? 0}`;
    let queue = this.queues.get(key);
    if (queue !== undefined && this.isTooFar(queue, ip.src)) {
      this.net.mib[MIB.IpReasmFails]++;
      this.dropAll(queue, 'FRAG_TOO_FAR');
      queue = undefined;
    }
    if (queue === undefined) {
      const { kernel, sysctl } = this.net;
      const timer = kernel.timer(() => this.expire(key));
      queue = new Queue(key, timer);
      timer.set(kernel.nowUs + sysctl.ipfragTime * 1e6);
      this.queues.set(key, queue);
      this.memory += queue.bytes;
      this.isTooFar(queue, ip.src);
    }
    return queue;
  }

  /** Linux `ip_frag_too_far`: more than ipfrag_max_dist fragments of the sender came in between. */
  private isTooFar(queue: Queue, src: number): boolean {
    const max = this.net.sysctl.ipfragMaxDist;
    if (max === 0) return false;
    const start = queue.rid;
    const end = (this.peers.get(src) ?? 0) + 1;
    if (!this.peers.has(src) && this.peers.size >= MAX_PEERS) this.peers.clear();
    this.peers.set(src, end);
    queue.rid = end;
    return queue.parts.length > 0 && end - start > max;
  }

  /** Null when it fits; otherwise why not (`ip_frag_queue`, `inet_frag_queue_insert`). */
  private insert(queue: Queue, pkt: Packet, ip: Ipv4Header): DropReason | null {
    const offset = (ip.frag & IP_OFFSET) * 8;
    let end = offset + pkt.len;
    const more = (ip.frag & IP_MF) !== 0;
    if (end + ip.headerLen() > IP_MAX_MTU) return this.giveUp(queue, 'NOT_SPECIFIED');
    if (!more) {
      const last = queue.parts.at(-1);
      const lastEnd = last === undefined ? 0 : endOf(last);
      if (end < lastEnd || (queue.end >= 0 && end !== queue.end)) return this.giveUp(queue, 'NOT_SPECIFIED');
      queue.end = end;
    } else {
      if ((end & 7) !== 0) {
        end &= ~7;
        trim(pkt, end - offset);
      }
      if (queue.end >= 0 && end > queue.end) return this.giveUp(queue, 'NOT_SPECIFIED');
    }
    if (end === offset) return this.giveUp(queue, 'NOT_SPECIFIED');
    let i = queue.parts.length;
    while (i > 0 && startOf(queue.parts[i - 1] as Packet) > offset) i--;
    const before = queue.parts[i - 1];
    const after = queue.parts[i];
    if (before !== undefined && startOf(before) === offset && endOf(before) === end) return 'DUP_FRAG';
    if (before !== undefined && endOf(before) > offset) {
      if (startOf(before) <= offset && endOf(before) >= end) return 'DUP_FRAG';
      return this.overlap(queue);
    }
    if (after !== undefined && startOf(after) < end) return this.overlap(queue);
    queue.parts.splice(i, 0, pkt);
    queue.received += pkt.len;
    queue.ecn |= 1 << (ip.tos & 3);
    queue.maxSize = Math.max(queue.maxSize, pkt.len + ip.headerLen());
    if ((ip.frag & IP_DF) !== 0) queue.maxDfSize = Math.max(queue.maxDfSize, pkt.len + ip.headerLen());
    return null;
  }

  private overlap(queue: Queue): DropReason {
    this.net.mib[MIB.IpExtReasmOverlaps]++;
    return this.giveUp(queue, 'DUP_FRAG');
  }

  /** A datagram that can never be right is dropped with all that came of it. */
  private giveUp(queue: Queue, reason: DropReason): DropReason {
    this.dropAll(queue, reason);
    return reason;
  }

  private finish(queue: Queue): Packet | null {
    const { net } = this;
    this.remove(queue);
    const first = queue.parts[0] as Packet;
    const ip = first.ip as Ipv4Header;
    const tos = ecnOfWhole(queue.ecn, ip.tos);
    if (queue.end + ip.headerLen() > IP_MAX_MTU || tos < 0) {
      this.fail(first, 'PKT_TOO_BIG');
      return null;
    }
    const data: Uint8Array[] = [];
    for (const part of queue.parts) data.push(...part.data);
    first.data = data;
    first.len = queue.end;
    ip.frag = queue.maxDfSize === queue.maxSize ? IP_DF : 0;
    ip.tos = tos;
    net.mib[MIB.IpReasmOKs]++;
    parseL4(first);
    return first;
  }

  /** Linux `ip_expire`: the sender is told, if the first fragment is there to be quoted. */
  private expire(key: string): void {
    const queue = this.queues.get(key);
    if (queue === undefined) return;
    const { net } = this;
    net.mib[MIB.IpReasmFails]++;
    net.mib[MIB.IpReasmTimeout]++;
    const [first] = queue.parts;
    this.remove(queue);
    const tell = first !== undefined && startOf(first) === 0 && first.pktType === PACKET_HOST;
    if (tell) icmpSend(first, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
    for (const part of queue.parts) drop(net, part, 'FRAG_REASM_TIMEOUT');
  }

  private dropAll(queue: Queue, reason: DropReason): void {
    this.remove(queue);
    for (const part of queue.parts) drop(this.net, part, reason);
  }

  private remove(queue: Queue): void {
    if (this.queues.get(queue.key) !== queue) return;
    this.queues.delete(queue.key);
    queue.timer.clear();
    this.memory -= queue.bytes;
  }

  private fail(pkt: Packet, reason: DropReason): void {
    this.net.mib[MIB.IpReasmFails]++;
    drop(this.net, pkt, reason);
  }
}

function startsAtZero(queue: Queue): boolean {
  const [first] = queue.parts;
  return first !== undefined && startOf(first) === 0;
}

function startOf(pkt: Packet): number {
  return ((pkt.ip as Ipv4Header).frag & IP_OFFSET) * 8;
}

function endOf(pkt: Packet): number {
  return startOf(pkt) + pkt.len;
}

/** Cuts the payload to `len` bytes. */
function trim(pkt: Packet, len: number): void {
  const out: Uint8Array[] = [];
  let left = len;
  for (const slice of pkt.data) {
    if (left <= 0) break;
    out.push(slice.subarray(0, left));
    left -= Math.min(left, slice.length);
  }
  pkt.data = out;
  pkt.len = len;
}

/** RFC 3168 §5.3: the whole is CE if a part is; parts that contradict each other are refused (-1). */
function ecnOfWhole(seen: number, tos: number): number {
  const [notEct, ect1, ect0, ce] = [1, 2, 4, 8].map((bit) => (seen & bit) !== 0);
  if (ce === true) return notEct === true ? -1 : tos | 3;
  if (notEct === true && (ect0 === true || ect1 === true)) return -1;
  if (ect0 === true && ect1 === true) return (tos & ~3) | 1;
  return tos;
}
