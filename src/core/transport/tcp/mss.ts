/**
 * How large segments are (RFC 9293 §3.7.1, RFC 6691; Linux `tcp_mtu_to_mss`, `tcp_sync_mss`,
 * `tcp_current_mss`), and how many of them make one GSO packet (`tcp_xmit_size_goal`).
 */
import type { NetNs } from '../../net.ts';
import { TCP_HLEN } from '../../wire/tcp.ts';
import type { TcpFamily, TcpRoute } from './family.ts';
import { tcpEstablishedOptionsLen } from './options.ts';
import { routeOf } from './route-cache.ts';
import type { TcpSock } from './sock.ts';

/** `MAX_TCP_HEADER` of Linux and one: what a GSO packet leaves for headers. */
const GSO_HEADER_ROOM = 257;
const GSO_MAX_SEGS = 65535;
/** `MAX_TCP_WINDOW / 2`-like bound for peers with tiny windows. */
const TCP_MSS_DEFAULT = 536;

/** MSS that fits `mtu`, timestamps or not (`__tcp_mtu_to_mss`). */
export function rawMtuToMss(sk: TcpSock, mtu: number): number {
  let mss = mtu - sk.af.headerLen - TCP_HLEN;
  if (sk.mssClamp !== 0 && mss > sk.mssClamp) mss = sk.mssClamp;
  return Math.max(mss, sk.net.sysctl.tcpMinSndMss);
}

/** MSS without options that fits `mtu` (`tcp_mtu_to_mss`). */
export function tcpMtuToMss(sk: TcpSock, mtu: number): number {
  return rawMtuToMss(sk, mtu) - (sk.tcpHeaderLen - TCP_HLEN);
}

/** Follows a new path MTU (`tcp_sync_mss`); returns the MSS. */
export function tcpSyncMss(sk: TcpSock, pmtu: number): number {
  if (sk.mtupSearchHigh > pmtu) sk.mtupSearchHigh = pmtu;
  let mss = tcpMtuToMss(sk, pmtu);
  mss = tcpBoundToHalfWnd(sk, mss);
  if (sk.mtupEnabled) mss = Math.min(mss, tcpMtuToMss(sk, sk.mtupSearchLow));
  sk.pmtuCookie = pmtu;
  sk.mssCache = mss;
  return mss;
}

/** RFC 1122 §4.2.3.4: no more than half of the largest window that the peer ever offered. */
export function tcpBoundToHalfWnd(sk: TcpSock, pktsize: number): number {
  const cutoff = sk.maxWindow > TCP_MSS_DEFAULT ? sk.maxWindow >> 1 : sk.maxWindow;
  if (cutoff !== 0 && pktsize > cutoff) return Math.max(cutoff, 68 - sk.tcpHeaderLen);
  return pktsize;
}

/** Payload per segment now: follows the route's MTU and the options of the moment (`tcp_current_mss`). */
export function tcpCurrentMss(sk: TcpSock): number {
  let mss = sk.mssCache;
  const route = routeOf(sk);
  if (route !== null) {
    const mtu = route.mtu(sk.net.kernel.nowUs);
    if (mtu !== sk.pmtuCookie) mss = tcpSyncMss(sk, mtu);
  }
  const headerLen = TCP_HLEN + tcpEstablishedOptionsLen(sk);
  // mssCache allows for the options that every segment has; SACK blocks come on top.
  if (headerLen !== sk.tcpHeaderLen) mss -= headerLen - sk.tcpHeaderLen;
  return mss;
}

/** Our MSS for the peer, from the route (`tcp_advertise_mss`). */
export function tcpAdvertiseMss(sk: TcpSock): number {
  const route = sk.route;
  if (route !== null) {
    const metric = routeAdvmss(sk.net, sk.af, route);
    if (metric < sk.advmss || sk.advmss === 0) sk.advmss = metric;
  }
  return sk.advmss;
}

/** The route's metric, or what its MTU allows (`dst_metric_advmss`). */
export function routeAdvmss(net: NetNs, af: TcpFamily, route: TcpRoute): number {
  return route.advmss !== 0 ? route.advmss : af.defaultAdvmss(net, route);
}

/** Largest GSO payload that the route's device takes; 0: none (`sk_gso_max_size`). */
function gsoMaxSize(sk: TcpSock): number {
  // Each segment is signed by itself (`sk_gso_disable`).
  if (sk.md5Keys !== null) return 0;
  const route = sk.route;
  const max = route === null ? 0 : Math.min(route.dev.gsoMaxSize, 65536);
  return max === 0 ? 0 : max - GSO_HEADER_ROOM;
}

/** Segments that one packet should stand for (`tcp_tso_autosize`, `tcp_tso_segs`). */
export function tcpTsoSegs(sk: TcpSock, mss: number): number {
  const max = gsoMaxSize(sk);
  if (max === 0) return 1;
  let bytes = sk.pacingRate / (1 << sk.pacingShift);
  // On short paths larger bursts do no harm.
  const log = sk.net.sysctl.tcpTsoRttLog;
  const r = log > 30 ? 0 : Math.floor(sk.rttMin.value / (1 << log));
  if (r < 32) bytes += max >>> r;
  bytes = Math.min(bytes, max);
  const least = sk.ca.minTsoSegs === null ? sk.net.sysctl.tcpMinTsoSegs : sk.ca.minTsoSegs(sk);
  const segs = Math.max(Math.floor(bytes / mss), least);
  return Math.max(1, Math.min(segs, GSO_MAX_SEGS, Math.max(1, Math.floor(max / mss))));
}

/** Bytes that a segment of the send queue may gather (`tcp_xmit_size_goal`). */
export function tcpXmitSizeGoal(sk: TcpSock, mss: number, largeAllowed: boolean): number {
  const max = gsoMaxSize(sk);
  if (!largeAllowed || max === 0) return mss;
  const goal = tcpBoundToHalfWnd(sk, max);
  let size = sk.gsoSegsGoal * mss;
  if (goal < size || goal >= size + mss) {
    sk.gsoSegsGoal = Math.min(Math.floor(goal / mss), GSO_MAX_SEGS);
    size = sk.gsoSegsGoal * mss;
  }
  return Math.max(size, mss);
}
