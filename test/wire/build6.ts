/** IPv6 packets as bytes, made independently of the stack's own `wire/` (`ip6`, `icmp6`, `udp` of linux_wire.py). */
import { ip6 as addr6 } from '../../src/core/util/ip6-addr.ts';
import { checksum, tcp } from './build.ts';

const IPV4_HLEN = 20;

/** The kernel under test, and the peer that the test plays. */
export const KERNEL6 = 'fd00:7::1';
export const PEER6 = 'fd00:7::2';

export interface Ip6Options {
  readonly src?: string;
  readonly dst?: string;
  readonly hopLimit?: number;
  /** Payload length, when it is to be wrong. */
  readonly length?: number;
}

/** Sixteen bytes of an address. */
export function six(text: string): number[] {
  const x = addr6(text);
  return [x.a, x.b, x.c, x.d].flatMap((n) => [24, 16, 8, 0].map((s) => (n >>> s) & 255));
}

function u16(n: number): number[] {
  return [(n >> 8) & 255, n & 255];
}

/** An IPv6 packet. */
export function ip6(payload: ArrayLike<number>, next: number, o: Ip6Options = {}): Uint8Array {
  return Uint8Array.from([
    0x60,
    0,
    0,
    0,
    ...u16(o.length ?? payload.length),
    next,
    o.hopLimit ?? 64,
    ...six(o.src ?? PEER6),
    ...six(o.dst ?? KERNEL6),
    ...Array.from(payload),
  ]);
}

function withSum(bytes: number[], protocol: number, at: number, o: Ip6Options): number[] {
  const pseudo = [...six(o.src ?? PEER6), ...six(o.dst ?? KERNEL6)];
  const sum = checksum([...pseudo, 0, 0, ...u16(bytes.length), 0, 0, 0, protocol, ...bytes]);
  const value = sum === 0 && protocol === 17 ? 0xffff : sum;
  bytes[at] = value >> 8;
  bytes[at + 1] = value & 255;
  return bytes;
}

/** An ICMPv6 message without its IP header; `rest` is the header's second word. */
export function icmp6Body(
  type: number,
  code: number,
  data: ArrayLike<number> = [],
  o: Ip6Options & { readonly rest?: readonly number[] } = {},
): number[] {
  const m = [type, code, 0, 0, ...(o.rest ?? [0, 1, 0, 1]), ...Array.from(data)];
  return withSum(m, 58, 2, o);
}

/** An ICMPv6 message. */
export function icmp6(
  type: number,
  code: number,
  data: ArrayLike<number> = [],
  o: Ip6Options & { readonly rest?: readonly number[] } = {},
): Uint8Array {
  return ip6(icmp6Body(type, code, data, o), 58, o);
}

/** A UDP datagram; `zero`: without checksum. */
export function udp6(
  data: ArrayLike<number>,
  o: Ip6Options & {
    readonly sport?: number;
    readonly dport?: number;
    readonly zero?: boolean;
  } = {},
): Uint8Array {
  const u = [
    ...u16(o.sport ?? 1000),
    ...u16(o.dport ?? 2000),
    ...u16(8 + data.length),
    0,
    0,
    ...Array.from(data),
  ];
  return ip6(o.zero === true ? u : withSum(u, 17, 6, o), 17, o);
}

/** A TCP segment without options, as `tcp` makes it over IPv4. */
export function tcp6(flags: string, o: Ip6Options = {}): Uint8Array {
  const segment = Array.from(tcp(flags).subarray(IPV4_HLEN));
  segment[16] = 0;
  segment[17] = 0;
  return ip6(withSum(segment, 6, 16, o), 6, o);
}
