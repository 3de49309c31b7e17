/** Faults in words, as scenarios, the nemesis and timelines have them. */
import { nearest } from '../core/util/nearest.ts';
import { milliseconds } from './duration.ts';
import type { Net } from './net.ts';

const VERBS = [
  'partition',
  'isolate',
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
] as const;

/** Does what the words say; throws a sentence for words that say nothing. Nothing is noted. */
export function doWords(net: Net, words: string): void {
  const [verb = '', ...rest] = words.trim().split(/\s+/);
  const [host = ''] = rest;
  switch (verb) {
    case 'partition':
      return partition(net, rest);
    case 'isolate':
      return quietly(net, () => net.isolate(host));
    case 'heal':
      return quietly(net, () => net.heal());
    case 'crash':
      net.find(host).crash();
      return afterwards(net, rest, `restart ${host}`);
    case 'restart':
      return net.find(host).restart();
    case 'pause':
      net.find(host).pause();
      return afterwards(net, rest, `resume ${host}`);
    case 'resume':
      return net.find(host).resume();
    case 'netem':
      return netem(net, rest);
    case 'hold':
      if (rest[1] !== '->') throw new RangeError(`hold takes A -> B, not "${rest.join(' ')}"`);
      return net.faults.hold(net.find(host).name, net.find(rest[2] ?? '').name);
    case 'release':
      return void net.faults.release();
    case 'skew':
      return net
        .find(host)
        .skew((rest[1] ?? '').replace(/^[+-]/, ''), rest[1]?.startsWith('-') === true ? -1 : 1);
    case 'drift':
      return net.find(host).drift(Number((rest[1] ?? '').replace(/ppm$/, '')));
    default: {
      const near = nearest(verb, VERBS);
      throw new RangeError(
        `"${verb}" is no fault${near === undefined ? `; there are ${VERBS.join(', ')}` : `; did you mean "${near}"?`}`,
      );
    }
  }
}

/** `… for 3s` */
function afterwards(net: Net, [, word, time = '']: readonly string[], words: string): void {
  if (word === undefined) return;
  if (word !== 'for') throw new RangeError(`"${word}" does not fit here; write: for 3s`);
  net.later(milliseconds(time), () => net.do(words));
}

function partition(net: Net, words: readonly string[]): void {
  const text = words.join(' ');
  if (['halves', 'ring', 'bridge'].includes(text)) {
    if (text === 'halves') return net.partitionHalves();
    return text === 'ring' ? net.partitionRing() : net.partitionBridge();
  }
  if (words[1] === '->') return quietly(net, () => net.block(words[0] ?? '', words[2] ?? ''));
  const groups = text.split('|').map((g) => g.trim().split(/\s+/).filter(Boolean));
  if (groups.length < 2 || groups.some((g) => g.length === 0))
    throw new RangeError(`partition takes groups such as: n1 n2 | n3, not "${text}"`);
  quietly(net, () => net.partition(...groups));
}

function netem(net: Net, [host = '', arrow, to = '', ...rest]: readonly string[]): void {
  if (arrow === '->') quietly(net, () => net.netem(host, to, rest.join(' ')));
  else
    quietly(net, () => net.netem(host, undefined, [arrow, to, ...rest].filter(Boolean).join(' ')));
}

/** What the words said is in the timeline already. */
function quietly(net: Net, action: () => void): void {
  const { length } = net.timeline;
  action();
  net.timeline.length = length;
}
