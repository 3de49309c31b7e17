/**
 * The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words.
 * Sums are kept as 16-bit integers in host order, folded, and can be added to one another as long as
 * each part starts at an even offset of what is summed (`swapSum` for one that does not; §2(B)).
 *
 * Sums add two 16-bit lanes of each 32-bit word: no carry has to be found until the end, and a lane
 * overflows 31 bits after 128 KiB only.
 */
import type { Ip6Addr } from '../util/ip6-addr.ts';
import type { Ipv4Header } from './ipv4.ts';
import type { Ipv6Header } from './ipv6.ts';

/** Bytes that a lane can take before it has to be folded, with room for what it starts from. */
const LANE_BYTES = 65536;
/** Shorter slices are summed byte by byte: making a view costs more. */
const SMALL = 128;

/** Adds carries back in: any sum below 2³² to 16 bits. */
export function foldSum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** The sum of the same bytes at an odd offset (RFC 1071 §2(B)). */
export function swapSum(sum: number): number {
  return ((sum & 0xff) << 8) | (sum >>> 8);
}

/** The value of a checksum field for a folded sum. */
export function foldChecksum(sum: number): number {
  return ~foldSum(sum) & 0xffff;
}

/** Adds the bytes [from, to) of a view to a sum; the first one is the high byte of a word. Folded. */
export function sumView(view: DataView, from: number, to: number, initial: number): number {
  let sum = initial;
  let i = from;
  while (i < to) {
    const end = to - i > LANE_BYTES ? i + LANE_BYTES : to;
    sum = sumLanes(view, i, end, sum);
    i = end;
  }
  return sum;
}

function sumLanes(view: DataView, from: number, to: number, initial: number): number {
  let high = 0;
  let low = initial;
  let i = from;
  for (const end = to - 15; i < end; i += 16) {
    const a = view.getInt32(i);
    const b = view.getInt32(i + 4);
    const c = view.getInt32(i + 8);
    const d = view.getInt32(i + 12);
    high = (high + (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16)) | 0;
    low = (low + (a & 0xffff) + (b & 0xffff) + (c & 0xffff) + (d & 0xffff)) | 0;
  }
  for (const end = to - 3; i < end; i += 4) {
    const a = view.getInt32(i);
    high = (high + (a >>> 16)) | 0;
    low = (low + (a & 0xffff)) | 0;
  }
  if (to - i >= 2) {
    low = (low + view.getUint16(i)) | 0;
    i += 2;
  }
  if (i < to) high = (high + (view.getUint8(i) << 8)) | 0;
  return foldSum(foldSum(high) + foldSum(low));
}

/** Adds `bytes[from, to)` to a sum below 2³⁰; the first byte is the high byte of a word. Folded. */
export function sum16(bytes: Uint8Array, from: number, to: number, initial: number): number {
  if (to - from >= SMALL) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return sumView(view, from, to, foldSum(initial));
  }
  let sum = initial;
  let i = from;
  for (const end = to - 1; i < end; i += 2)
    sum += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
  if (i < to) sum += (bytes[i] as number) << 8;
  return foldSum(sum);
}

/** The sum of all slices as one run of bytes, whatever their lengths. Folded. */
export function sumPayload(data: readonly Uint8Array[], initial: number): number {
  let sum = foldSum(initial);
  let odd = false;
  for (let i = 0; i < data.length; i++) {
    const slice = data[i] as Uint8Array;
    const part = sum16(slice, 0, slice.length, 0);
    sum = foldSum(sum + (odd ? swapSum(part) : part));
    if ((slice.length & 1) === 1) odd = !odd;
  }
  return sum;
}

/** Checksum of `bytes[from, to)`, whose checksum field must be zero. */
export function checksum(bytes: Uint8Array, from: number, to: number): number {
  return foldChecksum(sum16(bytes, from, to, 0));
}

/**
 * Sum of the pseudo-header of TCP and UDP (RFC 9293 §3.1, RFC 768): addresses, protocol and `len`,
 * the bytes of transport header and data. Not folded, below 2¹⁹.
 */
export function pseudoSum(ip: Ipv4Header, protocol: number, len: number): number {
  const src = (ip.src >>> 16) + (ip.src & 0xffff);
  const dst = (ip.dst >>> 16) + (ip.dst & 0xffff);
  return src + dst + protocol + (len >>> 16) + (len & 0xffff);
}

/** The same for IPv6 (RFC 8200 §8.1). Below 2²¹. */
export function pseudoSum6(ip: Ipv6Header, protocol: number, len: number): number {
  return addrSum(ip.src) + addrSum(ip.dst) + protocol + (len >>> 16) + (len & 0xffff);
}

function addrSum(x: Ip6Addr): number {
  const high = (x.a >>> 16) + (x.b >>> 16) + (x.c >>> 16) + (x.d >>> 16);
  return high + (x.a & 0xffff) + (x.b & 0xffff) + (x.c & 0xffff) + (x.d & 0xffff);
}

/** A checksum that is wrong for certain, for a packet that came in with a wrong one; never 0. */
export function spoilChecksum(good: number): number {
  // A difference of 256 or 512 is none of the multiples of 65535 that go unnoticed.
  return good === 0x100 ? 0x300 : good ^ 0x100;
}
