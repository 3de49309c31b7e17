/** Tables, rules and questions that chance made, the same for the same seed. */
import { Random } from '../../src/core/util/random.ts';

export interface RandomPolicy {
  /** Commands of `ip` without their name. */
  readonly changes: readonly string[];
  /** `route get …` */
  readonly questions: readonly string[];
}

const TABLES = [100, 101, 102, 103, 254];
const ROUTES = 60;
const RULES = 24;
const QUESTIONS = 1500;

/** Addresses are few, so that prefixes hold one another. */
export function randomPolicy(is6: boolean, seed: number): RandomPolicy {
  const random = new Random(seed, 'policy');
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const address = (): string => {
    const bytes = Array.from({ length: 3 }, () => pick([0, 1, 2, 3, 64, 128, 192, 255]));
    if (!is6) return `20.${bytes.join('.')}`;
    return `fd20:0:0:${bytes[0]?.toString(16)}:${bytes[1]?.toString(16)}::${bytes[2]?.toString(16)}`;
  };
  const lengths = is6 ? [48, 56, 60, 64, 72, 80, 112, 128] : [8, 9, 12, 15, 16, 20, 24, 30, 32];
  const prefix = (): string => masked(address(), pick(lengths), is6);
  const gateway = (): string =>
    pick(is6 ? ['fd00:0:0:a::', 'fd00:0:0:b::'] : ['10.0.0.', '10.0.1.']) +
    String(2 + random.below(9));

  const changes: string[] = [];
  for (const table of TABLES)
    for (let i = 0; i < ROUTES; i++) {
      const dst = i === 0 && table !== 254 ? 'default' : prefix();
      const type =
        random.below(12) === 0 ? pick(['unreachable', 'prohibit', 'blackhole', 'throw']) : '';
      const way = type === '' ? ` via ${gateway()}` : '';
      const tos = !is6 && random.below(8) === 0 ? ' tos 0x10' : '';
      const metric = random.below(4) === 0 ? ` metric ${1 + random.below(3)}` : '';
      changes.push(`route add ${type} ${dst}${way} table ${table}${tos}${metric}`);
    }
  for (let i = 0; i < RULES; i++) {
    const words: string[] = [];
    if (random.below(8) === 0) words.push('not');
    if (random.below(2) === 0) words.push(`to ${prefix()}`);
    if (random.below(4) === 0)
      words.push(
        `from ${pick(is6 ? ['fd00:0:0:b::1', 'fd00:0:0:a::/64'] : ['10.0.1.1', '10.0.0.0/24'])}`,
      );
    if (random.below(4) === 0) words.push(`fwmark ${1 + random.below(3)}${pick(['', '/1', '/2'])}`);
    if (random.below(5) === 0) words.push(`ipproto ${pick(['tcp', 'udp'])}`);
    if (random.below(5) === 0) words.push(`dport ${pick(['80', '80-90', '443'])}`);
    if (random.below(6) === 0) words.push('tos 0x10');
    if (random.below(6) === 0) words.push(`${pick(['iif', 'oif'])} ${pick(['v0', 'v1', 'lo'])}`);
    const priority = 100 + i * 10;
    const action = random.below(10);
    if (action === 0) words.push(pick(['unreachable', 'prohibit', 'blackhole', 'nop']));
    else if (action === 1) words.push(`goto ${priority + 10 * (1 + random.below(5))}`);
    else words.push(`table ${pick(TABLES)}`);
    if (action > 5 && random.below(2) === 0)
      words.push(`suppress_prefixlength ${pick(is6 ? [0, 48, 64] : [0, 8, 16])}`);
    changes.push(`rule add ${words.join(' ')} pref ${priority}`);
  }

  const questions = Array.from({ length: QUESTIONS }, () => {
    const words = [`route get ${address()}`];
    if (random.below(4) === 0)
      words.push(
        `from ${pick(is6 ? ['fd00:0:0:a::1', 'fd00:0:0:b::1'] : ['10.0.0.1', '10.0.1.1'])}`,
      );
    if (random.below(3) === 0) words.push(`mark ${random.below(4)}`);
    if (random.below(3) === 0)
      words.push(`ipproto ${pick(['tcp', 'udp'])} dport ${pick([80, 85, 443, 9])}`);
    const withTos = !is6 && random.below(5) === 0;
    // LINUX: what is taken to be on a link shows the TOS of a route that a rule had suppressed.
    if (withTos) words.push('tos 0x10');
    else if (random.below(8) === 0) words.push(`oif ${pick(['v0', 'v1'])}`);
    return words.join(' ');
  });
  return { changes, questions };
}

/** The address with the bits behind its length cleared. */
function masked(address: string, length: number, is6: boolean): string {
  if (is6) return `${address}/${length}`;
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  const bits = ((a << 24) | (b << 16) | (c << 8) | d) & (length === 0 ? 0 : -1 << (32 - length));
  return `${[24, 16, 8, 0].map((n) => (bits >>> n) & 255).join('.')}/${length}`;
}
