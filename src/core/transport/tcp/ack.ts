/** An acknowledgment arrived (RFC 9293 §3.10.7.4, fifth check; Linux `tcp_ack`). */
import { MIB } from '../../mib.ts';
import { seqBetween, seqGt, seqLt } from '../../util/seq.ts';
import { TCP_CWR, TCP_ECE, TCP_SYN } from '../../wire/tcp.ts';
import {
  FLAG_ACK_MAYBE_DELAYED,
  FLAG_ACKED,
  FLAG_CA_ALERT,
  FLAG_DATA,
  FLAG_DATA_ACKED,
  FLAG_DSACKING_ACK,
  FLAG_ECE,
  FLAG_FORWARD_PROGRESS,
  FLAG_NO_CHALLENGE_ACK,
  FLAG_NOT_DUP,
  FLAG_ORIG_SACK_ACKED,
  FLAG_RETRANS_DATA_ACKED,
  FLAG_SACK_RENEGING,
  FLAG_SET_XMIT_TIMER,
  FLAG_SLOWPATH,
  FLAG_SND_UNA_ADVANCED,
  FLAG_SYN_ACKED,
  FLAG_UPDATE_TS_RECENT,
  FLAG_WIN_UPDATE,
  REXMIT_NEW,
  REXMIT_NONE,
} from './ack-flags.ts';
import type { AckState } from './ack-state.ts';
import { sendChallengeAck } from './challenge.ts';
import { CHRONO_BUSY, chronoStop } from './chrono.ts';
import { tcpClockSec, tcpClockUs } from './clock.ts';
import {
  ICSK_TIME_PROBE0,
  TCP_CA_OPEN,
  TCP_ECN_DEMAND_CWR,
  TCP_ECN_OK,
  TCP_NAGLE_OFF,
  TCP_PAWS_WRAP,
  TCP_SYN_SENT,
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
} from './constants.ts';
import { count, countBy } from './count.ts';
import { slowStartAfterIdleCheck, updatePacingRate } from './cwnd.ts';
import { cwndReduction } from './cwr.ts';
import { tcpHighestSackSeq, tcpInCwndReduction, tcpPacketsInFlight, tcpWndEnd } from './flight.ts';
import { checkSackReordering, countDelivered, removeRenoSacks } from './loss.ts';
import { tcpCurrentMss, tcpSyncMss } from './mss.ts';
import { mtupProbeSuccess } from './mtu-probe.ts';
import { storeTsRecent } from './options.ts';
import { pushPendingFrames } from './output.ts';
import { rackAdvance, rackUpdateReoWnd } from './rack.ts';
import { rateDelivered, rateGen } from './rate.ts';
import { fastretransAlert, processTlpAck } from './recovery.ts';
import { xmitRetransmitQueue } from './retransmit.ts';
import { ackUpdateRtt } from './rto.ts';
import { sacktagWriteQueue } from './sack.ts';
import type { RxSegment, TxSegment } from './segment.ts';
import { segmentAcked } from './send-notes.ts';
import { freeSegment, trimHead } from './send-queue.ts';
import type { TcpSock } from './sock.ts';
import {
  clearXmitTimer,
  probe0When,
  resetXmitTimerPaced,
  tcpRearmRto,
  tcpScheduleLossProbe,
} from './timer-arm.ts';
import { fastPathCheck } from './window.ts';

/** Results of `tcpAck`. */
export const ACK_OK = 1;
export const ACK_OLD = 0;
export const ACK_TOO_OLD = -1;
export const ACK_UNSENT_DATA = -2;

const RETRANS: number = TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS;

/** Takes the acknowledgment of a segment in; `ACK_*`. */
export function tcpAck(sk: TcpSock, seg: RxSegment, flags: number): number {
  const st = sk.net.tcp.ackState;
  st.reset();
  st.flag = flags;
  st.priorUna = sk.sndUna;
  if (seqLt(seg.ack, sk.sndUna)) return oldAck(sk, seg, st);
  if (seqGt(seg.ack, sk.sndNxt)) {
    if ((flags & FLAG_NO_CHALLENGE_ACK) === 0) sendChallengeAck(sk);
    return ACK_UNSENT_DATA;
  }
  const priorPackets = sk.packetsOut;
  const priorDelivered = sk.delivered;
  st.priorLost = sk.lost;
  st.wasReneg = sk.isSackReneg;
  if (seqGt(seg.ack, sk.sndUna)) {
    st.flag |= FLAG_SND_UNA_ADVANCED;
    sk.retransmits = 0;
  }
  st.priorFackSeq = sk.sackOk !== 0 ? tcpHighestSackSeq(sk) : sk.sndUna;
  st.priorInFlight = tcpPacketsInFlight(sk);
  if ((st.flag & FLAG_UPDATE_TS_RECENT) !== 0) replaceTsRecent(sk, seg.seq);
  takeWindow(sk, seg, st);
  // RFC 3168 §6.1.3: the peer reduced; LINUX: on pure ACKs too.
  if ((seg.flags & TCP_CWR) !== 0) sk.ecnFlags &= ~TCP_ECN_DEMAND_CWR;
  sk.errSoft = 0;
  sk.probesOut = 0;
  sk.rcvTstamp = sk.mstamp;
  if (priorPackets === 0) nothingInFlight(sk, seg.ack, priorDelivered, st);
  else segmentsInFlight(sk, seg, priorDelivered, st);
  return ACK_OK;
}

/** An ACK while nothing waits for one: a window update, or a late D-SACK. */
function nothingInFlight(sk: TcpSock, ack: number, priorDelivered: number, st: AckState): void {
  inAckEvent(sk, st.flag);
  if ((st.flag & FLAG_DSACKING_ACK) !== 0) {
    fastretransAlert(sk, st);
    newlyDelivered(sk, priorDelivered, st.flag);
  }
  ackProbe(sk);
  if (sk.tlpHighSeq !== 0) processTlpAck(sk, ack, st.flag);
}

/** Takes what is acknowledged away, judges the rest, and moves the window. */
function segmentsInFlight(sk: TcpSock, seg: RxSegment, priorDelivered: number, st: AckState): void {
  cleanRtxQueue(sk, st);
  rackUpdateReoWnd(sk, st);
  inAckEvent(sk, st.flag);
  if (sk.tlpHighSeq !== 0) processTlpAck(sk, seg.ack, st.flag);
  if (isDubious(sk, st.flag)) {
    if ((st.flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DSACKING_ACK)) === 0)
      st.numDupack = (st.flag & FLAG_DATA) !== 0 ? 1 : seg.segs;
    fastretransAlert(sk, st);
  }
  if ((st.flag & FLAG_SET_XMIT_TIMER) !== 0 && !tcpScheduleLossProbe(sk, true)) tcpRearmRto(sk);
  if ((st.flag & FLAG_FORWARD_PROGRESS) !== 0 || (st.flag & FLAG_NOT_DUP) === 0)
    sk.route?.neigh?.confirm();
  const delivered = newlyDelivered(sk, priorDelivered, st.flag);
  st.losses = sk.lost - st.priorLost;
  st.isAckDelayed = (st.flag & FLAG_ACK_MAYBE_DELAYED) !== 0;
  rateGen(sk, st, delivered, st.wasReneg);
  congControl(sk, st, delivered);
  xmitRecovery(sk, st.rexmit);
}

/** The algorithm sees every ACK (`tcp_in_ack_event`). */
function inAckEvent(sk: TcpSock, flag: number): void {
  if (sk.ca.inAckEvent !== null) sk.ca.inAckEvent(sk, flag);
}

/** RFC 5961 §5.2, and SACKs that a late ACK brings. */
function oldAck(sk: TcpSock, seg: RxSegment, st: AckState): number {
  const maxWindow = Math.min(sk.maxWindow, sk.bytesAcked);
  if (seqLt(seg.ack, (sk.sndUna - maxWindow) | 0)) {
    if ((st.flag & FLAG_NO_CHALLENGE_ACK) === 0) sendChallengeAck(sk);
    return ACK_TOO_OLD;
  }
  const sack = sackOf(sk, seg);
  if (sack !== null) {
    const priorDelivered = sk.delivered;
    sacktagWriteQueue(sk, seg, sack, sk.sndUna, st);
    fastretransAlert(sk, st);
    newlyDelivered(sk, priorDelivered, st.flag);
    xmitRecovery(sk, st.rexmit);
  }
  return ACK_OLD;
}

function sackOf(sk: TcpSock, seg: RxSegment): readonly number[] | null {
  if (sk.sackOk === 0 || (seg.flags & TCP_SYN) !== 0) return null;
  return seg.hdr.options === null ? null : seg.hdr.options.sack;
}

function countSacked(sk: TcpSock, st: AckState): void {
  if (st.sackDelivered > 0) countDelivered(sk, st.sackDelivered, (st.flag & FLAG_ECE) !== 0);
}

/** Window update, SACK and ECN echo: the parts that header prediction skips. */
function takeWindow(sk: TcpSock, seg: RxSegment, st: AckState): void {
  if ((st.flag & (FLAG_SLOWPATH | FLAG_SND_UNA_ADVANCED)) === FLAG_SND_UNA_ADVANCED) {
    sk.sndWl1 = seg.seq;
    sndUnaUpdate(sk, seg.ack);
    st.flag |= FLAG_WIN_UPDATE;
    count(sk.net, MIB.TcpExtTCPHPAcks);
    return;
  }
  if (seg.seq !== seg.endSeq) st.flag |= FLAG_DATA;
  else count(sk.net, MIB.TcpExtTCPPureAcks);
  ackUpdateWindow(sk, seg, st);
  const sack = sackOf(sk, seg);
  if (sack !== null) sacktagWriteQueue(sk, seg, sack, st.priorUna, st);
  if ((seg.flags & (TCP_ECE | TCP_SYN)) === TCP_ECE && (sk.ecnFlags & TCP_ECN_OK) !== 0)
    st.flag |= FLAG_ECE;
  countSacked(sk, st);
}

function sndUnaUpdate(sk: TcpSock, ack: number): void {
  sk.bytesAcked += (ack - sk.sndUna) >>> 0;
  sk.sndUna = ack;
}

/** RFC 9293 §3.10.7.4: SND.WND, SND.WL1 (`tcp_ack_update_window`). */
function ackUpdateWindow(sk: TcpSock, seg: RxSegment, st: AckState): void {
  let win = seg.hdr.window;
  if ((seg.flags & TCP_SYN) === 0) win *= 2 ** sk.sndWscale;
  if (
    seqGt(seg.ack, sk.sndUna) ||
    seqGt(seg.seq, sk.sndWl1) ||
    (seg.seq === sk.sndWl1 && (win > sk.sndWnd || win === 0))
  ) {
    st.flag |= FLAG_WIN_UPDATE;
    sk.sndWl1 = seg.seq;
    if (sk.sndWnd !== win) {
      sk.sndWnd = win;
      sk.fastPath = false;
      fastPathCheck(sk);
      if (!sk.writeQueue.empty) slowStartAfterIdleCheck(sk, tcpClockUs(sk.net));
      if (win > sk.maxWindow) {
        sk.maxWindow = win;
        tcpSyncMss(sk, sk.pmtuCookie);
      }
    }
  }
  sndUnaUpdate(sk, seg.ack);
}

/** RFC 7323 §4.3, with R4: not from a segment beyond the last ACK sent (`tcp_replace_ts_recent`). */
export function replaceTsRecent(sk: TcpSock, seq: number): void {
  if (!sk.sawTstamp || seqGt(seq, sk.rcvWup)) return;
  const delta = (sk.tsRecent - sk.rcvTsval) | 0;
  if (
    delta <= 0 ||
    sk.tsRecentStamp === 0 ||
    tcpClockSec(sk.net) - sk.tsRecentStamp >= TCP_PAWS_WRAP
  )
    storeTsRecent(sk);
}

/** Everything but plain progress while all is well (`tcp_ack_is_dubious`). */
function isDubious(sk: TcpSock, flag: number): boolean {
  return (flag & FLAG_NOT_DUP) === 0 || (flag & FLAG_CA_ALERT) !== 0 || sk.caState !== TCP_CA_OPEN;
}

/** The counts of one segment that is acknowledged, wholly or its first `n` pieces. */
function ackSegment(sk: TcpSock, seg: TxSegment, startSeq: number, n: number, st: AckState): void {
  const marks = seg.sacked;
  if ((marks & RETRANS) !== 0) {
    if ((marks & TCPCB_SACKED_RETRANS) !== 0) sk.retransOut -= n;
    st.flag |= FLAG_RETRANS_DATA_ACKED;
  } else if ((marks & TCPCB_SACKED_ACKED) === 0) {
    st.lastAckt = seg.sentUs;
    if (st.firstAckt === 0) st.firstAckt = seg.sentUs;
    if (seqLt(startSeq, st.reord)) st.reord = startSeq;
    if (!seqGt(seg.endSeq, sk.highSeq)) st.flag |= FLAG_ORIG_SACK_ACKED;
  }
  if ((marks & TCPCB_SACKED_ACKED) !== 0) sk.sackedOut -= n;
  else if (sk.sackOk !== 0) {
    countDelivered(sk, n, (st.flag & FLAG_ECE) !== 0);
    if (!spuriousRetrans(sk, seg)) rackAdvance(sk, marks, seg.endSeq, seg.sentUs);
  }
  if ((marks & TCPCB_LOST) !== 0) sk.lostOut -= n;
  sk.packetsOut -= n;
  st.pktsAcked += n;
  rateDelivered(sk, seg, st);
  if ((seg.flags & TCP_SYN) === 0) st.flag |= FLAG_DATA_ACKED;
  else {
    st.flag |= FLAG_SYN_ACKED;
    sk.retransStamp = 0;
  }
}

/** The timestamp says that the original arrived, not the retransmission. */
function spuriousRetrans(sk: TcpSock, seg: TxSegment): boolean {
  return (
    (seg.sacked & RETRANS) !== 0 &&
    sk.sawTstamp &&
    sk.rcvTsecr !== 0 &&
    ((sk.rcvTsecr - Math.floor(seg.sentUs / 1000)) | 0) < 0
  );
}

/**
 * Takes what is wholly acknowledged off the retransmission queue, and the acknowledged pieces of a burst;
 * returns the segment that is first now.
 */
function takeAcked(sk: TcpSock, st: AckState): TxSegment | null {
  const queue = sk.rtxQueue;
  let seg = queue.first();
  while (seg !== null && !seqGt(seg.endSeq, sk.sndUna)) {
    ackSegment(sk, seg, seg.seq, seg.pcount, st);
    if (sk.rareMaybe !== null && sk.rareMaybe.sendNotes !== null)
      segmentAcked(sk, sk.rareMaybe.sendNotes, seg);
    queue.shift();
    const next = queue.first();
    if (seg === sk.retransmitHint) sk.retransmitHint = null;
    if (seg === sk.highestSack) sk.highestSack = next;
    freeSegment(sk, seg);
    seg = next;
  }
  if (seg === null || seg.pcount === 1 || !seqGt(sk.sndUna, seg.seq)) return seg;
  const startSeq = seg.seq;
  let n = seg.pcount;
  trimHead(sk, seg, (sk.sndUna - seg.seq) | 0);
  n -= seg.pcount;
  if (n > 0) {
    st.fullyAcked = false;
    ackSegment(sk, seg, startSeq, n, st);
  }
  return seg;
}

/** Linux `tcp_clean_rtx_queue` */
function cleanRtxQueue(sk: TcpSock, st: AckState): void {
  const priorSacked = sk.sackedOut;
  st.reord = sk.sndNxt;
  st.fullyAcked = true;
  const seg = takeAcked(sk, st);
  if (seg === null) chronoStop(sk, CHRONO_BUSY);
  if (seqBetween(sk.sndUp, st.priorUna, sk.sndUna)) sk.sndUp = sk.sndUna;
  if (seg !== null && (seg.sacked & TCPCB_SACKED_ACKED) !== 0) st.flag |= FLAG_SACK_RENEGING;
  const rttUpdate = measureRtt(sk, st, priorSacked);
  if ((st.flag & FLAG_ACKED) !== 0) noteAcked(sk, st);
  else if (
    seg !== null &&
    rttUpdate &&
    st.sackRttUs >= 0 &&
    st.sackRttUs > sk.mstamp - seg.sentUs
  ) {
    // The head was sent after what was sacked: do not push its timeout away.
    st.flag |= FLAG_SET_XMIT_TIMER;
  }
  sk.ca.pktsAcked(sk, st.pktsAcked, st.rttUs);
}

/** SND.UNA moved: the timer starts anew, and holes that were filled tell of reordering. */
function noteAcked(sk: TcpSock, st: AckState): void {
  st.flag |= FLAG_SET_XMIT_TIMER;
  if (sk.mtupProbeSize !== 0 && !seqGt(sk.mtupSeqEnd, sk.sndUna)) mtupProbeSuccess(sk);
  if (sk.sackOk === 0) {
    removeRenoSacks(sk, st.pktsAcked, (st.flag & FLAG_ECE) !== 0);
    // Without SACK nobody knows which transmission arrived.
    if ((st.flag & FLAG_RETRANS_DATA_ACKED) !== 0) st.flag &= ~FLAG_ORIG_SACK_ACKED;
  } else if (seqLt(st.reord, st.priorFackSeq)) checkSackReordering(sk, st.reord, false);
}

/** The RTT samples that this ACK gives. */
function measureRtt(sk: TcpSock, st: AckState, priorSacked: number): boolean {
  let seqRtt = -1;
  if (st.firstAckt !== 0 && (st.flag & FLAG_RETRANS_DATA_ACKED) === 0) {
    seqRtt = sk.mstamp - st.firstAckt;
    st.caRttUs = sk.mstamp - st.lastAckt;
    if (
      st.pktsAcked === 1 &&
      st.fullyAcked &&
      priorSacked === 0 &&
      (sk.sndUna - st.priorUna) >>> 0 < sk.mssCache &&
      st.priorDelivered + 1 === sk.delivered &&
      (st.flag & FLAG_SYN_ACKED) === 0
    )
      st.flag |= FLAG_ACK_MAYBE_DELAYED;
  }
  if (st.firstSackt !== 0) {
    st.sackRttUs = sk.mstamp - st.firstSackt;
    st.caRttUs = sk.mstamp - st.lastSackt;
  }
  return ackUpdateRtt(sk, st, seqRtt, st.flag);
}

function newlyDelivered(sk: TcpSock, prior: number, flag: number): number {
  const n = sk.delivered - prior;
  countBy(sk.net, MIB.TcpExtTCPDelivered, n);
  if ((flag & FLAG_ECE) !== 0) countBy(sk.net, MIB.TcpExtTCPDeliveredCE, n);
  return n;
}

/** Changes the congestion window (`tcp_cong_control`). */
function congControl(sk: TcpSock, st: AckState, delivered: number): void {
  if (sk.ca.congControl !== null) {
    sk.ca.congControl(sk, st);
    return;
  }
  if (tcpInCwndReduction(sk)) cwndReduction(sk, delivered, st.losses, st.flag);
  else if (mayRaiseCwnd(sk, st.flag)) {
    sk.ca.congAvoid(sk, delivered);
    sk.sndCwndStamp = sk.mstamp;
  }
  updatePacingRate(sk);
}

/** On a path that reorders, SACKs are progress too (`tcp_may_raise_cwnd`). */
function mayRaiseCwnd(sk: TcpSock, flag: number): boolean {
  if (sk.reordering > sk.net.sysctl.tcpReordering) return (flag & FLAG_FORWARD_PROGRESS) !== 0;
  return (flag & FLAG_DATA_ACKED) !== 0;
}

/** Sends what recovery asked for (`tcp_xmit_recovery`). */
function xmitRecovery(sk: TcpSock, rexmit: number): void {
  if (rexmit === REXMIT_NONE || sk.state === TCP_SYN_SENT) return;
  if (rexmit === REXMIT_NEW) {
    pushPendingFrames(sk, tcpCurrentMss(sk), TCP_NAGLE_OFF);
    if (seqGt(sk.sndNxt, sk.highSeq)) return;
    sk.frto = false;
  }
  xmitRetransmitQueue(sk);
}

/** Nothing in flight: did a closed window open (`tcp_ack_probe`)? */
function ackProbe(sk: TcpSock): void {
  const head = sk.writeQueue.first();
  if (head === null) return;
  if (!seqGt(head.endSeq, tcpWndEnd(sk))) {
    sk.backoff = 0;
    sk.probesTstamp = 0;
    clearXmitTimer(sk);
    return;
  }
  resetXmitTimerPaced(sk, ICSK_TIME_PROBE0, clampProbe0(sk, probe0When(sk, sk.rtoMaxUs)));
}

/** TCP_USER_TIMEOUT bounds the wait for the next probe (`tcp_clamp_probe0_to_user_timeout`). */
export function clampProbe0(sk: TcpSock, whenUs: number): number {
  if (sk.userTimeoutUs === 0 || sk.probesTstamp === 0) return whenUs;
  const elapsed = Math.max(0, tcpClockUs(sk.net) - sk.probesTstamp);
  return Math.min(Math.max(sk.userTimeoutUs - elapsed, 2_000), whenUs);
}
