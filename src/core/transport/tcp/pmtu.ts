/** A path that became narrower (RFC 1191 §6.4; Linux `tcp_v4_mtu_reduced`, `tcp_simple_retransmit`). */
import { EMSGSIZE } from '../../errno.ts';
import { updatePmtu } from '../../network/route/exception.ts';
import { mstampRefresh } from './clock.ts';
import { TCP_CLOSE, TCP_LISTEN, TCP_SYN_SENT } from './constants.ts';
import { limitRenoSacked, markLost } from './loss.ts';
import { tcpCurrentMss, tcpSyncMss } from './mss.ts';
import { nonCongestionRetransmit } from './non-congestion.ts';
import { rebuildRoute, routeOf } from './route-cache.ts';
import type { TcpSock } from './sock.ts';

/** Values of IP_MTU_DISCOVER. */
const IP_PMTUDISC_DONT = 0;
const IP_PMTUDISC_PROBE = 3;

/** A router said "fragmentation needed": smaller segments, at once. */
export function mtuReduced(sk: TcpSock, mtu: number): void {
  if (sk.state === TCP_LISTEN || sk.state === TCP_CLOSE) return;
  // IP_PMTUDISC_PROBE, INTERFACE and OMIT believe nobody (`ip_sk_accept_pmtu`).
  if (sk.pmtudisc >= IP_PMTUDISC_PROBE) return;
  const net = sk.net;
  if (rebuildRoute(sk) < 0) return;
  updatePmtu(net, sk.daddr, mtu, routeOf(sk));
  if (rebuildRoute(sk) < 0) return;
  const route = routeOf(sk);
  if (route === null) return;
  const now = route.mtu(net.kernel.nowUs);
  if (mtu < now && sk.pmtudisc !== IP_PMTUDISC_DONT) sk.errSoft = EMSGSIZE;
  if (sk.pmtudisc === IP_PMTUDISC_DONT || sk.pmtuCookie <= now) return;
  tcpSyncMss(sk, now);
  simpleRetransmit(sk);
}

/** Sends what was too large again; not a sign of congestion. */
export function simpleRetransmit(sk: TcpSock): void {
  mstampRefresh(sk);
  // A SYN and its data are two segments here, but were one packet.
  const all = sk.synData && sk.state === TCP_SYN_SENT;
  const mss = all ? -1 : tcpCurrentMss(sk);
  for (let i = 0; i < sk.rtxQueue.length; i++) {
    const seg = sk.rtxQueue.at(i);
    if (seg !== null && (seg.pcount > 1 ? seg.gsoSize : seg.len) > mss) markLost(sk, seg);
  }
  if (sk.lostOut === 0) return;
  if (sk.sackOk === 0) limitRenoSacked(sk);
  // The window stays, though it means less now: its unit changed.
  nonCongestionRetransmit(sk);
}
