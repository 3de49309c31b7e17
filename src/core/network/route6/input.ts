/** What becomes of a received IPv6 packet: ours, another's, or nobody's (Linux `ip6_route_input`). */

import { ENETUNREACH } from '../../errno.ts';
import { l3Table } from '../../link/l3mdev.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import { RTN_UNREACHABLE } from '../route/route.ts';
import { fib6Lookup } from './lookup.ts';
import { makeRoute6, needsStrict } from './output.ts';
import { Route6 } from './route.ts';

/** The route; one that refuses carries its errno. Kept by source, destination and device. */
export function routeInput6(dev: NetDevice, dst: Ip6Addr, src: Ip6Addr): Route6 {
  const { net } = dev;
  const { ipv6 } = net;
  const cached = ipv6.inputCache.find(dst, src, dev.ifindex, ipv6.generation);
  if (cached !== null && (cached.pmtu === 0 || net.kernel.nowUs < cached.pmtuExpiresUs))
    return cached;
  const found = fib6Lookup(net, {
    dst,
    src,
    oif: dev.ifindex,
    strict: needsStrict(dst),
    l3Table: l3Table(dev),
  });
  const route = typeof found === 'number' ? noRoute(dev) : makeRoute6(net, found, dst);
  ipv6.inputCache.add(dst, src, dev.ifindex, route);
  return route;
}

/** Linux `ip6_null_entry`. */
function noRoute(dev: NetDevice): Route6 {
  return new Route6({
    type: RTN_UNREACHABLE,
    dev: dev.net.loopback,
    idev: dev.net.loopback,
    gateway: null,
    prefsrc: null,
    prefixLen: 0,
    generation: dev.net.ipv6.generation,
    errno: ENETUNREACH,
  });
}
