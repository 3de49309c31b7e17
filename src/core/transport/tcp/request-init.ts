/** What a SYN asks for, noted in a request (Linux `tcp_openreq_init`, `tcp_openreq_init_rwin`). */
import type { Packet } from '../../packet.ts';
import { isLinkLocal6 } from '../../util/ip6-addr.ts';
import type { TcpHeader } from '../../wire/tcp.ts';
import { ifindexOf } from '../inet6-cmsg.ts';
import { familyOfPacket } from './families.ts';
import { Ends6, type Tuple } from './family.ts';
import { parseSynOptions, TCPOLEN_TSTAMP_ALIGNED } from './options.ts';
import { RequestSock } from './request.ts';
import { routeWindow } from './route-metrics.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { synackMss } from './synack.ts';
import { tcpFullSpace, tcpSelectInitialWindow } from './window.ts';

/** Linux `tcp_openreq_init` */
export function makeRequest(sk: TcpSock, seg: RxSegment, cookie: boolean): RequestSock {
  const { hdr, pkt } = seg;
  const af = familyOfPacket(pkt);
  const o = parseSynOptions(sk, hdr, sk.userMss, af.defaultMss);
  const req = new RequestSock(sk, tupleOf(sk, pkt, hdr), hdr.seq);
  req.mss = o.mss;
  req.mark = requestMark(sk, pkt);
  req.synTos = (pkt.ip6 === null ? (pkt.ip?.tos ?? 0) : pkt.ip6.tclass) & 0xfc;
  if (pkt.ip6 !== null) req.txHash = sk.net.tcp.secrets.random.i32();
  req.tstampOk = o.sawTstamp;
  req.tsRecent = o.sawTstamp ? o.tsVal : 0;
  // A cookie without timestamps has no room for options.
  if (cookie && !o.sawTstamp) {
    req.mss = Math.max(o.mss, af.defaultMss);
    return req;
  }
  req.sackOk = o.sackOk;
  req.wscaleOk = o.wscale >= 0;
  req.sndWscale = req.wscaleOk ? o.wscale : 0;
  return req;
}

/** Linux `inet_request_mark`: a listener without a mark takes that of who asks, if it may. */
export function requestMark(sk: TcpSock, pkt: Packet): number {
  return sk.mark === 0 && sk.net.sysctl.tcpFwmarkAccept !== 0 ? pkt.mark : sk.mark;
}

/** Who speaks with whom, ours first. */
function tupleOf(sk: TcpSock, pkt: Packet, hdr: TcpHeader): Tuple & { boundDevIf: number } {
  const { ip, ip6 } = pkt;
  const ports = { sport: hdr.dport, dport: hdr.sport };
  // Whom nobody bound belongs to the master by which it is asked (`inet_request_bound_dev_if`).
  const boundDevIf = sk.boundDevIf || (pkt.slave === null ? 0 : (pkt.dev?.ifindex ?? 0));
  if (ip6 === null)
    return { ...ports, saddr: ip?.dst ?? 0, daddr: ip?.src ?? 0, ends: null, boundDevIf };
  const { secrets } = sk.net.tcp;
  return {
    ...ports,
    saddr: secrets.digest(ip6.dst),
    daddr: secrets.digest(ip6.src),
    ends: new Ends6(ip6.dst, ip6.src),
    // A link-local address means nothing without its link.
    boundDevIf: boundDevIf === 0 && isLinkLocal6(ip6.src) ? ifindexOf(pkt) : boundDevIf,
  };
}

/** First window offered to the peer (`tcp_openreq_init_rwin`). */
export function requestWindow(sk: TcpSock, req: RequestSock): void {
  let full = tcpFullSpace(sk);
  let clamp = sk.windowClamp !== 0 ? sk.windowClamp : routeWindow(req.route);
  if (sk.rcvbufLocked && (clamp > full || clamp === 0)) clamp = full;
  const mss = synackMss(sk, req);
  const initRcvWnd = req.route === null ? 0 : req.route.initrwnd;
  if (initRcvWnd !== 0 && full < initRcvWnd * mss) full = initRcvWnd * mss;
  const w = tcpSelectInitialWindow(
    sk,
    full,
    mss - (req.tstampOk ? TCPOLEN_TSTAMP_ALIGNED : 0),
    clamp,
    { wscaleOk: req.wscaleOk, initRcvWnd },
  );
  req.rcvWnd = w.rcvWnd;
  req.windowClamp = w.windowClamp;
  req.rcvWscale = w.rcvWscale;
}
