/**
 * Putting IPv6 fragments together (RFC 8200 §4.5, RFC 5722, RFC 6946; Linux `net/ipv6/reassembly.c`). Memory is bounded by
 * net.ipv6.ip6frag_high_thresh; a packet whose fragments overlap is given up whole.
 */
import { drop } from '../../drop.ts';
import { MIB6 } from '../../mib6.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import type { Timer } from '../../timer.ts';
import { type Ip6Addr, needsScope } from '../../util/ip6-addr.ts';
import { mix32 } from '../../util/random.ts';
import { flatten, l4Bytes, parseIpv6Packet, parseL4 } from '../../wire/frame.ts';
import {
  ICMPV6_EXC_FRAGTIME,
  ICMPV6_HDR_FIELD,
  ICMPV6_HDR_INCOMP,
  ICMPV6_PARAMPROB,
  ICMPV6_TIME_EXCEED,
} from '../../wire/icmpv6.ts';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipv4.ts';
import {
  extensionLen,
  IP6_MF,
  IP6_OFFSET,
  IPPROTO_ICMPV6,
  IPV6_HLEN,
  IPV6_MAXPLEN,
  type Ipv6Header,
  isExtension,
  putIpv6Header,
} from '../../wire/ipv6.ts';
import { icmp6Send } from './icmp.ts';

/** What Linux accounts for a fragment besides its bytes (`skb->truesize`). */
const TRUESIZE_OVERHEAD = 576;
const QUEUE_OVERHEAD = 200;
/** Where the payload length is, for who gets it wrong. */
const PAYLOAD_LEN_AT = 4;

/** One packet that is not complete (Linux `struct frag_queue`). */
class Queue {
  readonly src: Ip6Addr;
  readonly dst: Ip6Addr;
  readonly id: number;
  /** 0 unless the addresses mean something on one link only. */
  readonly ifindex: number;
  readonly timer: Timer;
  /** Another packet with the same hash. */
  next: Queue | null = null;
  /** Fragments by offset, none overlapping. */
  readonly parts: Packet[] = [];
  /** Bytes that have come, and where the farthest of them ends. */
  received = 0;
  end = 0;
  /** The last fragment has come: `end` is the packet's. */
  lastIn = false;
  bytes = QUEUE_OVERHEAD;
  /** ECN fields that were seen, one bit each. */
  ecn = 0;

  constructor(ip: Ipv6Header, ifindex: number, timer: Timer) {
    this.src = ip.src;
    this.dst = ip.dst;
    this.id = ip.fragId();
    this.ifindex = ifindex;
    this.timer = timer;
  }

  is(ip: Ipv6Header, ifindex: number): boolean {
    return (
      this.id === ip.fragId() &&
      this.ifindex === ifindex &&
      this.src.equals(ip.src) &&
      this.dst.equals(ip.dst)
    );
  }

  get isComplete(): boolean {
    const [first] = this.parts;
    return this.lastIn && this.received === this.end && first !== undefined && startOf(first) === 0;
  }
}

/** What became of a fragment that was not kept. */
type Refusal = 'duplicate' | 'overlap' | 'corrupt';

export class Reassembly6 {
  /** Bytes in use, as Linux counts them. */
  memory = 0;
  /** Packets that wait. */
  pending = 0;
  private readonly net: NetNs;
  private readonly key: number;
  private readonly queues: Map<number, Queue> = new Map();

  constructor(net: NetNs, key: number) {
    this.net = net;
    this.key = key;
  }

  /** Takes a fragment; returns the whole packet when it was the last one missing (`ipv6_frag_rcv`). */
  add(pkt: Packet): Packet | null {
    const { net } = this;
    const { mib } = net.ipv6;
    const ip = pkt.ip6 as Ipv6Header;
    mib[MIB6.Ip6ReasmReqds]++;
    if (!this.isSound(pkt, ip)) return null;
    const queue = this.find(pkt, ip);
    if (queue === null) {
      mib[MIB6.Ip6ReasmFails]++;
      drop(net, pkt, 'NOMEM', 'ip6frag_high_thresh');
      return null;
    }
    const refusal = this.insert(queue, pkt, ip);
    if (refusal !== null) {
      this.refuse(queue, pkt, refusal);
      return null;
    }
    const size = TRUESIZE_OVERHEAD + pkt.len;
    queue.bytes += size;
    this.memory += size;
    return queue.isComplete ? this.finish(queue) : null;
  }

  destroy(): void {
    for (const first of this.queues.values())
      for (let q: Queue | null = first; q !== null; q = q.next) q.timer.clear();
    this.queues.clear();
    this.memory = 0;
    this.pending = 0;
  }

  /** What no sender means: it is told (RFC 8200 §4.5). */
  private isSound(pkt: Packet, ip: Ipv6Header): boolean {
    const field = ip.fragField();
    const offset = field & IP6_OFFSET;
    const more = (field & IP6_MF) !== 0;
    if (offset === 0 && more && pkt.len < upperHeaderLen(ip.protocol))
      return this.complain(pkt, ICMPV6_HDR_INCOMP, 0);
    if (offset + pkt.len > IPV6_MAXPLEN)
      return this.complain(pkt, ICMPV6_HDR_FIELD, IPV6_HLEN + ip.fragAt + 2);
    if (more && (pkt.len & 7) !== 0) return this.complain(pkt, ICMPV6_HDR_FIELD, PAYLOAD_LEN_AT);
    return true;
  }

  private complain(pkt: Packet, code: number, pointer: number): false {
    const { net } = this;
    net.ipv6.mib[MIB6.Ip6InHdrErrors]++;
    icmp6Send(pkt, ICMPV6_PARAMPROB, code, pointer);
    drop(net, pkt, 'IPV6_BAD_EXTHDR', 'fragment');
    return false;
  }

  /** Finds or makes; null when there is no memory left (`inet_frag_find`). */
  private find(pkt: Packet, ip: Ipv6Header): Queue | null {
    const limit = this.net.ipv6.sysctl.ip6fragHighThresh;
    if (limit === 0 || this.memory > limit) return null;
    const ifindex = needsScope(ip.dst) ? (pkt.dev?.ifindex ?? 0) : 0;
    const hash = this.hash(ip.src, ip.dst, ip.fragId());
    const first = this.queues.get(hash) ?? null;
    for (let q = first; q !== null; q = q.next) if (q.is(ip, ifindex)) return q;
    const { kernel } = this.net;
    const queue: Queue = new Queue(
      ip,
      ifindex,
      kernel.timer(() => this.expire(queue)),
    );
    queue.timer.set(kernel.nowUs + this.net.ipv6.sysctl.ip6fragTime * 1e6);
    queue.next = first;
    this.queues.set(hash, queue);
    this.memory += queue.bytes;
    this.pending++;
    return queue;
  }

  /** Keyed: nobody outside can make many packets share a chain. */
  private hash(src: Ip6Addr, dst: Ip6Addr, id: number): number {
    return mix32(src.hash(this.key), dst.hash(id));
  }

  /** Null when it was kept (`ip6_frag_queue`). */
  private insert(queue: Queue, pkt: Packet, ip: Ipv6Header): Refusal | null {
    const field = ip.fragField();
    const offset = field & IP6_OFFSET;
    const end = offset + pkt.len;
    if ((field & IP6_MF) === 0) {
      if (end < queue.end || (queue.lastIn && end !== queue.end)) return 'corrupt';
      queue.lastIn = true;
      queue.end = end;
    } else if (end > queue.end) {
      if (queue.lastIn) return 'corrupt';
      queue.end = end;
    }
    if (end === offset) return 'corrupt';
    const refusal = place(queue.parts, pkt, offset, end);
    if (refusal !== null) return refusal;
    queue.received += pkt.len;
    queue.ecn |= 1 << (ip.tclass & 3);
    return null;
  }

  /** A duplicate is lost alone; what can never be right takes all of its packet with it (RFC 5722 §4). */
  private refuse(queue: Queue, pkt: Packet, refusal: Refusal): void {
    const { net } = this;
    if (refusal === 'duplicate') {
      drop(net, pkt, 'DUP_FRAG');
      return;
    }
    net.ipv6.mib[MIB6.Ip6ReasmFails]++;
    this.dropAll(queue);
    drop(net, pkt, 'NOT_SPECIFIED', refusal);
  }

  /** Linux `ip6_frag_reasm`: the Fragment header goes. */
  private finish(queue: Queue): Packet | null {
    const { net } = this;
    const first = queue.parts[0] as Packet;
    const ip = first.ip6 as Ipv6Header;
    const tclass = ecnOfWhole(queue.ecn, ip.tclass);
    if (queue.end + ip.fragAt > IPV6_MAXPLEN || tclass < 0) {
      net.ipv6.mib[MIB6.Ip6ReasmFails]++;
      this.dropAll(queue);
      return null;
    }
    this.remove(queue);
    const data: Uint8Array[] = [];
    for (const part of queue.parts) for (const slice of part.data) data.push(slice);
    first.data = data;
    first.len = queue.end;
    ip.tclass = tclass;
    removeFragmentHeader(ip);
    net.ipv6.mib[MIB6.Ip6ReasmOKs]++;
    if (isExtension(ip.protocol)) reparse(first, ip);
    else parseL4(first);
    return first;
  }

  /** Linux `ip6frag_expire_frag_queue`: the sender is told, if the first fragment is there to be quoted. */
  private expire(queue: Queue): void {
    const { net } = this;
    net.ipv6.mib[MIB6.Ip6ReasmFails]++;
    net.ipv6.mib[MIB6.Ip6ReasmTimeout]++;
    this.remove(queue);
    const [first] = queue.parts;
    const dead = first === undefined || startOf(first) !== 0 || first.dev?.dead === true;
    if (!dead) icmp6Send(first, ICMPV6_TIME_EXCEED, ICMPV6_EXC_FRAGTIME, 0);
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
    const hash = this.hash(queue.src, queue.dst, queue.id);
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
  return (pkt.ip6 as Ipv6Header).fragField() & IP6_OFFSET;
}

function endOf(pkt: Packet): number {
  return startOf(pkt) + pkt.len;
}

/** The first fragment must hold the whole upper header (RFC 8200 §4.5; `ipv6frag_thdr_truncated`). */
function upperHeaderLen(protocol: number): number {
  if (protocol === IPPROTO_TCP) return 20;
  return protocol === IPPROTO_UDP || protocol === IPPROTO_ICMPV6 ? 8 : 1;
}

function removeFragmentHeader(ip: Ipv6Header): void {
  const { ext, fragAt } = ip;
  if (ext === null) return;
  if (fragAt === 0) ip.ext = null;
  else {
    const rest = ext.slice(0, fragAt);
    let type = ip.extFirst;
    let at = 0;
    for (;;) {
      const size = extensionLen(rest, at, type);
      if (at + size >= rest.length) break;
      type = rest[at] as number;
      at += size;
    }
    rest[at] = ip.protocol;
    ip.ext = rest;
  }
  ip.fragAt = -1;
  ip.fragmented = true;
}

/** More extension headers follow where the fragments began: the whole packet is read again. */
function reparse(pkt: Packet, ip: Ipv6Header): void {
  const body = flatten(l4Bytes(pkt), pkt.len);
  const bytes = new Uint8Array(ip.headerLen() + body.length);
  putIpv6Header(bytes, new DataView(bytes.buffer), 0, ip, bytes.length - IPV6_HLEN);
  bytes.set(body, ip.headerLen());
  parseIpv6Packet(bytes, pkt);
  if (pkt.ip6 !== null) pkt.ip6.fragmented = true;
}

/** RFC 3168 §5.3: the whole is CE if a part is; parts of which some know ECN and some do not are refused (-1). */
function ecnOfWhole(seen: number, tclass: number): number {
  const notEct = (seen & 1) !== 0;
  if (notEct) return seen === 1 ? tclass : -1;
  return (seen & 8) !== 0 ? tclass | 3 : tclass;
}
