/** IPv4 header (RFC 791 §3.1; Linux `struct iphdr`). */

export const IPPROTO_IP = 0;
export const IPPROTO_ICMP = 1;
export const IPPROTO_IGMP = 2;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_RAW = 255;
/** Bytes of a header without options. */
export const IPV4_HLEN = 20;
/** Largest total length. */
export const IP_MAX_MTU = 65535;

/** Bits of `Ipv4Header.frag`, as in the wire's 16-bit field. */
export const IP_CE = 0x8000;
export const IP_DF = 0x4000;
export const IP_MF = 0x2000;
/** Offset in units of 8 bytes. */
export const IP_OFFSET = 0x1fff;

export class Ipv4Header {
  /** Signed 32-bit integers, host order. */
  src: number;
  dst: number;
  /** `IPPROTO_*` */
  protocol: number;
  ttl: number;
  tos: number;
  id: number;
  /** Flags and fragment offset, the wire's 16 bits: `IP_DF | IP_MF | IP_OFFSET`. */
  frag: number;
  /** Raw options, padded to a multiple of 4 bytes (40 at most); null when there are none. Immutable. */
  options: Uint8Array | null;

  constructor(src: number, dst: number, protocol: number, ttl: number, tos: number) {
    this.src = src;
    this.dst = dst;
    this.protocol = protocol;
    this.ttl = ttl;
    this.tos = tos;
    this.id = 0;
    this.frag = 0;
    this.options = null;
  }

  /** Bytes of this header on the wire. */
  headerLen(): number {
    return this.options === null ? IPV4_HLEN : IPV4_HLEN + this.options.length;
  }

  /** True for every fragment, the first one included. */
  isFragment(): boolean {
    return (this.frag & (IP_MF | IP_OFFSET)) !== 0;
  }

  copy(): Ipv4Header {
    const h = new Ipv4Header(this.src, this.dst, this.protocol, this.ttl, this.tos);
    h.id = this.id;
    h.frag = this.frag;
    h.options = this.options;
    return h;
  }
}

/**
 * The header at `at`, of which `len` bytes are there. Null if it is cut off, of another version, or
 * claims a length that does not fit (Linux `ip_rcv_core`). Its checksum is the caller's to check; its
 * total length is at `at + 2`. Options are a slice of `bytes`, whose view is `view`.
 */
export function parseIpv4(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  len: number,
): Ipv4Header | null {
  if (len < IPV4_HLEN) return null;
  const first = view.getUint8(at);
  const headerLen = (first & 15) * 4;
  if (first >>> 4 !== 4 || headerLen < IPV4_HLEN) return null;
  const totalLen = view.getUint16(at + 2);
  if (totalLen < headerLen || totalLen > len) return null;
  const h = new Ipv4Header(
    view.getInt32(at + 12),
    view.getInt32(at + 16),
    view.getUint8(at + 9),
    view.getUint8(at + 8),
    view.getUint8(at + 1),
  );
  h.id = view.getUint16(at + 4);
  h.frag = view.getUint16(at + 6);
  if (headerLen > IPV4_HLEN) h.options = bytes.subarray(at + IPV4_HLEN, at + headerLen);
  return h;
}

/** Writes the header for a packet of `totalLen` bytes; its checksum field is left zero. */
export function putIpv4(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  h: Ipv4Header,
  totalLen: number,
): void {
  view.setUint8(at, 0x40 | (h.headerLen() >>> 2));
  view.setUint8(at + 1, h.tos);
  view.setUint16(at + 2, totalLen);
  view.setUint16(at + 4, h.id);
  view.setUint16(at + 6, h.frag);
  view.setUint8(at + 8, h.ttl);
  view.setUint8(at + 9, h.protocol);
  view.setInt32(at + 12, h.src);
  view.setInt32(at + 16, h.dst);
  if (h.options !== null) bytes.set(h.options, at + IPV4_HLEN);
}
