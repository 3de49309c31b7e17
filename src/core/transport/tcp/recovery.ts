/**
 * Fast recovery and recovery from a timeout (RFC 5681 §3.2, RFC 6582, RFC 6675, RFC 5682; Linux
 * `tcp_fastretrans_alert`, `tcp_enter_loss`, `tcp_process_loss`).
 */
import { MIB } from '../../mib.ts';
import { seqGe, seqGt, seqLt } from '../../util/seq.ts';
import {
  FLAG_DATA_SACKED,
  FLAG_DSACK_TLP,
  FLAG_ECE,
  FLAG_LOST_RETRANS,
  FLAG_NOT_DUP,
  FLAG_ORIG_SACK_ACKED,
  FLAG_SACK_RENEGING,
  FLAG_SET_XMIT_TIMER,
  FLAG_SND_UNA_ADVANCED,
  REXMIT_LOST,
  REXMIT_NEW,
} from './ack-flags.ts';
import type { AckState } from './ack-state.ts';
import { tcpClockUs } from './clock.ts';
import { CA_EVENT_LOSS } from './congestion.ts';
import {
  ICSK_TIME_RETRANS,
  TCP_CA_CWR,
  TCP_CA_DISORDER,
  TCP_CA_LOSS,
  TCP_CA_OPEN,
  TCP_CA_RECOVERY,
  TCPCB_SACKED_ACKED,
} from './constants.ts';
import { count } from './count.ts';
import {
  cwndReduction,
  ecnQueueCwr,
  endCwndReduction,
  enterCwr,
  initCwndReduction,
  initUndo,
  setCaState,
  tryKeepOpen,
  tryUndoDsack,
  tryUndoLoss,
  tryUndoPartial,
  tryUndoRecovery,
} from './cwr.ts';
import { tcpCurrentSsthresh, tcpInCwndReduction, tcpPacketsInFlight, tcpWndEnd } from './flight.ts';
import { addRenoSack, anyRetransDone, markLost, newrenoMarkLost } from './loss.ts';
import { mtupProbeFailed } from './mtu-probe.ts';
import { simpleRetransmit } from './pmtu.ts';
import { rackDetectLoss, rackMarkLost, rackTimeout } from './rack.ts';
import { xmitRetransmitQueue } from './retransmit.ts';
import type { TcpSock } from './sock.ts';
import { resetXmitTimer, tcpRearmRto } from './timer-arm.ts';

/** Loss is evident: reduce and retransmit (`tcp_enter_recovery`). */
export function enterRecovery(sk: TcpSock, ece: boolean): void {
  count(sk.net, sk.sackOk === 0 ? MIB.TcpExtTCPRenoRecovery : MIB.TcpExtTCPSackRecovery);
  if (!anyRetransDone(sk)) sk.retransStamp = 0;
  sk.priorSsthresh = 0;
  initUndo(sk);
  if (!tcpInCwndReduction(sk)) {
    if (!ece) sk.priorSsthresh = tcpCurrentSsthresh(sk);
    initCwndReduction(sk);
  }
  setCaState(sk, TCP_CA_RECOVERY);
}

/** The retransmission timer ran out (RFC 5681 §3.1, RFC 6298 §5.5). */
export function enterLoss(sk: TcpSock): void {
  const newRecovery = sk.caState < TCP_CA_RECOVERY;
  timeoutMarkLost(sk);
  if (
    sk.caState <= TCP_CA_DISORDER ||
    !seqGt(sk.highSeq, sk.sndUna) ||
    (sk.caState === TCP_CA_LOSS && sk.retransmits === 0)
  ) {
    sk.priorSsthresh = tcpCurrentSsthresh(sk);
    sk.priorCwnd = sk.sndCwnd;
    sk.sndSsthresh = sk.ca.ssthresh(sk);
    sk.ca.cwndEvent(sk, CA_EVENT_LOSS);
    initUndo(sk);
  }
  sk.sndCwnd = tcpPacketsInFlight(sk) + 1;
  sk.sndCwndCnt = 0;
  sk.sndCwndStamp = sk.mstamp;
  const reordering = sk.net.sysctl.tcpReordering;
  if (sk.caState <= TCP_CA_DISORDER && sk.sackedOut >= reordering)
    sk.reordering = Math.min(sk.reordering, reordering);
  setCaState(sk, TCP_CA_LOSS);
  sk.highSeq = sk.sndNxt;
  sk.tlpHighSeq = 0;
  ecnQueueCwr(sk);
  // RFC 5682 §3.2; a probe of the path MTU that got lost says nothing about the rest.
  sk.frto =
    sk.net.sysctl.tcpFrto !== 0 && (newRecovery || sk.retransmits > 0) && sk.mtupProbeSize === 0;
}

/** Everything that is old enough is lost; a peer that took its SACKs back loses them (RFC 2018 §8). */
function timeoutMarkLost(sk: TcpSock): void {
  const queue = sk.rtxQueue;
  const head = queue.first();
  const reneg = head !== null && (head.sacked & TCPCB_SACKED_ACKED) !== 0;
  if (reneg) {
    count(sk.net, MIB.TcpExtTCPSACKReneging);
    sk.sackedOut = 0;
    sk.isSackReneg = true;
  } else if (sk.sackOk === 0) sk.sackedOut = 0;
  for (let i = 0; i < queue.length; i++) {
    const seg = queue.at(i);
    if (seg === null) break;
    if (reneg) seg.sacked &= ~TCPCB_SACKED_ACKED;
    else if (seg !== head && rackTimeout(sk, seg, 0) > 0) continue;
    markLost(sk, seg);
  }
  sk.retransmitHint = null;
}

/** The RACK reordering timer ran out (`tcp_rack_reo_timeout`). */
export function rackReoTimeout(sk: TcpSock): void {
  const prior = tcpPacketsInFlight(sk);
  const lost = sk.lost;
  rackDetectLoss(sk);
  if (prior !== tcpPacketsInFlight(sk)) {
    if (sk.caState !== TCP_CA_RECOVERY) {
      enterRecovery(sk, false);
      if (sk.ca.congControl === null) cwndReduction(sk, 1, sk.lost - lost, 0);
    }
    xmitRetransmitQueue(sk);
  }
  if (sk.pending !== ICSK_TIME_RETRANS) tcpRearmRto(sk);
}

/** Finds what is lost now; adds to `st.flag` (`tcp_identify_packet_loss`). */
function identifyPacketLoss(sk: TcpSock, st: AckState): void {
  if (sk.rtxQueue.empty) return;
  if (sk.sackOk === 0) {
    newrenoMarkLost(sk, (st.flag & FLAG_SND_UNA_ADVANCED) !== 0);
    return;
  }
  const prior = sk.retransOut;
  if (rackMarkLost(sk)) st.flag &= ~FLAG_SET_XMIT_TIMER;
  if (prior > sk.retransOut) st.flag |= FLAG_LOST_RETRANS;
}

function tryToOpen(sk: TcpSock, flag: number): void {
  if (!anyRetransDone(sk)) sk.retransStamp = 0;
  if ((flag & FLAG_ECE) !== 0) enterCwr(sk);
  if (sk.caState !== TCP_CA_CWR) tryKeepOpen(sk);
}

/** F-RTO (RFC 5682 §3, the version with SACK); true: nothing more is to be done for this ACK. */
function processFrto(sk: TcpSock, st: AckState, recovered: boolean): boolean {
  // Step 3b: something that was never sent again was delivered, so the timeout was spurious.
  if ((st.flag & FLAG_ORIG_SACK_ACKED) !== 0 && tryUndoLoss(sk, true)) return true;
  if (seqGt(sk.sndNxt, sk.highSeq)) {
    // Step 3a: the loss was real.
    if ((st.flag & FLAG_DATA_SACKED) !== 0 || st.numDupack > 0) sk.frto = false;
  } else if ((st.flag & FLAG_SND_UNA_ADVANCED) !== 0 && !recovered) {
    sk.highSeq = sk.sndNxt;
    // Step 2b: send something new and see.
    if (!sk.writeQueue.empty && seqGt(tcpWndEnd(sk), sk.sndNxt)) {
      st.rexmit = REXMIT_NEW;
      return true;
    }
    sk.frto = false;
  }
  return false;
}

/** State Loss, and its end. */
function processLoss(sk: TcpSock, st: AckState): void {
  const advanced = (st.flag & FLAG_SND_UNA_ADVANCED) !== 0;
  const recovered = seqGe(sk.sndUna, sk.highSeq);
  if ((advanced || sk.fastOpenRsk !== null) && tryUndoLoss(sk, false)) return;
  if (sk.frto && processFrto(sk, st, recovered)) return;
  if (recovered) {
    tryUndoRecovery(sk);
    return;
  }
  if (sk.sackOk === 0) {
    if (seqGt(sk.sndNxt, sk.highSeq) && st.numDupack > 0)
      addRenoSack(sk, st.numDupack, (st.flag & FLAG_ECE) !== 0);
    else if (advanced) sk.sackedOut = 0;
  }
  st.rexmit = REXMIT_LOST;
}

/** RFC 2018 §8: the peer acknowledged less than it had sacked; wait a moment, then time out. */
function checkSackReneging(sk: TcpSock, st: AckState): boolean {
  const both = FLAG_SACK_RENEGING | FLAG_SND_UNA_ADVANCED;
  if ((st.flag & both) !== both) return false;
  resetXmitTimer(sk, ICSK_TIME_RETRANS, Math.max(sk.srttUs >> 4, 10_000));
  st.flag &= ~FLAG_SET_XMIT_TIMER;
  return true;
}

/** Leaves CWR or Recovery when all of it is acknowledged; true: nothing more to do. */
function exitConditions(sk: TcpSock): boolean {
  if (sk.caState === TCP_CA_OPEN) {
    sk.retransStamp = 0;
    return false;
  }
  if (seqLt(sk.sndUna, sk.highSeq)) return false;
  if (sk.caState === TCP_CA_CWR) {
    // CWR must have reached the peer: something above is acknowledged.
    if (sk.sndUna !== sk.highSeq) {
      endCwndReduction(sk);
      setCaState(sk, TCP_CA_OPEN);
    }
  } else if (sk.caState === TCP_CA_RECOVERY) {
    if (sk.sackOk === 0) sk.sackedOut = 0;
    if (tryUndoRecovery(sk)) return true;
    endCwndReduction(sk);
  }
  return false;
}

/** States Open, Disorder and CWR; true: recovery was entered. */
function processOpen(sk: TcpSock, st: AckState, ece: boolean): boolean {
  if (sk.sackOk === 0) {
    if ((st.flag & FLAG_SND_UNA_ADVANCED) !== 0) sk.sackedOut = 0;
    addRenoSack(sk, st.numDupack, ece);
  }
  if (sk.caState <= TCP_CA_DISORDER) tryUndoDsack(sk);
  identifyPacketLoss(sk, st);
  if (sk.lostOut === 0) {
    tryToOpen(sk, st.flag);
    return false;
  }
  if (sk.caState < TCP_CA_CWR && sk.mtupProbeSize !== 0 && sk.sndUna === sk.mtupSeqStart) {
    // What was lost is a probe of the path MTU: no congestion.
    mtupProbeFailed(sk);
    sk.sndCwnd++;
    simpleRetransmit(sk);
    return false;
  }
  enterRecovery(sk, ece);
  return true;
}

/** State Recovery; true: there is something to retransmit. */
function processRecovery(sk: TcpSock, st: AckState, ece: boolean): boolean {
  if ((st.flag & FLAG_SND_UNA_ADVANCED) === 0) {
    if (sk.sackOk === 0) addRenoSack(sk, st.numDupack, ece);
  } else if (tryUndoPartial(sk, st.priorUna)) return false;
  if (tryUndoDsack(sk)) tryToOpen(sk, st.flag);
  identifyPacketLoss(sk, st);
  if (sk.caState === TCP_CA_RECOVERY) return true;
  // Undone; but if loss is evident, a new recovery begins.
  if (sk.lostOut === 0) return false;
  enterRecovery(sk, ece);
  return true;
}

/** An ACK that is more than plain progress (`tcp_fastretrans_alert`). Sets `st.rexmit`. */
export function fastretransAlert(sk: TcpSock, st: AckState): void {
  const ece = (st.flag & FLAG_ECE) !== 0;
  if (sk.packetsOut === 0 && sk.sackedOut > 0) sk.sackedOut = 0;
  // An ECN echo forbids undo.
  if (ece) sk.priorSsthresh = 0;
  if (checkSackReneging(sk, st) || exitConditions(sk)) return;
  if (sk.caState === TCP_CA_RECOVERY) {
    if (processRecovery(sk, st, ece)) st.rexmit = REXMIT_LOST;
    return;
  }
  if (sk.caState === TCP_CA_LOSS) {
    processLoss(sk, st);
    const state: number = sk.caState;
    if (state !== TCP_CA_LOSS) noteRtoEnd(sk);
    identifyPacketLoss(sk, st);
    if (state !== TCP_CA_OPEN && (st.flag & FLAG_LOST_RETRANS) === 0) return;
  }
  if (processOpen(sk, st, ece)) st.rexmit = REXMIT_LOST;
}

/** Statistics of recovery by timeout (`tcp_update_rto_time`). */
function noteRtoEnd(sk: TcpSock): void {
  if (sk.rtoStamp === 0) return;
  sk.totalRtoTimeUs += tcpClockUs(sk.net) - sk.rtoStamp;
  sk.rtoStamp = 0;
}

/** What became of a tail loss probe (RFC 8985 §7.4; `tcp_process_tlp_ack`). */
export function processTlpAck(sk: TcpSock, ack: number, flag: number): void {
  if (seqLt(ack, sk.tlpHighSeq)) return;
  if (!sk.tlpRetrans || (flag & FLAG_DSACK_TLP) !== 0) {
    sk.tlpHighSeq = 0;
  } else if (seqGt(ack, sk.tlpHighSeq)) {
    // The probe repaired a loss that nobody else saw: it counts.
    initCwndReduction(sk);
    setCaState(sk, TCP_CA_CWR);
    endCwndReduction(sk);
    tryKeepOpen(sk);
    count(sk.net, MIB.TcpExtTCPLossProbeRecovery);
  } else if ((flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DATA_SACKED)) === 0) {
    sk.tlpHighSeq = 0;
  }
}
