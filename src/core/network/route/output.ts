/**
 * Where a packet of our own goes, and with which source address (Linux `ip_route_output_key_hash_rcu`). The
 * last decisions of a namespace are kept in a small table.
 */

import { EINVAL, ENETUNREACH, ENODEV } from '../../errno.ts';
import { isL3Master, l3Master, l3Oif, l3Table } from '../../link/l3mdev.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { INADDR_LOOPBACK, isLoopback, isMulticast, isZeronet } from '../../util/address.ts';
import { inetSelectAddr } from '../ipv4/select-addr.ts';
import type { FlowKeys } from '../rule/fib-rule.ts';
import { findException } from './exception.ts';
import { RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from './fib.ts';
import { NO_METRICS } from './fib-info.ts';
import { fibLookup } from './lookup.ts';
import type { FibQuery, FibResult } from './match.ts';
import { Route, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from './route.ts';

/** The route, with `src` filled in, or `-errno`. `src`, `oif`: 0 for any. */
// biome-ignore lint/complexity/useMaxParams: asked for packets, which an object each would cost
export function routeOutput(
  net: NetNs,
  dst: number,
  src: number,
  oif: number,
  tos: number,
  flow: FlowKeys | null = null,
): Route | number {
  if (isDeep(net)) return decide(net, questionOf(dst, src, oif, tos, flow));
  const cached = net.ipv4.outputCache.find(dst, src, oif, tos, net.ipv4.generation);
  if (cached !== null && (cached.pmtu === 0 || net.kernel.nowUs < cached.pmtuExpiresUs))
    return cached;
  const route = decide(net, questionOf(dst, src, oif, tos, flow));
  if (typeof route !== 'number') net.ipv4.outputCache.add(dst, src, oif, tos, route);
  return route;
}

/** Rules or the sharing-out over several ways look at more than decisions are kept by: none is kept. */
export function isDeep(net: NetNs): boolean {
  if (net.ipv4.rules?.deep === true || net.sysctl.fibMultipathHashPolicy !== 0) return true;
  return net.nexthops !== null && net.nexthops.resilient !== 0;
}

/** What the tables are asked, if nothing is known of a device. */
function questionOf(
  dst: number,
  src: number,
  oif: number,
  tos: number,
  flow: FlowKeys | null,
): FibQuery {
  return {
    dst,
    src,
    tos,
    scope: RT_SCOPE_UNIVERSE,
    oif,
    mark: flow === null ? 0 : flow.mark,
    proto: flow === null ? 0 : flow.protocol,
    sport: flow === null ? 0 : flow.sport,
    dport: flow === null ? 0 : flow.dport,
    l3Table: 0,
    l3Index: 0,
  };
}

function decide(net: NetNs, ask: FibQuery): Route | number {
  const { dst, src = 0, oif } = ask;
  net.ipv4.decisions++;
  if (src !== 0) {
    if (isMulticast(src) || src === -1 || isZeronet(src)) return -EINVAL;
    const owner = deviceOf(net, src);
    if (owner === null) return -ENETUNREACH;
    // Without a device to say otherwise, group packets leave by the device that has their source.
    if (oif === 0 && (isMulticast(dst) || dst === -1))
      return makeOutput(net, null, owner, dst, src);
  }
  return oif === 0 ? byTables(net, null, ask, src) : byDevice(net, ask, src);
}

/** The sender said by which device. */
function byDevice(net: NetNs, ask: FibQuery, src: number): Route | number {
  const { dst } = ask;
  const out = net.devs.findIndex(ask.oif);
  if (out === undefined) return -ENODEV;
  if (!out.up || out.ipv4 === null) return -ENETUNREACH;
  // 224.0.0.0/24
  if (dst >>> 8 === 0xe00000 || dst === -1)
    return makeOutput(net, null, out, dst, src || inetSelectAddr(out, 0, RT_SCOPE_LINK));
  let source = src;
  if (source === 0 && isMulticast(dst)) source = inetSelectAddr(out, 0, RT_SCOPE_UNIVERSE);
  else if (source === 0 && dst === 0) source = inetSelectAddr(out, 0, RT_SCOPE_HOST);
  const query = Object.assign(ask, {
    src: source,
    // A master leads to its table, whatever device the routes there take (`l3mdev_update_flow`).
    oif: isL3Master(out) ? 0 : out.ifindex,
    l3Table: l3Table(out),
    l3Index: l3Oif(out),
  });
  return byTables(net, out, query, source);
}

function byTables(net: NetNs, out: NetDevice | null, query: FibQuery, src: number): Route | number {
  const { dst } = query;
  if (dst === 0) return toSelf(net, src);
  const found = fibLookup(net, query);
  if (typeof found === 'number') {
    if (out === null || (query.l3Table !== 0 && !isMulticast(dst))) return found;
    // With a device given, the tables are not believed: the destination is taken to be on its link.
    return makeOutput(net, null, out, dst, src || inetSelectAddr(out, 0, RT_SCOPE_LINK));
  }
  if (found.info.type === RTN_LOCAL)
    return makeLocal(net, src || found.info.prefsrc || dst, found.nexthop.dev);
  const { dev } = found.nexthop;
  return makeOutput(net, found, dev, dst, src || preferredSource(found, dev));
}

/** 0.0.0.0 is this host (RFC 1122 §3.2.1.3). */
function toSelf(net: NetNs, src: number): Route | number {
  if (src !== 0) return makeLocal(net, src);
  // LINUX: connect(2) looks again with the address that this gave it, which nobody has while lo was never up.
  return deviceOf(net, INADDR_LOOPBACK) === null ? -ENETUNREACH : makeLocal(net, INADDR_LOOPBACK);
}

/** Linux `fib_result_prefsrc`. */
function preferredSource(found: FibResult, dev: NetDevice): number {
  const { info, nexthop } = found;
  return info.prefsrc || inetSelectAddr(dev, nexthop.gateway, info.scope);
}

/** LINUX: lo may be down; what is sent to it then dies there, and nobody is told. */
function makeLocal(net: NetNs, source: number, of: NetDevice = net.loopback): Route {
  // The master is the lo of its domain.
  return new Route(RTN_LOCAL, l3Master(of) ?? net.loopback, 0, source, net.ipv4.generation);
}

/** Linux `__mkroute_output`. */
function makeOutput(
  net: NetNs,
  found: FibResult | null,
  dev: NetDevice,
  dst: number,
  source: number,
): Route | number {
  if (dev.ipv4 === null) return -EINVAL;
  const localnet = dev.ipv4.conf.routeLocalnet !== 0 || net.ipv4ConfAll.routeLocalnet !== 0;
  if (isLoopback(source) && (dev.flags & IFF_LOOPBACK) === 0 && !localnet) return -EINVAL;
  if (isZeronet(dst)) return -EINVAL;
  let type = found?.info.type ?? RTN_UNICAST;
  if (dst === -1) type = RTN_BROADCAST;
  else if (isMulticast(dst)) type = RTN_MULTICAST;
  // A default route does not make a group's packets go to its gateway.
  const way = type === RTN_MULTICAST && (found?.prefixLen ?? 0) < 4 ? null : found;
  const metrics = way?.info.metrics ?? NO_METRICS;
  const exception = type === RTN_UNICAST ? findException(net, dst) : undefined;
  const gateway = type === RTN_BROADCAST ? 0 : (way?.nexthop.gateway ?? 0);
  const route = new Route(
    type,
    dev,
    exception !== undefined && exception.gateway !== 0 ? exception.gateway : gateway,
    source,
    net.ipv4.generation,
  );
  route.metrics = metrics;
  route.mtuMetric = metrics.mtu;
  route.advmss = metrics.advmss;
  route.initcwnd = metrics.initcwnd;
  route.initrwnd = metrics.initrwnd;
  route.rtoMinUs = metrics.rtoMin * 1000;
  route.quickack = metrics.quickack !== 0;
  route.hoplimit = metrics.hoplimit;
  route.mtuLock = metrics.mtuLock;
  if (exception !== undefined && exception.pmtu !== 0 && !metrics.mtuLock) {
    route.pmtu = exception.pmtu;
    route.pmtuLocked = exception.locked;
    route.pmtuExpiresUs = exception.expiresUs;
  }
  return route;
}

/** The device that has this address; lo for all of 127/8 (`__ip_dev_find`). */
function deviceOf(net: NetNs, addr: number): NetDevice | null {
  if (net.l3mdevs !== 0)
    for (const dev of net.devs)
      if (dev.ipv4?.addresses.some((a) => a.local === addr) === true) return dev;
  const table = net.ipv4.localTable;
  if (table === null) return null;
  const found = table.lookup(net, { dst: addr, tos: 0, scope: 0, oif: 0 });
  if (typeof found === 'number' || found.info.type !== RTN_LOCAL) return null;
  return found.nexthop.dev;
}
