/** `type ipip|sit|gre|gretap …` (iproute2 `ip/link_iptnl.c`, `ip/link_gre.c`, `ip/tunnel.c`): words, and what is printed. */
import { formatIpv4, parseIpv4 } from '../../util/address.ts';
import type { TunnelInfo, TunnelOptions } from '../kinds/tunnel.ts';
import type { Json } from './entry.ts';
import type { KindText } from './kind-show.ts';
import {
  abbreviates,
  CommandError,
  EXIT_USAGE,
  notImplemented,
  parseUnsigned,
  type Words,
  wrongArgument,
} from './words.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Words of the real one that this one refuses. */
const NOT_HERE: readonly string[] = [
  'encap',
  'noencap',
  'encap-sport',
  'encap-dport',
  'external',
  'fwmark',
  'isatap',
  '6rd-prefix',
  '6rd-relay_prefix',
  '6rd-reset',
  'mode',
];

export function tunnelOptions(kind: string, words: Words): TunnelOptions {
  const o: Mutable<TunnelOptions> = {};
  const gre = kind === 'gre' || kind === 'gretap';
  while (!words.empty) {
    const word = words.next();
    if (NOT_HERE.includes(word))
      throw notImplemented(`type ${kind} ${word}`, 'see docs/devices.md for what tunnels have');
    if (commonWord(word, words, o) || (gre && greWord(word, words, o))) continue;
    throw new CommandError(`${kind}: unknown option "${word}"?`, EXIT_USAGE);
  }
  return o;
}

function commonWord(word: string, words: Words, o: Mutable<TunnelOptions>): boolean {
  switch (word) {
    case 'remote':
      o.remote = endWord(words);
      return true;
    case 'local':
      o.local = endWord(words);
      return true;
    case 'dev':
      o.device = words.next();
      return true;
    case 'ttl':
    case 'hoplimit':
    case 'hlim':
      o.ttl = ttlWord(words);
      return true;
    case 'tos':
    case 'tclass':
    case 'dsfield':
      o.tos = tosWord(words);
      return true;
    default:
  }
  if (abbreviates(word, 'nopmtudisc')) o.pmtudisc = false;
  else if (abbreviates(word, 'pmtudisc')) o.pmtudisc = true;
  else return false;
  return true;
}

function greWord(word: string, words: Words, o: Mutable<TunnelOptions>): boolean {
  if (word.endsWith('key')) return keyWord(word, words, o);
  switch (word) {
    case 'seq':
    case 'noseq':
      o.iseq = o.oseq = word === 'seq';
      return true;
    case 'iseq':
    case 'noiseq':
      o.iseq = word === 'iseq';
      return true;
    case 'oseq':
    case 'nooseq':
      o.oseq = word === 'oseq';
      return true;
    case 'csum':
    case 'nocsum':
      o.icsum = o.ocsum = word === 'csum';
      return true;
    case 'icsum':
    case 'noicsum':
      o.icsum = word === 'icsum';
      return true;
    case 'ocsum':
    case 'noocsum':
      o.ocsum = word === 'ocsum';
      return true;
    case 'ignore-df':
    case 'noignore-df':
      o.ignoreDf = word === 'ignore-df';
      // LINUX: who ignores it does not discover the path's MTU either.
      if (o.ignoreDf) o.pmtudisc = false;
      return true;
    default:
      return false;
  }
}

function keyWord(word: string, words: Words, o: Mutable<TunnelOptions>): boolean {
  const which = word.startsWith('no') ? word.slice(2) : word;
  if (which !== 'key' && which !== 'ikey' && which !== 'okey') return false;
  const value = word.startsWith('no') ? null : keyOf(words.next());
  if (which !== 'okey') o.ikey = value;
  if (which !== 'ikey') o.okey = value;
  return true;
}

/** A number, or four of them with dots (`tnl_parse_key`). */
function keyOf(word: string): number {
  const key = word.includes('.') ? parseIpv4(word) : parseUnsigned(word);
  if (key === undefined)
    throw new CommandError(
      `invalid value for "key": "${word}"; it should be an unsigned integer`,
      EXIT_USAGE,
    );
  return key >>> 0;
}

function endWord(words: Words): string {
  const word = words.next();
  if (word === 'any' || word === '0.0.0.0') return 'any';
  if (parseIpv4(word) === undefined)
    throw new CommandError(`Error: inet address is expected rather than "${word}".`, 1);
  return word;
}

function ttlWord(words: Words): number {
  if (words.take('inherit')) return 0;
  const word = words.next();
  const ttl = parseUnsigned(word);
  if (ttl === undefined) throw wrongArgument('invalid TTL\n', word);
  if (ttl > 255) throw wrongArgument('TTL must be <= 255\n', word);
  return ttl;
}

function tosWord(words: Words): number {
  if (words.take('inherit')) return 1;
  const word = words.next();
  const tos = parseUnsigned(word.startsWith('0x') ? word : `0x${word}`);
  if (tos === undefined || tos > 255) throw wrongArgument('bad TOS value', word);
  return tos;
}

const PROTO: Readonly<Record<string, string>> = { ipip: 'ipip', sit: 'ip6ip' };

export function tunnelShow(t: TunnelInfo): KindText {
  const json: { [key: string]: Json } = {};
  let text = '';
  const put = (key: string, value: Json, words: string): void => {
    json[key] = value;
    text += words;
  };
  const proto = PROTO[t.kind];
  if (proto !== undefined) put('proto', proto, `${proto} `);
  put('remote', t.remote, `remote ${t.remote} `);
  put('local', t.local, `local ${t.local} `);
  if (t.device !== null) put('link', t.device, `dev ${t.device} `);
  put('ttl', t.ttl === 0 ? 'inherit' : t.ttl, `ttl ${t.ttl === 0 ? 'inherit' : t.ttl} `);
  const tos = `0x${t.tos.toString(16)}`;
  if (t.tos !== 0) put('tos', tos, `tos ${t.tos === 1 ? 'inherit' : tos} `);
  put('pmtudisc', t.pmtudisc, t.pmtudisc ? '' : 'nopmtudisc ');
  if (t.ignoreDf) put('ignore_df', true, 'ignore-df ');
  // A key is shown as an address.
  if (t.ikey !== null && t.ikey !== 0)
    put('ikey', formatIpv4(t.ikey | 0), `ikey ${formatIpv4(t.ikey | 0)} `);
  if (t.okey !== null && t.okey !== 0)
    put('okey', formatIpv4(t.okey | 0), `okey ${formatIpv4(t.okey | 0)} `);
  for (const flag of ['iseq', 'oseq', 'icsum', 'ocsum'] as const)
    if (t[flag]) put(flag, true, `${flag} `);
  return { json, text };
}
