/** Numbers and addresses as /proc writes them: a 32-bit word of the wire, read by a little-endian machine. */
import type { Ip6Addr } from '../../util/ip6-addr.ts';

/** `%0<width>X` */
export function hex(n: number, width: number): string {
  return (n >>> 0).toString(16).toUpperCase().padStart(width, '0');
}

function swap(n: number): number {
  return (n << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24);
}

/** `%08X` of an IPv4 address: 10.0.0.1 is 0100000A. */
export function hexIpv4(addr: number): string {
  return hex(swap(addr), 8);
}

/** The same of the four words of an IPv6 address. */
export function hexIpv6Words(x: Ip6Addr): string {
  return hexIpv4(x.a) + hexIpv4(x.b) + hexIpv4(x.c) + hexIpv4(x.d);
}

/** `%pi6`: 32 lower-case digits in the order of the wire. */
export function hexIpv6(x: Ip6Addr): string {
  return [x.a, x.b, x.c, x.d].map((w) => (w >>> 0).toString(16).padStart(8, '0')).join('');
}

/** Jiffies of 1/100 s, as files tell times (`USER_HZ`). */
export function clockTicks(us: number): number {
  return Math.max(0, Math.floor(us / 10_000));
}

/** `seq_setwidth`: a line filled up with blanks. */
export function padded(line: string, width: number): string {
  return `${line.padEnd(width)}\n`;
}
