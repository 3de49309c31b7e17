/**
 * A table of IPv6 prefixes whose lengths are distributed as those of the Internet's default-free zone in 2025 (the
 * shares that the routing reports publish), in blocks of registries that their holders split further; and destinations.
 */
import { Ip6Addr, prefixOf } from '../src/core/util/ip6-addr.ts';
import { Random } from '../src/core/util/random.ts';

/** Prefixes of each length per thousand. */
const SHARES: readonly (readonly [length: number, perThousand: number])[] = [
  [20, 1],
  [24, 1],
  [28, 9],
  [29, 37],
  [30, 4],
  [31, 3],
  [32, 125],
  [33, 22],
  [34, 16],
  [35, 7],
  [36, 64],
  [38, 12],
  [39, 6],
  [40, 96],
  [42, 24],
  [43, 4],
  [44, 92],
  [45, 8],
  [46, 29],
  [47, 22],
  [48, 418],
];
/** The first 16 bits: what registries have given out. */
const BLOCKS: readonly number[] = Array.from({ length: 16 }, (_, i) => [
  0x2400 + i,
  0x2600 + i,
  0x2800 + (i & 7),
  0x2a00 + i,
  0x2c00 + (i & 3),
  0x2001,
]).flat();

export interface Prefix6 {
  readonly addr: Ip6Addr;
  readonly length: number;
}

/** About `count` prefixes. */
export function internet6(count: number, seed = 1): Prefix6[] {
  const random = new Random(seed, 'prefixes6');
  const list: Prefix6[] = [];
  const seen = new Set<string>();
  const holders: Prefix6[] = [];
  for (const [length, perThousand] of SHARES) {
    for (let left = Math.round((perThousand * count) / 1000); left > 0; ) {
      const holder = holders[random.below(Math.max(holders.length, 1))];
      // Three of four longer ones are parts of a holder's block.
      const inside = holder !== undefined && holder.length < length && random.below(4) > 0;
      const addr = inside ? within(holder, length, random) : somewhere(length, random);
      const key = `${addr.a} ${addr.b} ${length}`;
      if (seen.has(key)) continue;
      seen.add(key);
      list.push({ addr, length });
      if (length <= 40) holders.push({ addr, length });
      left--;
    }
  }
  return list;
}

function somewhere(length: number, random: Random): Ip6Addr {
  const block = BLOCKS[random.below(BLOCKS.length)] as number;
  return prefixOf(new Ip6Addr((block << 16) | random.below(65_536), random.i32(), 0, 0), length);
}

/** Holders give out their blocks from the beginning, in whole nibbles. */
function within(holder: Prefix6, length: number, random: Random): Ip6Addr {
  const bits = length - holder.length;
  const part = BigInt(random.below(2 ** Math.min(bits, 10)));
  const base = (BigInt(holder.addr.a >>> 0) << 32n) | BigInt(holder.addr.b >>> 0);
  const sum = base + (part << BigInt(64 - length));
  return new Ip6Addr(Number(sum >> 32n) | 0, Number(sum & 0xffffffffn) | 0, 0, 0);
}

/** Hosts in prefixes of the table, each as likely as another. */
export function destinations6(list: readonly Prefix6[], count: number, seed = 2): Ip6Addr[] {
  const random = new Random(seed, 'destinations6');
  return Array.from({ length: count }, () => {
    const { addr, length } = list[random.below(list.length)] as Prefix6;
    const host = new Ip6Addr(random.i32(), random.i32(), random.i32(), random.i32());
    const net = prefixOf(host, length);
    return new Ip6Addr(addr.a | (host.a ^ net.a), addr.b | (host.b ^ net.b), host.c, host.d);
  });
}

/** As traffic has them: of 16,384 hosts the n-th takes a share of 1/n (Zipf). */
export function traffic6(list: readonly Prefix6[], count: number, seed = 3): Ip6Addr[] {
  const flows = destinations6(list, 16_384, seed);
  const random = new Random(seed, 'traffic6');
  // The inverse of the sum of 1/n is about exponential.
  return Array.from({ length: count }, () => {
    const n = Math.floor(flows.length ** random.float()) - 1;
    return flows[Math.min(n, flows.length - 1)] as Ip6Addr;
  });
}
