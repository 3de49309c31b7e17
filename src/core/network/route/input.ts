/**
 * What becomes of a received packet: ours, another's, or nobody's (Linux `ip_route_input_slow`,
 * `fib_validate_source`). Decisions are kept in a small table, by source, destination and device.
 */
import type { DropReason } from '../../drop.ts';
import { ENETUNREACH } from '../../errno.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../link/net-device.ts';
import { isLoopback, isMulticast, isZeronet } from '../../util/address.ts';
import { findException } from './exception.ts';
import { type FibResult, RT_SCOPE_HOST, RT_SCOPE_UNIVERSE } from './fib.ts';
import { fibLookup } from './lookup.ts';
import { Route, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST, RTN_UNREACHABLE } from './route.ts';

/** A packet that has no way: `route.mtuMetric` of this type holds the errno that says which ICMP error. */
export const RTN_REFUSED: number = RTN_UNREACHABLE;

/** The route, or why there is none. A refusing route carries its errno in `mtuMetric`. */
export function routeInput(
  dev: NetDevice,
  dst: number,
  src: number,
  tos: number,
): Route | DropReason {
  const { ipv4 } = dev.net;
  const cached = ipv4.inputCache.find(dst, src, dev.ifindex, tos, ipv4.generation);
  if (cached !== null) return cached;
  const route = decide(dev, dst, src, tos);
  if (typeof route !== 'string') ipv4.inputCache.add(dst, src, dev.ifindex, tos, route);
  return route;
}

function decide(dev: NetDevice, dst: number, src: number, tos: number): Route | DropReason {
  const { net } = dev;
  const loopback = (dev.flags & IFF_LOOPBACK) !== 0;
  if (isMulticast(src) || src === -1) return 'IP_INVALID_SOURCE';
  if (dst === -1 || (src === 0 && dst === 0)) return broadcast(dev, src, tos);
  if (isZeronet(src) && !isMulticast(dst)) return 'IP_INVALID_SOURCE';
  if (isZeronet(dst)) return 'IP_INVALID_DEST';
  const localnet = (dev.ipv4?.conf.routeLocalnet ?? 0) !== 0 || net.ipv4ConfAll.routeLocalnet !== 0;
  if (!loopback && !localnet && (isLoopback(dst) || isLoopback(src))) return 'IP_LOCALNET';
  if (isMulticast(dst)) return multicast(dev, src, tos);
  const found = fibLookup(net, { dst, tos, scope: RT_SCOPE_UNIVERSE, oif: 0 });
  const forwarding = (dev.ipv4?.conf.forwarding ?? 0) !== 0;
  if (typeof found === 'number') return refused(dev, forwarding ? -found : 0);
  if (found.route.type === RTN_BROADCAST) return broadcast(dev, src, tos);
  if (found.route.type === RTN_LOCAL) {
    const valid = validateSource(dev, src, tos, null);
    return typeof valid === 'string' ? valid : local(dev, RTN_LOCAL);
  }
  if (!forwarding) return refused(dev, 0);
  if (found.route.type !== RTN_UNICAST || found.nexthop === null) return 'IP_INVALID_DEST';
  const valid = validateSource(dev, src, tos, found.nexthop.dev);
  return typeof valid === 'string' ? valid : forward(found, dst, valid);
}

/** `errno` 0: we do not forward, so nobody is told. */
function refused(dev: NetDevice, errno: number): Route {
  return new Route(RTN_REFUSED, dev, 0, 0, errno, 0, dev.net.ipv4.generation);
}

function local(dev: NetDevice, type: number): Route {
  return new Route(type, dev, 0, 0, 0, 0, dev.net.ipv4.generation);
}

function broadcast(dev: NetDevice, src: number, tos: number): Route | DropReason {
  if (!isZeronet(src)) {
    const valid = validateSource(dev, src, tos, null);
    if (typeof valid === 'string') return valid;
  }
  return local(dev, RTN_BROADCAST);
}

/** Packets to a group that a socket of ours has joined on this device, or to all hosts. */
function multicast(dev: NetDevice, src: number, tos: number): Route | DropReason {
  if (!isZeronet(src)) {
    const valid = validateSource(dev, src, tos, null);
    if (typeof valid === 'string') return valid;
  }
  return local(dev, RTN_MULTICAST);
}

function forward(found: FibResult, dst: number, onLink: boolean): Route {
  const { nexthop, route: fib } = found;
  const dev = nexthop?.dev as NetDevice;
  const exception = findException(dev.net, dst);
  const useGateway = exception !== undefined && exception.gateway !== 0;
  const route = new Route(
    RTN_UNICAST,
    dev,
    useGateway ? exception.gateway : (nexthop?.gateway ?? 0),
    0,
    fib.metrics.mtu,
    0,
    dev.net.ipv4.generation,
  );
  route.onLinkSource = onLink;
  if (exception !== undefined && exception.pmtu !== 0) {
    route.pmtu = exception.pmtu;
    route.pmtuExpiresUs = exception.expiresUs;
  }
  return route;
}

/**
 * May this source come in here (`fib_validate_source`)? True or false: it is, or is not, directly on the
 * link of `dev`. Asks the tables only where rp_filter or accept_local make a difference.
 */
function validateSource(
  dev: NetDevice,
  src: number,
  tos: number,
  out: NetDevice | null,
): boolean | DropReason {
  const { net } = dev;
  const { ipv4 } = dev;
  const rpFilter = Math.max(ipv4?.conf.rpFilter ?? 0, net.ipv4ConfAll.rpFilter);
  const acceptLocal = (ipv4?.conf.acceptLocal ?? 0) !== 0 || net.ipv4ConfAll.acceptLocal !== 0;
  if (rpFilter === 0 && out !== dev) {
    if (acceptLocal || (dev.flags & IFF_LOOPBACK) !== 0) return false;
    return net.ipv4.isOwnAddress(src) ? 'IP_LOCAL_SOURCE' : false;
  }
  const back = fibLookup(net, { dst: src, tos, scope: RT_SCOPE_UNIVERSE, oif: 0 });
  if (typeof back === 'number')
    return rpFilter === 1 || (rpFilter !== 0 && back !== -ENETUNREACH) ? 'IP_RPFILTER' : lastResort(dev, rpFilter);
  const isLo = (dev.flags & IFF_LOOPBACK) !== 0;
  if (back.route.type !== RTN_UNICAST) {
    if (back.route.type !== RTN_LOCAL || !(acceptLocal || isLo)) return 'IP_LOCAL_SOURCE';
    return false;
  }
  const arrives = back.route.nexthops.some((n) => n.dev === dev);
  if (arrives) return (back.nexthop?.scope ?? 0) >= RT_SCOPE_HOST;
  return rpFilter === 1 ? 'IP_RPFILTER' : false;
}

function lastResort(_dev: NetDevice, rpFilter: number): boolean | DropReason {
  return rpFilter !== 0 ? 'IP_RPFILTER' : false;
}
