/**
 * Longest-prefix match through the tables of a namespace (Linux `fib_lookup`, `fib_table_lookup`). Policy
 * rules have their place here: without them the order is local, main, default.
 */
import { EACCES, EAGAIN, EHOSTUNREACH, EINVAL, ENETUNREACH } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { mix32 } from '../../util/random.ts';
import type { FibNexthop, FibResult, FibRoute, FibTable } from './fib.ts';
import { RTNH_F_DEAD, RTNH_F_LINKDOWN } from './fib.ts';
import { RTN_BLACKHOLE, RTN_PROHIBIT, RTN_THROW, RTN_UNREACHABLE, RTN_UNSPEC } from './route.ts';

/** What a packet or a socket asks the tables (Linux `struct flowi4`). */
export interface FibQuery {
  readonly dst: number;
  /** Shares flows out over several ways; absent: not known. */
  readonly src?: number;
  readonly tos: number;
  /** Routes of a smaller scope are passed over. */
  readonly scope: number;
  /** Out device; 0: any. */
  readonly oif: number;
  /** Routes through a device without carrier count too (`FIB_LOOKUP_IGNORE_LINKSTATE`). */
  readonly anyCarrier?: boolean;
}

/** The best route, or `-errno` of its type; `-ENETUNREACH` when there is none. */
export function fibLookup(net: NetNs, query: FibQuery): FibResult | number {
  const state = net.ipv4;
  for (const table of state.lookupOrder()) {
    const result = tableLookup(net, table, query);
    if (result !== -EAGAIN) return result;
  }
  return -ENETUNREACH;
}

/** One table; `-EAGAIN`: ask the next. */
export function tableLookup(net: NetNs, table: FibTable, query: FibQuery): FibResult | number {
  const { dst } = query;
  for (const level of table.levels) {
    const routes = level.routes.get(dst & level.mask);
    if (routes === undefined) continue;
    for (const route of routes) {
      if (route.tos !== 0 && route.tos !== query.tos) continue;
      if (route.scope < query.scope) continue;
      const errno = typeErrno(route.type);
      if (errno !== 0) return errno;
      const nexthop = pickNexthop(net, route, query);
      if (nexthop !== null) return { route, nexthop };
    }
  }
  return -EAGAIN;
}

/** Linux `fib_props[].error`. */
export function typeErrno(type: number): number {
  switch (type) {
    case RTN_BLACKHOLE:
      return -EINVAL;
    case RTN_UNREACHABLE:
      return -EHOSTUNREACH;
    case RTN_PROHIBIT:
      return -EACCES;
    case RTN_THROW:
      return -EAGAIN;
    default:
      return 0;
  }
}

/** The first way that lives; several are shared out by weight and a hash of the destination. */
function pickNexthop(net: NetNs, route: FibRoute, query: FibQuery): FibNexthop | null {
  const { nexthops } = route;
  const [first] = nexthops;
  if (nexthops.length === 1 && first !== undefined) return usable(net, first, query) ? first : null;
  let total = 0;
  for (const nh of nexthops) if (usable(net, nh, query)) total += nh.weight;
  if (total === 0) return null;
  let point = ((mix32(query.dst, query.src ?? 0) >>> 16) * total) / 65536;
  for (const nh of nexthops) {
    if (!usable(net, nh, query)) continue;
    point -= nh.weight;
    if (point < 0) return nh;
  }
  return null;
}

function usable(net: NetNs, nh: FibNexthop, query: FibQuery): boolean {
  if ((nh.flags & RTNH_F_DEAD) !== 0) return false;
  if (query.oif !== 0 && nh.dev.ifindex !== query.oif) return false;
  if ((nh.flags & RTNH_F_LINKDOWN) === 0) return true;
  if (query.anyCarrier === true || net.ipv4ConfAll.ignoreRoutesWithLinkdown !== 0)
    return query.anyCarrier === true;
  return (nh.dev.ipv4?.conf.ignoreRoutesWithLinkdown ?? 0) === 0;
}

/** The type of route that a packet received on `dev` would take; for ARP, which asks before there is one. */
export function routeInputType(dev: NetDevice, dst: number, _src: number): number {
  const result = fibLookup(dev.net, { dst, tos: 0, scope: 0, oif: 0 });
  return typeof result === 'number' ? RTN_UNSPEC : result.route.type;
}
