/**
 * Reducing the congestion window and taking it back: PRR (RFC 9937), ECN's reduction (RFC 3168 §6.1.2),
 * undo (RFC 3522, RFC 4015; Linux `tcp_init_cwnd_reduction`, `tcp_undo_cwnd_reduction`).
 */
import { MIB } from '../../mib.ts';
import { seqLt } from '../../util/seq.ts';
import { FLAG_SND_UNA_ADVANCED } from './ack-flags.ts';
import { ticksOf } from './clock.ts';
import { CA_EVENT_COMPLETE_CWR } from './congestion.ts';
import {
  TCP_CA_CWR,
  TCP_CA_DISORDER,
  TCP_CA_LOSS,
  TCP_CA_OPEN,
  TCP_ECN_OK,
  TCP_ECN_QUEUE_CWR,
  TCP_INFINITE_SSTHRESH,
  TCP_SYN_SENT,
  TCPCB_LOST,
} from './constants.ts';
import { count } from './count.ts';
import { tcpLeftOut, tcpPacketsInFlight } from './flight.ts';
import { anyRetransDone, checkSackReordering } from './loss.ts';
import { TCP_RACK_RECOVERY_THRESH } from './rack.ts';
import type { TcpSock } from './sock.ts';

/** Linux `tcp_set_ca_state` */
export function setCaState(sk: TcpSock, state: number): void {
  sk.ca.setState(sk, state);
  sk.caState = state;
}

/** The next data segment says CWR (RFC 3168 §6.1.2). */
export function ecnQueueCwr(sk: TcpSock): void {
  if ((sk.ecnFlags & TCP_ECN_OK) !== 0) sk.ecnFlags |= TCP_ECN_QUEUE_CWR;
}

/** Start of a reduction that PRR spreads over one round-trip. */
export function initCwndReduction(sk: TcpSock): void {
  sk.highSeq = sk.sndNxt;
  sk.tlpHighSeq = 0;
  sk.sndCwndCnt = 0;
  sk.priorCwnd = sk.sndCwnd;
  sk.prrDelivered = 0;
  sk.prrOut = 0;
  sk.sndSsthresh = sk.ca.ssthresh(sk);
  ecnQueueCwr(sk);
}

/** RFC 9937 §6: how much may be sent for what this ACK delivered. */
export function cwndReduction(sk: TcpSock, delivered: number, lost: number, flag: number): void {
  if (delivered <= 0 || sk.priorCwnd === 0) return;
  const inFlight = tcpPacketsInFlight(sk);
  const delta = sk.sndSsthresh - inFlight;
  let sndcnt: number;
  sk.prrDelivered += delivered;
  if (delta < 0) {
    const dividend = sk.sndSsthresh * sk.prrDelivered + sk.priorCwnd - 1;
    sndcnt = Math.floor(dividend / sk.priorCwnd) - sk.prrOut;
  } else {
    sndcnt = Math.max(sk.prrDelivered - sk.prrOut, delivered);
    if ((flag & FLAG_SND_UNA_ADVANCED) !== 0 && lost === 0) sndcnt++;
    sndcnt = Math.min(delta, sndcnt);
  }
  // The first retransmission goes out whatever the sums say.
  sndcnt = Math.max(sndcnt, sk.prrOut !== 0 ? 0 : 1);
  sk.sndCwnd = inFlight + sndcnt;
}

export function endCwndReduction(sk: TcpSock): void {
  if (sk.ca.congControl !== null) return;
  if (
    sk.sndSsthresh < TCP_INFINITE_SSTHRESH &&
    (sk.caState === TCP_CA_CWR || sk.undoMarker !== 0)
  ) {
    sk.sndCwnd = sk.sndSsthresh;
    sk.sndCwndStamp = sk.mstamp;
  }
  sk.ca.cwndEvent(sk, CA_EVENT_COMPLETE_CWR);
}

/** A reduction without loss: ECN echo, or a local queue that was full. */
export function enterCwr(sk: TcpSock): void {
  sk.priorSsthresh = 0;
  if (sk.caState < TCP_CA_CWR) {
    sk.undoMarker = 0;
    initCwndReduction(sk);
    setCaState(sk, TCP_CA_CWR);
  }
}

export function tryKeepOpen(sk: TcpSock): void {
  const state = tcpLeftOut(sk) > 0 || anyRetransDone(sk) ? TCP_CA_DISORDER : TCP_CA_OPEN;
  if (sk.caState !== state) {
    setCaState(sk, state);
    sk.highSeq = sk.sndNxt;
  }
}

/** What undo needs to know about retransmissions from here on (`tcp_init_undo`). */
export function initUndo(sk: TcpSock): void {
  sk.undoMarker = sk.sndUna;
  sk.undoRetrans = sk.retransOut;
  if (sk.tlpHighSeq !== 0 && sk.tlpRetrans) sk.undoRetrans++;
  if (sk.undoRetrans === 0) sk.undoRetrans = -1;
}

/** The ACK echoes a timestamp from before the first retransmission (Eifel, RFC 3522 §3.2). */
function packetDelayed(sk: TcpSock): boolean {
  if (
    sk.retransStamp !== 0 &&
    sk.sawTstamp &&
    sk.rcvTsecr !== 0 &&
    ((sk.rcvTsecr - ticksOf(sk.retransStamp)) | 0) < 0
  )
    return true;
  if (sk.retransStamp !== 0) return false;
  // Without SACK the stamp is cleared when all was acknowledged, and with a SYN's ACK.
  if (sk.sackOk === 0 && !seqLt(sk.sndUna, sk.highSeq)) return false;
  return sk.state !== TCP_SYN_SENT;
}

function mayUndo(sk: TcpSock): boolean {
  return sk.undoMarker !== 0 && (sk.undoRetrans === 0 || packetDelayed(sk));
}

/** RFC 4015 §3.3: back to the window before the reduction. */
function undoCwndReduction(sk: TcpSock, unmarkLoss: boolean): void {
  if (unmarkLoss) {
    for (let i = 0; i < sk.rtxQueue.length; i++) {
      const seg = sk.rtxQueue.at(i);
      if (seg !== null) seg.sacked &= ~TCPCB_LOST;
    }
    sk.lostOut = 0;
    sk.retransmitHint = null;
  }
  if (sk.priorSsthresh !== 0) {
    sk.sndCwnd = sk.ca.undoCwnd(sk);
    if (sk.priorSsthresh > sk.sndSsthresh) {
      sk.sndSsthresh = sk.priorSsthresh;
      sk.ecnFlags &= ~TCP_ECN_QUEUE_CWR;
    }
  }
  sk.sndCwndStamp = sk.mstamp;
  sk.undoMarker = 0;
  sk.rackAdvanced = true;
}

/** RFC 6582 §3.2: without SACK recovery lasts until something above `highSeq` is acknowledged. */
function nonSackPreventingReopen(sk: TcpSock): boolean {
  if (sk.sndUna !== sk.highSeq || sk.sackOk !== 0) return false;
  if (!anyRetransDone(sk)) sk.retransStamp = 0;
  return true;
}

/** Recovery is over: was it needed? True: stay in it for now. */
export function tryUndoRecovery(sk: TcpSock): boolean {
  if (mayUndo(sk)) {
    undoCwndReduction(sk, false);
    count(sk.net, sk.caState === TCP_CA_LOSS ? MIB.TcpExtTCPLossUndo : MIB.TcpExtTCPFullUndo);
  } else if (sk.rackReoWndPersist > 0) sk.rackReoWndPersist--;
  if (nonSackPreventingReopen(sk)) return true;
  setCaState(sk, TCP_CA_OPEN);
  sk.isSackReneg = false;
  return false;
}

/** D-SACKs told that every retransmission was a duplicate. */
export function tryUndoDsack(sk: TcpSock): boolean {
  if (sk.undoMarker === 0 || sk.undoRetrans !== 0) return false;
  sk.rackReoWndPersist = Math.min(TCP_RACK_RECOVERY_THRESH, sk.rackReoWndPersist + 1);
  undoCwndReduction(sk, false);
  count(sk.net, MIB.TcpExtTCPDSACKUndo);
  return true;
}

/** Undo of a timeout (F-RTO, Eifel, D-SACK). */
export function tryUndoLoss(sk: TcpSock, frtoUndo: boolean): boolean {
  if (!frtoUndo && !mayUndo(sk)) return false;
  undoCwndReduction(sk, true);
  count(sk.net, MIB.TcpExtTCPLossUndo);
  if (frtoUndo) count(sk.net, MIB.TcpExtTCPSpuriousRTOs);
  sk.retransmits = 0;
  if (nonSackPreventingReopen(sk)) return true;
  if (frtoUndo || sk.sackOk !== 0) {
    setCaState(sk, TCP_CA_OPEN);
    sk.isSackReneg = false;
  }
  return true;
}

/** A partial ACK in recovery that a delayed original explains; true: wait for more. */
export function tryUndoPartial(sk: TcpSock, priorUna: number): boolean {
  if (sk.undoMarker === 0 || !packetDelayed(sk)) return false;
  checkSackReordering(sk, priorUna, true);
  if (sk.retransOut > 0) return true;
  if (!anyRetransDone(sk)) sk.retransStamp = 0;
  undoCwndReduction(sk, true);
  count(sk.net, MIB.TcpExtTCPPartialUndo);
  tryKeepOpen(sk);
  return false;
}
