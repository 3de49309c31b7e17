/** A connection's route, asked for anew when its namespace's routes changed (`__sk_dst_check`). */

import { routeOutput } from '../../network/route/output.ts';
import type { Route } from '../../network/route/route.ts';
import type { TcpSock } from './sock.ts';

/** The cached route if it is still good; null otherwise. */
export function routeOf(sk: TcpSock): Route | null {
  const route = sk.route;
  if (route === null) return null;
  if (route.generation !== sk.net.ipv4.generation || route.dev.dead) {
    sk.route = null;
    return null;
  }
  return route;
}

/** The route, looked up if need be; 0 or `-errno` (`inet_sk_rebuild_header`). */
export function rebuildRoute(sk: TcpSock): number {
  if (routeOf(sk) !== null) return 0;
  const route = routeOutput(sk.net, sk.daddr, sk.saddr, sk.boundDevIf, sk.tos & 0x1c);
  if (typeof route === 'number') return route;
  sk.route = route;
  return 0;
}
