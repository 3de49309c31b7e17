/** `ip -6 addr add|change|replace|del|flush|show` (iproute2 `ip/ipaddress.c`). */
import { samePrefix } from '../../util/ip6-addr.ts';
import type { AddressSpec6 } from '../addr6.ts';
import type { AddressInfo } from '../info.ts';
import { scopeName, scopeNumber } from '../names.ts';
import type { IpContext } from './ip.ts';
import { nearestOf } from './nearest.ts';
import {
  address6Word,
  CommandError,
  duplicateArgument,
  EXIT_PARSE,
  garbageArgument,
  noDevice,
  notImplemented,
  type Prefix6,
  prefix6Of,
  type Words,
  wrongArgument,
} from './words.ts';

const WORDS: readonly string[] = [
  'peer',
  'dev',
  'metric',
  'local',
  'valid_lft',
  'preferred_lft',
  'noprefixroute',
  'nodad',
  'optimistic',
  'mngtmpaddr',
  'home',
];
const UNIMPLEMENTED: readonly string[] = [
  'anycast',
  'autojoin',
  'proto',
  'broadcast',
  'brd',
  'label',
];

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = Partial<Mutable<Omit<AddressSpec6, 'dev'>>> & {
  device?: string;
  bare?: boolean;
  peerLen?: number;
};

/** The words behind `ip -6 addr add` and its kin. */
export function modifyAddress6(
  ctx: IpContext,
  words: Words,
  verb: 'add' | 'change' | 'replace' | 'del',
): string {
  const d: Draft = {};
  while (!words.empty) attribute(words.next(), words, d);
  if (d.device === undefined)
    throw new CommandError('Not enough information: "dev" argument is required.', EXIT_PARSE);
  if (!ctx.ns.link.has(d.device)) throw noDevice(d.device);
  if (d.local === undefined)
    throw new CommandError('Not enough information: an address is required.', EXIT_PARSE);
  if (verb === 'del') ctx.ns.addr6.del(d.bare === true ? bareOf(d.local) : d.local, d.device);
  else ctx.ns.addr6[verb](specOf(d, d.local, d.device));
  return '';
}

function bareOf(local: string): string {
  return local.replace(/\/.*/, '');
}

function specOf(d: Draft, local: string, dev: string): AddressSpec6 {
  const { bare: _bare, device: _device, peerLen, ...rest } = d;
  // The length is that of the peer's prefix.
  return { ...rest, local: peerLen === undefined ? local : `${bareOf(local)}/${peerLen}`, dev };
}

function attribute(word: string, words: Words, d: Draft): void {
  switch (word) {
    case 'peer':
    case 'remote':
      if (d.peer !== undefined) throw duplicateArgument('peer', words.next());
      setPeer(prefix6Of(words.next()), d);
      return;
    case 'dev':
      d.device = words.next();
      return;
    case 'scope': {
      // LINUX: the scope of an IPv6 address is its own.
      const scope = words.next();
      if (scopeNumber(scope) === undefined) throw wrongArgument('invalid scope value.', scope);
      return;
    }
    case 'metric':
    case 'priority':
    case 'preference':
      d.metric = words.unsigned('"metric" value is invalid');
      return;
    case 'valid_lft':
    case 'preferred_lft':
      d[word === 'valid_lft' ? 'validLft' : 'preferredLft'] = words.take('forever')
        ? Number.POSITIVE_INFINITY
        : words.unsigned(`"${word}" value is invalid`);
      return;
    case 'noprefixroute':
    case 'nodad':
    case 'optimistic':
    case 'mngtmpaddr':
    case 'home':
      d[word] = true;
      return;
    default:
      localWord(word, words, d);
  }
}

function setPeer(peer: Prefix6, d: Draft): void {
  d.peer = String(peer.addr);
  d.peerLen = peer.len;
}

function localWord(word: string, words: Words, d: Draft): void {
  if (UNIMPLEMENTED.includes(word))
    throw notImplemented(`ip -6 addr … ${word}`, `the nearest word is "${nearestOf(word, WORDS)}"`);
  const text = word === 'local' ? words.next() : word;
  if (d.local !== undefined) throw garbageArgument('local', text, WORDS);
  const prefix = prefix6Of(text);
  d.local = `${address6Word(String(prefix.addr))}/${prefix.len}`;
  d.bare = prefix.bare;
}

/** What `show` and `flush` choose. */
export interface Selector6 {
  device: string | undefined;
  scope: string | undefined;
  to: Prefix6 | undefined;
  /** Flags that an address must have, or, with a dash, must not. */
  flags: string[];
  dynamic: boolean | undefined;
  up: boolean;
}

const FLAGS: readonly string[] = [
  'tentative',
  'dadfailed',
  'deprecated',
  'nodad',
  'optimistic',
  'temporary',
  'home',
  'mngtmpaddr',
  'noprefixroute',
  'stable-privacy',
];

export function selector6(ctx: IpContext, words: Words): Selector6 {
  const s: Selector6 = {
    device: undefined,
    scope: undefined,
    to: undefined,
    flags: [],
    dynamic: undefined,
    up: false,
  };
  while (!words.empty) selectorWord(words.next(), words, s);
  if (s.device !== undefined && !ctx.ns.link.has(s.device))
    throw new CommandError(`Device "${s.device}" does not exist.`, EXIT_PARSE);
  return s;
}

function selectorWord(word: string, words: Words, s: Selector6): void {
  if (FLAGS.includes(word.replace(/^-/, ''))) s.flags.push(word);
  else if (word === 'up') s.up = true;
  else if (word === 'to') s.to = prefix6Of(words.next());
  else if (word === 'dynamic' || word === 'permanent') s.dynamic = word === 'dynamic';
  else if (word === 'scope') {
    const scope = words.next();
    if (scope === 'all') return;
    const n = scopeNumber(scope);
    if (n === undefined) throw wrongArgument('invalid "scope"\n', scope);
    s.scope = scopeName(n);
  } else if (['master', 'vrf', 'type', 'group', 'label', 'primary', 'secondary'].includes(word))
    throw notImplemented(`ip -6 addr show ${word}`, 'the selectors are dev, up, scope and to');
  else {
    const name = word === 'dev' ? words.next() : word;
    if (s.device !== undefined) throw garbageArgument('dev', name);
    s.device = name;
  }
}

export function isSelected6(a: AddressInfo, s: Selector6): boolean {
  if (s.device !== undefined && a.dev !== s.device) return false;
  if (s.scope !== undefined && a.scope !== s.scope) return false;
  if (s.dynamic !== undefined && s.dynamic !== a.flags.includes('dynamic')) return false;
  for (const flag of s.flags) {
    const has = a.flags.includes(flag.replace(/^-/, ''));
    if (has === flag.startsWith('-')) return false;
  }
  return s.to === undefined || samePrefix(prefix6Of(a.local).addr, s.to.addr, s.to.len);
}
