/** The words of tc-fq(8), read and written. */
import { EINVAL, NetError } from '../errno.ts';
import { FQ_DEFAULTS, type FqOptions } from '../link/fq.ts';
import { parseRate } from './netem-words.ts';

/** Words of fq that are understood and refused: what they set is fixed here. */
const FIXED: readonly string[] = [
  'buckets',
  'orphan_mask',
  'refill_delay',
  'low_rate_threshold',
  'timer_slack',
  'ce_threshold',
  'horizon',
  'horizon_drop',
  'horizon_cap',
  'defrate',
  'priomap',
  'weights',
];

type Fields = { -readonly [K in keyof FqOptions]: FqOptions[K] };

/** @throws NetError EINVAL whose detail says what is wrong */
export function parseFq(text: string): FqOptions {
  const words = text.split(/\s+/).filter((w) => w !== '');
  const o: Fields = { ...FQ_DEFAULTS };
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === 'pacing' || word === 'nopacing') {
      o.pacing = word === 'pacing';
      continue;
    }
    if (FIXED.includes(word)) throw refused(`fq: "${word}" cannot be changed here`);
    const value = words[++i];
    if (value === undefined) throw refused(`fq: "${word}" needs a value`);
    setValue(o, word, value);
  }
  return o;
}

function refused(detail: string): NetError {
  return new NetError(EINVAL, 'netem', detail);
}

function setValue(o: Fields, word: string, value: string): void {
  switch (word) {
    case 'limit':
      o.limit = whole(word, value);
      return;
    case 'flow_limit':
      o.flowLimit = whole(word, value);
      return;
    case 'quantum':
      o.quantum = whole(word, value);
      return;
    case 'initial_quantum':
      o.initialQuantum = whole(word, value);
      return;
    case 'maxrate':
      o.maxRate = parseRate(value);
      return;
    default:
      throw refused(
        `what is "${word}"? fq knows limit, flow_limit, quantum, initial_quantum, maxrate`,
      );
  }
}

function whole(word: string, value: string): number {
  const n = Number(/^\d+/.exec(value)?.[0] ?? 'x');
  if (!(n > 0) || n > 0xffff_ffff) throw refused(`fq: "${word}" is a number above 0`);
  return n;
}

/** As `tc qdisc show` of iproute2 writes them. */
export function formatFq(o: FqOptions): string {
  const pacing = o.pacing ? '' : 'nopacing ';
  const rate = o.maxRate === Number.POSITIVE_INFINITY ? '' : `maxrate ${rateText(o.maxRate)} `;
  return (
    `limit ${o.limit}p flow_limit ${o.flowLimit}p buckets 1024 orphan_mask 1023 ${pacing}` +
    `quantum ${o.quantum}b initial_quantum ${o.initialQuantum}b ${rate}` +
    'low_rate_threshold 550Kbit refill_delay 40ms timer_slack 10us horizon 10s horizon_drop'
  );
}

function rateText(bytesPerSecond: number): string {
  let n = bytesPerSecond * 8;
  const units = ['', 'K', 'M', 'G', 'T'];
  let i = 0;
  while (n >= 1000 && n % 1000 === 0 && i < units.length - 1) {
    n /= 1000;
    i++;
  }
  return `${n}${units[i]}bit`;
}
