/**
 * Routes that routers announce (RFC 4861 §6.3, RFC 4191; Linux `rt6_add_dflt_router`, `rt6_route_rcv`,
 * `addrconf_get_prefix_route`): they end unless they are announced again.
 */
import { l3Table } from '../../link/l3mdev.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { IN6ADDR_ANY, type Ip6Addr, prefixOf } from '../../util/ip6-addr.ts';
import { RT_TABLE_MAIN } from '../route/fib.ts';
import { NO_METRICS } from '../route/fib-info.ts';
import { RTN_UNICAST } from '../route/route.ts';
import { fib6Add, fib6Remove, kernelRoute6Add } from './change.ts';
import {
  type FibRoute6,
  IP6_RT_PRIO_ADDRCONF,
  IP6_RT_PRIO_USER,
  prefFlags,
  prefOf,
  RTF_ADDRCONF,
  RTF_DEFAULT,
  RTF_PREF_MASK,
  RTF_PREFIX_RT,
  RTF_ROUTEINFO,
  RTPROT_RA,
} from './fib.ts';

/** A lifetime that never ends, seconds. */
const INFINITE = 0xffffffff;

/** DEVIATION: prefixes that routers may have announced at a time; Linux has no limit. */
const MAX_ANNOUNCED = 4096;

/** Is there no room for another route of a router? */
function isFull(net: NetNs): boolean {
  return (net.ipv6.extraMaybe?.endingCount ?? 0) >= MAX_ANNOUNCED;
}

function tableOf(dev: NetDevice): number {
  return l3Table(dev) || RT_TABLE_MAIN;
}

function endOf(net: NetNs, seconds: number): number {
  return seconds === INFINITE ? Number.POSITIVE_INFINITY : net.kernel.nowUs + seconds * 1e6;
}

/** The routes of one prefix in the table of `dev` through it. */
function routesThrough(dev: NetDevice, dst: Ip6Addr, prefixLen: number): FibRoute6[] {
  const table = dev.net.ipv6.findTable(tableOf(dev));
  return (table?.at(dst, prefixLen) ?? []).filter((r) => r.nexthops[0]?.dev === dev);
}

function hasFlags(r: FibRoute6, flags: number): boolean {
  return (r.flags & flags) === flags;
}

function isVia(r: FibRoute6, gateway: Ip6Addr): boolean {
  return r.nexthops[0]?.gateway?.equals(gateway) === true;
}

/** The default route that `gateway` announced (`rt6_get_dflt_router`). */
export function findDefaultRouter(dev: NetDevice, gateway: Ip6Addr): FibRoute6 | undefined {
  return routesThrough(dev, IN6ADDR_ANY, 0).find(
    (r) => hasFlags(r, RTF_ADDRCONF | RTF_DEFAULT) && isVia(r, gateway),
  );
}

/** What a router says of the way through it. */
export interface Announced {
  readonly dev: NetDevice;
  readonly gateway: Ip6Addr;
  /** Seconds. */
  readonly lifetime: number;
  /** Two bits (RFC 4191 §2.1). */
  readonly pref: number;
  readonly metric: number;
}

/** A default router says for how long it is one; undefined: it is none (any more). */
export function defaultRouter(a: Announced): FibRoute6 | undefined {
  const { net } = a.dev;
  let route = findDefaultRouter(a.dev, a.gateway);
  if (route !== undefined && (a.lifetime === 0 || route.metric !== a.metric)) {
    fib6Remove(net, route);
    route = undefined;
  }
  if (a.lifetime === 0) return undefined;
  if (route === undefined) {
    addGateway(a, IN6ADDR_ANY, 0, RTF_ADDRCONF | RTF_DEFAULT);
    return findDefaultRouter(a.dev, a.gateway);
  }
  if (prefOf(route.flags) !== a.pref) {
    setPref(net, route, a.pref);
    net.events.emit('newroute', route);
  }
  setEnd(net, route, endOf(net, a.lifetime));
  return route;
}

/** A router says that it leads to a prefix (`rt6_route_rcv`). */
export function routeInformation(a: Announced, prefix: Ip6Addr, prefixLen: number): void {
  const { net } = a.dev;
  const dst = prefixOf(prefix, prefixLen);
  let route =
    prefixLen === 0
      ? findDefaultRouter(a.dev, a.gateway)
      : routesThrough(a.dev, dst, prefixLen).find(
          (r) => hasFlags(r, RTF_ADDRCONF | RTF_ROUTEINFO) && isVia(r, a.gateway),
        );
  if (route !== undefined && a.lifetime === 0) {
    fib6Remove(net, route);
    route = undefined;
  }
  if (a.lifetime === 0) return;
  const flags = RTF_ADDRCONF | RTF_ROUTEINFO | (prefixLen === 0 ? RTF_DEFAULT : 0);
  if (route === undefined) {
    addGateway({ ...a, metric: IP6_RT_PRIO_USER }, dst, prefixLen, flags);
    return;
  }
  route.flags |= RTF_ROUTEINFO;
  setPref(net, route, a.pref);
  setEnd(net, route, endOf(net, a.lifetime));
}

function addGateway(a: Announced, dst: Ip6Addr, prefixLen: number, flags: number): void {
  const { net } = a.dev;
  if (isFull(net)) return;
  const spec = {
    table: tableOf(a.dev),
    dst,
    prefixLen,
    metric: a.metric,
    type: RTN_UNICAST,
    protocol: RTPROT_RA,
    prefsrc: null,
    nexthops: [{ gateway: a.gateway, dev: a.dev, weight: 1, onlink: false }],
    metrics: NO_METRICS,
    expiresUs: endOf(net, a.lifetime),
    flags: flags | prefFlags(a.pref),
  };
  fib6Add(net, spec, { create: true, exclusive: false, replace: false, append: false });
}

function setPref(net: NetNs, route: FibRoute6, pref: number): void {
  route.flags = (route.flags & ~RTF_PREF_MASK) | prefFlags(pref);
  net.ipv6.changed();
}

/** Another end for a route that is there (`fib6_set_expires`). */
function setEnd(net: NetNs, route: FibRoute6, expiresUs: number): void {
  // A decision that was kept since it was over must not be.
  if (route.expiresUs <= net.kernel.nowUs) net.ipv6.changed();
  route.expiresUs = expiresUs;
  if (expiresUs !== Number.POSITIVE_INFINITY) net.ipv6.extra.watchExpiry(route);
}

/** A prefix is on the link for `lifetime` seconds (the first half of `addrconf_prefix_rcv`). */
export function onlinkPrefix(
  dev: NetDevice,
  prefix: Ip6Addr,
  prefixLen: number,
  lifetime: number,
): void {
  const { net } = dev;
  const dst = prefixOf(prefix, prefixLen);
  const direct = routesThrough(dev, dst, prefixLen).filter((r) => r.nexthops[0]?.gateway === null);
  const known = direct.find(
    (r) => hasFlags(r, RTF_ADDRCONF | RTF_PREFIX_RT) && (r.flags & RTF_DEFAULT) === 0,
  );
  if (known !== undefined) {
    if (lifetime === 0) fib6Remove(net, known);
    else setEnd(net, known, endOf(net, lifetime));
    return;
  }
  if (lifetime === 0 || isFull(net)) return;
  const expiresUs = endOf(net, lifetime);
  const twin = direct.find((r) => r.metric === IP6_RT_PRIO_ADDRCONF);
  if (twin !== undefined) {
    // The route of an address by hand is there: it lasts as long as it lasts (`fib6_add_rt2node`).
    if (twin.expiresUs !== Number.POSITIVE_INFINITY) setEnd(net, twin, expiresUs);
    return;
  }
  kernelRoute6Add(dev, {
    table: tableOf(dev),
    type: RTN_UNICAST,
    dst,
    prefixLen,
    metric: IP6_RT_PRIO_ADDRCONF,
    expiresUs,
    flags: RTF_ADDRCONF | RTF_PREFIX_RT,
  });
}

/** Whoever is a router has no default routers (`rt6_purge_dflt_routers`), unless accept_ra is 2. */
export function purgeDefaultRouters(net: NetNs): void {
  for (const table of net.ipv6.allTables())
    for (const route of [...table.at(IN6ADDR_ANY, 0)])
      if (
        (route.flags & (RTF_DEFAULT | RTF_ADDRCONF)) !== 0 &&
        route.nexthops[0]?.dev.ipv6?.conf.acceptRa !== 2
      )
        fib6Remove(net, route);
}

/** A neighbour says that it is a router no more (RFC 4861 §7.2.5; `rt6_clean_tohost`). */
export function routerBecameHost(dev: NetDevice, gateway: Ip6Addr): void {
  const route = findDefaultRouter(dev, gateway);
  if (route !== undefined) fib6Remove(dev.net, route);
}
