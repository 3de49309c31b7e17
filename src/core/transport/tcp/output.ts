/**
 * What may be sent, and when (RFC 9293 §3.8.6, RFC 1122 §4.2.3.4; Linux `tcp_write_xmit`, `tcp_push`).
 * TX 0/4. To: `transport/tcp/transmit`.
 */
import { seqGt, seqLt } from '../../util/seq.ts';
import { TCP_ACK, TCP_FIN, TCP_PSH } from '../../wire/tcp.ts';
import { MSG_MORE, MSG_OOB } from '../sock.ts';
import { CHRONO_RWND_LIMITED, chronoStart, chronoStop } from './chrono.ts';
import { mstampRefresh, tcpClockUs } from './clock.ts';
import {
  TCP_CA_RECOVERY,
  TCP_CLOSE,
  TCP_NAGLE_CORK,
  TCP_NAGLE_OFF,
  TCP_NAGLE_PUSH,
} from './constants.ts';
import { tcpCwndValidate } from './cwnd.ts';
import {
  tcpInCwndReduction,
  tcpNagleCheck,
  tcpPacketsInFlight,
  tcpUrgMode,
  tcpWndEnd,
} from './flight.ts';
import { tcpCurrentMss, tcpTsoSegs } from './mss.ts';
import { MTU_PROBE_NONE, MTU_PROBE_SENT, MTU_PROBE_WAIT, mtuProbe } from './mtu-probe.ts';
import { newDataSent } from './new-data.ts';
import { pacingCheck } from './pacing.ts';
import type { Push } from './push.ts';
import { TxSegment } from './segment.ts';
import {
  chargeSend,
  fragmentUnsent,
  growUnsent,
  setTsoSegs,
  timeMoveToTail,
} from './send-queue.ts';
import { smallQueueCheck } from './small-queue.ts';
import type { TcpSock } from './sock.ts';
import { checkProbeTimer, tcpScheduleLossProbe } from './timer-arm.ts';
import { tcpTransmitSegment } from './transmit.ts';

/** `push_one` of `tcp_write_xmit`: all; one segment; one even if the window is full (loss probe). */
export const PUSH_ALL = 0;
export const PUSH_ONE = 1;
export const PUSH_PROBE = 2;

/** What the loop of `tcpWriteXmit` decides about its next segment. */
const SEND = 0;
const STOP = 1;
const STOP_CWND = 2;
const STOP_RWND = 3;

/** `tcp_max_tso_deferred_mss` */
const MAX_TSO_DEFERRED_MSS = 3;

/** Segments that the congestion window lets out now, at most half of it (`tcp_cwnd_test`). */
function cwndTest(sk: TcpSock): number {
  const inFlight = tcpPacketsInFlight(sk);
  if (inFlight >= sk.sndCwnd) return 0;
  return Math.min(Math.max(sk.sndCwnd >> 1, 1), sk.sndCwnd - inFlight);
}

/** The first MSS of `seg` lies within the peer's window (`tcp_snd_wnd_test`). */
function sndWndTest(sk: TcpSock, seg: TxSegment, mss: number): boolean {
  const end = seg.len > mss ? (seg.seq + mss) | 0 : seg.endSeq;
  return !seqGt(end, tcpWndEnd(sk));
}

/** RFC 896 (Nagle) with Minshall's change; true: may be sent (`tcp_nagle_test`). */
function nagleTest(sk: TcpSock, seg: TxSegment, mss: number, nonagle: number): boolean {
  if ((nonagle & TCP_NAGLE_PUSH) !== 0) return true;
  if (tcpUrgMode(sk) || (seg.flags & TCP_FIN) !== 0) return true;
  return !tcpNagleCheck(sk, seg.len < mss, nonagle);
}

/** Bytes of `seg` that may go now (`tcp_mss_split_point`). */
function splitPoint(
  sk: TcpSock,
  seg: TxSegment,
  mss: number,
  maxSegs: number,
  nonagle: number,
): number {
  const window = (tcpWndEnd(sk) - seg.seq) | 0;
  const maxLen = mss * maxSegs;
  if (maxLen <= window && seg !== sk.writeQueue.last()) return maxLen;
  const needed = Math.min(seg.len, window);
  if (maxLen <= needed) return maxLen;
  const partial = needed % mss;
  // A runt at the end waits for company, unless nothing says so.
  if (tcpNagleCheck(sk, partial !== 0, nonagle)) return needed - partial;
  return needed;
}

/**
 * Whether a burst should wait until it is larger (`tcp_tso_should_defer`): `SEND`, `STOP`, or which
 * window it waits for.
 */
function deferBurst(sk: TcpSock, seg: TxSegment, maxSegs: number): number {
  if (sk.caState >= TCP_CA_RECOVERY) return SEND;
  // Only when the last packet left within a millisecond.
  if (sk.mstamp - sk.wstampUs > 1000) return SEND;
  const sendWin = (tcpWndEnd(sk) - seg.seq) | 0;
  const congWin = (sk.sndCwnd - tcpPacketsInFlight(sk)) * sk.mssCache;
  const limit = Math.min(sendWin, congWin);
  if (limit >= maxSegs * sk.mssCache) return SEND;
  if (seg !== sk.writeQueue.last() && limit >= seg.len) return SEND;
  if (isWorthSending(sk, limit) || !isAckNear(sk)) return SEND;
  if (congWin < sendWin) {
    if (congWin <= seg.len) return STOP_CWND;
  } else if (sendWin <= seg.len) return STOP_RWND;
  // Nothing will be added to it: why wait?
  if ((seg.flags & TCP_FIN) !== 0 || seg.eor) return SEND;
  return STOP;
}

/** A good part of the window may go (net.ipv4.tcp_tso_win_divisor). */
function isWorthSending(sk: TcpSock, limit: number): boolean {
  const divisor = sk.net.sysctl.tcpTsoWinDivisor;
  if (divisor === 0) return limit > MAX_TSO_DEFERRED_MSS * sk.mssCache;
  const chunk = Math.floor(Math.min(sk.sndWnd, sk.sndCwnd * sk.mssCache) / divisor);
  return limit >= chunk;
}

/** The next ACK is due within a millisecond, or half a round-trip. */
function isAckNear(sk: TcpSock): boolean {
  const head = sk.rtxQueue.first();
  if (head === null) return false;
  const srtt = sk.srttUs >> 3;
  const left = head.sentUs + srtt - sk.mstamp;
  return left <= Math.min(srtt >> 1, 1000);
}

/** All tests of one segment; it is cut to what may go. */
function mayTransmit(sk: TcpSock, seg: TxSegment, push: Push): number {
  const { mss, nonagle } = push;
  if (push.quota * mss > seg.len) growUnsent(sk, seg, push.quota * mss - seg.len);
  const segs = setTsoSegs(seg, mss);
  if (!sndWndTest(sk, seg, mss)) return STOP_RWND;
  let limit = mss;
  if (segs === 1) {
    const last = seg === sk.writeQueue.last();
    if (!nagleTest(sk, seg, mss, last ? nonagle : TCP_NAGLE_PUSH)) return STOP;
  } else {
    const defer = push.one === PUSH_ALL ? deferBurst(sk, seg, push.maxSegs) : SEND;
    if (defer !== SEND) return defer;
    if (!tcpUrgMode(sk)) limit = splitPoint(sk, seg, mss, push.quota, nonagle);
  }
  if (seg.len > limit) fragmentUnsent(sk, seg, limit, mss);
  return seg.endSeq === seg.seq ? STOP : SEND;
}

/** Segments of the next burst; 0: the congestion window is full. */
function quotaOf(sk: TcpSock, push: Push): number {
  const quota = cwndTest(sk);
  // A loss probe goes out in any case.
  if (quota === 0) return push.one === PUSH_PROBE ? 1 : 0;
  return Math.min(quota, push.maxSegs);
}

/**
 * Sends what windows, Nagle and burst rules let go (`tcp_write_xmit`). True: data is left and nothing
 * is in flight, so that only a probe can get it going.
 */
export function tcpWriteXmit(sk: TcpSock, mss: number, nonagle: number, one: number): boolean {
  mstampRefresh(sk);
  const probe = one === PUSH_ALL && sk.mtupEnabled ? mtuProbe(sk) : MTU_PROBE_NONE;
  if (probe === MTU_PROBE_WAIT) return false;
  let sent = probe === MTU_PROBE_SENT ? 1 : 0;
  const push = sk.net.tcp.push;
  push.one = one;
  push.nonagle = nonagle;
  push.mss = mss;
  push.maxSegs = tcpTsoSegs(sk, mss);
  let verdict = SEND;
  for (let seg = sk.writeQueue.first(); seg !== null; seg = sk.writeQueue.first()) {
    if (pacingCheck(sk)) break;
    push.quota = quotaOf(sk, push);
    if (push.quota === 0) break;
    verdict = mayTransmit(sk, seg, push);
    // A local failure leaves the segment unsent; a probe will try again.
    if (verdict !== SEND || smallQueueCheck(sk, seg, 0) || !transmit(sk, seg)) break;
    newDataSent(sk, seg);
    if (seg.len < seg.pcount * mss) sk.sndSml = seg.endSeq;
    sent += seg.pcount;
    if (one !== PUSH_ALL) break;
  }
  if (verdict === STOP_RWND) chronoStart(sk, CHRONO_RWND_LIMITED);
  else chronoStop(sk, CHRONO_RWND_LIMITED);
  return afterXmit(sk, sent, verdict === STOP_CWND, one);
}

/** What was sent is accounted for. */
function afterXmit(sk: TcpSock, sent: number, stoppedByCwnd: boolean, one: number): boolean {
  const cwndLimited = stoppedByCwnd || tcpPacketsInFlight(sk) >= sk.sndCwnd;
  if (sent > 0 || cwndLimited) tcpCwndValidate(sk, cwndLimited);
  if (sent > 0) {
    if (tcpInCwndReduction(sk)) sk.prrOut += sent;
    if (one !== PUSH_PROBE) tcpScheduleLossProbe(sk, false);
    return false;
  }
  return sk.packetsOut === 0 && !sk.writeQueue.empty;
}

function transmit(sk: TcpSock, seg: TxSegment): boolean {
  if (!sk.repair) return tcpTransmitSegment(sk, seg) === 0;
  // TCP_REPAIR: the other socket sent it.
  seg.sentUs = sk.mstamp;
  timeMoveToTail(sk, seg);
  return true;
}

/** Linux `__tcp_push_pending_frames` */
export function pushPendingFrames(sk: TcpSock, mss: number, nonagle: number): void {
  if (sk.state === TCP_CLOSE) return;
  if (tcpWriteXmit(sk, mss, nonagle, PUSH_ALL)) checkProbeTimer(sk);
}

/** Linux `tcp_push_pending_frames` */
export function tcpPushPending(sk: TcpSock): void {
  if (!sk.writeQueue.empty) pushPendingFrames(sk, tcpCurrentMss(sk), sk.nonagle);
}

/** Linux `tcp_push_one` */
export function tcpPushOne(sk: TcpSock, mss: number): void {
  tcpWriteXmit(sk, mss, TCP_NAGLE_PUSH, PUSH_ONE);
}

export function tcpMarkPush(sk: TcpSock, seg: TxSegment): void {
  seg.flags |= TCP_PSH;
  sk.pushedSeq = sk.writeSeq;
}

/** Half of the peer's largest window was written without PSH (`forced_push`). */
export function forcedPush(sk: TcpSock): boolean {
  return seqGt(sk.writeSeq, (sk.pushedSeq + (sk.maxWindow >>> 1)) | 0);
}

/** The end of a write (`tcp_push`). */
export function tcpPush(sk: TcpSock, flags: number, mss: number, nonagle: number): void {
  const last = sk.writeQueue.last();
  if (last === null) return;
  if ((flags & MSG_MORE) === 0 || forcedPush(sk)) tcpMarkPush(sk, last);
  if ((flags & MSG_OOB) !== 0) sk.sndUp = sk.writeSeq;
  pushPendingFrames(sk, mss, (flags & MSG_MORE) !== 0 ? TCP_NAGLE_CORK : nonagle);
}

/** Appends a segment to the unsent ones (`tcp_queue_skb`). */
export function queueSegment(sk: TcpSock, seg: TxSegment): void {
  sk.writeSeq = seg.endSeq;
  sk.writeQueue.push(seg);
  chargeSend(sk, seg.truesize);
}

/** Queues our FIN, on the last unsent segment if there is one, and sends (`tcp_send_fin`). */
export function tcpSendFin(sk: TcpSock): void {
  const tail = sk.writeQueue.last();
  if (tail !== null) {
    tail.flags |= TCP_FIN;
    tail.endSeq = (tail.endSeq + 1) | 0;
    sk.writeSeq = (sk.writeSeq + 1) | 0;
  } else {
    const seg = new TxSegment(sk.writeSeq, TCP_ACK | TCP_FIN);
    queueSegment(sk, seg);
  }
  pushPendingFrames(sk, tcpCurrentMss(sk), TCP_NAGLE_OFF);
}

/** Whether unsent data lies within the peer's window. */
export function canSendNow(sk: TcpSock): boolean {
  const seg = sk.writeQueue.first();
  return seg !== null && seqLt(seg.seq, tcpWndEnd(sk));
}

/** Time since the last data segment left, microseconds. */
export function sinceLastSend(sk: TcpSock): number {
  return tcpClockUs(sk.net) - sk.lsndtime;
}
