/** TCP header and options (RFC 9293 §3.1, §3.2; RFC 7323, RFC 2018, RFC 7413). Immutable once sent. */

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
/** Most bytes that options can take. */
export const TCP_MAX_OPTIONS = 40;

/** Kinds and lengths of options (`include/net/tcp.h`). */
const TCPOPT_EOL = 0;
const TCPOPT_NOP = 1;
const TCPOPT_MSS = 2;
const TCPOPT_WINDOW = 3;
const TCPOPT_SACK_PERM = 4;
const TCPOPT_SACK = 5;
const TCPOPT_TIMESTAMP = 8;
/** RFC 2385 §3.0 */
const TCPOPT_MD5SIG = 19;
/** RFC 7413 §4.1.1 */
const TCPOPT_FASTOPEN = 34;
/** RFC 6994 §3 */
const TCPOPT_EXP = 254;
/** RFC 7413 §4.1.1, as an experimental option */
const TCPOPT_FASTOPEN_MAGIC = 0xf989;
/** RFC 7323 §2.3 */
const TCP_MAX_WSCALE = 14;
/** RFC 7413 §4.1.1 */
const FASTOPEN_COOKIE_MIN = 4;
const FASTOPEN_COOKIE_MAX = 16;

/** Linux writes option words whole: two NOPs, kind, length. */
const WORD_NOP_NOP_TS = 0x0101080a;
const WORD_SACK_PERM_TS = 0x0402080a;
const WORD_NOP_NOP_SACK_PERM = 0x01010402;

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
  /** Signature of the segment (RFC 2385), 16 bytes; null: absent. Those that came are read from `raw`. */
  md5: Uint8Array | null = null;
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

  // biome-ignore lint/complexity/useMaxParams: immutable, born whole, no object per segment for arguments
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

/**
 * Reads option bytes as Linux's `tcp_parse_options` does: up to the end marker, the first option with
 * a senseless length, or the last byte; an unknown kind is skipped, a known one of the wrong length
 * too. Says what is there; whether it counts in this segment (MSS without SYN) is the receiver's
 * business. `bytes` are kept in `raw`.
 */
export function parseTcpOptions(bytes: Uint8Array): TcpOptions {
  const o = new TcpOptions();
  o.raw = bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const len = bytes.length;
  if (len === 12 && view.getInt32(0) === WORD_NOP_NOP_TS) {
    setTimestamps(o, view, 2);
    return o;
  }
  let at = 0;
  while (at < len) {
    const kind = view.getUint8(at);
    if (kind === TCPOPT_EOL) break;
    if (kind === TCPOPT_NOP) {
      at++;
      continue;
    }
    if (at + 1 >= len) break;
    const size = view.getUint8(at + 1);
    if (size < 2 || at + size > len) break;
    parseOption(o, view, at, kind, size);
    at += size;
  }
  return o;
}

function setTimestamps(o: TcpOptions, view: DataView, at: number): void {
  o.timestamps = true;
  o.tsVal = view.getInt32(at + 2);
  o.tsEcr = view.getInt32(at + 6);
}

function parseOption(o: TcpOptions, view: DataView, at: number, kind: number, size: number): void {
  switch (kind) {
    case TCPOPT_MSS:
      if (size === 4) o.mss = view.getUint16(at + 2);
      break;
    case TCPOPT_WINDOW:
      if (size === 3) o.wscale = Math.min(view.getUint8(at + 2), TCP_MAX_WSCALE);
      break;
    case TCPOPT_SACK_PERM:
      if (size === 2) o.sackPermitted = true;
      break;
    case TCPOPT_SACK:
      if (size >= 10 && (size - 2) % 8 === 0) o.sack = parseSack(view, at + 2, at + size);
      break;
    case TCPOPT_TIMESTAMP:
      if (size === 10) setTimestamps(o, view, at);
      break;
    case TCPOPT_FASTOPEN:
      parseFastOpen(o, view, at + 2, size - 2, false);
      break;
    case TCPOPT_EXP:
      if (size >= 4 && view.getUint16(at + 2) === TCPOPT_FASTOPEN_MAGIC)
        parseFastOpen(o, view, at + 4, size - 4, true);
      break;
  }
}

function parseSack(view: DataView, from: number, to: number): number[] {
  const edges: number[] = [];
  for (let at = from; at < to; at += 4) edges.push(view.getInt32(at));
  return edges;
}

/** RFC 7413 §4.1.1: a cookie has 4 to 16 bytes, an even number; none is a request for one. */
function parseFastOpen(
  o: TcpOptions,
  view: DataView,
  at: number,
  len: number,
  experimental: boolean,
): void {
  if ((len & 1) === 1) return;
  if (len !== 0 && (len < FASTOPEN_COOKIE_MIN || len > FASTOPEN_COOKIE_MAX)) return;
  o.fastOpenCookie = new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset + at, len);
  o.fastOpenExp = experimental;
}

/**
 * Bytes that `o` takes on the wire, a multiple of 4: what `TcpHeader.optionsLen` has to be. May exceed
 * `TCP_MAX_OPTIONS`, which the caller avoids by leaving out SACK blocks or the cookie.
 */
export function tcpOptionsLen(o: TcpOptions): number {
  if (o.raw !== null) return o.raw.length;
  let len = 0;
  if (o.md5 !== null) len += 20;
  if (o.mss !== 0) len += 4;
  if (o.timestamps) len += 12;
  else if (o.sackPermitted) len += 4;
  if (o.wscale >= 0) len += 4;
  if (o.sack !== null && o.sack.length > 0) len += 4 + o.sack.length * 4;
  if (o.fastOpenCookie !== null) len += (fastOpenLen(o, o.fastOpenCookie) + 3) & ~3;
  return len;
}

function fastOpenLen(o: TcpOptions, cookie: Uint8Array): number {
  return (o.fastOpenExp ? 4 : 2) + cookie.length;
}

/**
 * Writes options in the order and with the padding of Linux's `tcp_options_write`: signature; MSS; SACK
 * permitted and timestamps in one block; window scale; SACK blocks; fast open. Returns where they end.
 */
export function putTcpOptions(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  o: TcpOptions,
): number {
  let at = start;
  if (o.raw !== null) {
    bytes.set(o.raw, at);
    return at + o.raw.length;
  }
  if (o.md5 !== null) {
    view.setInt32(at, (TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_MD5SIG << 8) | 18);
    bytes.set(o.md5, at + 4);
    at += 20;
  }
  if (o.mss !== 0) {
    view.setUint16(at, (TCPOPT_MSS << 8) | 4);
    view.setUint16(at + 2, o.mss);
    at += 4;
  }
  if (o.timestamps) {
    view.setInt32(at, o.sackPermitted ? WORD_SACK_PERM_TS : WORD_NOP_NOP_TS);
    view.setInt32(at + 4, o.tsVal);
    view.setInt32(at + 8, o.tsEcr);
    at += 12;
  } else if (o.sackPermitted) {
    view.setInt32(at, WORD_NOP_NOP_SACK_PERM);
    at += 4;
  }
  if (o.wscale >= 0) {
    view.setInt32(at, (TCPOPT_NOP << 24) | (TCPOPT_WINDOW << 16) | (3 << 8) | o.wscale);
    at += 4;
  }
  if (o.sack !== null && o.sack.length > 0) at = putSack(view, at, o.sack);
  if (o.fastOpenCookie !== null) at = putFastOpen(bytes, view, at, o, o.fastOpenCookie);
  return at;
}

function putSack(view: DataView, start: number, edges: readonly number[]): number {
  let at = start;
  view.setUint16(at, (TCPOPT_NOP << 8) | TCPOPT_NOP);
  view.setUint16(at + 2, (TCPOPT_SACK << 8) | (2 + edges.length * 4));
  at += 4;
  for (let i = 0; i < edges.length; i++) {
    view.setInt32(at, edges[i] as number);
    at += 4;
  }
  return at;
}

function putFastOpen(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  o: TcpOptions,
  cookie: Uint8Array,
): number {
  const len = fastOpenLen(o, cookie);
  view.setUint16(at, ((o.fastOpenExp ? TCPOPT_EXP : TCPOPT_FASTOPEN) << 8) | len);
  if (o.fastOpenExp) view.setUint16(at + 2, TCPOPT_FASTOPEN_MAGIC);
  bytes.set(cookie, at + len - cookie.length);
  const end = at + ((len + 3) & ~3);
  for (let i = at + len; i < end; i++) bytes[i] = TCPOPT_NOP;
  return end;
}
