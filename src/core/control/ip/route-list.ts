/** `ip route show` and `flush`: the selector and what it leaves out of the lines (`iproute_list_flush_or_save`). */
import type { RouteInfo } from '../info.ts';
import {
  protocolName,
  protocolNumber,
  ROUTE_TYPES,
  scopeName,
  scopeNumber,
  tableNumber,
} from '../names.ts';
import { type Entry, printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import { nearestOf } from './nearest.ts';
import { cachedEntries } from './route-cached.ts';
import { type AnyPrefix, anyPrefix, coversPrefix } from './route-family.ts';
import { tosWord } from './route-parse.ts';
import { type Fixed, routeEntry } from './route-show.ts';
import { vrfWord } from './vrf-word.ts';
import {
  CommandError,
  EXIT_KERNEL,
  EXIT_PARSE,
  noDevice,
  notImplemented,
  type Words,
  wrongArgument,
} from './words.ts';

const WORDS: readonly string[] = [
  'table',
  'proto',
  'scope',
  'type',
  'dev',
  'via',
  'src',
  'metric',
  'tos',
  'root',
  'match',
  'exact',
];

const MAIN = 254;
const LOCAL = 255;

interface Selector {
  readonly is6: boolean;
  /** No family was asked for. */
  readonly anyFamily: boolean;
  /** Undefined: all tables. */
  table: number | undefined;
  /** `table cache`: what was learnt about destinations. */
  cache: boolean;
  protocol: string | undefined;
  scope: string | undefined;
  type: string | undefined;
  device: string | undefined;
  via: AnyPrefix | undefined;
  src: string | undefined;
  metric: number | undefined;
  tos: number | undefined;
  /** Shortest and longest prefix that fits. */
  root: AnyPrefix | undefined;
  match: AnyPrefix | undefined;
}

function parse(ctx: IpContext, words: Words, is6: boolean): Selector {
  const s: Selector = {
    is6,
    anyFamily: ctx.options.family === '',
    table: MAIN,
    cache: false,
    protocol: undefined,
    scope: undefined,
    type: undefined,
    device: undefined,
    via: undefined,
    src: undefined,
    metric: undefined,
    tos: undefined,
    root: undefined,
    match: undefined,
  };
  while (!words.empty) selectorWord(ctx, words.next(), words, s);
  if (s.device !== undefined && !ctx.ns.link.has(s.device)) throw noDevice(s.device);
  return s;
}

function selectorWord(ctx: IpContext, word: string, words: Words, s: Selector): void {
  switch (word) {
    case 'table':
      tableWord(words.next(), s);
      return;
    case 'vrf':
      tableWord(String(vrfWord(ctx, words.next())), s);
      return;
    case 'cached':
    case 'cloned':
    case 'cache':
      s.cache = true;
      return;
    case 'proto':
    case 'protocol':
      s.protocol = protocolWord(words);
      return;
    case 'scope':
      s.scope = scopeWord(words);
      return;
    case 'type': {
      const type = words.next();
      if (!ROUTE_TYPES.includes(type)) throw wrongArgument('node type value is invalid\n', type);
      s.type = type;
      return;
    }
    case 'dev':
    case 'oif':
      s.device = words.next();
      return;
    case 'via':
      s.via = anyPrefix(words.next(), s.is6);
      return;
    case 'src':
      s.src = anyPrefix(words.next(), s.is6).text;
      return;
    case 'metric':
    case 'priority':
    case 'preference':
      s.metric = words.unsigned('"metric" value is invalid');
      return;
    case 'tos':
    case 'dsfield':
      s.tos = tosWord(words, 'TOS value is invalid\n');
      return;
    default:
      destinationWord(word, words, s);
  }
}

function destinationWord(word: string, words: Words, s: Selector): void {
  if (['iif', 'mark', 'realms', 'from'].includes(word))
    throw notImplemented(
      `ip route show ${word}`,
      `the nearest word is "${nearestOf(word, WORDS)}"`,
    );
  let verb = word === 'to' ? words.next() : word;
  let text = verb;
  if (verb === 'root' || verb === 'match' || verb === 'exact') text = words.next();
  else verb = 'exact';
  // Without a family these select nothing out.
  if ((text === 'all' || text === 'any') && s.anyFamily) return;
  const prefix = anyPrefix(text, s.is6);
  if (verb !== 'match') s.root = prefix;
  if (verb !== 'root') s.match = prefix;
}

function tableWord(word: string, s: Selector): void {
  if (word === 'all') s.table = undefined;
  else if (word === 'cache') s.cache = true;
  else {
    s.table = tableNumber(word);
    if (s.table === undefined) throw wrongArgument('table id value is invalid\n', word);
    if (s.table === 0) s.table = undefined;
  }
}

function protocolWord(words: Words): string | undefined {
  const word = words.next();
  if (word === 'all') return undefined;
  const n = protocolNumber(word);
  if (n === undefined) throw wrongArgument('invalid "protocol"\n', word);
  return protocolName(n);
}

function scopeWord(words: Words): string | undefined {
  const word = words.next();
  if (word === 'all') return undefined;
  const n = scopeNumber(word);
  if (n === undefined) throw wrongArgument('invalid "scope"\n', word);
  return scopeName(n);
}

function isSelected(r: RouteInfo, s: Selector): boolean {
  if (s.table !== undefined && r.table !== s.table) return false;
  if (s.protocol !== undefined && r.protocol !== s.protocol) return false;
  if (s.scope !== undefined && r.scope !== s.scope) return false;
  if (s.type !== undefined && r.type !== s.type) return false;
  if (s.src !== undefined && r.src !== s.src) return false;
  if (s.metric !== undefined && r.metric !== s.metric) return false;
  if (s.tos !== undefined && r.tos !== s.tos) return false;
  return hasHop(r, s) && hasDestination(r, s);
}

/** LINUX: a multipath route has no device of its own, so a selector by device or gateway misses it. */
function hasHop(r: RouteInfo, s: Selector): boolean {
  if (s.device === undefined && s.via === undefined) return true;
  const hop = r.nexthops.length === 1 ? r.nexthops[0] : undefined;
  if (hop === undefined || (s.device !== undefined && hop.dev !== s.device)) return false;
  if (s.via === undefined) return true;
  return hop.gateway !== null && coversPrefix(s.via, anyPrefix(hop.gateway, s.is6));
}

function hasDestination(r: RouteInfo, s: Selector): boolean {
  if (s.root === undefined && s.match === undefined) return true;
  const dst = anyPrefix(r.dst, s.is6);
  if (s.root !== undefined && !(dst.len >= s.root.len && coversPrefix(s.root, dst))) return false;
  return s.match === undefined || (dst.len <= s.match.len && coversPrefix(dst, s.match));
}

function fixedBy(s: Selector): Fixed {
  return {
    table: s.table !== undefined,
    dev: s.device !== undefined,
    via: s.via?.whole === true,
    protocol: s.protocol !== undefined,
    scope: s.scope !== undefined,
    src: s.src !== undefined,
    metric: s.metric !== undefined,
    tos: s.tos !== undefined,
  };
}

/** Of all tables, both families are listed unless one was asked for. */
function families(ctx: IpContext, s: Selector): readonly Selector[] {
  const named = ctx.options.family !== '' || s.root !== undefined || s.match !== undefined;
  if (s.table !== undefined || s.is6 || named || s.via !== undefined) return [s];
  return [s, { ...s, is6: true }];
}

export function listRoutes(ctx: IpContext, words: Words, is6: boolean): string {
  const s = parse(ctx, words, is6);
  if (s.cache) return printList(cachedEntries(ctx, is6), ctx.options);
  const control = is6 ? ctx.ns.route6 : ctx.ns.route;
  if (s.table !== undefined && !control.hasTable(s.table))
    throw new CommandError(
      `Error: ${is6 ? 'ipv6' : 'ipv4'}: FIB table does not exist.\nDump terminated`,
      EXIT_KERNEL,
    );
  return printList(
    families(ctx, s).flatMap((one) => entriesOf(ctx, one)),
    ctx.options,
  );
}

function entriesOf(ctx: IpContext, s: Selector): Entry[] {
  const fixed = fixedBy(s);
  const routes = s.is6 ? ctx.ns.route6.list() : ctx.ns.route.list();
  return routes
    .filter((r) => isSelected(r, s))
    .map((r) => routeEntry(r, ctx.options, fixed, nexthopOf(ctx, r)));
}

/** With -details a route by a nexthop object shows it. */
function nexthopOf(
  ctx: IpContext,
  r: RouteInfo,
): ReturnType<IpContext['ns']['nexthop']['get']> | null {
  return r.nhid !== 0 && ctx.options.details ? ctx.ns.nexthop.get(r.nhid) : null;
}

export function flushRoutes(ctx: IpContext, words: Words, is6: boolean): string {
  if (words.empty) throw new CommandError('"ip route flush" requires arguments.', EXIT_PARSE);
  const s = parse(ctx, words, is6);
  if (s.cache) {
    (is6 ? ctx.ns.route6 : ctx.ns.route).flushCache();
    return '';
  }
  // LINUX: a flush without a table never reaches the local table's own entries of the kernel.
  const keepLocal = s.table === undefined;
  let count = 0;
  for (const one of families(ctx, s)) {
    const filter = (r: RouteInfo): boolean =>
      isSelected(r, one) && !(keepLocal && r.table === LOCAL && r.protocol === 'kernel');
    count += one.is6 ? ctx.ns.route6.flush(filter) : ctx.ns.route.flush(filter);
  }
  if (ctx.options.stats === 0) return '';
  if (count === 0) return 'Nothing to flush.\n';
  return `\n*** Round 1, deleting ${count} entries ***\n*** Flush is complete after 1 round ***\n`;
}
