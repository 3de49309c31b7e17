/**
 * The fuzzer: feeds a parser random bytes and damaged valid inputs. Seeded, bounded, and without state
 * of its own, so that a failing input can be named by target, seed and number.
 */
import { Random } from '../../src/core/util/random.ts';

export interface FuzzTarget {
  readonly name: string;
  /** Valid inputs, to be damaged. */
  readonly seeds: readonly Uint8Array[];
  /** Parses the input; throws if the parser does, or if what it made of it is wrong. */
  readonly run: (bytes: Uint8Array) => void;
  /** Longest random input in bytes; 200 when absent. */
  readonly maxLength?: number;
}

/** Bytes at which lengths and versions change their meaning. */
const EDGES = [0, 1, 2, 4, 5, 0x0f, 0x40, 0x44, 0x45, 0x4f, 0x60, 0x7f, 0x80, 0xf0, 0xfe, 0xff];

/**
 * Runs one target on `iterations` inputs.
 * @throws Error that names target, seed, number and input
 */
export function fuzz(target: FuzzTarget, seed: number, iterations: number): void {
  const random = new Random(seed, `fuzz:${target.name}`);
  for (let n = 0; n < iterations; n++) {
    const bytes = input(target, random);
    try {
      target.run(bytes);
    } catch (cause) {
      const hex = Buffer.from(bytes).toString('hex');
      throw new Error(`${target.name}, seed ${seed}, input ${n}: ${hex}`, { cause });
    }
  }
}

function input(target: FuzzTarget, random: Random): Uint8Array {
  if (target.seeds.length === 0 || random.chance(0.1)) {
    const bytes = new Uint8Array(random.below((target.maxLength ?? 200) + 1));
    random.fill(bytes);
    return bytes;
  }
  let bytes: Uint8Array = pick(target.seeds, random).slice();
  for (let left = random.below(4); left >= 0; left--) bytes = damage(bytes, target, random);
  return bytes;
}

function pick(list: readonly Uint8Array[], random: Random): Uint8Array {
  return list[random.below(list.length)] ?? new Uint8Array(0);
}

function damage(bytes: Uint8Array, target: FuzzTarget, random: Random): Uint8Array {
  const at = random.below(bytes.length);
  switch (random.below(7)) {
    case 0:
      return bytes.slice(0, at);
    case 1:
      return join(bytes, new Uint8Array(random.below(20)));
    case 2:
      return join(bytes.slice(0, at), pick(target.seeds, random).slice(at));
    case 3:
      return join(bytes.slice(0, at), bytes.slice(at + 1 + random.below(4)));
    case 4:
      bytes[at] = EDGES[random.below(EDGES.length)] ?? 0;
      return bytes;
    case 5:
      bytes[at] = random.below(256);
      return bytes;
    default:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
  }
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
