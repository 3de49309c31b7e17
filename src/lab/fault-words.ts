/**
 * Faults in words, as scenarios, the nemesis and timelines have them: `partition n1 n2 | n3`, `netem a -> b
 * loss 40%`, `crash n1 for 3s`. This file only reads them; who has the network does what they say.
 */
import { parseNetem } from '../core/control/netem-words.ts';
import { splitWords } from '../core/control/split-words.ts';
import { nearest } from '../core/util/nearest.ts';
import { milliseconds } from './duration.ts';
import { expandRange } from './range.ts';

/** Shapes of a partition at random (Jepsen's). */
export type PartitionShape = 'halves' | 'ring' | 'bridge';

export type Fault =
  | { readonly kind: 'partition'; readonly groups: readonly (readonly string[])[] }
  | { readonly kind: 'shape'; readonly shape: PartitionShape }
  | { readonly kind: 'block'; readonly from: string; readonly to: string }
  | { readonly kind: 'isolate' | 'restart' | 'resume'; readonly host: string }
  /** With `forMs` it ends by itself. */
  | { readonly kind: 'crash' | 'pause'; readonly host: string; readonly forMs: number | undefined }
  | { readonly kind: 'cut'; readonly a: string; readonly b: string }
  /** Without names: everything. */
  | { readonly kind: 'heal'; readonly a?: string; readonly b?: string }
  | {
      readonly kind: 'netem';
      readonly host: string;
      readonly to: string | undefined;
      readonly words: string;
    }
  | { readonly kind: 'hold'; readonly from: string; readonly to: string }
  | { readonly kind: 'release' }
  | { readonly kind: 'skew'; readonly host: string; readonly ms: number }
  | { readonly kind: 'drift'; readonly host: string; readonly ppm: number }
  | { readonly kind: 'exec'; readonly host: string; readonly argv: readonly string[] };

export const FAULT_VERBS = [
  'partition',
  'isolate',
  'cut',
  'heal',
  'crash',
  'restart',
  'pause',
  'resume',
  'netem',
  'hold',
  'release',
  'skew',
  'drift',
  'exec',
] as const;

/** It is well said, and cannot be done here. */
export class FaultError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FaultError';
  }
}

/** Reads the words; throws a `RangeError` with one sentence for words that say nothing. */
export function parseFault(words: string): Fault {
  const [verb = '', ...rest] = words.trim().split(/\s+/);
  switch (verb) {
    case 'partition':
      return partition(rest);
    case 'isolate':
    case 'restart':
    case 'resume':
      return { kind: verb, host: only(verb, rest) };
    case 'crash':
    case 'pause':
      return { kind: verb, host: name(verb, rest), forMs: lasting(rest.slice(1)) };
    case 'cut':
    case 'heal':
      return cutOrHeal(verb, rest);
    case 'netem':
      return netem(rest);
    case 'hold':
      if (rest[1] !== '->' || rest.length !== 3)
        throw new RangeError(`hold takes A -> B, not "${rest.join(' ')}"`);
      return { kind: 'hold', from: rest[0] as string, to: rest[2] as string };
    case 'release':
      return { kind: 'release' };
    case 'skew':
      return skew(rest);
    case 'drift':
      return drift(rest);
    case 'exec':
      return exec(words);
    default: {
      const near = nearest(verb, FAULT_VERBS);
      throw new RangeError(
        `"${verb}" is no fault${near === undefined ? `; there are ${FAULT_VERBS.join(', ')}` : `; did you mean "${near}"?`}`,
      );
    }
  }
}

/** The hosts that a fault names. */
export function hostsIn(fault: Fault): readonly string[] {
  switch (fault.kind) {
    case 'partition':
      return fault.groups.flat();
    case 'block':
    case 'hold':
      return [fault.from, fault.to];
    case 'netem':
      return fault.to === undefined ? [fault.host] : [fault.host, fault.to];
    case 'cut':
      return [fault.a];
    case 'heal':
      return fault.a === undefined ? [] : [fault.a];
    case 'shape':
    case 'release':
      return [];
    default:
      return [fault.host];
  }
}

function name(verb: string, [host]: readonly string[]): string {
  if (host === undefined) throw new RangeError(`${verb} takes the name of a node`);
  return host;
}

function only(verb: string, rest: readonly string[]): string {
  if (rest.length > 1)
    throw new RangeError(`${verb} takes one name, and "${rest[1]}" is one more word`);
  return name(verb, rest);
}

/** `… for 3s` */
function lasting([word, time, more]: readonly string[]): number | undefined {
  if (word === undefined) return undefined;
  if (word !== 'for') throw new RangeError(`"${word}" does not fit here; write: for 3s`);
  if (more !== undefined) throw new RangeError(`"${more}" is one word too many`);
  return milliseconds(time ?? '');
}

function partition(rest: readonly string[]): Fault {
  const text = rest.join(' ');
  if (text === 'halves' || text === 'ring' || text === 'bridge')
    return { kind: 'shape', shape: text };
  if (rest[1] === '->' && rest.length === 3)
    return { kind: 'block', from: rest[0] as string, to: rest[2] as string };
  const groups = text.split('|').map((g) => g.trim().split(/\s+/).filter(Boolean).flatMap(names));
  if (groups.length < 2 || groups.some((g) => g.length === 0))
    throw new RangeError(`partition takes groups such as: n1 n2 | n3, not "${text}"`);
  return { kind: 'partition', groups };
}

/** `n1..n3` is three. */
function names(word: string): readonly string[] {
  const list = expandRange(word);
  if (list === undefined) throw new RangeError(`"${word}" is no range; write n1..n5`);
  return list;
}

function cutOrHeal(verb: 'cut' | 'heal', rest: readonly string[]): Fault {
  const [a, b, more] = rest.filter((word) => word !== '<->');
  if (verb === 'heal' && a === undefined) return { kind: 'heal' };
  if (a === undefined || b === undefined || more !== undefined)
    throw new RangeError(`${verb} takes A B, or A NETWORK${verb === 'heal' ? ', or nothing' : ''}`);
  return { kind: verb, a, b };
}

function netem([host, ...rest]: readonly string[]): Fault {
  if (host === undefined) throw new RangeError('netem takes A -> B WORDS, or A WORDS');
  const arrow = rest[0] === '->';
  const words = rest.slice(arrow ? 2 : 0).join(' ');
  if (words === '') throw new RangeError('netem takes words such as: delay 100ms loss 1%, or: off');
  if (words !== 'off') netemWords(words);
  return { kind: 'netem', host, to: arrow ? (rest[1] ?? '') : undefined, words };
}

function netemWords(words: string): void {
  try {
    parseNetem(words);
  } catch (error) {
    const { detail, message } = error as Error & { detail?: string };
    throw new RangeError(detail ?? message);
  }
}

function skew(rest: readonly string[]): Fault {
  const [host, by = '', more] = rest;
  if (host === undefined || more !== undefined)
    throw new RangeError('skew takes a name and a time, as in: skew n1 -5s');
  const ms = milliseconds(by.replace(/^[+-]/, ''));
  return { kind: 'skew', host, ms: by.startsWith('-') ? -ms : ms };
}

function drift(rest: readonly string[]): Fault {
  const [host, by = ''] = rest;
  const ppm = Number(by.replace(/ppm$/, ''));
  if (host === undefined || by === '' || !Number.isFinite(ppm) || rest.length > 2)
    throw new RangeError('drift takes a name and a rate, as in: drift n1 200ppm');
  return { kind: 'drift', host, ppm };
}

function exec(words: string): Fault {
  const [, host, dashes, ...argv] = splitWords(words.trim());
  if (host === undefined || dashes !== '--' || argv.length === 0)
    throw new RangeError('exec takes NODE -- COMMAND…, as in: exec client -- ping -c 1 web');
  return { kind: 'exec', host, argv };
}
