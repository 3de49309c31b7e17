/**
 * SipHash-2-4 (Aumasson and Bernstein 2012; Linux `siphash`): 64-bit words as
 * pairs of 32-bit halves, low half first, since a cookie must have the kernel's own value.
 */

/** Key of 16 bytes as four little-endian words. */
export type SipKey = readonly [number, number, number, number];

/** Offsets of the low halves of v0 to v3 in the state. */
const V0 = 0;
const V1 = 2;
const V2 = 4;
const V3 = 6;

/** Hash of a message of little-endian 32-bit words, an even number of them: low and high word. */
export function sipHash(key: SipKey, words: readonly number[]): [number, number] {
  const v = Int32Array.of(
    key[0] ^ 0x70736575,
    key[1] ^ 0x736f6d65,
    key[2] ^ 0x6e646f6d,
    key[3] ^ 0x646f7261,
    key[0] ^ 0x6e657261,
    key[1] ^ 0x6c796765,
    key[2] ^ 0x79746573,
    key[3] ^ 0x74656462,
  );
  for (let i = 0; i < words.length; i += 2) compress(v, words[i] as number, words[i + 1] as number);
  // The last block holds the length alone.
  compress(v, 0, (words.length * 4) << 24);
  v[V2] = (v[V2] as number) ^ 0xff;
  for (let i = 0; i < 4; i++) round(v);
  return [half(v, 0), half(v, 1)];
}

/** Exclusive or of the four words' low (0) or high (1) halves. */
function half(v: Int32Array, i: number): number {
  return (
    (v[V0 + i] as number) ^ (v[V1 + i] as number) ^ (v[V2 + i] as number) ^ (v[V3 + i] as number)
  );
}

function compress(v: Int32Array, low: number, high: number): void {
  v[V3] = (v[V3] as number) ^ low;
  v[V3 + 1] = (v[V3 + 1] as number) ^ high;
  round(v);
  round(v);
  v[V0] = (v[V0] as number) ^ low;
  v[V0 + 1] = (v[V0 + 1] as number) ^ high;
}

function round(v: Int32Array): void {
  mix(v, V0, V1, 13);
  swap(v, V0);
  mix(v, V2, V3, 16);
  mix(v, V0, V3, 21);
  mix(v, V2, V1, 17);
  swap(v, V2);
}

/** a += b; b = rotl(b, n) ^ a. */
function mix(v: Int32Array, a: number, b: number, n: number): void {
  const bl = v[b] as number;
  const bh = v[b + 1] as number;
  const low = ((v[a] as number) >>> 0) + (bl >>> 0);
  v[a] = low;
  v[a + 1] = (v[a + 1] as number) + bh + (low > 0xffffffff ? 1 : 0);
  v[b] = ((bl << n) | (bh >>> (32 - n))) ^ (v[a] as number);
  v[b + 1] = ((bh << n) | (bl >>> (32 - n))) ^ (v[a + 1] as number);
}

/** Rotation by 32. */
function swap(v: Int32Array, a: number): void {
  const low = v[a] as number;
  v[a] = v[a + 1] as number;
  v[a + 1] = low;
}
