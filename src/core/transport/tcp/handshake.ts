/** The third segment of a handshake (RFC 9293 §3.10.7.4 in SYN-RECEIVED; Linux `tcp_check_req`, `tcp_create_openreq_child`). */
import { drop } from '../../drop.ts';
import { MIB } from '../../mib.ts';
import { seqBetween, seqGt, seqLt } from '../../util/seq.ts';
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../wire/tcp.ts';
import { segmentRateLimited } from './challenge.ts';
import { tcpClockMs, tcpClockSec, tcpClockUs } from './clock.ts';
import { TCP_ECN_OK, TCP_MSS_DEFAULT, TCP_SYN_RECV } from './constants.ts';
import { count } from './count.ts';
import { timestampOffset } from './isn.ts';
import { acceptQueueFull, makeRequest, requestWindow } from './listen.ts';
import { dropRequest } from './listen-stop.ts';
import { tcpSyncMss } from './mss.ts';
import { sackAgreed, TCPOLEN_TSTAMP_ALIGNED } from './options.ts';
import { sendReply, sendReset } from './reply.ts';
import { RequestSock } from './request.ts';
import { measureHandshake } from './rto.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { requestTimeout, routeRequest, rtxSynack, synackMss } from './synack.ts';
import { cookieMss, cookieOptions } from './syncookie.ts';
import { resetKeepaliveTimer } from './timer-arm.ts';
import { keepaliveTime } from './timers.ts';

/** The ACK was wrong: the listener answers with a RST. */
export const REQ_LISTENER = 1;
/** Dealt with. */
export const REQ_DONE = 2;

/** A segment for a request: the new connection, `REQ_LISTENER` or `REQ_DONE`. */
export function checkRequest(sk: TcpSock, seg: RxSegment, req: RequestSock): TcpSock | number {
  const net = sk.net;
  const flags = seg.flags & (TCP_RST | TCP_SYN | TCP_ACK);
  const o = seg.hdr.options;
  const hasTs = o?.timestamps;
  const paws = hasTs && ((req.tsRecent - o.tsVal) | 0) > 0;
  const badEcr =
    hasTs && o.tsEcr !== 0 && req.tsvalSent && !seqBetween(o.tsEcr, req.tsvalFirst, req.tsvalLast);
  if (seg.seq === req.rcvIsn && flags === TCP_SYN && !paws) return sameSyn(sk, seg, req);
  if ((flags & TCP_ACK) !== 0 && seg.ack !== ((req.sntIsn + 1) | 0)) return REQ_LISTENER;
  if (paws || badEcr || !inWindow(seg, req)) {
    if ((flags & TCP_RST) === 0) answerOutOfWindow(sk, seg, req);
    if (paws) count(net, MIB.TcpExtPAWSEstab);
    else if (badEcr) count(net, MIB.TcpExtTSEcrRejected);
    return discard(
      sk,
      seg,
      paws ? 'TCP_RFC7323_PAWS' : badEcr ? 'TCP_RFC7323_TSECR' : 'TCP_OVERWINDOW',
    );
  }
  if (hasTs && !seqGt(seg.seq, req.rcvNxt)) req.tsRecent = o.tsVal;
  const synLeft = seg.seq === req.rcvIsn ? 0 : flags & TCP_SYN;
  if ((flags & TCP_RST) !== 0 && seg.seq !== req.rcvNxt) {
    // RFC 5961 §3.2
    answerOutOfWindow(sk, seg, req);
    return discard(sk, seg, 'TCP_RESET');
  }
  if ((flags & TCP_RST) !== 0 || synLeft !== 0) {
    count(net, MIB.TcpAttemptFails);
    return embryonicReset(sk, seg, req);
  }
  if ((flags & TCP_ACK) === 0) return discard(sk, seg, 'TCP_FLAGS');
  if (req.numTimeout < sk.deferAccept && seg.endSeq === ((req.rcvIsn + 1) | 0)) {
    req.acked = true;
    count(net, MIB.TcpExtTCPDeferAcceptDrop);
    return discard(sk, seg, 'NOT_SPECIFIED');
  }
  return complete(sk, seg, req);
}

function discard(sk: TcpSock, seg: RxSegment, reason: Parameters<typeof drop>[2]): number {
  drop(sk.net, seg.pkt, reason);
  return REQ_DONE;
}

/** The same SYN again: the same answer. */
function sameSyn(sk: TcpSock, seg: RxSegment, req: RequestSock): number {
  const limited = segmentRateLimited(sk.net, seg, req, MIB.TcpExtTCPACKSkippedSynRecv);
  if (!limited && rtxSynack(sk, req) && req.timer?.pending === true)
    req.timer.set(sk.net.kernel.nowUs + requestTimeout(sk, req));
  return discard(sk, seg, 'NOT_SPECIFIED');
}

function inWindow(seg: RxSegment, req: RequestSock): boolean {
  const start = req.rcvNxt;
  const end = (start + req.rcvWnd) | 0;
  if (seg.seq === start) return true;
  if (seqGt(seg.endSeq, start) && seqLt(seg.seq, end)) return true;
  return seg.seq === end && seg.seq === seg.endSeq;
}

/** Linux `tcp_v4_reqsk_send_ack` */
function answerOutOfWindow(sk: TcpSock, seg: RxSegment, req: RequestSock): void {
  const net = sk.net;
  if (segmentRateLimited(net, seg, req, MIB.TcpExtTCPACKSkippedSynRecv)) return;
  sendReply(
    net,
    seg.pkt,
    {
      seq: (req.sntIsn + 1) | 0,
      ack: req.rcvNxt,
      flags: TCP_ACK,
      window: Math.floor(Math.min(req.rcvWnd, 65535) / 2 ** req.rcvWscale),
      ts: req.tstampOk ? [(tcpClockMs(net) + req.tsOffset) | 0, req.tsRecent] : null,
      tos: sk.tos,
      ttl: -1,
    },
    req.boundDevIf,
  );
}

function embryonicReset(sk: TcpSock, seg: RxSegment, req: RequestSock): number {
  if ((seg.flags & TCP_RST) === 0) sendReset(sk.net, seg.pkt, true);
  if (dropRequest(req)) count(sk.net, MIB.TcpExtEmbryonicRsts);
  return discard(sk, seg, 'TCP_RESET');
}

/** Makes the socket and puts it into the accept queue. */
function complete(sk: TcpSock, seg: RxSegment, req: RequestSock): TcpSock | number {
  const child = makeChild(sk, seg, req);
  if (child === null) {
    if (sk.net.sysctl.tcpAbortOnOverflow === 0) {
      req.acked = true;
      return discard(sk, seg, 'TCP_LISTEN_OVERFLOW');
    }
    return embryonicReset(sk, seg, req);
  }
  dropRequest(req);
  sk.net.tcp.connections.add(child);
  measureHandshake(child, req.numRetrans === 0 ? req.sntSynack : 0);
  sk.acceptQueue?.push(child);
  return child;
}

/** Linux `tcp_v4_syn_recv_sock`; null: the accept queue is full, or there is no way back. */
function makeChild(sk: TcpSock, seg: RxSegment, req: RequestSock): TcpSock | null {
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
  child.saddr = req.saddr;
  child.rcvSaddr = req.saddr;
  child.daddr = req.daddr;
  child.sport = req.sport;
  child.dport = req.dport;
  child.boundDevIf = req.boundDevIf;
  child.route = req.route;
  child.state = TCP_SYN_RECV;
  child.ipId = net.tcp.secrets.random.below(65535) + 1;
  takeSequences(child, seg, req);
  takeOptions(child, seg, req);
  child.advmss = synackMss(sk, req);
  tcpSyncMss(child, req.route === null ? 1500 : req.route.mtu(net.kernel.nowUs));
  const bucket = sk.bindBucket;
  if (bucket !== null) net.tcp.binds.add(bucket, child);
  if (child.keepAlive) resetKeepaliveTimer(child, keepaliveTime(child));
  count(net, MIB.TcpPassiveOpens);
  return child;
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

/** An ACK for a listener without a request: perhaps a SYN cookie. Null: it is not. */
export function checkCookie(sk: TcpSock, seg: RxSegment): TcpSock | null {
  if ((seg.flags & (TCP_ACK | TCP_RST | TCP_SYN)) !== TCP_ACK) return null;
  const who = makeRequest(sk, seg, true);
  const mss = cookieMss(sk, who, seg);
  if (mss === 0) return null;
  const req = new RequestSock(sk, who, (seg.seq - 1) | 0);
  const o = seg.hdr.options;
  req.mss = mss;
  req.sntIsn = (seg.ack - 1) | 0;
  if (o?.timestamps && o.tsEcr !== 0) {
    req.tsOffset = timestampOffset(sk.net, who.saddr, who.daddr);
    if (!cookieOptions(sk, req, (o.tsEcr - req.tsOffset) | 0)) return null;
    req.tstampOk = true;
    req.tsRecent = o.tsVal;
  }
  if (!routeRequest(sk, req)) return null;
  requestWindow(sk, req);
  const child = makeChild(sk, seg, req);
  if (child === null) return null;
  sk.net.tcp.connections.add(child);
  sk.acceptQueue?.push(child);
  return child;
}
