/**
 * Putting fragments together (RFC 791 §3.2, RFC 815; Linux `ip_fragment.c`, `inet_fragment.c`). Memory is
 * bounded by net.ipv4.ipfrag_high_thresh; a datagram whose fragments overlap is given up whole (RFC 5722 §4,
 * which Linux applies to IPv4 too).
 */
import { drop } from '../../drop.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import type { Timer } from '../../timer.ts';
import { mix32 } from '../../util/random.ts';
import { parseL4 } from '../../wire/frame.ts';
import { ICMP_EXC_FRAGTIME, ICMP_TIME_EXCEEDED } from '../../wire/icmp.ts';
import { IP_DF, IP_MAX_MTU, IP_MF, IP_OFFSET, type Ipv4Header } from '../../wire/ipv4.ts';
import { icmpSend } from './icmp.ts';

/** What Linux accounts for a fragment besides its bytes (`skb->truesize`). */
const TRUESIZE_OVERHEAD = 576;
const QUEUE_OVERHEAD = 200;
/** net.ipv4.ipfrag_max_dist's table is bounded too. */
const MAX_PEERS = 1024;

/** One datagram that is not complete (Linux `struct ipq`). */
class Queue {
  readonly src: number;
  readonly dst: number;
  readonly id: number;
  readonly protocol: number;
  readonly timer: Timer;
  /** Another datagram with the same hash. */
  next: Queue | null = null;
  /** Fragments by offset, none overlapping. */
  readonly parts: Packet[] = [];
  /** Bytes that have come (`meat`), and where the farthest of them ends (`len`). */
  received = 0;
  end = 0;
  /** The last fragment has come: `end` is the datagram's. */
  lastIn = false;
  bytes = QUEUE_OVERHEAD;
  /** ECN fields that were seen, one bit each. */
  ecn = 0;
  maxDfSize = 0;
  maxSize = 0;
  /** Counter of its sender when the last fragment came. */
  rid = 0;

  constructor(ip: Ipv4Header, timer: Timer) {
    this.src = ip.src;
    this.dst = ip.dst;
    this.id = ip.id;
    this.protocol = ip.protocol;
    this.timer = timer;
  }

  is(ip: Ipv4Header): boolean {
    return (
      this.id === ip.id &&
      this.src === ip.src &&
      this.dst === ip.dst &&
      this.protocol === ip.protocol
    );
  }

  get isComplete(): boolean {
    const [first] = this.parts;
    if (!this.lastIn || this.received !== this.end || first === undefined) return false;
    return startOf(first) === 0;
  }
}

/** What became of a fragment that was not kept. */
type Refusal = 'duplicate' | 'overlap' | 'corrupt';

export class Reassembly {
  /** Bytes in use, as Linux counts them. */
  memory = 0;
  /** Datagrams that wait. */
  pending = 0;
  private readonly net: NetNs;
  private readonly queues: Map<number, Queue> = new Map();
  /** How many fragments each sender has sent: tells when one is too late (ipfrag_max_dist). */
  private readonly peers: Map<number, number> = new Map();
  private key: number | null = null;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** Takes a fragment; returns the whole datagram when it was the last one missing (`ip_defrag`). */
  add(pkt: Packet): Packet | null {
    const { net } = this;
    const ip = pkt.ip as Ipv4Header;
    net.mib[MIB.IpReasmReqds]++;
    const queue = this.find(ip);
    if (queue === null) {
      net.mib[MIB.IpReasmFails]++;
      drop(net, pkt, 'NOMEM', 'ipfrag_high_thresh');
      return null;
    }
    if (this.isTooFar(queue)) this.startAnew(queue);
    const refusal = this.insert(queue, pkt, ip);
    if (refusal !== null) {
      this.refuse(queue, pkt, refusal);
      return null;
    }
    const size = TRUESIZE_OVERHEAD + pkt.len;
    queue.bytes += size;
    this.memory += size;
    return queue.isComplete ? this.finish(queue, pkt) : null;
  }

  destroy(): void {
    for (const first of [...this.queues.values()])
      for (let q: Queue | null = first; q !== null; q = q.next) q.timer.clear();
    this.queues.clear();
    this.peers.clear();
    this.memory = 0;
    this.pending = 0;
  }

  /** Finds or makes; null when there is no memory left (`inet_frag_find`). */
  private find(ip: Ipv4Header): Queue | null {
    const limit = this.net.sysctl.ipfragHighThresh;
    if (limit === 0 || this.memory > limit) return null;
    const hash = this.hash(ip);
    const first = this.queues.get(hash) ?? null;
    for (let q = first; q !== null; q = q.next) if (q.is(ip)) return q;
    const { kernel, sysctl } = this.net;
    const queue: Queue = new Queue(
      ip,
      kernel.timer(() => this.expire(queue)),
    );
    queue.timer.set(kernel.nowUs + sysctl.ipfragTime * 1e6);
    queue.next = first;
    this.queues.set(hash, queue);
    this.memory += queue.bytes;
    this.pending++;
    return queue;
  }

  /** Keyed: nobody outside can make many datagrams share a chain. */
  private hash(key: { src: number; dst: number; id: number; protocol: number }): number {
    this.key ??= this.net.kernel.ownRandom(`ip-frag:${this.net.id}`).i32();
    return mix32(mix32(key.src, key.dst), mix32((key.id << 8) | key.protocol, this.key));
  }

  /** Linux `ip_frag_too_far`: more than ipfrag_max_dist fragments of the sender came in between. */
  private isTooFar(queue: Queue): boolean {
    const max = this.net.sysctl.ipfragMaxDist;
    if (max <= 0) return false;
    const { src } = queue;
    const end = (this.peers.get(src) ?? 0) + 1;
    if (end === 1 && this.peers.size >= MAX_PEERS) this.peers.clear();
    this.peers.set(src, end);
    const start = queue.rid;
    queue.rid = end;
    return queue.parts.length > 0 && end - start > max;
  }

  /** The id was used again for another datagram: what there is of the old one goes (`ip_frag_reinit`). */
  private startAnew(queue: Queue): void {
    const { net } = this;
    net.mib[MIB.IpReasmFails]++;
    this.memory -= queue.bytes - QUEUE_OVERHEAD;
    for (const part of queue.parts) drop(net, part, 'FRAG_TOO_FAR');
    queue.parts.length = 0;
    queue.received = 0;
    queue.end = 0;
    queue.lastIn = false;
    queue.bytes = QUEUE_OVERHEAD;
    queue.ecn = 0;
    queue.maxDfSize = 0;
    queue.maxSize = 0;
    queue.timer.set(net.kernel.nowUs + net.sysctl.ipfragTime * 1e6);
  }

  /** Null when it was kept (`ip_frag_queue`). */
  private insert(queue: Queue, pkt: Packet, ip: Ipv4Header): Refusal | null {
    const offset = (ip.frag & IP_OFFSET) * 8;
    let end = offset + pkt.len;
    if ((ip.frag & IP_MF) === 0) {
      // Bytes beyond the end, or another end: somebody is wrong.
      if (end < queue.end || (queue.lastIn && end !== queue.end)) return 'corrupt';
      queue.lastIn = true;
      queue.end = end;
    } else {
      if ((end & 7) !== 0) {
        end &= ~7;
        trim(pkt, end - offset);
      }
      if (end > queue.end) {
        if (queue.lastIn) return 'corrupt';
        queue.end = end;
      }
    }
    if (end <= offset) return 'corrupt';
    const refusal = place(queue.parts, pkt, offset, end);
    if (refusal !== null) return refusal;
    const size = pkt.len + ip.headerLen();
    queue.received += pkt.len;
    queue.ecn |= 1 << (ip.tos & 3);
    queue.maxSize = Math.max(queue.maxSize, size);
    if ((ip.frag & IP_DF) !== 0) queue.maxDfSize = Math.max(queue.maxDfSize, size);
    return null;
  }

  /** A duplicate is lost alone; what can never be right takes all of its datagram with it (RFC 5722 §4). */
  private refuse(queue: Queue, pkt: Packet, refusal: Refusal): void {
    const { net } = this;
    if (refusal === 'duplicate') {
      drop(net, pkt, 'DUP_FRAG');
      return;
    }
    if (refusal === 'overlap') net.mib[MIB.IpExtReasmOverlaps]++;
    net.mib[MIB.IpReasmFails]++;
    this.dropAll(queue);
    drop(net, pkt, 'NOT_SPECIFIED', refusal);
  }

  /** Linux `ip_frag_reasm`: the whole is of the device of its last part; others may have moved away. */
  private finish(queue: Queue, last: Packet): Packet | null {
    const { net } = this;
    const first = queue.parts[0] as Packet;
    const ip = first.ip as Ipv4Header;
    const tos = ecnOfWhole(queue.ecn, ip.tos);
    if (queue.end + ip.headerLen() > IP_MAX_MTU || tos < 0) {
      net.mib[MIB.IpReasmFails]++;
      this.dropAll(queue);
      return null;
    }
    this.remove(queue);
    const data: Uint8Array[] = [];
    for (const part of queue.parts) for (const slice of part.data) data.push(slice);
    first.data = data;
    first.len = queue.end;
    ip.frag = queue.maxDfSize === queue.maxSize ? IP_DF : 0;
    ip.tos = tos;
    first.dev = last.dev;
    net.mib[MIB.IpReasmOKs]++;
    parseL4(first);
    return first;
  }

  /** Linux `ip_expire`: the sender is told, if the first fragment is there to be quoted. */
  private expire(queue: Queue): void {
    const { net } = this;
    net.mib[MIB.IpReasmFails]++;
    net.mib[MIB.IpReasmTimeout]++;
    this.remove(queue);
    const [first] = queue.parts;
    const dead = first === undefined || startOf(first) !== 0 || first.dev?.net !== net;
    if (!dead) icmpSend(first, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
    for (const part of queue.parts) drop(net, part, 'FRAG_REASM_TIMEOUT');
  }

  private dropAll(queue: Queue): void {
    this.remove(queue);
    for (const part of queue.parts) drop(this.net, part, 'NOT_SPECIFIED', 'fragments');
  }

  private remove(queue: Queue): void {
    queue.timer.clear();
    this.memory -= queue.bytes;
    this.pending--;
    const hash = this.hash(queue);
    const first = this.queues.get(hash) ?? null;
    if (first === queue) {
      if (queue.next === null) this.queues.delete(hash);
      else this.queues.set(hash, queue.next);
      return;
    }
    for (let q = first; q !== null; q = q.next) if (q.next === queue) q.next = queue.next;
  }
}

/** Puts a fragment among the others, if it fits between them (`inet_frag_queue_insert`). */
function place(parts: Packet[], pkt: Packet, offset: number, end: number): Refusal | null {
  let i = parts.length;
  while (i > 0 && startOf(parts[i - 1] as Packet) > offset) i--;
  const before = parts[i - 1];
  const after = parts[i];
  if (before !== undefined && endOf(before) > offset) {
    // What lies wholly inside of what is there says nothing new; so does the same again.
    let runEnd = endOf(before);
    for (let j = i; runEnd < end; j++) {
      const next = parts[j];
      if (next === undefined || startOf(next) !== runEnd) return 'overlap';
      runEnd = endOf(next);
    }
    return 'duplicate';
  }
  if (after !== undefined && startOf(after) < end) return 'overlap';
  if (i === parts.length) parts.push(pkt);
  else parts.splice(i, 0, pkt);
  return null;
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

/** RFC 3168 §5.3: the whole is CE if a part is; parts of which some know ECN and some do not are refused (-1). */
function ecnOfWhole(seen: number, tos: number): number {
  const notEct = (seen & 1) !== 0;
  if (notEct) return seen === 1 ? tos : -1;
  return (seen & 8) !== 0 ? tos | 3 : tos;
}
