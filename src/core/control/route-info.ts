/** A route as `ip route show` tells it (Linux `fib_dump_info`). */
import {
  type FibNexthop,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
} from '../network/route/fib-info.ts';
import type { FibRoute } from '../network/route/fib-route.ts';
import { formatIpv4 } from '../util/address.ts';
import type { NexthopInfo, RouteInfo } from './info.ts';
import { lockedNames, metricsInfo } from './metrics.ts';
import { protocolName, ROUTE_TYPES, type RouteType, scopeName } from './names.ts';

export function routeInfo(route: FibRoute): RouteInfo {
  return {
    family: 'inet',
    // LINUX: a route by a blackhole nexthop shows as one.
    type: route.info.nh?.isBlackhole === true ? 'blackhole' : nameOfType(route.type),
    dst: prefixName(route.dst, route.prefixLen),
    tos: route.tos,
    table: route.table,
    protocol: protocolName(route.protocol),
    scope: scopeName(route.scope),
    src: route.prefsrc === 0 ? null : formatIpv4(route.prefsrc),
    metric: route.priority,
    nexthops: route.nexthops.map(nexthopInfo),
    metrics: metricsInfo(route.metrics),
    lockedMtu: route.metrics.mtuLock,
    locked: lockedNames(route.metrics),
    nhid: route.info.nh?.id ?? 0,
    isGroup: false,
    expires: Number.POSITIVE_INFINITY,
    pref: null,
  };
}

function nameOfType(type: number): RouteType {
  return (ROUTE_TYPES[type] ?? 'unicast') as RouteType;
}

function prefixName(dst: number, len: number): string {
  if (len === 0) return 'default';
  return len === 32 ? formatIpv4(dst) : `${formatIpv4(dst)}/${len}`;
}

/** Linux `fib_nexthop_info`. */
function nexthopInfo(n: FibNexthop): NexthopInfo {
  const linkdown = (n.flags & RTNH_F_LINKDOWN) !== 0;
  const conf = n.dev.ipv4?.conf;
  const ignored =
    linkdown &&
    ((conf?.ignoreRoutesWithLinkdown ?? 0) !== 0 ||
      n.dev.net.ipv4ConfAll.ignoreRoutesWithLinkdown !== 0);
  const flags: string[] = [];
  if ((n.flags & RTNH_F_DEAD) !== 0 || ignored) flags.push('dead');
  if ((n.flags & RTNH_F_ONLINK) !== 0) flags.push('onlink');
  if (linkdown) flags.push('linkdown');
  return {
    gateway: n.gateway === 0 ? null : formatIpv4(n.gateway),
    dev: n.dev.name,
    weight: n.weight,
    flags,
  };
}
