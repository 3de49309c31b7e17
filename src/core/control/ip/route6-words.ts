/** `ip -6 route show|get|add|append|replace|change|del|flush` (iproute2 `ip/iproute.c`). */
import { samePrefix } from '../../util/ip6-addr.ts';
import type { RouteInfo, RouteMetrics } from '../info.ts';
import { protocolName, protocolNumber, ROUTE_TYPES, tableNumber } from '../names.ts';
import type { NexthopSpec } from '../route.ts';
import type { RouteSpec6 } from '../route6.ts';
import { printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import { nearestOf } from './nearest.ts';
import { decision6Entry, type Fixed, NOTHING_FIXED, routeEntry } from './route-show.ts';
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
  prefix6Text,
  type Words,
  wrongArgument,
} from './words.ts';

const MAIN = 254;
const LOCAL = 255;
const TYPES: readonly string[] = ROUTE_TYPES.slice(1, 10);
const WORDS: readonly string[] = [
  'via',
  'dev',
  'src',
  'metric',
  'table',
  'proto',
  'mtu',
  'advmss',
  'hoplimit',
  'initcwnd',
  'initrwnd',
  'onlink',
  'nexthop',
  'expires',
];
/** Metrics that IPv6 routes have here. */
const METRICS: readonly string[] = ['mtu', 'advmss', 'hoplimit', 'initcwnd', 'initrwnd'];

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Draft {
  spec: Mutable<Omit<RouteSpec6, 'dst' | 'dev'>>;
  device: string | undefined;
  dst: string | undefined;
  metrics: Mutable<RouteMetrics>;
  nexthops: NexthopSpec[];
}

/** The words behind `ip -6 route add` and its kin. */
export function modifyRoute6(
  ctx: IpContext,
  words: Words,
  verb: 'add' | 'change' | 'replace' | 'append' | 'del',
): string {
  const d: Draft = { spec: {}, device: undefined, dst: undefined, metrics: {}, nexthops: [] };
  while (!words.empty) routeWord(ctx, words.next(), words, d);
  const dev = d.device;
  if (dev !== undefined && !ctx.ns.link.has(dev)) throw noDevice(dev);
  ctx.ns.route6[verb]({
    ...d.spec,
    ...(dev === undefined ? {} : { dev }),
    dst: d.dst ?? 'default',
    ...(Object.keys(d.metrics).length > 0 ? { metrics: d.metrics } : {}),
    ...(d.nexthops.length > 0 ? { nexthops: d.nexthops } : {}),
  });
  return '';
}

function routeWord(ctx: IpContext, word: string, words: Words, d: Draft): void {
  switch (word) {
    case 'src':
      d.spec.src = address6Word(words.next());
      return;
    case 'via':
      d.spec.via = gatewayWord(words, d.spec.via !== undefined);
      return;
    case 'metric':
    case 'priority':
    case 'preference':
      d.spec.metric = words.unsigned('"metric" value is invalid');
      return;
    case 'proto':
    case 'protocol':
      d.spec.protocol = protocolWord(words);
      return;
    case 'table':
      d.spec.table = tableWord(words);
      return;
    case 'dev':
    case 'oif':
      d.device = words.next();
      return;
    case 'onlink':
      d.spec.onlink = true;
      return;
    case 'expires':
      d.spec.expires = words.unsigned('"expires" value is invalid');
      return;
    case 'pref':
      d.spec.pref = prefWord(words.next());
      return;
    case 'nexthop':
      d.nexthops.push(nexthop(ctx, words));
      return;
    default:
      if (!metricWord(word, words, d)) destination(word, words, d);
  }
}

function prefWord(word: string): 'low' | 'medium' | 'high' {
  if (word === 'low' || word === 'medium' || word === 'high') return word;
  const named = (['medium', 'high', 'medium', 'low'] as const)[Number.parseInt(word, 10)];
  if (named === undefined) throw wrongArgument('"pref" value is invalid', word);
  return named;
}

function gatewayWord(words: Words, already: boolean): string {
  if (already) throw duplicateArgument('via', words.next());
  words.take('inet6');
  return address6Word(words.next());
}

function metricWord(word: string, words: Words, d: Draft): boolean {
  if (!METRICS.includes(word)) return false;
  if (words.take('lock')) {
    if (word !== 'mtu') throw notImplemented(`${word} lock`, 'only mtu can be locked');
    d.spec.lockMtu = true;
  }
  d.metrics[word as 'mtu'] = words.unsigned(`"${word}" value is invalid`);
  return true;
}

function nexthop(ctx: IpContext, words: Words): NexthopSpec {
  let hop: NexthopSpec = {};
  while (!words.empty && words.peek !== 'nexthop') {
    if (words.take('via')) hop = { ...hop, via: gatewayWord(words, hop.via !== undefined) };
    else if (words.take('dev')) hop = { ...hop, dev: existing(ctx, words.next()) };
    else if (words.take('weight'))
      hop = { ...hop, weight: words.unsigned('"weight" is invalid', 256) };
    else if (words.take('onlink')) hop = { ...hop, onlink: true };
    else throw garbageArgument('nexthop', words.next(), ['via', 'dev', 'weight', 'onlink']);
  }
  return hop;
}

function existing(ctx: IpContext, name: string): string {
  if (!ctx.ns.link.has(name)) throw noDevice(name);
  return name;
}

function destination(word: string, words: Words, d: Draft): void {
  if (['from', 'encap', 'nhid', 'realms', 'congctl', 'features', 'vrf', 'tos'].includes(word))
    throw notImplemented(
      `ip -6 route … ${word}`,
      `the nearest word is "${nearestOf(word, WORDS)}"`,
    );
  let text = word === 'to' ? words.next() : word;
  if (TYPES.includes(text) && d.dst === undefined && d.spec.type === undefined) {
    d.spec.type = text as NonNullable<RouteSpec6['type']>;
    if (words.empty) return;
    text = words.next();
  }
  if (d.dst !== undefined) throw garbageArgument('to', text, WORDS);
  d.dst = prefix6Text(prefix6Of(text));
}

function protocolWord(words: Words): string {
  const word = words.next();
  const n = protocolNumber(word);
  if (n === undefined) throw wrongArgument('"protocol" value is invalid\n', word);
  return protocolName(n);
}

function tableWord(words: Words): number {
  const word = words.next();
  const table = tableNumber(word);
  if (table === undefined) throw wrongArgument('"table" value is invalid\n', word);
  return table;
}

interface Selector {
  /** Undefined: all tables. */
  table: number | undefined;
  protocol: string | undefined;
  type: string | undefined;
  device: string | undefined;
  via: Prefix6 | undefined;
  metric: number | undefined;
  root: Prefix6 | undefined;
  match: Prefix6 | undefined;
}

function selector(ctx: IpContext, words: Words): Selector {
  const s: Selector = {
    table: MAIN,
    protocol: undefined,
    type: undefined,
    device: undefined,
    via: undefined,
    metric: undefined,
    root: undefined,
    match: undefined,
  };
  while (!words.empty) selectorWord(words.next(), words, s);
  if (s.device !== undefined && !ctx.ns.link.has(s.device)) throw noDevice(s.device);
  return s;
}

function selectorWord(word: string, words: Words, s: Selector): void {
  switch (word) {
    case 'table':
      s.table = words.take('all') ? undefined : tableWord(words);
      return;
    case 'proto':
    case 'protocol':
      s.protocol = protocolWord(words);
      return;
    case 'type':
      s.type = words.next();
      return;
    case 'dev':
    case 'oif':
      s.device = words.next();
      return;
    case 'via':
      s.via = prefix6Of(words.next());
      return;
    case 'metric':
      s.metric = words.unsigned('"metric" value is invalid');
      return;
    default:
      prefixWord(word, words, s);
  }
}

function prefixWord(word: string, words: Words, s: Selector): void {
  if (
    ['cache', 'cached', 'iif', 'mark', 'vrf', 'nhid', 'from', 'src', 'tos', 'scope'].includes(word)
  )
    throw notImplemented(
      `ip -6 route show ${word}`,
      'the selectors are table, proto, type, dev, via',
    );
  let verb = word === 'to' ? words.next() : word;
  let text = verb;
  if (verb === 'root' || verb === 'match' || verb === 'exact') text = words.next();
  else verb = 'exact';
  const prefix = prefix6Of(text);
  if (verb !== 'match') s.root = prefix;
  if (verb !== 'root') s.match = prefix;
}

function isSelected(r: RouteInfo, s: Selector): boolean {
  if (s.table !== undefined && r.table !== s.table) return false;
  if (s.protocol !== undefined && r.protocol !== s.protocol) return false;
  if (s.type !== undefined && r.type !== s.type) return false;
  if (s.metric !== undefined && r.metric !== s.metric) return false;
  const hop = r.nexthops.length === 1 ? r.nexthops[0] : undefined;
  if (s.device !== undefined && hop?.dev !== s.device) return false;
  if (s.via !== undefined && !covers(s.via, hop?.gateway ?? null)) return false;
  const dst = prefix6Of(r.dst);
  if (
    s.root !== undefined &&
    !(dst.len >= s.root.len && samePrefix(dst.addr, s.root.addr, s.root.len))
  )
    return false;
  return (
    s.match === undefined || (dst.len <= s.match.len && samePrefix(dst.addr, s.match.addr, dst.len))
  );
}

function covers(prefix: Prefix6, gateway: string | null): boolean {
  return gateway !== null && samePrefix(prefix6Of(gateway).addr, prefix.addr, prefix.len);
}

export function listRoutes6(ctx: IpContext, words: Words): string {
  const s = selector(ctx, words);
  const fixed: Fixed = {
    ...NOTHING_FIXED,
    table: s.table !== undefined,
    dev: s.device !== undefined,
    via: s.via !== undefined && s.via.len === 128,
    protocol: s.protocol !== undefined,
    metric: s.metric !== undefined,
  };
  const entries = ctx.ns.route6
    .list()
    .filter((r) => isSelected(r, s))
    .map((r) => routeEntry(r, ctx.options, fixed));
  return printList(entries, ctx.options);
}

export function flushRoutes6(ctx: IpContext, words: Words): string {
  if (words.empty) throw new CommandError('"ip route flush" requires arguments.', EXIT_PARSE);
  const s = selector(ctx, words);
  const keepLocal = s.table === undefined;
  ctx.ns.route6.flush(
    (r) => isSelected(r, s) && !(keepLocal && r.table === LOCAL && r.protocol === 'kernel'),
  );
  return '';
}

export function getRoute6(ctx: IpContext, words: Words): string {
  let dst: string | undefined;
  let query: { from?: string; oif?: string } = {};
  while (!words.empty) {
    const word = words.next();
    if (word === 'from') query = { ...query, from: address6Word(words.next()) };
    else if (word === 'oif' || word === 'dev')
      query = { ...query, oif: existing(ctx, words.next()) };
    else if (['iif', 'mark', 'vrf', 'uid', 'fibmatch', 'tos'].includes(word))
      throw notImplemented(`ip -6 route get ${word}`, 'the words are from and oif');
    else dst = String(prefix6Of(word === 'to' ? words.next() : word).addr);
  }
  if (dst === undefined) throw new CommandError('need at least a destination address', EXIT_PARSE);
  const decision = ctx.ns.route6.get(dst, query);
  return printList([decision6Entry(decision, ctx.ns.route6.match(dst, query))], ctx.options);
}
