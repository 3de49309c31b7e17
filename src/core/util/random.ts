/**
 * Seeded random numbers: sfc32 (Chris Doty-Humphrey's small fast counting generator, 128 bits of
 * state). A kernel hands out one stream per purpose, so that a new consumer does not shift the
 * numbers that another one sees.
 */

/** One stream of random numbers. */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  /** @param seed the kernel's seed @param purpose names the stream, e.g. `'tcp-isn'` */
  constructor(seed: number, purpose: string) {
    this.a = seed | 0;
    this.b = Math.floor(seed / 2 ** 32) | 0;
    this.c = hashString(purpose);
    for (let i = 0; i < 15; i++) this.u32();
  }

  /** Uniform in [0, 2³²). */
  u32(): number {
    return this.i32() >>> 0;
  }

  /** A uniform signed 32-bit integer. */
  i32(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + t;
    this.c |= 0;
    return t;
  }

  /** Uniform in [0, n), n ≤ 2³² (Linux `get_random_u32_below`). */
  below(n: number): number {
    return Math.floor((this.u32() / 2 ** 32) * n);
  }

  /** Uniform in [0, 1). */
  float(): number {
    return this.u32() / 2 ** 32;
  }

  /** True with probability `p` of 0 to 1. */
  chance(p: number): boolean {
    return p > 0 && this.float() < p;
  }

  /** Fills `bytes` with random ones. */
  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.i32() & 0xff;
  }
}

/** FNV-1a, 32 bits, signed. */
export function hashString(text: string): number {
  let h = 0x811c9dc5 | 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h;
}

/** Mixes two 32-bit integers into one (the finalizer of MurmurHash3); used with a secret as key. */
export function mix32(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ b;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
