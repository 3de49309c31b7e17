/** The words that follow `ip route add`, of both families (iproute2 `iproute_modify`, `parse_nexthops`). */
import { dsfieldNumber, protocolNumber, ROUTE_TYPES, scopeNumber, tableNumber } from '../names.ts';
import type { NexthopSpec, RouteSpec } from '../route.ts';
import type { RouteSpec6 } from '../route6.ts';
import type { IpContext } from './ip.ts';
import { nearestOf } from './nearest.ts';
import { addressWord, anyPrefix, deviceWord, gatewayWord } from './route-family.ts';
import { type MetricsDraft, metricWord } from './route-metrics.ts';
import { vrfWord } from './vrf-word.ts';
import {
  abbreviates,
  CommandError,
  EXIT_USAGE,
  garbageArgument,
  noDevice,
  notImplemented,
  type Words,
  wrongArgument,
} from './words.ts';

const WORDS: readonly string[] = [
  'via',
  'dev',
  'src',
  'metric',
  'table',
  'proto',
  'scope',
  'mtu',
  'advmss',
  'initcwnd',
  'initrwnd',
  'onlink',
  'nexthop',
  'nhid',
  'type',
  'tos',
  'window',
  'hoplimit',
  'rto_min',
  'quickack',
  'congctl',
  'features',
  'expires',
  'pref',
];
/** What iproute2 knows and this stack has not. */
const ABSENT: readonly string[] = ['encap', 'realms', 'realm', 'as', 'ttl-propagate', 'from'];
const TYPES: readonly string[] = ROUTE_TYPES.slice(1);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type AnySpec = Omit<RouteSpec & RouteSpec6, 'dst' | 'dev'>;

/** What the words of a route say so far. */
interface Draft extends MetricsDraft {
  readonly is6: boolean;
  spec: Mutable<AnySpec>;
  device: string | undefined;
  dst: string | undefined;
  nexthops: NexthopSpec[];
}

export function parseRoute(ctx: IpContext, words: Words, is6: boolean): RouteSpec & RouteSpec6 {
  const d: Draft = {
    is6,
    spec: {},
    device: undefined,
    dst: undefined,
    metrics: {},
    locks: [],
    nexthops: [],
  };
  while (!words.empty) routeWord(ctx, words.next(), words, d);
  const dev = d.device;
  if (dev !== undefined && !ctx.ns.link.has(dev)) throw noDevice(dev);
  return {
    ...d.spec,
    ...(dev === undefined ? {} : { dev }),
    dst: d.dst ?? 'default',
    ...(Object.keys(d.metrics).length > 0 ? { metrics: d.metrics } : {}),
    ...(d.locks.length > 0 ? { locks: d.locks, lockMtu: d.locks.includes('mtu') } : {}),
    ...(d.nexthops.length > 0 ? { nexthops: d.nexthops } : {}),
  };
}

/** RFC 4191 §2.1; the kernel takes it for IPv4, too, and heeds it not. */
function prefWord(word: string): 'low' | 'medium' | 'high' {
  if (word === 'low' || word === 'medium' || word === 'high') return word;
  const named = (['medium', 'high', 'medium', 'low'] as const)[Number.parseInt(word, 10)];
  if (named === undefined) throw wrongArgument('"pref" value is invalid', word);
  return named;
}

function routeWord(ctx: IpContext, word: string, words: Words, d: Draft): void {
  if (nodeWord(ctx, word, words, d) || metricWord(word, words, d)) return;
  if (word === 'nexthop') d.nexthops.push(...nexthops(ctx, words, d.is6));
  else destination(word, words, d);
}

/** Attributes of the route itself. */
function nodeWord(ctx: IpContext, word: string, words: Words, d: Draft): boolean {
  const { spec } = d;
  switch (word) {
    case 'src':
      spec.src = addressWord(words, d.is6);
      return true;
    case 'via':
      spec.via = gatewayWord(words, d.is6, spec.via !== undefined);
      return true;
    case 'nhid':
      spec.nhid = words.unsigned('"id" value is invalid');
      return true;
    case 'tos':
    case 'dsfield':
      spec.tos = tosWord(words, '"tos" value is invalid\n');
      return true;
    case 'expires':
      spec.expires = words.unsigned('"expires" value is invalid');
      return true;
    case 'pref':
      spec.pref = prefWord(words.next());
      return true;
    case 'metric':
    case 'priority':
    case 'preference':
      spec.metric = words.unsigned('"metric" value is invalid');
      return true;
    case 'scope':
      spec.scope = named(words, scopeNumber, 'invalid "scope" value\n');
      return true;
    case 'proto':
    case 'protocol':
      spec.protocol = named(words, protocolNumber, '"protocol" value is invalid\n');
      return true;
    case 'table':
      spec.table = tableWord(words);
      return true;
    case 'vrf':
      spec.table = vrfWord(ctx, words.next());
      return true;
    case 'dev':
    case 'oif':
      d.device = words.next();
      return true;
    case 'onlink':
      spec.onlink = true;
      return true;
    default:
      return typeWord(word, words, d);
  }
}

/** A name, or a number in hexadecimal. */
export function tosWord(words: Words, message: string): number {
  const word = words.next();
  const tos = dsfieldNumber(word);
  if (tos === undefined) throw wrongArgument(message, word);
  return tos;
}

function typeWord(word: string, words: Words, d: Draft): boolean {
  if (word !== 'type' && d.dst === undefined && d.spec.type === undefined) {
    const found = TYPES.find((t) => t === word);
    if (found === undefined) return false;
    d.spec.type = found as NonNullable<RouteSpec['type']>;
    return true;
  }
  if (word !== 'type') return false;
  const type = words.next();
  if (!TYPES.includes(type)) throw wrongArgument('"type" value is invalid\n', type);
  d.spec.type = type as NonNullable<RouteSpec['type']>;
  return true;
}

function named(words: Words, find: (n: string) => number | undefined, message: string): string {
  const word = words.next();
  if (find(word) === undefined) throw wrongArgument(message, word);
  return word;
}

function tableWord(words: Words): number {
  const word = words.next();
  const table = tableNumber(word);
  if (table === undefined) throw wrongArgument('"table" value is invalid\n', word);
  return table;
}

/** The rest of the line: `[nexthop] via A dev D weight N onlink …`. */
function nexthops(ctx: IpContext, words: Words, is6: boolean): NexthopSpec[] {
  const list: NexthopSpec[] = [];
  do {
    if (words.empty)
      throw new CommandError('Error: unexpected end of line after "nexthop"', EXIT_USAGE);
    list.push(nexthop(ctx, words, is6));
  } while (words.take('nexthop'));
  if (!words.empty)
    throw new CommandError(
      `Error: "nexthop" or end of line is expected instead of "${words.peek}"`,
      EXIT_USAGE,
    );
  return list;
}

function nexthop(ctx: IpContext, words: Words, is6: boolean): NexthopSpec {
  const hop: Mutable<NexthopSpec> = {};
  while (!words.empty && words.peek !== 'nexthop') {
    if (words.take('via')) hop.via = gatewayWord(words, is6, false);
    else if (words.take('dev')) Object.assign(hop, { dev: deviceWord(ctx, words.next()) });
    else if (words.take('weight')) hop.weight = weight(words);
    else if (words.take('onlink')) hop.onlink = true;
    else if (['encap', 'as', 'realms'].includes(words.peek))
      throw notImplemented(`nexthop … ${words.peek}`, 'the words are via, dev, weight and onlink');
    else break;
  }
  return hop;
}

function weight(words: Words): number {
  const n = words.unsigned('"weight" is invalid', 256);
  if (n === 0) throw wrongArgument('"weight" is invalid\n', '0');
  return n;
}

function destination(word: string, words: Words, d: Draft): void {
  if (ABSENT.includes(word))
    throw notImplemented(`ip route … ${word}`, `the nearest word is "${nearestOf(word, WORDS)}"`);
  const text = word === 'to' ? words.next() : word;
  if (d.dst !== undefined) throw garbageArgument('to', text, WORDS);
  const type = TYPES.find((t) => t === text);
  if (type !== undefined) {
    d.spec.type = type as NonNullable<RouteSpec['type']>;
    d.dst = anyPrefix(words.next(), d.is6).text;
  } else d.dst = anyPrefix(text, d.is6).text;
}

/** Is the word an abbreviation of `list` or `show`? */
export function isList(word: string): boolean {
  return abbreviates(word, 'list') || abbreviates(word, 'show') || word === 'lst';
}
