/** The socket of a connection that a listener accepts (Linux `tcp_v4_syn_recv_sock`, `tcp_create_openreq_child`). */
import { MIB } from '../../mib.ts';
import { showMapped } from '../inet6.ts';
import { acceptQueueFull } from './accept-queue.ts';
import { tcpClockSec, tcpClockUs } from './clock.ts';
import { TCP_ECN_OK, TCP_MSS_DEFAULT, TCP_SYN_RECV } from './constants.ts';
import { count } from './count.ts';
import { inheritMd5Key } from './md5-keys.ts';
import { tcpSyncMss } from './mss.ts';
import { sackAgreed, TCPOLEN_TSTAMP_ALIGNED } from './options.ts';
import type { RequestSock } from './request.ts';
import { takeRouteCongestion } from './route-metrics.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { routeRequest, synackMss } from './synack.ts';
import { resetKeepaliveTimer } from './timer-arm.ts';
import { keepaliveTime } from './timers.ts';

/** Linux `tcp_v4_syn_recv_sock`; null: the accept queue is full, or there is no way back. */
export function makeChild(sk: TcpSock, seg: RxSegment, req: RequestSock): TcpSock | null {
  const net = sk.net;
  if (acceptQueueFull(sk)) {
    count(net, MIB.TcpExtListenOverflows);
    count(net, MIB.TcpExtListenDrops);
    return null;
  }
  if (!routeRequest(sk, req)) {
    count(net, MIB.TcpExtListenDrops);
    return null;
  }
  const child = sk.newChild();
  child.listener = sk;
  child.savedSyn = req.savedSyn;
  // The SYN.
  child.segsIn = 1;
  takeAddresses(child, req);
  child.sport = req.sport;
  child.dport = req.dport;
  child.boundDevIf = req.boundDevIf;
  child.mark = req.mark;
  child.route = req.route;
  if (net.sysctl.tcpReflectTos !== 0) reflectTos(child, req.synTos);
  child.state = TCP_SYN_RECV;
  child.ipId = net.tcp.secrets.random.below(65535) + 1;
  takeSequences(child, seg, req);
  takeOptions(child, seg, req);
  takeRouteCongestion(child, req.route);
  if (sk.md5Keys !== null) inheritMd5Key(sk, child);
  child.advmss = synackMss(sk, req);
  tcpSyncMss(child, req.route === null ? 1500 : req.route.mtu(net.kernel.nowUs));
  const bucket = sk.bindBucket;
  if (bucket !== null) net.tcp.binds.add(bucket, child);
  if (child.keepAlive) resetKeepaliveTimer(child, keepaliveTime(child));
  count(net, MIB.TcpPassiveOpens);
  return child;
}

function takeAddresses(child: TcpSock, req: RequestSock): void {
  const { ends } = req;
  const v6 = child.inet6;
  child.af = req.af;
  child.saddr = req.saddr;
  child.daddr = req.daddr;
  child.ends = ends;
  child.txHash = req.txHash;
  if (ends === null) {
    child.rcvSaddr = req.saddr;
    if (v6 !== null) showMapped(child, v6);
  } else if (v6 !== null) {
    v6.rcvSaddr = ends.local;
    v6.saddr = ends.local;
    v6.daddr = ends.remote;
  }
}

function reflectTos(child: TcpSock, tos: number): void {
  if (child.ends === null || child.inet6 === null) child.tos = tos;
  else child.inet6.tclass = tos;
}

function takeSequences(child: TcpSock, seg: RxSegment, req: RequestSock): void {
  const now = tcpClockUs(child.net);
  const snd = (req.sntIsn + 1) | 0;
  child.iss = req.sntIsn;
  child.irs = req.rcvIsn;
  child.rcvNxt = req.rcvNxt;
  child.rcvWup = req.rcvNxt;
  child.copiedSeq = req.rcvNxt;
  child.sndUna = snd;
  child.sndNxt = snd;
  child.sndUp = snd;
  child.sndSml = snd;
  child.writeSeq = snd;
  child.pushedSeq = snd;
  child.sndWl1 = req.rcvIsn;
  child.mstamp = now;
  child.lsndtime = now;
  child.rcvTstamp = now;
  child.lrcvtime = now;
  child.synackStamp = req.sntSynack;
  child.totalRetrans = req.numRetrans;
  if (req.numTimeout > 0) {
    child.totalRto = req.numTimeout;
    child.undoMarker = req.sntIsn;
    child.retransStamp = req.sntSynack;
  }
  child.sndWnd = seg.hdr.window * 2 ** req.sndWscale;
  child.maxWindow = child.sndWnd;
}

function takeOptions(child: TcpSock, seg: RxSegment, req: RequestSock): void {
  child.tstampOk = req.tstampOk;
  child.sackOk = sackAgreed(req.sackOk);
  child.wscaleOk = req.wscaleOk;
  child.sndWscale = req.wscaleOk ? req.sndWscale : 0;
  child.rcvWscale = req.wscaleOk ? req.rcvWscale : 0;
  child.windowClamp = req.wscaleOk ? req.windowClamp : Math.min(req.windowClamp, 65535);
  child.rcvSsthresh = req.rcvWnd;
  child.rcvWnd = req.rcvWnd;
  child.mssClamp = req.mss;
  child.tcpHeaderLen = 20;
  if (req.tstampOk) {
    child.tsRecent = req.tsRecent;
    child.tsRecentStamp = tcpClockSec(child.net);
    child.tcpHeaderLen += TCPOLEN_TSTAMP_ALIGNED;
    child.tsOffset = req.tsOffset;
  }
  if (seg.len >= TCP_MSS_DEFAULT + child.tcpHeaderLen)
    child.lastSegSize = seg.len - child.tcpHeaderLen;
  child.ecnFlags = req.ecnOk ? TCP_ECN_OK : 0;
}
