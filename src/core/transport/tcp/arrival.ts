/**
 * A segment arrives for a socket (RFC 9293 §3.10.7.4: eight checks in order; Linux
 * `tcp_rcv_established`, `tcp_rcv_state_process`).
 * RX 4/4. From: `transport/tcp/input`.
 */
import { type DropReason, drop } from '../../drop.ts';
import { MIB } from '../../mib.ts';
import { seqGt, seqLt } from '../../util/seq.ts';
import { TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN } from '../../wire/tcp.ts';
import { RCV_SHUTDOWN, SEND_SHUTDOWN } from '../sock.ts';
import { validateIncoming } from './acceptability.ts';
import { ACK_OLD, ACK_UNSENT_DATA, replaceTsRecent, tcpAck } from './ack.ts';
import {
  FLAG_DATA,
  FLAG_NO_CHALLENGE_ACK,
  FLAG_SLOWPATH,
  FLAG_UPDATE_TS_RECENT,
} from './ack-flags.ts';
import { sendChallengeAck } from './challenge.ts';
import { mstampRefresh, ticksOf } from './clock.ts';
import { tcpShutdownSend } from './close.ts';
import {
  ICSK_ACK_SCHED,
  TCP_CA_RECOVERY,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
  TCP_TIMEWAIT_LEN,
} from './constants.ts';
import { count } from './count.ts';
import { updatePacingRate } from './cwnd.ts';
import { dataQueue, dataReady, eventDataRecv, queueRcv } from './data.ts';
import { ackSndCheck } from './delack.ts';
import { setState, stateChange, tcpDone } from './done.ts';
import { removeFastOpen } from './fast-open-queue.ts';
import { checkRequest } from './handshake.ts';
import { updateMetrics } from './metrics.ts';
import { TCPOLEN_TSTAMP_ALIGNED } from './options.ts';
import { tcpPushPending } from './output.ts';
import { rcvRttMeasureTs } from './receive-buffer.ts';
import { sendReset } from './reply.ts';
import { tcpReset } from './reset.ts';
import { measureHandshake } from './rto.ts';
import type { RxSegment } from './segment.ts';
import { checkSpace } from './send-buffer.ts';
import type { TcpSock } from './sock.ts';
import { synSentProcess } from './syn-sent.ts';
import { enterTimeWait } from './time-wait.ts';
import { resetKeepaliveTimer, tcpRearmRto } from './timer-arm.ts';
import { finTime } from './timers.ts';
import { initializeRcvMss, initTransfer } from './transfer.ts';
import { tcpUrg } from './urgent.ts';
import { tcpReceiveWindow } from './window.ts';

/** Takes a segment for a connection that is not listening. */
export function segmentArrives(sk: TcpSock, seg: RxSegment): void {
  sk.segsIn += seg.segs;
  if (seg.len > 0) sk.dataSegsIn += seg.segs;
  if (sk.state === TCP_ESTABLISHED) receiveEstablished(sk, seg);
  else receiveOther(sk, seg);
}

/** What an ACK made possible: more to send, and room for the writer (`tcp_data_snd_check`). */
function dataSndCheck(sk: TcpSock): void {
  tcpPushPending(sk);
  checkSpace(sk);
}

/**
 * Header prediction (RFC 7323 appendix A names it; Van Jacobson): the next segment in order, without
 * surprises, with the window of before.
 */
function isPredicted(sk: TcpSock, seg: RxSegment): boolean {
  const h = seg.hdr;
  if (!sk.fastPath) return false;
  if ((h.flags & ~TCP_PSH) !== TCP_ACK || seg.seq !== sk.rcvNxt) return false;
  if (seqGt(seg.ack, sk.sndNxt) || seqLt(seg.ack, sk.sndUna)) return false;
  if (h.headerLen() !== sk.tcpHeaderLen || h.window << sk.sndWscale !== sk.sndWnd) return false;
  if (seg.len > 0 && !fitsUnasked(sk, seg)) return false;
  if (seg.len > 0 && seqGt(seg.endSeq, (sk.rcvNxt + tcpReceiveWindow(sk)) | 0)) return false;
  if (!sk.tstampOk) return true;
  const o = h.options;
  if (o === null || !o.timestamps || o.sack !== null) return false;
  return ((o.tsVal - sk.tsRecent) | 0) >= 0;
}

/**
 * Memory is taken in pages; what is left of the last one needs no asking, and is no question of the limits
 * (`sk_forward_alloc`). What this kernel sent itself is not charged by pages, and may stay on the fast path.
 */
function fitsUnasked(sk: TcpSock, seg: RxSegment): boolean {
  if (seg.pkt.truesize === 0) return sk.rmemAlloc + seg.truesize <= sk.rcvbuf;
  return seg.truesize <= (-(sk.rmemAlloc + sk.wmemQueued) & 4095);
}

function receiveEstablished(sk: TcpSock, seg: RxSegment): void {
  mstampRefresh(sk);
  sk.sawTstamp = false;
  if (isPredicted(sk, seg)) {
    receivePredicted(sk, seg);
    return;
  }
  if ((seg.flags & (TCP_ACK | TCP_RST | TCP_SYN)) === 0) {
    drop(sk.net, seg.pkt, 'TCP_FLAGS');
    return;
  }
  if (!validateIncoming(sk, seg, true)) return;
  const acked = tcpAck(sk, seg, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT);
  if (acked < 0) {
    drop(sk.net, seg.pkt, ackDropReason(acked));
    return;
  }
  rcvRttMeasureTs(sk, seg);
  tcpUrg(sk, seg);
  dataQueue(sk, seg);
  dataSndCheck(sk);
  ackSndCheck(sk);
}

/** The fast path: a pure ACK, or data in order. */
function receivePredicted(sk: TcpSock, seg: RxSegment): void {
  const o = seg.hdr.options;
  if (o !== null) {
    sk.sawTstamp = true;
    sk.rcvTsval = o.tsVal;
    sk.rcvTsecr = o.tsEcr === 0 ? 0 : (o.tsEcr - sk.tsOffset) | 0;
    replaceTsRecent(sk, seg.seq);
  }
  if (seg.len === 0) {
    tcpAck(sk, seg, 0);
    dataSndCheck(sk);
    sk.rcvRttLastTsecr = sk.rcvTsecr;
    return;
  }
  rcvRttMeasureTs(sk, seg);
  count(sk.net, MIB.TcpExtTCPHPHits);
  queueRcv(sk, seg);
  eventDataRecv(sk, seg);
  if (seg.ack !== sk.sndUna) {
    tcpAck(sk, seg, FLAG_DATA);
    dataSndCheck(sk);
    if ((sk.ackPending & ICSK_ACK_SCHED) !== 0) ackSndCheck(sk);
  } else {
    sk.sndWl1 = seg.seq;
    ackSndCheck(sk);
  }
  dataReady(sk);
}

/** All other states. */
function receiveOther(sk: TcpSock, seg: RxSegment): void {
  const net = sk.net;
  if (sk.state === TCP_CLOSE) {
    drop(net, seg.pkt, 'TCP_CLOSE');
    return;
  }
  mstampRefresh(sk);
  sk.sawTstamp = false;
  if (sk.state === TCP_SYN_SENT) {
    if (synSentProcess(sk, seg)) {
      tcpUrg(sk, seg);
      dataSndCheck(sk);
    }
    return;
  }
  const req = sk.fastOpenRsk;
  if (req !== null && typeof checkRequest(sk, seg, req) === 'number') return;
  if ((seg.flags & (TCP_ACK | TCP_RST | TCP_SYN)) === 0) {
    drop(net, seg.pkt, 'TCP_FLAGS');
    return;
  }
  if (!validateIncoming(sk, seg, false)) return;
  if (!checkAckField(sk, seg)) return;
  if (!stateAfterAck(sk, seg)) return;
  tcpUrg(sk, seg);
  if (!segmentText(sk, seg)) return;
  if ((sk.state as number) !== TCP_CLOSE) {
    dataSndCheck(sk);
    ackSndCheck(sk);
  }
}

/** Why a segment dies of its ACK field. */
function ackDropReason(acked: number): DropReason {
  return acked === ACK_UNSENT_DATA ? 'TCP_ACK_UNSENT_DATA' : 'TCP_TOO_OLD_ACK';
}

/** Fifth check: the ACK field. */
function checkAckField(sk: TcpSock, seg: RxSegment): boolean {
  const acked = tcpAck(sk, seg, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT | FLAG_NO_CHALLENGE_ACK);
  if (acked > 0) return true;
  if (sk.state === TCP_SYN_RECV) {
    sendReset(sk.net, seg.pkt, true);
    drop(sk.net, seg.pkt, ackDropReason(acked));
    return false;
  }
  // LINUX: an old ACK is fine while closing.
  if (acked === ACK_OLD) return true;
  sendChallengeAck(sk);
  drop(sk.net, seg.pkt, ackDropReason(acked));
  return false;
}

/** What the acknowledgment means for the state; false: the socket is gone. */
function stateAfterAck(sk: TcpSock, seg: RxSegment): boolean {
  const allAcked = sk.sndUna === sk.writeSeq;
  switch (sk.state) {
    case TCP_SYN_RECV:
      synRecvAcked(sk, seg);
      return true;
    case TCP_FIN_WAIT1:
      if (sk.fastOpenRsk !== null) fastOpenAcked(sk);
      return allAcked ? finAcked(sk, seg) : true;
    case TCP_CLOSING:
      if (!allAcked) return true;
      enterTimeWait(sk, TCP_TIME_WAIT, 0);
      return false;
    case TCP_LAST_ACK:
      if (!allAcked) return true;
      updateMetrics(sk);
      tcpDone(sk);
      return false;
    default:
      return true;
  }
}

/** The SYN-ACK of a fast open is acknowledged (`tcp_rcv_synrecv_state_fastopen`). */
function fastOpenAcked(sk: TcpSock): void {
  sk.retransmits = 0;
  if (sk.caState !== TCP_CA_RECOVERY) sk.retransStamp = 0;
  removeFastOpen(sk, false);
  // Data may have gone out since.
  tcpRearmRto(sk);
}

/** The handshake is complete. */
function synRecvAcked(sk: TcpSock, seg: RxSegment): void {
  sk.delivered++;
  const req = sk.fastOpenRsk;
  if (req !== null) sk.synackStamp = req.numRetrans === 0 ? req.sntSynack : 0;
  if (sk.srttUs === 0) measureHandshake(sk, sk.synackStamp);
  if (sk.tstampOk) sk.advmss -= TCPOLEN_TSTAMP_ALIGNED;
  if (req !== null) fastOpenAcked(sk);
  else {
    if (sk.undoMarker !== 0 && sk.rcvTsecr !== 0 && sk.rcvTsecr === ticksOf(sk.retransStamp))
      sk.undoMarker = 0;
    sk.retransStamp = 0;
    // After a crossed SYN without the option our scale stays, as in Linux: it is cleared only in SYN-SENT.
    initTransfer(sk);
    sk.copiedSeq = sk.rcvNxt;
  }
  setState(sk, TCP_ESTABLISHED);
  stateChange(sk);
  sk.sndUna = seg.ack;
  sk.sndWnd = seg.hdr.window << sk.sndWscale;
  sk.sndWl1 = seg.seq;
  sk.fastPath = true;
  updatePacingRate(sk);
  sk.lsndtime = sk.mstamp;
  initializeRcvMss(sk);
  if ((sk.shutdownMask & SEND_SHUTDOWN) !== 0) tcpShutdownSend(sk);
}

/** Our FIN is acknowledged: FIN_WAIT2, in which an orphan does not stay. */
function finAcked(sk: TcpSock, seg: RxSegment): boolean {
  setState(sk, TCP_FIN_WAIT2);
  sk.shutdownMask |= SEND_SHUTDOWN;
  if (!sk.orphan) {
    stateChange(sk);
    return true;
  }
  const fin = (seg.flags & TCP_FIN) !== 0 ? 1 : 0;
  const newData = seg.endSeq !== seg.seq && seqGt((seg.endSeq - fin) | 0, sk.rcvNxt);
  if (sk.linger2Us < 0 || newData) {
    tcpDone(sk);
    count(sk.net, MIB.TcpExtTCPAbortOnData);
    sendReset(sk.net, seg.pkt, true);
    drop(sk.net, seg.pkt, 'TCP_ABORT_ON_DATA');
    return false;
  }
  const time = finTime(sk);
  if (time > TCP_TIMEWAIT_LEN) resetKeepaliveTimer(sk, time - TCP_TIMEWAIT_LEN);
  else if (fin === 1) resetKeepaliveTimer(sk, time);
  else {
    enterTimeWait(sk, TCP_FIN_WAIT2, time);
    return false;
  }
  return true;
}

/** Seventh and eighth check: text and FIN; false: the connection was reset. */
function segmentText(sk: TcpSock, seg: RxSegment): boolean {
  switch (sk.state) {
    case TCP_CLOSE_WAIT:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
      if (!seqLt(seg.seq, sk.rcvNxt)) return true;
      return abortOnData(sk, seg);
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
      return abortOnData(sk, seg);
    case TCP_ESTABLISHED:
      dataQueue(sk, seg);
      return true;
    default:
      return true;
  }
}

/** RFC 1122 §4.2.2.13: data that nobody will read resets the connection. */
function abortOnData(sk: TcpSock, seg: RxSegment): boolean {
  const fin = (seg.flags & TCP_FIN) !== 0 ? 1 : 0;
  if (
    (sk.shutdownMask & RCV_SHUTDOWN) !== 0 &&
    seg.endSeq !== seg.seq &&
    seqGt((seg.endSeq - fin) | 0, sk.rcvNxt)
  ) {
    count(sk.net, MIB.TcpExtTCPAbortOnData);
    tcpReset(sk);
    sendReset(sk.net, seg.pkt, true);
    drop(sk.net, seg.pkt, 'TCP_ABORT_ON_DATA');
    return false;
  }
  dataQueue(sk, seg);
  return true;
}
