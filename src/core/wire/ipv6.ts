/**
 * IPv6 header and extension headers (RFC 8200 §3, §4; Linux `struct ipv6hdr`, `net/ipv6/exthdrs_core.c`).
 * Extension headers stay bytes: who has to look into them (`network/ipv6/exthdrs.ts`) walks them.
 */
import { getIp6, type Ip6Addr, putIp6 } from '../util/ip6-addr.ts';

export const IPPROTO_HOPOPTS = 0;
export const IPPROTO_ROUTING = 43;
export const IPPROTO_FRAGMENT = 44;
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_NONE = 59;
export const IPPROTO_DSTOPTS = 60;
/** Bytes of the header without extension headers. */
export const IPV6_HLEN = 40;
/** Every link carries packets of this size (RFC 8200 §5). */
export const IPV6_MIN_MTU = 1280;
/** Largest payload that the length field can say. */
export const IPV6_MAXPLEN = 65_535;
/** Bytes of a Fragment header. */
export const FRAG_HLEN = 8;
/** Of the Fragment header's 16-bit field: more fragments, and the offset, which is in units of 8 bytes. */
export const IP6_MF = 0x0001;
export const IP6_OFFSET = 0xfff8;

export class Ipv6Header {
  src: Ip6Addr;
  dst: Ip6Addr;
  /** What follows the extension headers: `IPPROTO_*`. An extension header's own number: it is cut off. */
  protocol: number;
  hopLimit: number;
  /** Traffic class: DSCP and ECN. */
  tclass: number;
  flowLabel: number;
  /** The extension headers, one after the other, the Fragment header last if there is one; null: none. Immutable. */
  ext: Uint8Array | null;
  /** Type of the first extension header; 0 without one means nothing. */
  extFirst: number;
  /** Where in `ext` the Fragment header of a real fragment is; -1: the packet is whole. */
  fragAt: number;
  /** Was put together from fragments, or is an "atomic" one (RFC 6946): `IP6SKB_FRAGMENTED`. */
  fragmented: boolean;

  constructor(src: Ip6Addr, dst: Ip6Addr, protocol: number, hopLimit: number, tclass: number) {
    this.src = src;
    this.dst = dst;
    this.protocol = protocol;
    this.hopLimit = hopLimit;
    this.tclass = tclass;
    this.flowLabel = 0;
    this.ext = null;
    this.extFirst = 0;
    this.fragAt = -1;
    this.fragmented = false;
  }

  /** Bytes of this header and its extensions on the wire. */
  headerLen(): number {
    return this.ext === null ? IPV6_HLEN : IPV6_HLEN + this.ext.length;
  }

  /** True for every fragment, the first one included; not for "atomic" ones (RFC 6946). */
  isFragment(): boolean {
    return this.fragAt >= 0;
  }

  /** Offset and flags of the Fragment header, the wire's 16 bits. */
  fragField(): number {
    const { ext, fragAt } = this;
    if (ext === null || fragAt < 0) return 0;
    return ((ext[fragAt + 2] as number) << 8) | (ext[fragAt + 3] as number);
  }

  /** Identification of a fragment, signed. */
  fragId(): number {
    const { ext, fragAt } = this;
    if (ext === null || fragAt < 0) return 0;
    let id = 0;
    for (let i = 4; i < 8; i++) id = (id << 8) | (ext[fragAt + i] as number);
    return id;
  }

  copy(): Ipv6Header {
    const h = new Ipv6Header(this.src, this.dst, this.protocol, this.hopLimit, this.tclass);
    h.flowLabel = this.flowLabel;
    h.ext = this.ext;
    h.extFirst = this.extFirst;
    h.fragAt = this.fragAt;
    h.fragmented = this.fragmented;
    return h;
  }
}

/** Is this the number of an extension header that the walk below knows? */
export function isExtension(type: number): boolean {
  return (
    type === IPPROTO_HOPOPTS ||
    type === IPPROTO_ROUTING ||
    type === IPPROTO_FRAGMENT ||
    type === IPPROTO_DSTOPTS
  );
}

/** Bytes of the extension header `type` at `at`, by its own length field. */
export function extensionLen(bytes: Uint8Array, at: number, type: number): number {
  return type === IPPROTO_FRAGMENT ? FRAG_HLEN : ((bytes[at + 1] as number) + 1) * 8;
}

/**
 * The header at `at`, of which `len` bytes are there. Null if it is cut off, of another version, or claims a
 * length that does not fit (Linux `ip6_rcv_core`). Its payload length is at `at + 4`.
 */
export function parseIpv6Header(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  len: number,
): Ipv6Header | null {
  if (len < IPV6_HLEN) return null;
  const first = view.getUint32(at);
  if (first >>> 28 !== 6) return null;
  const payloadLen = view.getUint16(at + 4);
  if (payloadLen > len - IPV6_HLEN) return null;
  const next = view.getUint8(at + 6);
  const h = new Ipv6Header(
    getIp6(view, at + 8),
    getIp6(view, at + 24),
    next,
    view.getUint8(at + 7),
    (first >>> 20) & 0xff,
  );
  h.flowLabel = first & 0xfffff;
  if (isExtension(next)) readExtensions(h, bytes, at + IPV6_HLEN, payloadLen, next);
  return h;
}

/**
 * Walks the extension headers, up to the first that is no such header, is cut off, or is behind the Fragment
 * header of a fragment: there is no limit to their number, but each takes eight bytes (RFC 8200 §4.1).
 * Hop-by-hop options are one only at the beginning.
 */
function readExtensions(
  h: Ipv6Header,
  bytes: Uint8Array,
  from: number,
  len: number,
  first: number,
): void {
  let type = first;
  let at = 0;
  while (isExtension(type) && (type !== IPPROTO_HOPOPTS || at === 0)) {
    if (at + 8 > len) break;
    const size = extensionLen(bytes, from + at, type);
    if (at + size > len) break;
    const next = bytes[from + at] as number;
    const here = at;
    at += size;
    if (type === IPPROTO_FRAGMENT) h.fragmented = true;
    const field = ((bytes[from + here + 2] as number) << 8) | (bytes[from + here + 3] as number);
    const isFragment = type === IPPROTO_FRAGMENT && (field & (IP6_OFFSET | IP6_MF)) !== 0;
    type = next;
    if (isFragment) {
      h.fragAt = here;
      break;
    }
  }
  h.protocol = type;
  if (at === 0) return;
  h.extFirst = first;
  h.ext = bytes.subarray(from, from + at);
}

/** Writes the header and its extensions for `payloadLen` bytes behind the first 40. */
export function putIpv6Header(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  h: Ipv6Header,
  payloadLen: number,
): void {
  view.setInt32(at, 0x60000000 | (h.tclass << 20) | h.flowLabel);
  view.setUint16(at + 4, payloadLen);
  view.setUint8(at + 6, h.ext === null ? h.protocol : h.extFirst);
  view.setUint8(at + 7, h.hopLimit);
  putIp6(view, at + 8, h.src);
  putIp6(view, at + 24, h.dst);
  if (h.ext !== null) bytes.set(h.ext, at + IPV6_HLEN);
}

/** Where the field is that names the protocol, from the beginning of the packet: what an error points at. */
export function nextHeaderOffset(h: Ipv6Header): number {
  const { ext } = h;
  if (ext === null) return 6;
  let type = h.extFirst;
  let at = 0;
  for (;;) {
    const size = extensionLen(ext, at, type);
    if (at + size >= ext.length) return IPV6_HLEN + at;
    type = ext[at] as number;
    at += size;
  }
}
