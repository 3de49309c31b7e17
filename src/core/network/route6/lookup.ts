/**
 * Longest-prefix match through the IPv6 tables of a namespace (Linux `fib6_table_lookup`, `rt6_select`): by its rules,
 * or, while it never changed them, in the order local, main.
 */

import { EAGAIN, EHOSTUNREACH, EINVAL, ENETUNREACH } from '../../errno.ts';
import { NUD_FAILED } from '../../link/neighbour-state.ts';
import type { NetNs } from '../../net.ts';
import { type Ip6Addr, isAny6 } from '../../util/ip6-addr.ts';
import { RTNH_F_DEAD, RTNH_F_LINKDOWN } from '../route/fib-info.ts';
import { typeErrno } from '../route/match.ts';
import { hashFields, multipathHash, pickWay } from '../route/multipath.ts';
import { RTN_THROW } from '../route/route.ts';
import type { RuleFlow } from '../rule/fib-rule.ts';
import type { FibRules } from '../rule/fib-rules.ts';
import { type Fib6Table, type FibNexthop6, type FibRoute6, prefOf } from './fib.ts';

/** What a packet or a socket asks the tables (Linux `struct flowi6`). */
export interface Fib6Query extends RuleFlow {
  readonly dst: Ip6Addr;
  readonly src: Ip6Addr;
  /** In or out device; 0: any. */
  readonly oif: number;
  /** Ways through other devices than `oif` do not count (`RT6_LOOKUP_F_IFACE`). */
  readonly strict: boolean;
  /** Ways through a device without carrier count too. */
  readonly anyCarrier?: boolean;
}

/** What a look-up found: the route and the way to take. */
export interface Fib6Result {
  readonly route: FibRoute6;
  readonly nexthop: FibNexthop6;
  /** Positive errno of a route that refuses; 0: it leads somewhere. */
  readonly errno: number;
}

/** The best route, or `-ENETUNREACH` when there is none. A route that refuses is a result too; a rule is `-errno`. */
export function fib6Lookup(net: NetNs, query: Fib6Query): Fib6Result | number {
  const { rules } = net.ipv6;
  if (rules !== null) return rulesLookup(net, rules, query);
  for (const table of net.ipv6.lookupOrder()) {
    const result = table6Lookup(net, table, query);
    if (typeof result !== 'number') return result;
  }
  return -ENETUNREACH;
}

/** Linux `fib_rules_lookup`, `fib6_rule_action` */
function rulesLookup(net: NetNs, rules: FibRules<Ip6Addr>, query: Fib6Query): Fib6Result | number {
  const { dst } = query;
  const src = isAny6(query.src) ? null : query.src;
  for (let i = rules.match(0, query, dst, src); i >= 0; i = rules.match(i + 1, query, dst, src)) {
    const rule = rules.at(i);
    const { errno } = rule;
    if (errno !== 0) return errno;
    const table = net.ipv6.findTable(rule.tableFor(query));
    const result = table === undefined ? -EAGAIN : table6Lookup(net, table, query);
    if (typeof result === 'number') continue;
    const refuses = result.errno !== 0;
    if (refuses || !rule.suppresses(result.route.prefixLen, result.nexthop.dev)) return result;
  }
  return -ENETUNREACH;
}

/** Longer than any prefix. */
const LONGER_THAN_ALL = 129;

/** More routes to one prefix are not looked at one by one where the device is given. */
const MANY_ROUTES = 16;

/** One table; `-EAGAIN`: ask the next. */
export function table6Lookup(net: NetNs, table: Fib6Table, query: Fib6Query): Fib6Result | number {
  let routes = table.match(query.dst, LONGER_THAN_ALL);
  for (; routes !== null; routes = table.match(query.dst, (routes[0] as FibRoute6).prefixLen)) {
    const { dst, prefixLen } = routes[0] as FibRoute6;
    // Of a prefix that every device has, the route of one is asked for.
    const out =
      routes.length > MANY_ROUTES && query.strict && query.oif !== 0
        ? net.devs.findIndex(query.oif)
        : undefined;
    const own = out === undefined ? routes : table.of(out, dst, prefixLen);
    const found = select(net, own, query);
    if (found === null) continue;
    if (found.route.type === RTN_THROW) return -EAGAIN;
    return found;
  }
  return -EAGAIN;
}

/**
 * The best of the routes to one prefix (`rt6_select`): the smallest metric that has a usable way; among equals the
 * one through the wanted device, whose neighbour is not known to be dead.
 */
function select(net: NetNs, routes: readonly FibRoute6[], query: Fib6Query): Fib6Result | null {
  let best: Fib6Result | null = null;
  let bestScore = -1;
  for (const route of routes) {
    if (best !== null && best.route.metric < route.metric) break;
    if (route.expiresUs <= net.kernel.nowUs) continue;
    const nexthop = pickNexthop(net, route, query);
    if (nexthop === null) continue;
    const score = scoreOf(net, route, nexthop, query);
    if (score <= bestScore) continue;
    const refused = route.nh?.isBlackhole === true ? EINVAL : errnoOf(route.type);
    best = { route, nexthop, errno: refused };
    bestScore = score;
  }
  return best;
}

/** A way whose neighbour is not known to be dead comes before any other. */
const REACHABLE = 32;

/** Linux `rt6_score_route`: the device, and what the router says of itself (RFC 4191 §3.2). */
function scoreOf(net: NetNs, route: FibRoute6, nh: FibNexthop6, query: Fib6Query): number {
  const score =
    (query.oif === 0 || nh.dev.ifindex === query.oif ? 2 : 0) | ((prefOf(route.flags) ^ 2) << 2);
  const isRouter = net.ipv6.confAll.forwarding !== 0;
  if (nh.gateway === null || isRouter) return score | REACHABLE;
  const neigh = net.ipv6.ndiscMaybe?.find(nh.dev, nh.gateway);
  if (neigh === undefined || neigh.state !== NUD_FAILED) return score | REACHABLE;
  return score;
}

/** Positive errno of a type that refuses. */
export function errnoOf(type: number): number {
  const errno = -typeErrno(type);
  return errno === EAGAIN ? EHOSTUNREACH : errno;
}

/** The first way that lives; several are shared out by weight and a hash of the flow (`fib6_select_path`). */
function pickNexthop(net: NetNs, route: FibRoute6, query: Fib6Query): FibNexthop6 | null {
  const { nexthops, nh } = route;
  const buckets = nh?.buckets ?? null;
  if (nh !== null && buckets !== null) {
    const member = buckets.select(hashOf(net, query));
    return nh.ways6[nh.config.group?.entries.findIndex((e) => e.nh === member) ?? -1] ?? null;
  }
  const [first] = nexthops;
  if (nexthops.length === 1 && first !== undefined) return usable(net, first, query) ? first : null;
  return pickWay(nexthops, hashOf(net, query), serves, query);
}

function hashOf(net: NetNs, query: Fib6Query): number {
  const { multipathHashPolicy: policy, multipathHashFields: own } = net.ipv6.sysctl;
  const { key } = net.ipv6;
  const fields = hashFields(policy, own);
  return multipathHash(net, fields, query.src.hash(key), query.dst.hash(key), query);
}

function serves(nh: FibNexthop6, query: Fib6Query): boolean {
  return usable(nh.dev.net, nh, query);
}

function usable(net: NetNs, nh: FibNexthop6, query: Fib6Query): boolean {
  if ((nh.flags & RTNH_F_DEAD) !== 0) return false;
  if (query.strict && query.oif !== 0 && nh.dev.ifindex !== query.oif) return false;
  if ((nh.flags & RTNH_F_LINKDOWN) === 0 || query.anyCarrier === true) return true;
  const own = nh.dev.ipv6?.conf.ignoreRoutesWithLinkdown ?? 0;
  return own === 0 && net.ipv6.confAll.ignoreRoutesWithLinkdown === 0;
}
