/**
 * Keyed hashes of a namespace's TCP: initial sequence numbers (RFC 6528 §3), timestamp offsets (RFC
 * 7323 §5.4), source ports (RFC 6056 §3.3.4), SYN cookies. SipHash-2-4 on 32-bit halves would cost
 * four times HalfSipHash-2-4, which is made for this use (Linux uses SipHash on 64-bit machines).
 */
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import type { Random } from '../../util/random.ts';

/** `inet_table_perturb`: how often each group of destinations was connected to. */
const PERTURB_SIZE = 4096;
/** Where the key of `digest` is, which is made when an IPv6 address first comes. */
const DIGEST_KEY = 12;

export class Secrets {
  private readonly keys: Int32Array = new Int32Array(14);
  private hasDigestKey = false;
  /** `table_perturb` */
  readonly perturb: Uint32Array = new Uint32Array(PERTURB_SIZE);
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
    for (let i = 0; i < DIGEST_KEY; i++) this.keys[i] = random.i32();
  }

  /**
   * What stands for an IPv6 address in everything that hashes connections: an integer that nobody outside can
   * foretell. Different addresses may have the same, though nobody can look for them.
   */
  digest(addr: Ip6Addr): number {
    if (!this.hasDigestKey) {
      this.hasDigestKey = true;
      this.keys[DIGEST_KEY] = this.random.i32();
      this.keys[DIGEST_KEY + 1] = this.random.i32();
    }
    return this.hash(DIGEST_KEY, this.hash(DIGEST_KEY, addr.a, addr.b, addr.c), addr.d, 0);
  }

  /** Sequence number part of (saddr, daddr, ports) without the clock. */
  isn(saddr: number, daddr: number, sport: number, dport: number): number {
    return this.hash(0, saddr, daddr, (sport << 16) | dport);
  }

  /** Offset of TSval of a pair of addresses. */
  tsOffset(saddr: number, daddr: number): number {
    return this.hash(2, saddr, daddr, 0);
  }

  /** Two hashes of a destination: index and offset of the search for a port. */
  portIndex(saddr: number, daddr: number, dport: number): number {
    return this.hash(4, saddr, daddr, dport) & (PERTURB_SIZE - 1);
  }

  portOffset(saddr: number, daddr: number, dport: number): number {
    return this.hash(6, saddr, daddr, dport) >>> 0;
  }

  /** @param c 0 or 1: which of the two cookie keys */
  cookie(c: number, saddr: number, daddr: number, ports: number, count: number): number {
    const k = 8 + 2 * c;
    return this.hash(k, this.hash(k, saddr, daddr, ports), count, 1);
  }

  /** HalfSipHash-2-4 of three words under the key at `k`. */
  private hash(k: number, a: number, b: number, c: number): number {
    const k0 = this.keys[k] as number;
    const k1 = this.keys[k + 1] as number;
    let v0 = k0;
    let v1 = k1;
    let v2 = 0x6c796765 ^ k0;
    let v3 = 0x74656462 ^ k1;
    for (let i = 0; i < 5; i++) {
      // Words, then the length block, then the finalisation of four rounds.
      const m = wordOf(i, a, b, c);
      if (i < 4) v3 ^= m;
      else v2 ^= 0xff;
      for (let r = i < 4 ? 2 : 4; r > 0; r--) {
        v0 = (v0 + v1) | 0;
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
        v0 = (v0 << 16) | (v0 >>> 16);
        v2 = (v2 + v3) | 0;
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
        v0 = (v0 + v3) | 0;
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
        v2 = (v2 + v1) | 0;
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
        v2 = (v2 << 16) | (v2 >>> 16);
      }
      if (i < 4) v0 ^= m;
    }
    return v1 ^ v3;
  }
}

/** Three words and the length block of a message of 12 bytes. */
function wordOf(i: number, a: number, b: number, c: number): number {
  switch (i) {
    case 0:
      return a;
    case 1:
      return b;
    case 2:
      return c;
    default:
      return 12 << 24;
  }
}
