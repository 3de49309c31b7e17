/** Words of metrics behind `ip route add` (iproute2 `iproute_modify`). */
import type { RouteMetrics } from '../info.ts';
import { type Words, wrongArgument } from './words.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What the words said of metrics so far. */
export interface MetricsDraft {
  metrics: Mutable<RouteMetrics>;
  locks: string[];
}

type Number32 =
  | 'mtu'
  | 'window'
  | 'advmss'
  | 'initcwnd'
  | 'initrwnd'
  | 'reordering'
  | 'cwnd'
  | 'ssthresh';
/** Numbers that may be locked, and those that may not. */
const LOCKABLE: readonly string[] = [
  'mtu',
  'advmss',
  'reordering',
  'window',
  'cwnd',
  'ssthresh',
  'hoplimit',
];
const PLAIN: readonly string[] = ['initcwnd', 'initrwnd'];
const TIMES: readonly string[] = ['rtt', 'rttvar', 'rto_min'];
const SWITCHES: readonly string[] = ['quickack', 'fastopen_no_cookie'];

/** Takes a metric's value; false: the word is no metric. */
export function metricWord(word: string, words: Words, d: MetricsDraft): boolean {
  if (LOCKABLE.includes(word) || PLAIN.includes(word)) numberWord(word, words, d);
  else if (TIMES.includes(word)) timeWord(word as 'rtt' | 'rttvar' | 'rto_min', words, d);
  else if (SWITCHES.includes(word)) switchWord(word as 'quickack', words, d);
  else if (word === 'features') featuresWord(words, d);
  else if (word === 'congctl') {
    if (words.take('lock')) d.locks.push('congctl');
    d.metrics.congestion = words.next();
  } else return false;
  return true;
}

function numberWord(word: string, words: Words, d: MetricsDraft): void {
  if (LOCKABLE.includes(word) && words.take('lock')) d.locks.push(word);
  const limit = word === 'hoplimit' ? 255 : 0xffffffff;
  d.metrics[word as Number32] = words.unsigned(`"${word}" value is invalid`, limit);
}

/** `10ms`, `1s`; a bare number is milliseconds. What is said of RTO_min is never changed by what is learnt. */
function timeWord(word: 'rtt' | 'rttvar' | 'rto_min', words: Words, d: MetricsDraft): void {
  if (word !== 'rto_min' && words.take('lock')) d.locks.push(word);
  const text = words.next();
  const m = /^(\d+(?:\.\d+)?)(ms|msec|msecs|s|sec|secs)?$/.exec(text);
  if (m === null) throw wrongArgument(`"${word}" value is invalid\n`, text);
  d.metrics[word] = Math.ceil(Number(m[1]) * (m[2]?.startsWith('s') === true ? 1000 : 1));
  if (word === 'rto_min') d.locks.push(word);
}

function switchWord(word: 'quickack' | 'fastopen_no_cookie', words: Words, d: MetricsDraft): void {
  const text = words.peek;
  const value = words.unsigned(`"${word}" value is invalid`);
  if (value > 1) throw wrongArgument(`"${word}" value should be 0 or 1\n`, text);
  d.metrics[word] = value;
}

function featuresWord(words: Words, d: MetricsDraft): void {
  const text = words.next();
  if (text !== 'ecn') throw wrongArgument('"features" value not valid\n', text);
  d.metrics.ecn = true;
}
