/** `ip route show` and `flush`: the selector and what it leaves out of the lines (`iproute_list_flush_or_save`). */

import { NetError } from '../../errno.ts';
import { formatIpv4, maskOf } from '../../util/address.ts';
import type { RouteInfo } from '../info.ts';
import {
  protocolName,
  protocolNumber,
  ROUTE_TYPES,
  scopeName,
  scopeNumber,
  tableNumber,
} from '../names.ts';
import { printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import { nearestOf } from './nearest.ts';
import { type Fixed, routeEntry } from './route-show.ts';
import { vrfWord } from './vrf-word.ts';
import {
  CommandError,
  EXIT_PARSE,
  noDevice,
  notImplemented,
  type Prefix,
  prefixOf,
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

/** `'default'`, `'10.0.0.0/8'`, `'10.0.0.1'`. */
export function prefixText(prefix: Prefix): string {
  if (prefix.len === 0 && prefix.addr === 0) return 'default';
  const addr = formatIpv4(prefix.addr);
  return prefix.len === 32 ? addr : `${addr}/${prefix.len}`;
}

interface Selector {
  /** Undefined: all tables. */
  table: number | undefined;
  /** `table cache`: learnt path MTUs. */
  cache: boolean;
  protocol: string | undefined;
  scope: string | undefined;
  type: string | undefined;
  device: string | undefined;
  via: Prefix | undefined;
  src: string | undefined;
  metric: number | undefined;
  tos: number | undefined;
  /** Shortest and longest prefix that fits. */
  root: Prefix | undefined;
  match: Prefix | undefined;
}

function parse(ctx: IpContext, words: Words): Selector {
  const s: Selector = {
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
      s.via = words.prefix();
      return;
    case 'src':
      s.src = formatIpv4(words.prefix().addr);
      return;
    case 'metric':
    case 'priority':
    case 'preference':
      s.metric = words.unsigned('"metric" value is invalid');
      return;
    case 'tos':
    case 'dsfield':
      s.tos = words.unsigned('TOS value is invalid', 255);
      return;
    default:
      destinationWord(word, words, s);
  }
}

function destinationWord(word: string, words: Words, s: Selector): void {
  if (['iif', 'mark', 'realms', 'nhid', 'from'].includes(word))
    throw notImplemented(
      `ip route show ${word}`,
      `the nearest word is "${nearestOf(word, WORDS)}"`,
    );
  let verb = word === 'to' ? words.next() : word;
  let text = verb;
  if (verb === 'root' || verb === 'match' || verb === 'exact') text = words.next();
  else verb = 'exact';
  const prefix = prefixOf(text);
  if (verb !== 'match') s.root = prefix;
  if (verb !== 'root') s.match = prefix;
}

function tableWord(word: string, s: Selector): void {
  if (word === 'all') s.table = undefined;
  else if (word === 'cache') s.cache = true;
  else {
    s.table = tableNumber(word);
    if (s.table === undefined) throw wrongArgument('table id value is invalid\n', word);
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
  return hop.gateway !== null && covers(s.via, prefixOf(hop.gateway));
}

function hasDestination(r: RouteInfo, s: Selector): boolean {
  const dst = prefixOf(r.dst);
  if (s.root !== undefined && !(dst.len >= s.root.len && covers(s.root, dst))) return false;
  return s.match === undefined || (dst.len <= s.match.len && covers(dst, s.match));
}

/** True if the bits of `outer` are those of `inner`. */
function covers(outer: Prefix, inner: Prefix): boolean {
  const mask = maskOf(outer.len);
  return (outer.addr & mask) === (inner.addr & mask);
}

function fixedBy(s: Selector): Fixed {
  return {
    table: s.table !== undefined,
    dev: s.device !== undefined,
    via: s.via !== undefined && s.via.len === 32,
    protocol: s.protocol !== undefined,
    scope: s.scope !== undefined,
    src: s.src !== undefined,
    metric: s.metric !== undefined,
    tos: s.tos !== undefined,
  };
}

export function listRoutes(ctx: IpContext, words: Words): string {
  const s = parse(ctx, words);
  if (s.cache) return printList([], ctx.options);
  if (s.table !== undefined && !ctx.ns.route.hasTable(s.table)) {
    const e = new NetError(2, 'rtnetlink', 'ipv4: FIB table does not exist');
    throw new CommandError(`Error: ${e.detail}.\nDump terminated`, 2);
  }
  const fixed = fixedBy(s);
  const entries = ctx.ns.route
    .list()
    .filter((r) => isSelected(r, s))
    .map((r) => routeEntry(r, ctx.options, fixed));
  return printList(entries, ctx.options);
}

export function flushRoutes(ctx: IpContext, words: Words): string {
  if (words.empty) throw new CommandError('"ip route flush" requires arguments.', EXIT_PARSE);
  const s = parse(ctx, words);
  if (s.cache) {
    ctx.ns.route.flushCache();
    return '';
  }
  // LINUX: a flush without a table never reaches the local table's own entries of the kernel.
  const keepLocal = s.table === undefined;
  const n = ctx.ns.route.flush(
    (r) => isSelected(r, s) && !(keepLocal && r.table === LOCAL && r.protocol === 'kernel'),
  );
  if (ctx.options.stats === 0) return '';
  if (n === 0) return 'Nothing to flush.\n';
  return `\n*** Round 1, deleting ${n} entries ***\n*** Flush is complete after 1 round ***\n`;
}
