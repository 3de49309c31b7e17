/** The third segment of a handshake (RFC 9293 §3.10.7.4 in SYN-RECEIVED; Linux `tcp_check_req`, `tcp_create_openreq_child`). */
import { drop } from '../../drop.ts';
import { MIB } from '../../mib.ts';
import { seqBetween, seqGt, seqLt } from '../../util/seq.ts';
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../wire/tcp.ts';
import { segmentRateLimited } from './challenge.ts';
import { makeChild } from './child.ts';
import { tcpClockMs } from './clock.ts';
import { count } from './count.ts';
import { removeFastOpen } from './fast-open-queue.ts';
import { timestampOffset } from './isn.ts';
import { dropRequest } from './listen-stop.ts';
import { sendReply, sendReset } from './reply.ts';
import { RequestSock } from './request.ts';
import { makeRequest, requestMark, requestWindow } from './request-init.ts';
import { tcpReset } from './reset.ts';
import { measureHandshake } from './rto.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { requestTimeout, routeRequest, rtxSynack } from './synack.ts';
import { cookieMss, cookieOptions } from './syncookie.ts';

/** The ACK was wrong: the listener answers with a RST. */
export const REQ_LISTENER = 1;
/** Dealt with. */
export const REQ_DONE = 2;

/** What the timestamps of a segment for a request say. */
const TS_GOOD = 0;
const TS_PAWS = 1;
const TS_ECR = 2;

/** RFC 7323 §5.3, and the echo must be of a SYN-ACK of ours. */
function checkTimestamps(seg: RxSegment, req: RequestSock, fastOpen: boolean): number {
  const o = seg.hdr.options;
  if (o === null || !o.timestamps) return TS_GOOD;
  // A peer whose SYN said 0 may say anything next.
  if (req.tsRecent !== 0 && ((req.tsRecent - o.tsVal) | 0) > 0) return TS_PAWS;
  if (o.tsEcr === 0 || !req.tsvalSent || fastOpen) return TS_GOOD;
  return seqBetween(o.tsEcr, req.tsvalFirst, req.tsvalLast) ? TS_GOOD : TS_ECR;
}

/**
 * A segment for a request: the new connection, `REQ_LISTENER` or `REQ_DONE`.
 * @param sk the listener, or the socket that a fast open made already
 */
export function checkRequest(sk: TcpSock, seg: RxSegment, req: RequestSock): TcpSock | number {
  const fastOpen = sk.fastOpenRsk === req;
  const flags = seg.flags & (TCP_RST | TCP_SYN | TCP_ACK);
  const ts = checkTimestamps(seg, req, fastOpen);
  if (seg.seq === req.rcvIsn && flags === TCP_SYN && ts !== TS_PAWS) return sameSyn(sk, seg, req);
  if ((flags & TCP_ACK) !== 0 && !fastOpen && seg.ack !== ((req.sntIsn + 1) | 0))
    return REQ_LISTENER;
  if (ts !== TS_GOOD || !inWindow(seg, req)) return outOfWindow(sk, seg, req, ts);
  const o = seg.hdr.options;
  if (o?.timestamps && !seqGt(seg.seq, req.rcvNxt)) req.tsRecent = o.tsVal;
  const synLeft = seg.seq === req.rcvIsn ? 0 : flags & TCP_SYN;
  if ((flags & TCP_RST) !== 0 || synLeft !== 0) return resetOfRequest(sk, seg, req, fastOpen);
  if ((flags & TCP_ACK) === 0) return discard(sk, seg, 'TCP_FLAGS');
  if (fastOpen) return sk;
  if (req.numTimeout < sk.deferAccept && seg.endSeq === ((req.rcvIsn + 1) | 0)) {
    req.acked = true;
    count(sk.net, MIB.TcpExtTCPDeferAcceptDrop);
    return discard(sk, seg, 'NOT_SPECIFIED');
  }
  return complete(sk, seg, req);
}

/** RST, or a SYN in the window. */
function resetOfRequest(sk: TcpSock, seg: RxSegment, req: RequestSock, fastOpen: boolean): number {
  if ((seg.flags & TCP_RST) !== 0 && seg.seq !== req.rcvNxt) {
    // RFC 5961 §3.2
    if (answerOutOfWindow(sk, seg, req, MIB.TcpExtTCPACKSkippedChallenge))
      count(sk.net, MIB.TcpExtTCPChallengeACK);
    return discard(sk, seg, 'TCP_RESET');
  }
  count(sk.net, MIB.TcpAttemptFails);
  return fastOpen ? fastOpenReset(sk, seg) : embryonicReset(sk, seg, req);
}

/** Unacceptable: we say where we are. */
function outOfWindow(sk: TcpSock, seg: RxSegment, req: RequestSock, ts: number): number {
  if ((seg.flags & TCP_RST) === 0) answerOutOfWindow(sk, seg, req);
  if (ts === TS_PAWS) {
    count(sk.net, MIB.TcpExtPAWSEstab);
    return discard(sk, seg, 'TCP_RFC7323_PAWS');
  }
  if (ts === TS_GOOD) return discard(sk, seg, 'TCP_OVERWINDOW');
  count(sk.net, MIB.TcpExtTSEcrRejected);
  return discard(sk, seg, 'TCP_RFC7323_TSECR');
}

/** RST or SYN for the socket of a fast open: only the former ends it. */
function fastOpenReset(child: TcpSock, seg: RxSegment): number {
  if ((seg.flags & TCP_RST) === 0) sendReset(child.net, seg.pkt, true);
  else {
    removeFastOpen(child, true);
    tcpReset(child);
  }
  return discard(child, seg, 'TCP_RESET');
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
  const end = (start + Math.min(req.rcvWnd, 65535)) | 0;
  if (seg.seq === start) return true;
  if (seqGt(seg.endSeq, start) && seqLt(seg.seq, end)) return true;
  return seg.seq === end && seg.seq === seg.endSeq;
}

/** Linux `tcp_v4_reqsk_send_ack`; false: too many of them. */
function answerOutOfWindow(
  sk: TcpSock,
  seg: RxSegment,
  req: RequestSock,
  skipped: number = MIB.TcpExtTCPACKSkippedSynRecv,
): boolean {
  const net = sk.net;
  if (segmentRateLimited(net, seg, req, skipped)) return false;
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
  return true;
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

/**
 * An ACK for a listener without a request: perhaps it brings back a SYN cookie. The connection,
 * `REQ_LISTENER` when it does not, `REQ_DONE` when there is no room for the connection.
 */
export function checkCookie(sk: TcpSock, seg: RxSegment): TcpSock | number {
  if ((seg.flags & (TCP_ACK | TCP_RST | TCP_SYN)) !== TCP_ACK) return REQ_LISTENER;
  const who = makeRequest(sk, seg, true);
  const mss = cookieMss(sk, who, seg);
  if (mss === 0) return REQ_LISTENER;
  const req = new RequestSock(sk, who, (seg.seq - 1) | 0);
  req.mark = requestMark(sk, seg.pkt);
  const o = seg.hdr.options;
  req.mss = mss;
  req.sntIsn = (seg.ack - 1) | 0;
  if (o?.timestamps) {
    req.tsOffset = timestampOffset(sk.net, who.saddr, who.daddr);
    const ecr = o.tsEcr === 0 ? 0 : (o.tsEcr - req.tsOffset) | 0;
    if (!cookieOptions(sk, req, ecr)) return REQ_LISTENER;
    req.tstampOk = true;
    req.tsRecent = o.tsVal;
  }
  if (!routeRequest(sk, req)) return discard(sk, seg, 'IP_OUTNOROUTES');
  requestWindow(sk, req);
  const child = makeChild(sk, seg, req);
  if (child === null) return discard(sk, seg, 'TCP_LISTEN_OVERFLOW');
  sk.net.tcp.connections.add(child);
  sk.acceptQueue?.push(child);
  return child;
}
