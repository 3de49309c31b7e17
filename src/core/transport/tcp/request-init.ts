/** What a SYN asks for, noted in a request (Linux `tcp_openreq_init`, `tcp_openreq_init_rwin`). */
import { TCP_MSS_DEFAULT } from './constants.ts';
import { parseSynOptions, TCPOLEN_TSTAMP_ALIGNED } from './options.ts';
import { RequestSock } from './request.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { synackMss } from './synack.ts';
import { tcpFullSpace, tcpSelectInitialWindow } from './window.ts';

/** Linux `tcp_openreq_init` */
export function makeRequest(sk: TcpSock, seg: RxSegment, cookie: boolean): RequestSock {
  const { hdr, pkt } = seg;
  const o = parseSynOptions(sk, hdr, sk.userMss);
  const req = new RequestSock(
    sk,
    {
      saddr: pkt.ip === null ? 0 : pkt.ip.dst,
      sport: hdr.dport,
      daddr: pkt.ip === null ? 0 : pkt.ip.src,
      dport: hdr.sport,
      boundDevIf: sk.boundDevIf,
    },
    hdr.seq,
  );
  req.mss = o.mss;
  req.synTos = pkt.ip === null ? 0 : pkt.ip.tos & 0xfc;
  req.tstampOk = o.sawTstamp;
  req.tsRecent = o.sawTstamp ? o.tsVal : 0;
  // A cookie without timestamps has no room for options.
  if (cookie && !o.sawTstamp) {
    req.mss = Math.max(o.mss, TCP_MSS_DEFAULT);
    return req;
  }
  req.sackOk = o.sackOk;
  req.wscaleOk = o.wscale >= 0;
  req.sndWscale = req.wscaleOk ? o.wscale : 0;
  return req;
}

/** First window offered to the peer (`tcp_openreq_init_rwin`). */
export function requestWindow(sk: TcpSock, req: RequestSock): void {
  let full = tcpFullSpace(sk);
  let clamp = sk.windowClamp;
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
