/** TCP header and options (RFC 9293 §3.1, §3.2; RFC 7323, RFC 2018, RFC 7413). Immutable once sent. */
import { parseTcpOptions, putTcpOptions } from './tcp-options.ts';

/**
 * Bits of `TcpHeader.flags`: the wire's byte 13, and AE as bit 8 (RFC 9293 §6). Bits 9 to 11, which
 * are reserved, are kept for who forwards the segment and mean nothing.
 */
export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_URG = 0x20;
export const TCP_ECE = 0x40;
export const TCP_CWR = 0x80;
export const TCP_AE = 0x100;

/** Bytes of a header without options. */
export const TCP_HLEN = 20;

/**
 * The options of one segment. Immutable once sent. Options of our own are written in Linux's order
 * (`tcp_options_write`); those that came from a wire keep their bytes in `raw`.
 */
export class TcpOptions {
  /** Maximum segment size; 0: absent. */
  mss = 0;
  /** Window scale shift; -1: absent. */
  wscale = -1;
  sackPermitted = false;
  /** Whether the timestamp option is present. */
  timestamps = false;
  /** TSval and TSecr, signed 32-bit integers. */
  tsVal = 0;
  tsEcr = 0;
  /** SACK blocks: start, end, start, end … as signed 32-bit integers; null: absent. */
  sack: readonly number[] | null = null;
  /** Fast-open cookie; length 0: a request; null: absent (RFC 7413 §4.1.1). */
  fastOpenCookie: Uint8Array | null = null;
  /** The experimental form of the fast-open option was used (RFC 6994 §3; magic 0xF989). */
  fastOpenExp = false;
  /** Exactly these option bytes, a multiple of 4; null: write the fields above. */
  raw: Uint8Array | null = null;
}

export class TcpHeader {
  readonly sport: number;
  readonly dport: number;
  /** Signed 32-bit integers. */
  readonly seq: number;
  readonly ack: number;
  /** `TCP_*` bits */
  readonly flags: number;
  /** The wire's 16-bit field, unscaled. */
  readonly window: number;
  /** Urgent pointer; meaningful with `TCP_URG`. */
  readonly urg: number;
  readonly options: TcpOptions | null;
  /** Bytes of the options on the wire, a multiple of 4, 40 at most. */
  readonly optionsLen: number;

  constructor(
    sport: number,
    dport: number,
    seq: number,
    ack: number,
    flags: number,
    window: number,
    urg: number,
    options: TcpOptions | null,
    optionsLen: number,
  ) {
    this.sport = sport;
    this.dport = dport;
    this.seq = seq;
    this.ack = ack;
    this.flags = flags;
    this.window = window;
    this.urg = urg;
    this.options = options;
    this.optionsLen = optionsLen;
  }

  headerLen(): number {
    return TCP_HLEN + this.optionsLen;
  }
}

/** The header at `at`, of which `len` bytes are there; null if it is cut off or its offset is wrong. */
export function parseTcp(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  len: number,
): TcpHeader | null {
  if (len < TCP_HLEN) return null;
  const word = view.getUint16(at + 12);
  const headerLen = (word >>> 12) * 4;
  if (headerLen < TCP_HLEN || headerLen > len) return null;
  const options =
    headerLen === TCP_HLEN ? null : parseTcpOptions(bytes.subarray(at + TCP_HLEN, at + headerLen));
  return new TcpHeader(
    view.getUint16(at),
    view.getUint16(at + 2),
    view.getInt32(at + 4),
    view.getInt32(at + 8),
    word & 0xfff,
    view.getUint16(at + 14),
    view.getUint16(at + 18),
    options,
    headerLen - TCP_HLEN,
  );
}

/** Writes header and options, `h.headerLen()` bytes; the checksum field is left zero. */
export function putTcp(bytes: Uint8Array, view: DataView, at: number, h: TcpHeader): void {
  view.setUint16(at, h.sport);
  view.setUint16(at + 2, h.dport);
  view.setInt32(at + 4, h.seq);
  view.setInt32(at + 8, h.ack);
  view.setUint16(at + 12, (h.headerLen() << 10) | (h.flags & 0xfff));
  view.setUint16(at + 14, h.window);
  view.setUint16(at + 18, h.urg);
  if (h.options !== null) putTcpOptions(bytes, view, at + TCP_HLEN, h.options);
}
