/** The words of tc-netem(8): `delay 100ms 10ms 25% loss 1%` to parameters, and back. */
import { EINVAL, NetError } from '../errno.ts';
import {
  NETEM_DEFAULTS,
  type NetemChance,
  type NetemDistribution,
  type NetemLoss,
  type NetemOptions,
} from '../link/netem-options.ts';
import { nearest } from '../util/nearest.ts';

/** In tc's own order: of an abbreviation, the first that fits counts. */
const WORDS: readonly string[] = [
  'limit',
  'latency',
  'delay',
  'loss',
  'drop',
  'ecn',
  'reorder',
  'corrupt',
  'gap',
  'duplicate',
  'distribution',
  'rate',
  'slot',
  'seed',
];

const DISTRIBUTIONS: readonly NetemDistribution[] = ['uniform', 'normal', 'pareto', 'paretonormal'];
const LOSS_MODELS: readonly string[] = ['random', 'state', 'gemodel'];

/** Microseconds in one unit (tc(8), "TIME"); a number without unit is microseconds. */
const TIME_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  ns: 0.001,
  nsec: 0.001,
  nsecs: 0.001,
  us: 1,
  usec: 1,
  usecs: 1,
  ms: 1000,
  msec: 1000,
  msecs: 1000,
  s: 1_000_000,
  sec: 1_000_000,
  secs: 1_000_000,
};

const PREFIXES: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function fail(detail: string): never {
  throw new NetError(EINVAL, 'netem', detail);
}

/** " (did you mean "delay"?)", or nothing. */
function suggestion(word: string, words: readonly string[]): string {
  const near = nearest(word, words);
  return near === undefined ? `; it is one of ${words.join(', ')}` : `; did you mean "${near}"?`;
}

/** The words of a line, one after the other. */
class Words {
  private readonly words: readonly string[];
  private at = 0;

  constructor(line: string) {
    this.words = line.split(/\s+/).filter((w) => w !== '');
  }

  next(): string | undefined {
    return this.words[this.at++];
  }

  /** The value that has to follow a word. */
  value(after: string, what: string): string {
    return this.next() ?? fail(`"${after}" needs ${what}`);
  }

  /** The next word if it begins as a number does; undefined, and not taken, if not. */
  number(signed = false): string | undefined {
    const word = this.words[this.at];
    if (word === undefined || !(signed ? /^-?\d/ : /^\d/).test(word)) return undefined;
    this.at++;
    return word;
  }
}

/**
 * Reads the tail of `tc qdisc add … netem …`.
 * @throws NetError EINVAL with a sentence that names the word
 */
export function parseNetem(words: string): NetemOptions {
  const options: Mutable<NetemOptions> = { ...NETEM_DEFAULTS };
  const seen = new Set<string>();
  const line = new Words(words);
  for (let word = line.next(); word !== undefined; word = line.next()) {
    const text = word;
    const name = WORDS.find((w) => w.startsWith(text));
    if (name === undefined) fail(`what is "${text}"${suggestion(text, WORDS)}`);
    seen.add(name);
    parseWord(name, line, options);
  }
  check(options, seen);
  return options;
}

function parseWord(name: string, line: Words, o: Mutable<NetemOptions>): void {
  switch (name) {
    case 'limit':
      o.limit = parseCount('limit', line.value('limit', 'a number of packets'));
      break;
    case 'latency':
    case 'delay':
      parseDelay(line, o);
      break;
    case 'loss':
    case 'drop':
      o.loss = parseLoss(name, line);
      break;
    case 'ecn':
      o.ecn = true;
      break;
    case 'reorder':
    case 'corrupt':
    case 'duplicate':
      o[name] = parseChance(name, line);
      break;
    case 'gap':
      o.gap = parseCount('gap', line.value('gap', 'a number of packets'));
      break;
    case 'distribution':
      o.distribution = parseDistribution(line.value(name, 'a name'));
      break;
    case 'rate':
      parseRates(line, o);
      break;
    case 'slot':
      fail('"slot" is not supported');
      break;
    default:
      fail(`"${name}" is not supported: the kernel's own seed decides`);
  }
}

/** What tc and the kernel demand of the whole. */
function check(o: Mutable<NetemOptions>, seen: ReadonlySet<string>): void {
  if (o.reorder.probability > 0) {
    if (o.delayUs === 0) fail('"reorder" is not possible without some "delay"');
    if (o.gap === 0) o.gap = 1;
  } else if (o.gap > 0) fail('"gap" needs the probability of a "reorder"');
  if (seen.has('distribution') && (o.delayUs === 0 || o.jitterUs === 0))
    fail('"distribution" needs a "delay" with time and jitter');
  if (o.ecn && o.loss === null) fail('"ecn" needs a "loss" to mark instead');
}

function parseDelay(line: Words, o: Mutable<NetemOptions>): void {
  o.delayUs = parseTime(line.value('delay', 'a time'));
  const jitter = line.number();
  o.jitterUs = jitter === undefined ? 0 : parseTime(jitter);
  o.delayCorrelation = jitter === undefined ? 0 : parseOptionalPercent('delay', line, 0);
}

function parseLoss(word: string, line: Words): NetemLoss | null {
  const first = line.value(word, 'a percentage or a model');
  if (/^\d/.test(first)) return randomLoss(parsePercent(word, first), line);
  const model = LOSS_MODELS.find((m) => m.startsWith(first));
  if (model === 'random') return randomLoss(parsePercent(word, line.value(first, PERCENT)), line);
  if (model === 'state') return stateLoss(parsePercent(word, line.value(first, PERCENT)), line);
  if (model === 'gemodel') return burstLoss(parsePercent(word, line.value(first, PERCENT)), line);
  return fail(`"${first}" is no model of loss${suggestion(first, LOSS_MODELS)}`);
}

const PERCENT = 'a percentage';

function randomLoss(probability: number, line: Words): NetemLoss | null {
  const correlation = parseOptionalPercent('loss', line, 0);
  return probability === 0 ? null : { model: 'random', probability, correlation };
}

function stateLoss(p13: number, line: Words): NetemLoss {
  const p31 = parseOptionalPercent('loss state', line, 1 - p13);
  const p32 = parseOptionalPercent('loss state', line, 0);
  const p23 = parseOptionalPercent('loss state', line, 1);
  const p14 = parseOptionalPercent('loss state', line, 0);
  return { model: 'state', p13, p31, p32, p23, p14 };
}

function burstLoss(p: number, line: Words): NetemLoss {
  const r = parseOptionalPercent('loss gemodel', line, 1 - p);
  const lossBad = parseOptionalPercent('loss gemodel', line, 1);
  const lossGood = parseOptionalPercent('loss gemodel', line, 0);
  return { model: 'gemodel', p, r, lossBad, lossGood };
}

function parseChance(word: string, line: Words): NetemChance {
  const probability = parsePercent(word, line.value(word, PERCENT));
  return { probability, correlation: parseOptionalPercent(word, line, 0) };
}

function parseDistribution(word: string): NetemDistribution {
  const found = DISTRIBUTIONS.find((d) => d === word);
  return found ?? fail(`"${word}" is no distribution${suggestion(word, DISTRIBUTIONS)}`);
}

export function parseRates(line: Words, o: Mutable<NetemOptions>): void {
  o.rate = parseRate(line.value('rate', 'a rate such as 10mbit'));
  const overhead = line.number(true);
  o.packetOverhead = overhead === undefined ? 0 : parseInteger('rate', overhead);
  const cell = line.number();
  o.cellSize = cell === undefined ? 0 : parseCount('rate', cell);
  const cellOverhead = line.number(true);
  o.cellOverhead = cellOverhead === undefined ? 0 : parseInteger('rate', cellOverhead);
}

function parseInteger(word: string, text: string): number {
  if (!/^-?\d{1,9}$/.test(text)) fail(`"${text}" behind "${word}" is not a whole number`);
  return Number(text);
}

function parseCount(word: string, text: string): number {
  const n = parseInteger(word, text);
  return n < 0 ? fail(`"${text}" behind "${word}" is below zero`) : n;
}

/** A number and what follows it, in lower case. */
function splitUnit(text: string): [value: number, unit: string] | undefined {
  const m = /^(\d+(?:\.\d*)?(?:e[+-]?\d+)?)([a-z%]*)$/i.exec(text);
  return m === null ? undefined : [Number(m[1]), (m[2] ?? '').toLowerCase()];
}

function parseTime(text: string): number {
  const [value, unit] = splitUnit(text) ?? fail(`"${text}" is not a time`);
  const factor = TIME_UNITS[unit];
  if (factor === undefined)
    fail(
      `"${text}" is not a time: "${unit}" is no unit${suggestion(unit, ['s', 'ms', 'us', 'ns'])}`,
    );
  return value * factor;
}

/** Fraction of 1. As in tc, the sign may be missing. */
function parsePercent(word: string, text: string): number {
  const [value, unit] = splitUnit(text) ?? fail(`"${text}" behind "${word}" is no percentage`);
  if (unit !== '' && unit !== '%') fail(`"${text}" behind "${word}" is no percentage`);
  if (value > 100) fail(`"${text}" behind "${word}" is more than 100%`);
  return value / 100;
}

function parseOptionalPercent(word: string, line: Words, otherwise: number): number {
  const text = line.number();
  return text === undefined ? otherwise : parsePercent(word, text);
}

/** Bytes per second. tc(8), "RATE": bits by default and with "bit", bytes with "bps". */
export function parseRate(text: string): number {
  const [value, unit] = splitUnit(text) ?? fail(`"${text}" is not a rate`);
  const m = /^([kmgt]i?)?(bit|bps)?$/.exec(unit);
  const factor = PREFIXES[m?.[1] ?? ''];
  if (m === null || factor === undefined) {
    const units = ['bit', 'kbit', 'mbit', 'gbit', 'kibit', 'mibit', 'bps', 'kbps', 'mbps', 'gbps'];
    fail(`"${text}" is not a rate: "${unit}" is no unit${suggestion(unit, units)}`);
  }
  const rate = Math.floor(value * factor * (m[2] === 'bps' ? 1 : 1 / 8));
  return rate > 0 ? rate : fail(`a rate of "${text}" lets nothing pass`);
}

/** What `tc qdisc show` prints behind the handle: `limit 1000 delay 100ms  10ms 25% loss 1%`. */
export function formatNetem(o: NetemOptions): string {
  let text = `limit ${o.limit}`;
  if (o.delayUs > 0) text += ` delay ${formatTime(o.delayUs)}`;
  if (o.delayUs > 0 && o.jitterUs > 0) {
    text += `  ${formatTime(o.jitterUs)}${formatCorrelation(o.delayCorrelation)}`;
    // DEVIATION: tc does not learn the distribution from the kernel; said here, since it matters.
    if (o.distribution !== 'uniform') text += ` distribution ${o.distribution}`;
  }
  text += formatLoss(o.loss);
  text += formatChance('duplicate', o.duplicate);
  text += formatChance('reorder', o.reorder);
  text += formatChance('corrupt', o.corrupt);
  if (o.rate > 0) {
    text += ` rate ${formatRate(o.rate)}`;
    if (o.packetOverhead !== 0) text += ` packetoverhead ${o.packetOverhead}`;
    if (o.cellSize !== 0) text += ` cellsize ${o.cellSize}`;
    if (o.cellOverhead !== 0) text += ` celloverhead ${o.cellOverhead}`;
  }
  if (o.ecn) text += ' ecn';
  if (o.gap > 0) text += ` gap ${o.gap}`;
  return text;
}

function formatLoss(loss: NetemLoss | null): string {
  if (loss === null) return '';
  if (loss.model === 'random') return formatChance('loss', loss);
  const values: readonly (readonly [string, number])[] =
    loss.model === 'state'
      ? [
          ['state p13', loss.p13],
          ['p31', loss.p31],
          ['p32', loss.p32],
          ['p23', loss.p23],
          ['p14', loss.p14],
        ]
      : [
          ['gemodel p', loss.p],
          ['r', loss.r],
          ['1-h', loss.lossBad],
          ['1-k', loss.lossGood],
        ];
  return ` loss ${values.map(([name, p]) => `${name} ${formatPercent(p)}`).join(' ')}`;
}

function formatChance(word: string, chance: NetemChance): string {
  if (chance.probability === 0) return '';
  return ` ${word} ${formatPercent(chance.probability)}${formatCorrelation(chance.correlation)}`;
}

function formatCorrelation(correlation: number): string {
  return correlation === 0 ? '' : ` ${formatPercent(correlation)}`;
}

/** C's `%g%%` */
function formatPercent(fraction: number): string {
  return `${Number((fraction * 100).toPrecision(6))}%`;
}

/** Three digits, as iproute2's `sprint_time64`. */
function formatTime(us: number): string {
  if (us >= 1e6) return `${Number((us / 1e6).toPrecision(3))}s`;
  if (us >= 1000) return `${Number((us / 1000).toPrecision(3))}ms`;
  if (us >= 1) return `${Number(us.toPrecision(3))}us`;
  return `${Math.round(us * 1000)}ns`;
}

/** The largest unit that leaves a whole number below 1000 thousand, as iproute2's `tc_print_rate`. */
function formatRate(bytesPerSecond: number): string {
  let rate = bytesPerSecond * 8;
  let unit = 0;
  const units = ['bit', 'Kbit', 'Mbit', 'Gbit', 'Tbit'];
  while (unit < units.length - 1 && rate >= 1000) {
    if (rate % 1000 !== 0 && rate < 1_000_000) break;
    rate /= 1000;
    unit++;
  }
  return `${Math.round(rate)}${units[unit]}`;
}
