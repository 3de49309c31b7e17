/**
 * What becomes of a received packet: ours, another's, or nobody's (Linux `ip_route_input_slow`,
 * `fib_validate_source`). Decisions are kept in a small table, by source, destination and device.
 */

import type { DropReason } from '../../drop.ts';
import { EHOSTUNREACH } from '../../errno.ts';
import { l3Master, l3Oif, l3Table } from '../../link/l3mdev.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { isLoopback, isMulticast, isZeronet } from '../../util/address.ts';
import { IPPROTO_IGMP } from '../../wire/ipv4.ts';
import { wantsFrom } from '../ipv4/membership.ts';
import type { FlowKeys } from '../rule/fib-rule.ts';
import { findException } from './exception.ts';
import { RT_SCOPE_HOST, RT_SCOPE_UNIVERSE } from './fib.ts';
import { fibLookup } from './lookup.ts';
import type { FibQuery, FibResult } from './match.ts';
import { isDeep } from './output.ts';
import {
  Route,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from './route.ts';

/** A packet that has no way: `route.mtuMetric` of this type holds the errno that says which ICMP error. */
export const RTN_REFUSED: number = RTN_UNREACHABLE;

/** The route, or why there is none. A refusing route carries its errno in `mtuMetric`. */
export function routeInput(
  dev: NetDevice,
  dst: number,
  src: number,
  tos: number,
  flow: FlowKeys | null = null,
): Route | DropReason {
  const { ipv4 } = dev.net;
  if (isDeep(dev.net)) return decide(dev, dst, src, tos, flow);
  const cached = ipv4.inputCache.find(dst, src, dev.ifindex, tos, ipv4.generation);
  if (cached !== null) return cached;
  const route = decide(dev, dst, src, tos, flow);
  if (typeof route !== 'string') ipv4.inputCache.add(dst, src, dev.ifindex, tos, route);
  return route;
}

/**
 * The route of a packet to a group (`ip_route_input_rcu`, `ip_mc_validate_source`): ours when a socket joined
 * the group on this device. Not kept: membership changes without telling anybody.
 */
export function routeMulticast(
  dev: NetDevice,
  dst: number,
  src: number,
  protocol: number,
): Route | DropReason {
  const member = wantsFrom(dev, dst, src);
  if (!member && protocol !== IPPROTO_IGMP) return 'NOT_SPECIFIED';
  if (isMulticast(src) || src === -1) return 'IP_INVALID_SOURCE';
  if (isLoopback(src) && !routesLocalnet(dev)) return 'IP_LOCALNET';
  if (isZeronet(src)) {
    // 224.0.0.0/24
    if (dst >>> 8 !== 0xe00000 && protocol !== IPPROTO_IGMP) return 'IP_INVALID_SOURCE';
  } else {
    const valid = validateSource(dev, src, dst, 0, null);
    if (typeof valid === 'string') return valid;
  }
  return local(dev, RTN_MULTICAST);
}

function routesLocalnet(dev: NetDevice): boolean {
  return (dev.ipv4?.conf.routeLocalnet ?? 0) !== 0 || dev.net.ipv4ConfAll.routeLocalnet !== 0;
}

function decide(
  dev: NetDevice,
  dst: number,
  src: number,
  tos: number,
  flow: FlowKeys | null,
): Route | DropReason {
  const { net } = dev;
  net.ipv4.decisions++;
  if (isMulticast(src) || src === -1) return 'IP_INVALID_SOURCE';
  if (dst === -1 || (src === 0 && dst === 0)) return broadcast(dev, src, dst, tos);
  if (isZeronet(src)) return 'IP_INVALID_SOURCE';
  if (isZeronet(dst)) return 'IP_INVALID_DEST';
  if ((isLoopback(dst) || isLoopback(src)) && !routesLocalnet(dev)) return 'IP_LOCALNET';
  const found = fibLookup(net, {
    dst,
    src,
    tos,
    scope: RT_SCOPE_UNIVERSE,
    oif: 0,
    iif: dev.ifindex,
    mark: flow?.mark ?? 0,
    proto: flow?.protocol ?? 0,
    sport: flow?.sport ?? 0,
    dport: flow?.dport ?? 0,
    l3Table: l3Table(dev),
    l3Index: l3Oif(dev),
  });
  const forwarding = (dev.ipv4?.conf.forwarding ?? 0) !== 0;
  if (typeof found === 'number') return refused(dev, forwarding ? -found : EHOSTUNREACH);
  if (found.info.type === RTN_BROADCAST) return broadcast(dev, src, dst, tos);
  if (found.info.type === RTN_LOCAL) {
    const valid = validateSource(dev, src, dst, tos, null);
    return typeof valid === 'string' ? valid : local(dev, RTN_LOCAL);
  }
  if (!forwarding) return refused(dev, EHOSTUNREACH);
  if (found.info.type !== RTN_UNICAST) return 'IP_INVALID_DEST';
  const valid = validateSource(dev, src, dst, tos, found.nexthop.dev);
  return typeof valid === 'string' ? valid : forward(found, dst, valid);
}

function refused(dev: NetDevice, errno: number): Route {
  const route = new Route(RTN_REFUSED, dev, 0, 0, dev.net.ipv4.generation);
  route.mtuMetric = errno;
  return route;
}

function local(dev: NetDevice, type: number): Route {
  return new Route(type, dev, 0, 0, dev.net.ipv4.generation);
}

function broadcast(dev: NetDevice, src: number, dst: number, tos: number): Route | DropReason {
  if (!isZeronet(src)) {
    const valid = validateSource(dev, src, dst, tos, null);
    if (typeof valid === 'string') return valid;
  }
  return local(dev, RTN_BROADCAST);
}

function forward(found: FibResult, dst: number, onLink: boolean): Route {
  const { nexthop, info } = found;
  const { dev } = nexthop;
  const exception = findException(dev.net, dst);
  const useGateway = exception !== undefined && exception.gateway !== 0;
  const route = new Route(
    RTN_UNICAST,
    dev,
    useGateway ? exception.gateway : nexthop.gateway,
    0,
    dev.net.ipv4.generation,
  );
  route.mtuMetric = info.metrics.mtu;
  route.onLinkSource = onLink;
  route.mtuLock = info.metrics.mtuLock;
  if (exception !== undefined && exception.pmtu !== 0) {
    route.pmtu = exception.pmtu;
    route.pmtuLocked = exception.locked;
    route.pmtuExpiresUs = exception.expiresUs;
  }
  return route;
}

/**
 * May this source come in here (`fib_validate_source`)? True or false: it is, or is not, directly on the
 * link of `dev`. Asks the tables only where rp_filter, accept_local or redirects make it necessary. `out`:
 * the device by which the packet would leave; null when it is ours.
 */
function validateSource(
  dev: NetDevice,
  src: number,
  dst: number,
  tos: number,
  out: NetDevice | null,
): boolean | DropReason {
  const { net, ipv4 } = dev;
  const all = net.ipv4ConfAll;
  const rpFilter = Math.max(ipv4?.conf.rpFilter ?? 0, all.rpFilter);
  const redirects = (ipv4?.conf.sendRedirects ?? 0) !== 0 || all.sendRedirects !== 0;
  // Rules of one's own may send what one would call local elsewhere (`fib4_has_custom_rules`).
  if (rpFilter === 0 && (out !== dev || !redirects) && net.ipv4.rules === null) {
    if (acceptsLocal(dev)) return false;
    return net.ipv4.isOwnAddress(src) ? 'IP_LOCAL_SOURCE' : false;
  }
  const query: FibQuery = {
    dst: src,
    src: dst,
    tos,
    scope: RT_SCOPE_UNIVERSE,
    oif: 0,
    iif: out?.ifindex ?? 1,
    l3Table: l3Table(dev),
    l3Index: l3Oif(dev),
  };
  return searchSource(dev, query, rpFilter);
}

/** Linux `__fib_validate_source` */
function searchSource(dev: NetDevice, query: FibQuery, rpFilter: number): boolean | DropReason {
  const { net } = dev;
  const unknown = rpFilter === 0 ? false : 'IP_RPFILTER';
  const back = fibLookup(net, query);
  if (typeof back === 'number') return unknown;
  const { type, nexthops } = back.info;
  if (type !== RTN_UNICAST && type !== RTN_LOCAL) return 'IP_INVALID_SOURCE';
  if (type === RTN_LOCAL && !acceptsLocal(dev)) return 'IP_LOCAL_SOURCE';
  // LINUX: the devices of a vrf are as good as itself (`fib_info_nh_uses_dev`).
  const arrives =
    nexthops.some((n) => n.dev === dev || l3Master(n.dev) === dev) ||
    (type === RTN_LOCAL && dev === net.loopback);
  if (arrives) return back.nexthop.scope >= RT_SCOPE_HOST;
  if ((dev.ipv4?.addresses.length ?? 0) === 0) return unknown;
  if (rpFilter === 1) return 'IP_RPFILTER';
  const here = fibLookup(net, { ...query, oif: dev.ifindex, anyCarrier: true });
  if (typeof here === 'number' || here.info.type !== RTN_UNICAST) return false;
  return here.nexthop.scope >= RT_SCOPE_HOST;
}

function acceptsLocal(dev: NetDevice): boolean {
  return (dev.ipv4?.conf.acceptLocal ?? 0) !== 0 || dev.net.ipv4ConfAll.acceptLocal !== 0;
}
