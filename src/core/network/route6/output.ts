/**
 * Where an IPv6 packet of our own goes (Linux `ip6_route_output_flags`, `ip6_dst_lookup_tail`). The last decisions of
 * a namespace are kept in a small table.
 */

import { EADDRNOTAVAIL, ENODEV } from '../../errno.ts';
import { isL3Master, l3Master, l3Oif, l3Table } from '../../link/l3mdev.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import {
  IN6ADDR_ANY,
  type Ip6Addr,
  isAny6,
  isLinkLocal6,
  isLoopback6,
  isMulticast6,
} from '../../util/ip6-addr.ts';
import { selectAddr6 } from '../ipv6/select-addr.ts';
import { RTN_ANYCAST, RTN_LOCAL, RTN_UNICAST } from '../route/route.ts';
import type { FlowKeys } from '../rule/fib-rule.ts';
import { findException6 } from './exception.ts';
import { type Fib6Result, fib6Lookup } from './lookup.ts';
import { Route6 } from './route.ts';

/** Means something on one link only (`rt6_need_strict`). */
export function needsStrict(dst: Ip6Addr): boolean {
  return isMulticast6(dst) || isLinkLocal6(dst) || isLoopback6(dst);
}

/** What is asked, while an answer is looked for that is not known yet. */
interface Question6 {
  readonly dst: Ip6Addr;
  readonly src: Ip6Addr;
  readonly oif: number;
  readonly flow: FlowKeys | null;
  readonly tclass: number;
}

/** The route, or `-errno`. `src`: `::` for any; `oif`: 0 for any. */
// biome-ignore lint/complexity/useMaxParams: asked for packets, which an object each would cost
export function routeOutput6(
  net: NetNs,
  dst: Ip6Addr,
  src: Ip6Addr,
  oif: number,
  flow: FlowKeys | null = null,
  tclass = 0,
): Route6 | number {
  const { ipv6 } = net;
  const deep = isDeep6(net);
  const cached = deep ? null : ipv6.outputCache.find(dst, src, oif, ipv6.generation);
  if (cached !== null && (cached.pmtu === 0 || net.kernel.nowUs < cached.pmtuExpiresUs))
    return cached.errno === 0 ? cached : -cached.errno;
  const route = decide(net, { dst, src, oif, flow, tclass });
  if (typeof route === 'number') return route;
  if (!deep) ipv6.outputCache.add(dst, src, oif, route);
  return route.errno === 0 ? route : -route.errno;
}

/** Rules or the sharing-out over several ways look at more than decisions are kept by: none is kept. */
export function isDeep6(net: NetNs): boolean {
  const { rules, sysctl } = net.ipv6;
  if (rules?.deep === true || sysctl.multipathHashPolicy !== 0) return true;
  return net.nexthops !== null && net.nexthops.resilient !== 0;
}

function decide(net: NetNs, ask: Question6): Route6 | number {
  const { dst, src, oif, flow, tclass } = ask;
  net.ipv6.decisions++;
  const out = oif === 0 ? undefined : net.devs.findIndex(oif);
  if (oif !== 0 && out === undefined) return -ENODEV;
  const master = out !== undefined && isL3Master(out);
  const strict = !master && (needsStrict(dst) || (oif !== 0 && isAny6(src)));
  // A master leads to its table, whatever device the routes there take.
  const found = fib6Lookup(net, {
    dst,
    src,
    oif: master ? 0 : oif,
    strict,
    tos: tclass,
    mark: flow?.mark ?? 0,
    proto: flow?.protocol ?? 0,
    sport: flow?.sport ?? 0,
    dport: flow?.dport ?? 0,
    l3Table: out === undefined ? 0 : l3Table(out),
    l3Index: out === undefined ? 0 : l3Oif(out),
  });
  return typeof found === 'number' ? found : makeRoute6(net, found, dst);
}

/** Linux `ip6_rt_init_dst`: what a route means for a packet to `dst`. */
export function makeRoute6(net: NetNs, found: Fib6Result, dst: Ip6Addr): Route6 {
  const { route, nexthop, errno } = found;
  const isOurs = route.type === RTN_LOCAL || route.type === RTN_ANYCAST;
  const exception = route.type === RTN_UNICAST ? findException6(net, dst) : undefined;
  const redirected = exception !== undefined && exception.gateway !== null;
  const dev: NetDevice = redirected ? (exception.dev ?? nexthop.dev) : nexthop.dev;
  const { metrics } = route;
  const made = new Route6({
    type: route.type,
    dev: isOurs ? (l3Master(dev) ?? net.loopback) : dev,
    idev: dev,
    gateway: redirected ? exception.gateway : nexthop.gateway,
    prefsrc: route.prefsrc,
    prefixLen: route.prefixLen,
    generation: net.ipv6.generation,
    errno,
  });
  made.metrics = metrics;
  made.mtuMetric = metrics.mtu;
  made.advmss = metrics.advmss;
  made.initcwnd = metrics.initcwnd;
  made.initrwnd = metrics.initrwnd;
  made.hoplimit = metrics.hoplimit;
  made.mtuLock = metrics.mtuLock;
  made.rtoMinUs = metrics.rtoMin * 1000;
  made.quickack = metrics.quickack !== 0;
  if (exception !== undefined && exception.pmtu !== 0 && !metrics.mtuLock) {
    made.pmtu = exception.pmtu;
    made.pmtuExpiresUs = exception.expiresUs;
  }
  return made;
}

/** The source address of a packet by `route` to `dst` that has none (`ip6_route_get_saddr`); null: there is none. */
export function sourceOf6(net: NetNs, route: Route6, dst: Ip6Addr): Ip6Addr | null {
  if (route.prefsrc !== null) return route.prefsrc;
  route.src ??= selectAddr6(net, route.idev, dst);
  return route.src;
}

/** Route and source in one: `-EADDRNOTAVAIL` when no address will do. */
export function routeWithSource6(
  net: NetNs,
  dst: Ip6Addr,
  src: Ip6Addr,
  oif: number,
): { readonly route: Route6; readonly src: Ip6Addr } | number {
  const route = routeOutput6(net, dst, src, oif);
  if (typeof route === 'number') return route;
  if (!isAny6(src)) return { route, src };
  const chosen = sourceOf6(net, route, dst);
  return chosen === null ? -EADDRNOTAVAIL : { route, src: chosen };
}

/** The device by which packets to `dst` leave; null when none would. */
export function deviceTowards6(net: NetNs, dst: Ip6Addr): NetDevice | null {
  const route = routeOutput6(net, dst, IN6ADDR_ANY, 0);
  return typeof route === 'number' ? null : route.dev;
}
