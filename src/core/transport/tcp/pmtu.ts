/** A path that became narrower (RFC 1191 §6.4; RFC 8201 §4; Linux `tcp_v4_mtu_reduced`, `tcp_simple_retransmit`). */
import { mstampRefresh } from './clock.ts';
import { TCP_CLOSE, TCP_LISTEN, TCP_SYN_SENT } from './constants.ts';
import { limitRenoSacked, markLost } from './loss.ts';
import { tcpCurrentMss, tcpSyncMss } from './mss.ts';
import { nonCongestionRetransmit } from './non-congestion.ts';
import { routeOf } from './route-cache.ts';
import type { TcpSock } from './sock.ts';

/** A router said "fragmentation needed" or "packet too big": smaller segments, at once. */
export function mtuReduced(sk: TcpSock, mtu: number): void {
  if (sk.state === TCP_LISTEN || sk.state === TCP_CLOSE) return;
  if (!sk.af.learnPmtu(sk, mtu)) return;
  const route = routeOf(sk);
  if (route === null) return;
  const now = route.mtu(sk.net.kernel.nowUs);
  if (sk.pmtuCookie <= now) return;
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
