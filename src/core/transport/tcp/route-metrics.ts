/**
 * What the route to the peer says of transport (`ip route … features ecn congctl reno window 10000 …`; Linux
 * `dst_metric`, `dst_feature`, `tcp_ca_dst_init`). Sizes of windows and timeouts that routes say are read where they
 * are used, those that are measurements (`rtt`, `cwnd`, `ssthresh`, `reordering`) by `metrics.ts`.
 */
import { findCongestionControl } from './congestion-table.ts';
import type { TcpRoute } from './family.ts';
import type { TcpSock } from './sock.ts';

/** RTAX_FEATURE_ECN */
const FEATURE_ECN = 1;
/** RTAX_CC_ALGO */
const CC_ALGO = 16;

/** The route asks for ECN, whatever net.ipv4.tcp_ecn says. */
export function routeWantsEcn(route: TcpRoute | null): boolean {
  return route !== null && (route.metrics.features & FEATURE_ECN) !== 0;
}

/** Largest window that is offered by this route; 0: the socket's own bound. */
export function routeWindow(route: TcpRoute | null): number {
  return route === null ? 0 : route.metrics.window;
}

/** Fast open without cookies on this route. */
export function routeNeedsNoCookie(route: TcpRoute | null): boolean {
  return route !== null && route.metrics.fastopenNoCookie !== 0;
}

/** The route names the congestion control (`tcp_ca_dst_init`, `tcp_ca_openreq_child`). */
export function takeRouteCongestion(sk: TcpSock, route: TcpRoute | null): void {
  if (route === null || route.metrics.cc === '') return;
  const ca = findCongestionControl(route.metrics.cc);
  if (ca === undefined) return;
  sk.caLocked = ((route.metrics.locks >> CC_ALGO) & 1) !== 0;
  sk.ca = ca;
  sk.caPriv = null;
}
