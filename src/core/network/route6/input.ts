/** What becomes of a received IPv6 packet: ours, another's, or nobody's (Linux `ip6_route_input`). */

import { l3Oif, l3Table } from '../../link/l3mdev.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import { RTN_UNREACHABLE } from '../route/route.ts';
import type { FlowKeys } from '../rule/fib-rule.ts';
import { fib6Lookup } from './lookup.ts';
import { isDeep6, makeRoute6, needsStrict } from './output.ts';
import { Route6 } from './route.ts';

/** The route; one that refuses carries its errno. Kept by source, destination and device. */
export function routeInput6(
  dev: NetDevice,
  dst: Ip6Addr,
  src: Ip6Addr,
  flow: FlowKeys | null = null,
  tclass = 0,
): Route6 {
  const { net } = dev;
  const { ipv6 } = net;
  if (isDeep6(net)) return decide(dev, dst, src, flow, tclass);
  const cached = ipv6.inputCache.find(dst, src, dev.ifindex, ipv6.generation);
  if (cached !== null && (cached.pmtu === 0 || net.kernel.nowUs < cached.pmtuExpiresUs))
    return cached;
  const route = decide(dev, dst, src, flow, tclass);
  ipv6.inputCache.add(dst, src, dev.ifindex, route);
  return route;
}

function decide(
  dev: NetDevice,
  dst: Ip6Addr,
  src: Ip6Addr,
  flow: FlowKeys | null,
  tclass: number,
): Route6 {
  dev.net.ipv6.decisions++;
  const found = fib6Lookup(dev.net, {
    dst,
    src,
    oif: dev.ifindex,
    strict: needsStrict(dst),
    iif: dev.ifindex,
    tos: tclass,
    mark: flow?.mark ?? 0,
    proto: flow?.protocol ?? 0,
    sport: flow?.sport ?? 0,
    dport: flow?.dport ?? 0,
    l3Table: l3Table(dev),
    l3Index: l3Oif(dev),
  });
  return typeof found === 'number' ? noRoute(dev, -found) : makeRoute6(dev.net, found, dst);
}

/** Linux `ip6_null_entry`, or what a rule says. */
function noRoute(dev: NetDevice, errno: number): Route6 {
  return new Route6({
    type: RTN_UNREACHABLE,
    dev: dev.net.loopback,
    idev: dev.net.loopback,
    gateway: null,
    prefsrc: null,
    prefixLen: 0,
    generation: dev.net.ipv6.generation,
    errno,
  });
}
