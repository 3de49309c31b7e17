/**
 * What was learnt about single IPv6 destinations: a smaller path MTU (RFC 8201), a better first hop (RFC 4861 §8.3).
 * Bounded, and forgotten after a while (Linux `struct rt6_exception`).
 */
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { type Ip6Addr, samePrefix } from '../../util/ip6-addr.ts';
import { IPV6_MIN_MTU } from '../../wire/ipv6.ts';
import type { Route6 } from './route.ts';

/** Destinations that are remembered; when there are more, all are forgotten: they are learnt again. */
const MAX_EXCEPTIONS = 2048;
/** How long a redirect is heeded, microseconds. */
const REDIRECT_US = 300_000_000;

export interface RouteException6 {
  readonly pmtu: number;
  readonly gateway: Ip6Addr | null;
  readonly dev: NetDevice | null;
  readonly expiresUs: number;
}

/** A router said that packets to `dst` may have `mtu` bytes (`rt6_do_update_pmtu`). */
export function updatePmtu6(net: NetNs, dst: Ip6Addr, said: number, route: Route6): void {
  const { ipv6, kernel } = net;
  if (route.mtuLock || said >= route.mtu(kernel.nowUs)) return;
  const known = findException6(net, dst);
  remember(net, dst, {
    // RFC 8201 §4: less than this is never believed.
    pmtu: Math.max(said, IPV6_MIN_MTU),
    gateway: known?.gateway ?? null,
    dev: known?.dev ?? null,
    expiresUs: kernel.nowUs + ipv6.sysctl.mtuExpires * 1e6,
  });
}

/** A router said that `gateway` on `dev` is the better way to `dst`; null: `dst` itself is on the link. */
export function updateGateway6(
  net: NetNs,
  dst: Ip6Addr,
  gateway: Ip6Addr | null,
  dev: NetDevice,
): void {
  const known = findException6(net, dst);
  remember(net, dst, {
    pmtu: known?.pmtu ?? 0,
    gateway: gateway ?? dst,
    dev,
    expiresUs: net.kernel.nowUs + REDIRECT_US,
  });
}

/** What is known and still holds. */
export function findException6(net: NetNs, dst: Ip6Addr): RouteException6 | undefined {
  if (!net.ipv6.hasExceptions) return undefined;
  const { exceptions } = net.ipv6;
  const found = exceptions.get(dst);
  if (found === undefined) return undefined;
  if (net.kernel.nowUs < found.expiresUs && found.dev?.dead !== true) return found;
  exceptions.delete(dst);
  return undefined;
}

/** Routes to this prefix changed: what was learnt of their ways is not about the new ones. */
export function forgetExceptions6(net: NetNs, dst: Ip6Addr, prefixLen: number): void {
  const { ipv6 } = net;
  if (!ipv6.hasExceptions) return;
  for (const known of [...ipv6.exceptions.keys()])
    if (samePrefix(known, dst, prefixLen)) ipv6.exceptions.delete(known);
}

function remember(net: NetNs, dst: Ip6Addr, exception: RouteException6): void {
  const { exceptions } = net.ipv6;
  if (exceptions.size >= MAX_EXCEPTIONS) exceptions.clear();
  exceptions.set(dst, exception);
  net.ipv6.changed();
}
