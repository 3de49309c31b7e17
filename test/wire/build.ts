/**
 * Packets as bytes, made independently of the stack's own `wire/`, so that a mistake there cannot hide
 * itself. The counterpart of the functions `ip`, `tcp`, `udp`, `icmp` of test/data/linux_wire.py.
 */

/** The kernel under test, and the peer that the test plays. */
export const KERNEL = '10.7.0.1';
export const PEER = '10.7.0.2';

/** TCP flags by the letters of the facts. */
export const FLAG_LETTERS = 'FSRPAUEC';

export interface IpOptions {
  readonly src?: string;
  readonly dst?: string;
  readonly ttl?: number;
  readonly id?: number;
  /** Flags and offset, the wire's 16 bits. */
  readonly frag?: number;
  readonly tos?: number;
  readonly opts?: readonly number[];
  /** Header length in words, when it is to be wrong. */
  readonly ihl?: number;
  /** Total length, when it is to be wrong. */
  readonly total?: number;
}

export interface TcpOptions extends IpOptions {
  readonly sport?: number;
  readonly dport?: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly win?: number;
  readonly tcpOpts?: readonly number[];
  readonly data?: string;
  readonly bad?: boolean;
  readonly urg?: number;
}

export interface UdpOptions extends IpOptions {
  readonly sport?: number;
  readonly dport?: number;
  /** Wrong checksum; none at all. */
  readonly bad?: boolean;
  readonly zero?: boolean;
  /** Length field, when it is to be wrong. */
  readonly length?: number;
}

export interface IcmpOptions extends IpOptions {
  readonly rest?: readonly number[];
  readonly data?: Uint8Array;
  readonly bad?: boolean;
}

/** Four bytes of a dotted quad. */
export function quad(text: string): number[] {
  return text.split('.').map(Number);
}

/** Bytes of a string of Latin letters. */
export function latin(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** RFC 1071, the slow and plain way. */
export function checksum(bytes: readonly number[] | Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return ~sum & 0xffff;
}

function u16(n: number): number[] {
  return [(n >> 8) & 255, n & 255];
}

function u32(n: number): number[] {
  return [...u16(n >>> 16), ...u16(n & 0xffff)];
}

/** An IPv4 packet with a right header checksum. */
export function ip(payload: ArrayLike<number>, protocol: number, o: IpOptions = {}): Uint8Array {
  const opts = o.opts ?? [];
  const header = [
    0x40 | (o.ihl ?? 5 + opts.length / 4),
    o.tos ?? 0,
    ...u16(o.total ?? 20 + opts.length + payload.length),
    ...u16(o.id ?? 1),
    ...u16(o.frag ?? 0),
    o.ttl ?? 64,
    protocol,
    0,
    0,
    ...quad(o.src ?? PEER),
    ...quad(o.dst ?? KERNEL),
    ...opts,
  ];
  const sum = checksum(header);
  header[10] = sum >> 8;
  header[11] = sum & 255;
  return Uint8Array.from([...header, ...Array.from(payload)]);
}

function transportSum(bytes: readonly number[], protocol: number, o: IpOptions): number {
  const pseudo = [...quad(o.src ?? PEER), ...quad(o.dst ?? KERNEL), 0, protocol];
  return checksum([...pseudo, ...u16(bytes.length), ...bytes]);
}

/** A TCP segment; `flags` in the letters of `FLAG_LETTERS`. */
export function tcp(flags: string, o: TcpOptions = {}): Uint8Array {
  const opts = o.tcpOpts ?? [];
  let bits = 0;
  for (const letter of flags) bits |= 1 << FLAG_LETTERS.indexOf(letter);
  const t = [
    ...u16(o.sport ?? 1000),
    ...u16(o.dport ?? 2000),
    ...u32(o.seq ?? 1000),
    ...u32(o.ack ?? 0),
    (5 + opts.length / 4) << 4,
    bits,
    ...u16(o.win ?? 8192),
    0,
    0,
    ...u16(o.urg ?? 0),
    ...opts,
    ...latin(o.data ?? ''),
  ];
  const sum = transportSum(t, 6, o) ^ (o.bad === true ? 1 : 0);
  t[16] = sum >> 8;
  t[17] = sum & 255;
  return ip(t, 6, o);
}

/** A UDP datagram. */
export function udp(data: string, o: UdpOptions = {}): Uint8Array {
  const u = [
    ...u16(o.sport ?? 1000),
    ...u16(o.dport ?? 2000),
    ...u16(o.length ?? 8 + data.length),
    0,
    0,
    ...latin(data),
  ];
  if (o.zero !== true) {
    const sum = (transportSum(u, 17, o) || 0xffff) ^ (o.bad === true ? 1 : 0);
    u[6] = sum >> 8;
    u[7] = sum & 255;
  }
  return ip(u, 17, o);
}

/** An ICMP message; `rest` is the header's second word. */
export function icmp(type: number, code: number, o: IcmpOptions = {}): Uint8Array {
  const m = [type, code, 0, 0, ...(o.rest ?? [0, 1, 0, 1]), ...(o.data ?? [])];
  const sum = checksum(m) ^ (o.bad === true ? 1 : 0);
  m[2] = sum >> 8;
  m[3] = sum & 255;
  return ip(m, 1, o);
}
