/**
 * IPv6 addresses (RFC 4291): an immutable object of four signed 32-bit integers in host order. Compared with
 * `equals`, which is one comparison where both sides share an object, as they do on the paths that matter.
 * There is no table of interned objects: it would be state outside of a namespace, and hostile packets could
 * make it grow. `Ip6Map` finds things by address instead.
 */
import { mix32 } from './random.ts';

export class Ip6Addr {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;

  /** @param a the first 32 bits, signed @param d the last */
  constructor(a: number, b: number, c: number, d: number) {
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
  }

  equals(o: Ip6Addr): boolean {
    return this === o || (this.d === o.d && this.c === o.c && this.b === o.b && this.a === o.a);
  }

  /** A number that depends on all bits and on `key`, so that nobody outside can choose collisions. */
  hash(key: number): number {
    return mix32(mix32(this.a, this.b ^ key), mix32(this.c ^ key, this.d));
  }

  /** The text of RFC 5952. */
  toString(): string {
    return formatIpv6(this);
  }
}

export const IN6ADDR_ANY: Ip6Addr = Object.freeze(new Ip6Addr(0, 0, 0, 0));
export const IN6ADDR_LOOPBACK: Ip6Addr = Object.freeze(new Ip6Addr(0, 0, 0, 1));
/** ff01::1, ff02::1, ff01::2, ff02::2, ff05::2 (RFC 4291 §2.7.1) */
export const IN6ADDR_INTERFACELOCAL_ALLNODES: Ip6Addr = Object.freeze(
  new Ip6Addr(0xff010000 | 0, 0, 0, 1),
);
export const IN6ADDR_LINKLOCAL_ALLNODES: Ip6Addr = Object.freeze(
  new Ip6Addr(0xff020000 | 0, 0, 0, 1),
);
export const IN6ADDR_INTERFACELOCAL_ALLROUTERS: Ip6Addr = Object.freeze(
  new Ip6Addr(0xff010000 | 0, 0, 0, 2),
);
export const IN6ADDR_LINKLOCAL_ALLROUTERS: Ip6Addr = Object.freeze(
  new Ip6Addr(0xff020000 | 0, 0, 0, 2),
);
export const IN6ADDR_SITELOCAL_ALLROUTERS: Ip6Addr = Object.freeze(
  new Ip6Addr(0xff050000 | 0, 0, 0, 2),
);
/** ff02::16 (RFC 3810 §5.2.14) */
export const IN6ADDR_MLD2_REPORTS: Ip6Addr = Object.freeze(new Ip6Addr(0xff020000 | 0, 0, 0, 0x16));

/** `::` */
export function isAny6(x: Ip6Addr): boolean {
  return x.d === 0 && x.c === 0 && x.b === 0 && x.a === 0;
}

/** `::1` */
export function isLoopback6(x: Ip6Addr): boolean {
  return x.d === 1 && x.c === 0 && x.b === 0 && x.a === 0;
}

/** ff00::/8 */
export function isMulticast6(x: Ip6Addr): boolean {
  return x.a >>> 24 === 0xff;
}

/** fe80::/10 */
export function isLinkLocal6(x: Ip6Addr): boolean {
  return x.a >>> 22 === 0x3fa;
}

/** fec0::/10 (deprecated by RFC 3879; source selection still knows it) */
export function isSiteLocal6(x: Ip6Addr): boolean {
  return x.a >>> 22 === 0x3fb;
}

/** ::ffff:0:0/96 */
export function isMapped6(x: Ip6Addr): boolean {
  return x.a === 0 && x.b === 0 && x.c === 0xffff;
}

/** ff01::/16, multicast on this host alone. */
export function isInterfaceLocalMulticast(x: Ip6Addr): boolean {
  return isMulticast6(x) && ((x.a >>> 16) & 15) === 1;
}

/** ff02::/16 */
export function isLinkLocalMulticast(x: Ip6Addr): boolean {
  return isMulticast6(x) && ((x.a >>> 16) & 15) === 2;
}

/** Means nothing without a link: link-local, or a group of that scope. */
export function needsScope(x: Ip6Addr): boolean {
  return isLinkLocal6(x) || isLinkLocalMulticast(x) || isInterfaceLocalMulticast(x);
}

/** The address of an IPv4 one in ::ffff:0:0/96. */
export function mappedAddr(v4: number): Ip6Addr {
  return new Ip6Addr(0, 0, 0xffff, v4);
}

/** ff02::1:ffXX:XXXX (RFC 4291 §2.7.1) */
export function solicitedNode(x: Ip6Addr): Ip6Addr {
  return new Ip6Addr(0xff020000 | 0, 0, 1, 0xff000000 | (x.d & 0xffffff));
}

/** The MAC of an IPv6 multicast group (RFC 2464 §7). */
export function multicastMac6(group: Ip6Addr): number {
  return 0x333300000000 + (group.d >>> 0);
}

/** The first `len` bits, the others zero. */
export function prefixOf(x: Ip6Addr, len: number): Ip6Addr {
  if (len >= 128) return x;
  return new Ip6Addr(
    x.a & mask(len),
    x.b & mask(len - 32),
    x.c & mask(len - 64),
    x.d & mask(len - 96),
  );
}

/** Are the first `len` bits of both the same (`ipv6_prefix_equal`)? */
export function samePrefix(x: Ip6Addr, y: Ip6Addr, len: number): boolean {
  if (len <= 0) return true;
  if (((x.a ^ y.a) & mask(len)) !== 0) return false;
  if (len <= 32) return true;
  if (((x.b ^ y.b) & mask(len - 32)) !== 0) return false;
  if (len <= 64) return true;
  return ((x.c ^ y.c) & mask(len - 64)) === 0 && ((x.d ^ y.d) & mask(len - 96)) === 0;
}

/** How many leading bits are the same (`ipv6_addr_diff`). */
export function commonBits(x: Ip6Addr, y: Ip6Addr): number {
  if (x.a !== y.a) return Math.clz32(x.a ^ y.a);
  if (x.b !== y.b) return 32 + Math.clz32(x.b ^ y.b);
  if (x.c !== y.c) return 64 + Math.clz32(x.c ^ y.c);
  return x.d === y.d ? 128 : 96 + Math.clz32(x.d ^ y.d);
}

/** A mask of `len` leading ones of 32; beyond either end, none or all. */
function mask(len: number): number {
  if (len <= 0) return 0;
  return len >= 32 ? -1 : -1 << (32 - len);
}

/** Order of the bytes on the wire; negative when `x` comes first. */
export function compareIp6(x: Ip6Addr, y: Ip6Addr): number {
  return (
    (x.a >>> 0) - (y.a >>> 0) ||
    (x.b >>> 0) - (y.b >>> 0) ||
    (x.c >>> 0) - (y.c >>> 0) ||
    (x.d >>> 0) - (y.d >>> 0)
  );
}

/** 16 bytes at `at`. */
export function getIp6(view: DataView, at: number): Ip6Addr {
  return new Ip6Addr(
    view.getInt32(at),
    view.getInt32(at + 4),
    view.getInt32(at + 8),
    view.getInt32(at + 12),
  );
}

/** Writes 16 bytes. */
export function putIp6(view: DataView, at: number, x: Ip6Addr): void {
  view.setInt32(at, x.a);
  view.setInt32(at + 4, x.b);
  view.setInt32(at + 8, x.c);
  view.setInt32(at + 12, x.d);
}

/**
 * The text of RFC 5952 §4; mapped and IPv4-compatible addresses end in a dotted quad, as `inet_ntop` of the C
 * library writes them.
 */
export function formatIpv6(x: Ip6Addr): string {
  const words = [x.a, x.b, x.c, x.d].flatMap((n) => [n >>> 16, n & 0xffff]);
  const [from, length] = longestZeros(words);
  const quad = from === 0 && (length === 6 || (length === 5 && words[5] === 0xffff));
  const parts = words.map((w) => w.toString(16));
  if (quad) parts.splice(6, 2, dotted(x.d));
  if (length < 2) return parts.join(':');
  return `${parts.slice(0, from).join(':')}::${parts.slice(from + length).join(':')}`;
}

/** All eight words of four digits: `%pI6` of the kernel. */
export function fullIp6(x: Ip6Addr): string {
  return [x.a, x.b, x.c, x.d]
    .flatMap((n) => [n >>> 16, n & 0xffff])
    .map((w) => w.toString(16).padStart(4, '0'))
    .join(':');
}

/** Where the first of the longest runs of zero words begins, and its length. */
function longestZeros(words: readonly number[]): readonly [from: number, length: number] {
  let from = 0;
  let length = 0;
  for (let i = 0; i < words.length; i++) {
    let n = 0;
    while (words[i + n] === 0) n++;
    if (n > length) [from, length] = [i, n];
  }
  return [from, length];
}

function dotted(n: number): string {
  return `${n >>> 24}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;
}

/** The address that `text` writes (RFC 4291 §2.2), without a scope; undefined if it writes none. */
export function parseIpv6(text: string): Ip6Addr | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [left = '', right] = halves;
  const head = wordsOf(left, right === undefined);
  const tail = right === undefined ? [] : wordsOf(right, true);
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (right === undefined ? missing !== 0 : missing < 1) return undefined;
  const w = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const pair = (i: number): number => ((w[i] as number) << 16) | (w[i + 1] as number);
  return new Ip6Addr(pair(0), pair(2), pair(4), pair(6));
}

/** Words between colons; the last may be a dotted quad when `last`. */
function wordsOf(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const out: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      out.push(Number.parseInt(part, 16));
      continue;
    }
    const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(part);
    if (m === null || !last || i !== parts.length - 1) return undefined;
    const [p = 0, q = 0, r = 0, s = 0] = m.slice(1).map(Number);
    if (p > 255 || q > 255 || r > 255 || s > 255) return undefined;
    out.push((p << 8) | q, (r << 8) | s);
  }
  return out;
}

/** The address that a literal of the program's own source writes; for constants and tests. */
export function ip6(text: string): Ip6Addr {
  const addr = parseIpv6(text);
  if (addr === undefined) throw new TypeError(`"${text}" is not an IPv6 address`);
  return addr;
}
