/** The compression function of SHA-1 (FIPS 180-4 §6.1.2), for interface identifiers (RFC 7217 §5) only. */

/** The chaining value after one block of sixteen words, without padding: what Linux's `sha1_transform` gives. */
export function sha1Block(block: Int32Array): Int32Array {
  const w = new Int32Array(80);
  w.set(block.subarray(0, 16));
  for (let i = 16; i < 80; i++)
    w[i] = rol(at(w, i - 3) ^ at(w, i - 8) ^ at(w, i - 14) ^ at(w, i - 16), 1);
  const h = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476, 0xc3d2e1f0 | 0] as const;
  let [a, b, c, d, e]: [number, number, number, number, number] = [...h];
  for (let i = 0; i < 80; i++) {
    const t = (rol(a, 5) + mixed(i, b, c, d) + e + at(w, i)) | 0;
    [e, d, c, b, a] = [d, c, rol(b, 30), a, t];
  }
  return Int32Array.of(h[0] + a, h[1] + b, h[2] + c, h[3] + d, h[4] + e);
}

function at(w: Int32Array, i: number): number {
  return w[i] as number;
}

function rol(x: number, n: number): number {
  return (x << n) | (x >>> (32 - n));
}

/** The function of a round, and its constant. */
function mixed(i: number, b: number, c: number, d: number): number {
  if (i < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (i < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (i < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}
