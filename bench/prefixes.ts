/**
 * Tables and destinations for the benchmarks of routing: prefixes whose lengths are distributed as those of the
 * Internet's default-free zone in 2025 (the shares that the CIDR report and RIPE RIS publish), in blocks that their
 * holders split further, as there; destinations at random, and as traffic has them: few addresses take most of it.
 */
import { Random } from '../src/core/util/random.ts';

/** Prefixes of each length per million, IPv4. */
const SHARES: readonly (readonly [length: number, perMillion: number])[] = [
  [8, 16],
  [9, 13],
  [10, 40],
  [11, 105],
  [12, 300],
  [13, 600],
  [14, 1200],
  [15, 2100],
  [16, 13_600],
  [17, 8300],
  [18, 13_700],
  [19, 25_500],
  [20, 46_000],
  [21, 54_000],
  [22, 112_000],
  [23, 103_000],
  [24, 619_000],
];

export interface Prefix {
  readonly addr: number;
  readonly length: number;
  /** Which of 64 gateways. */
  readonly way: number;
}

/** About `count` prefixes; the default route is the first. */
export function internet(count: number, seed = 1): Prefix[] {
  const random = new Random(seed, 'prefixes');
  const list: Prefix[] = [{ addr: 0, length: 0, way: 0 }];
  const seen = new Set<number>();
  const add = (addr: number, length: number, way: number): boolean => {
    const key = (addr >>> 0) * 64 + length;
    if (seen.has(key)) return false;
    seen.add(key);
    list.push({ addr, length, way });
    return true;
  };
  const holders: Prefix[] = [];
  for (const [length, perMillion] of SHARES) {
    let left = Math.round((perMillion * count) / 1_000_000);
    while (left > 0) {
      // Half of the longer ones are parts of a holder's block, in runs.
      const holder = holders[random.below(Math.max(holders.length, 1))];
      if (holder === undefined || holder.length >= length || random.below(2) === 0) {
        const addr = (unicast(random) & (-1 << (32 - length))) | 0;
        const way = random.below(64);
        if (!add(addr, length, way)) continue;
        left--;
        if (length <= 20) holders.push({ addr, length, way });
        continue;
      }
      const parts = 2 ** (length - holder.length);
      let part = random.below(parts);
      const way = random.below(2) === 0 ? holder.way : random.below(64);
      for (let run = 1 + random.below(8); run > 0 && left > 0 && part < parts; run--, part++)
        if (add((holder.addr + part * 2 ** (32 - length)) | 0, length, way)) left--;
    }
  }
  return list;
}

/** An address that is neither 0/8, 10/8, 127/8 nor beyond 223. */
function unicast(random: Random): number {
  for (;;) {
    const addr = random.i32();
    const first = addr >>> 24;
    if (first > 0 && first < 224 && first !== 10 && first !== 127) return addr;
  }
}

/** `count` addresses, a power of two, anywhere. */
export function anywhere(count: number, seed = 2): Int32Array {
  const random = new Random(seed, 'anywhere');
  return Int32Array.from({ length: count }, () => unicast(random));
}

/** `count` addresses, a power of two: of 16,384 destinations the n-th takes a share of 1/n (Zipf). */
export function traffic(prefixes: readonly Prefix[], count: number, seed = 3): Int32Array {
  const random = new Random(seed, 'traffic');
  const flows = Int32Array.from({ length: 16_384 }, () => {
    const { addr, length } = prefixes[random.below(prefixes.length)] as Prefix;
    return length === 0 ? unicast(random) : addr | (random.i32() >>> length);
  });
  const sums = new Float64Array(flows.length);
  let sum = 0;
  for (let i = 0; i < sums.length; i++) {
    sum += 1 / (i + 1);
    sums[i] = sum;
  }
  return Int32Array.from({ length: count }, () => {
    const point = (random.below(2 ** 30) / 2 ** 30) * sum;
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const mid = (low + high) >> 1;
      if ((sums[mid] as number) < point) low = mid + 1;
      else high = mid;
    }
    return flows[low] as number;
  });
}
