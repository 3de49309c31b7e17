/** ICMP header (RFC 792; Linux `include/uapi/linux/icmp.h`). Immutable once sent. */

export const ICMP_ECHOREPLY = 0;
export const ICMP_DEST_UNREACH = 3;
export const ICMP_SOURCE_QUENCH = 4;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETERPROB = 12;
export const ICMP_TIMESTAMP = 13;
export const ICMP_TIMESTAMPREPLY = 14;
export const ICMP_ADDRESS = 17;
export const ICMP_ADDRESSREPLY = 18;

export const ICMP_NET_UNREACH = 0;
export const ICMP_HOST_UNREACH = 1;
export const ICMP_PROT_UNREACH = 2;
export const ICMP_PORT_UNREACH = 3;
export const ICMP_FRAG_NEEDED = 4;
export const ICMP_SR_FAILED = 5;
export const ICMP_PKT_FILTERED = 13;

export const ICMP_EXC_TTL = 0;
export const ICMP_EXC_FRAGTIME = 1;

/** Bytes of the header: type, code, checksum and the 32 bits that depend on the type. */
export const ICMP_HLEN = 8;

export class IcmpHeader {
  readonly type: number;
  readonly code: number;
  /**
   * The second 32-bit word as a signed integer: identifier << 16 | sequence for echo, next-hop MTU in
   * the low 16 bits for fragmentation needed, gateway address for redirect.
   */
  readonly rest: number;

  constructor(type: number, code: number, rest: number) {
    this.type = type;
    this.code = code;
    this.rest = rest;
  }
}

/** The header at `at`, of which `len` bytes are there; null if it is short. */
export function parseIcmp(view: DataView, at: number, len: number): IcmpHeader | null {
  if (len < ICMP_HLEN) return null;
  return new IcmpHeader(view.getUint8(at), view.getUint8(at + 1), view.getInt32(at + 4));
}

/** Writes 8 bytes; the checksum field is left zero. */
export function putIcmp(view: DataView, at: number, h: IcmpHeader): void {
  view.setUint8(at, h.type);
  view.setUint8(at + 1, h.code);
  view.setInt32(at + 4, h.rest);
}
