/** MD5 (RFC 1321), for TCP's signatures (RFC 2385) only: a digest of byte slices, fed one by one. */

/** Sines of RFC 1321 §3.4: floor(2³² · |sin i|), i from 1. */
const K: Int32Array = Int32Array.from({ length: 64 }, (_, i) =>
  Math.floor(2 ** 32 * Math.abs(Math.sin(i + 1))),
);
const SHIFTS: readonly (readonly number[])[] = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
];
const BLOCK = 64;
export const MD5_SIZE = 16;

/** RFC 1321 §3.4: one step's function and the index of its word. */
function mixed(round: number, b: number, c: number, d: number): number {
  switch (round) {
    case 0:
      return (b & c) | (~b & d);
    case 1:
      return (d & b) | (~d & c);
    case 2:
      return b ^ c ^ d;
    default:
      return c ^ (b | ~d);
  }
}

function wordIndex(round: number, i: number): number {
  switch (round) {
    case 0:
      return i;
    case 1:
      return (5 * i + 1) & 15;
    case 2:
      return (3 * i + 5) & 15;
    default:
      return (7 * i) & 15;
  }
}

export class Md5 {
  private readonly state: Int32Array = Int32Array.of(
    0x67452301,
    0xefcdab89 | 0,
    0x98badcfe | 0,
    0x10325476,
  );
  private readonly block = new Uint8Array(BLOCK);
  private readonly words = new DataView(this.block.buffer);
  private fill = 0;
  private total = 0;

  update(bytes: Uint8Array): void {
    this.total += bytes.length;
    let at = 0;
    while (at < bytes.length) {
      const n = Math.min(BLOCK - this.fill, bytes.length - at);
      this.block.set(bytes.subarray(at, at + n), this.fill);
      this.fill += n;
      at += n;
      if (this.fill < BLOCK) return;
      this.transform();
      this.fill = 0;
    }
  }

  /** Writes the 16 bytes into `out`; the object is used up. */
  digest(out: Uint8Array): void {
    const bits = this.total * 8;
    this.block[this.fill] = 0x80;
    this.block.fill(0, this.fill + 1);
    if (this.fill >= BLOCK - 8) {
      this.transform();
      this.block.fill(0);
    }
    this.words.setUint32(BLOCK - 8, bits >>> 0, true);
    this.words.setUint32(BLOCK - 4, Math.floor(bits / 2 ** 32), true);
    this.transform();
    const view = new DataView(out.buffer, out.byteOffset, MD5_SIZE);
    for (let i = 0; i < 4; i++) view.setInt32(i * 4, this.state[i] as number, true);
  }

  private transform(): void {
    const s = this.state;
    let a = s[0] as number;
    let b = s[1] as number;
    let c = s[2] as number;
    let d = s[3] as number;
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      const word = this.words.getInt32(wordIndex(round, i) * 4, true);
      const sum = (a + mixed(round, b, c, d) + word + (K[i] as number)) | 0;
      const shift = (SHIFTS[round] as readonly number[])[i & 3] as number;
      a = d;
      d = c;
      c = b;
      b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0;
    }
    s[0] = ((s[0] as number) + a) | 0;
    s[1] = ((s[1] as number) + b) | 0;
    s[2] = ((s[2] as number) + c) | 0;
    s[3] = ((s[3] as number) + d) | 0;
  }
}
