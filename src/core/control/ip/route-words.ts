/** `ip route add|append|replace|change|del|get` (iproute2 `ip/iproute.c`). Listings: `route-list.ts`. */

import { formatIpv4 } from '../../util/address.ts';
import type { RouteMetrics } from '../info.ts';
import { protocolNumber, ROUTE_TYPES, scopeNumber, tableNumber } from '../names.ts';
import type { NexthopSpec, RouteQuery, RouteSpec } from '../route.ts';
import { printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import { nearestOf } from './nearest.ts';
import { flushRoutes, listRoutes, prefixText } from './route-list.ts';
import { decisionEntry, NOTHING_FIXED, routeEntry } from './route-show.ts';
import { flushRoutes6, getRoute6, listRoutes6, modifyRoute6 } from './route6-words.ts';
import { vrfWord } from './vrf-word.ts';
import {
  abbreviates,
  CommandError,
  duplicateArgument,
  EXIT_PARSE,
  EXIT_USAGE,
  garbageArgument,
  noDevice,
  notImplemented,
  prefixOf,
  unknownCommand,
  type Words,
  wrongArgument,
} from './words.ts';

const COMMANDS: readonly string[] = [
  'list',
  'show',
  'get',
  'add',
  'change',
  'replace',
  'append',
  'delete',
  'flush',
];
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
  'type',
  'tos',
  'window',
  'hoplimit',
  'rto_min',
  'quickack',
];
const UNIMPLEMENTED: readonly string[] = [
  'encap',
  'rtt',
  'rttvar',
  'ssthresh',
  'cwnd',
  'reordering',
  'realms',
  'realm',
  'nhid',
  'as',
  'features',
  'congctl',
  'pref',
  'expires',
  'fastopen_no_cookie',
  'ttl-propagate',
  'pervasive',
];
const TYPES: readonly string[] = ROUTE_TYPES.slice(1, 10);

export function ipRoute(ctx: IpContext, words: Words): string {
  if (ctx.options.family === 'inet6' || (ctx.options.family === '' && words.meansIpv6))
    return ipRoute6(ctx, words);
  if (words.empty) return listRoutes(ctx, words);
  const word = words.next();
  if (abbreviates(word, 'list') || abbreviates(word, 'show') || word === 'lst')
    return listRoutes(ctx, words);
  if (abbreviates(word, 'get')) return getRoute(ctx, words);
  if (abbreviates(word, 'add')) return modify(ctx, words, 'add');
  if (abbreviates(word, 'change') || word === 'chg') return modify(ctx, words, 'change');
  if (abbreviates(word, 'replace')) return modify(ctx, words, 'replace');
  if (abbreviates(word, 'prepend')) return modify(ctx, words, 'prepend');
  if (abbreviates(word, 'append')) return modify(ctx, words, 'append');
  if (abbreviates(word, 'delete')) return modify(ctx, words, 'del');
  if (abbreviates(word, 'flush')) return flushRoutes(ctx, words);
  throw unknownCommand(word, 'route', COMMANDS);
}

/** The same of IPv6: `-6`, or an IPv6 address among the words. */
function ipRoute6(ctx: IpContext, words: Words): string {
  if (words.empty) return listRoutes6(ctx, words);
  const word = words.next();
  if (abbreviates(word, 'list') || abbreviates(word, 'show') || word === 'lst')
    return listRoutes6(ctx, words);
  if (abbreviates(word, 'get')) return getRoute6(ctx, words);
  if (abbreviates(word, 'add')) return modifyRoute6(ctx, words, 'add');
  if (abbreviates(word, 'change') || word === 'chg') return modifyRoute6(ctx, words, 'change');
  if (abbreviates(word, 'replace')) return modifyRoute6(ctx, words, 'replace');
  if (abbreviates(word, 'append')) return modifyRoute6(ctx, words, 'append');
  if (abbreviates(word, 'delete')) return modifyRoute6(ctx, words, 'del');
  if (abbreviates(word, 'flush')) return flushRoutes6(ctx, words);
  throw unknownCommand(word, 'route', COMMANDS);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What the words of a route say so far. */
interface Draft {
  spec: Mutable<Omit<RouteSpec, 'dst' | 'dev'>>;
  device: string | undefined;
  dst: string | undefined;
  metrics: Mutable<RouteMetrics>;
  nexthops: NexthopSpec[];
}

type Verb = 'add' | 'change' | 'replace' | 'append' | 'prepend' | 'del';

function modify(ctx: IpContext, words: Words, verb: Verb): string {
  if (words.empty) throw new CommandError(usage(verb), EXIT_USAGE);
  const spec = parseRoute(ctx, words);
  ctx.ns.route[verb](spec);
  return '';
}

function usage(verb: string): string {
  return `Usage: ip route ${verb} [ TYPE ] PREFIX [ tos TOS ] [ table TABLE ] [ proto PROTO ] [ scope SCOPE ] [ metric N ] [ via ADDRESS ] [ dev DEVICE ] [ src ADDRESS ] [ mtu N ] [ onlink ] [ nexthop NH ]...`;
}

/** The words that follow `ip route add`. */
export function parseRoute(ctx: IpContext, words: Words): RouteSpec {
  const d: Draft = { spec: {}, device: undefined, dst: undefined, metrics: {}, nexthops: [] };
  while (!words.empty) {
    const word = words.next();
    if (nodeWord(ctx, word, words, d) || metricWord(word, words, d)) continue;
    if (word === 'nexthop') d.nexthops.push(...nexthops(ctx, words));
    else destination(word, words, d);
  }
  const dev = d.device;
  if (dev !== undefined && !ctx.ns.link.has(dev)) throw noDevice(dev);
  return {
    ...d.spec,
    ...(dev === undefined ? {} : { dev }),
    dst: d.dst ?? 'default',
    ...(Object.keys(d.metrics).length > 0 ? { metrics: d.metrics } : {}),
    ...(d.nexthops.length > 0 ? { nexthops: d.nexthops } : {}),
  };
}

/** Attributes of the route itself. */
function nodeWord(ctx: IpContext, word: string, words: Words, d: Draft): boolean {
  switch (word) {
    case 'src':
      d.spec.src = formatIpv4(words.address());
      return true;
    case 'via':
      d.spec.via = gateway(words, d.spec.via !== undefined);
      return true;
    case 'from':
      throw notImplemented('ip route … from', 'the nearest word is "src"');
    case 'tos':
    case 'dsfield':
      d.spec.tos = words.unsigned('"tos" value is invalid', 255);
      return true;
    case 'metric':
    case 'priority':
    case 'preference':
      d.spec.metric = words.unsigned('"metric" value is invalid');
      return true;
    case 'scope':
      d.spec.scope = named(words, scopeNumber, 'invalid "scope" value\n');
      return true;
    case 'proto':
    case 'protocol':
      d.spec.protocol = named(words, protocolNumber, '"protocol" value is invalid\n');
      return true;
    case 'table':
      d.spec.table = tableWord(words);
      return true;
    case 'vrf':
      d.spec.table = vrfWord(ctx, words.next());
      return true;
    case 'dev':
    case 'oif':
      d.device = words.next();
      return true;
    case 'onlink':
      d.spec.onlink = true;
      return true;
    default:
      return typeWord(word, words, d);
  }
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

function gateway(words: Words, already: boolean): string {
  if (already) throw duplicateArgument('via', words.next());
  if (words.peek === 'inet') words.next();
  else if (words.peek === 'inet6') throw notImplemented('via inet6', 'IPv4 alone is there');
  return formatIpv4(words.address());
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

type Plain = 'mtu' | 'window' | 'advmss' | 'initcwnd' | 'initrwnd';
const PLAIN: readonly string[] = [
  'mtu',
  'window',
  'advmss',
  'initcwnd',
  'initrwnd',
  'hoplimit',
  'quickack',
];

/** Metrics: numbers, times, and `lock`, which only mtu may have here. */
function metricWord(word: string, words: Words, d: Draft): boolean {
  if (word === 'rto_min') {
    d.metrics[word] = milliseconds(word, words);
    return true;
  }
  if (!PLAIN.includes(word)) return false;
  if (words.take('lock')) {
    if (word !== 'mtu') throw notImplemented(`${word} lock`, 'only mtu can be locked');
    d.spec.lockMtu = true;
  }
  const limit = word === 'hoplimit' ? 255 : word === 'quickack' ? 1 : 0xffffffff;
  d.metrics[word as Plain] = words.unsigned(`"${word}" value is invalid`, limit);
  return true;
}

/** `10ms`, `1s`; a bare number is milliseconds. */
function milliseconds(key: string, words: Words): number {
  const word = words.next();
  const m = /^(\d+(?:\.\d+)?)(ms|msec|msecs|s|sec|secs)?$/.exec(word);
  if (m === null) throw wrongArgument(`"${key}" value is invalid\n`, word);
  return Number(m[1]) * (m[2]?.startsWith('s') === true ? 1000 : 1);
}

/** The rest of the line: `[nexthop] via A dev D weight N onlink …` (`parse_nexthops`). */
function nexthops(ctx: IpContext, words: Words): NexthopSpec[] {
  const list: NexthopSpec[] = [];
  do list.push(nexthop(ctx, words));
  while (words.take('nexthop'));
  if (!words.empty)
    throw new CommandError(
      `Error: "nexthop" or end of line is expected instead of "${words.peek}"`,
      EXIT_USAGE,
    );
  return list;
}

function nexthop(ctx: IpContext, words: Words): NexthopSpec {
  let hop: NexthopSpec = {};
  while (!words.empty && words.peek !== 'nexthop') {
    if (words.take('via')) hop = { ...hop, via: gateway(words, hop.via !== undefined) };
    else if (words.take('dev')) hop = { ...hop, dev: existing(ctx, words.next()) };
    else if (words.take('weight')) hop = { ...hop, weight: weight(words) };
    else if (words.take('onlink')) hop = { ...hop, onlink: true };
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
  if (UNIMPLEMENTED.includes(word))
    throw notImplemented(`ip route … ${word}`, `the nearest word is "${nearestOf(word, WORDS)}"`);
  const text = word === 'to' ? words.next() : word;
  if (d.dst !== undefined) throw garbageArgument('to', text, WORDS);
  const type = TYPES.find((t) => t === text);
  if (type !== undefined) {
    d.spec.type = type as NonNullable<RouteSpec['type']>;
    d.dst = prefixText(words.prefix());
  } else d.dst = prefixText(prefixOf(text));
}

interface Query {
  query: Mutable<RouteQuery>;
  dst: string | undefined;
  fibmatch: boolean;
}

const NO_QUERY: readonly string[] = [
  'mark',
  'uid',
  'ipproto',
  'sport',
  'dport',
  'connected',
  'notify',
];

function queryWord(ctx: IpContext, word: string, words: Words, q: Query): void {
  if (NO_QUERY.includes(word))
    throw notImplemented(`ip route get ${word}`, 'the words are from, iif, oif, tos and fibmatch');
  switch (word) {
    case 'from':
      q.query.from = formatIpv4(words.prefix().addr);
      return;
    case 'iif':
      q.query.iif = existing(ctx, words.next());
      return;
    case 'vrf': {
      const name = words.next();
      vrfWord(ctx, name);
      q.query.oif = name;
      return;
    }
    case 'oif':
    case 'dev':
      q.query.oif = existing(ctx, words.next());
      return;
    case 'tos':
    case 'dsfield':
      q.query.tos = words.unsigned('TOS value is invalid', 255);
      return;
    case 'fibmatch':
      q.fibmatch = true;
      return;
    default:
      q.dst = formatIpv4(prefixOf(word === 'to' ? words.next() : word).addr);
  }
}

function getRoute(ctx: IpContext, words: Words): string {
  const q: Query = { query: {}, dst: undefined, fibmatch: false };
  while (!words.empty) queryWord(ctx, words.next(), words, q);
  if (q.dst === undefined)
    throw new CommandError('need at least a destination address', EXIT_PARSE);
  const entry = q.fibmatch
    ? routeEntry(ctx.ns.route.match(q.dst, q.query), ctx.options, NOTHING_FIXED)
    : decisionEntry(ctx.ns.route.get(q.dst, q.query), ctx.options);
  return printList([entry], ctx.options);
}

function existing(ctx: IpContext, name: string): string {
  if (!ctx.ns.link.has(name)) throw noDevice(name);
  return name;
}
