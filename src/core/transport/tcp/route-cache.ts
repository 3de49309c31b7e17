/** A connection's route, asked for anew when its namespace's routes changed (`__sk_dst_check`). */

import type { TcpRoute } from './family.ts';
import type { TcpSock } from './sock.ts';

/** The cached route if it is still good; null otherwise. */
export function routeOf(sk: TcpSock): TcpRoute | null {
  const route = sk.route;
  if (route === null) return null;
  const { net } = sk;
  const generation = sk.ends === null ? net.ipv4.generation : net.ipv6.generation;
  if (route.generation !== generation || route.dev.dead) {
    sk.route = null;
    return null;
  }
  return route;
}

/** The route, looked up if need be; 0 or `-errno` (`inet_sk_rebuild_header`). */
export function rebuildRoute(sk: TcpSock): number {
  if (routeOf(sk) !== null) return 0;
  const route = sk.af.route(sk);
  if (typeof route === 'number') return route;
  sk.route = route;
  return 0;
}
