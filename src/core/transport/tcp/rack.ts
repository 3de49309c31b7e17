/** RACK: loss by time (RFC 8985 §6; Linux `tcp_recovery.c`). */

import type { AckState } from './ack-state.ts';
import {
  ICSK_TIME_REO_TIMEOUT,
  TCP_CA_RECOVERY,
  TCP_TIMEOUT_MIN,
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_SACKED_RETRANS,
} from './constants.ts';
import { markLost } from './loss.ts';
import { sentAfter } from './rate.ts';
import { tcpMinRtt } from './rto.ts';
import type { TxSegment } from './segment.ts';
import { timeRemove } from './send-queue.ts';
import type { TcpSock } from './sock.ts';
import { resetXmitTimer } from './timer-arm.ts';

/** Bits of net.ipv4.tcp_recovery. LINUX: bit 0 turned RACK on once; now it always is. */
const TCP_RACK_STATIC_REO_WND = 2;
const TCP_RACK_NO_DUPTHRESH = 4;
/** Round-trips that a widened window lasts (RFC 8985 §6.2 step 4). */
export const TCP_RACK_RECOVERY_THRESH = 16;

/** Time that a segment is given to arrive out of order, microseconds (RFC 8985 §6.2 step 4). */
function reoWnd(sk: TcpSock): number {
  if (sk.reordSeen === 0) {
    if (sk.caState >= TCP_CA_RECOVERY) return 0;
    if (sk.sackedOut >= sk.reordering && (sk.net.sysctl.tcpRecovery & TCP_RACK_NO_DUPTHRESH) === 0)
      return 0;
  }
  const quarter = Math.floor(tcpMinRtt(sk) / 4);
  return Math.min(quarter * sk.rackReoWndSteps, sk.srttUs >> 3);
}

/** Microseconds until `seg` counts as lost (`tcp_rack_skb_timeout`). */
export function rackTimeout(sk: TcpSock, seg: TxSegment, wnd: number): number {
  return sk.rackRttUs + wnd - (sk.mstamp - seg.sentUs);
}

/** Marks what should have arrived; returns µs until the next might, 0: none (`tcp_rack_detect_loss`). */
export function rackDetectLoss(sk: TcpSock): number {
  const wnd = reoWnd(sk);
  let timeout = 0;
  let next: TxSegment | null;
  for (let seg = sk.timeHead; seg !== null; seg = next) {
    next = seg.timeNext;
    if ((seg.sacked & (TCPCB_LOST | TCPCB_SACKED_RETRANS)) === TCPCB_LOST) continue;
    if (!sentAfter(sk.rackMstamp, seg.sentUs, sk.rackEndSeq, seg.endSeq)) break;
    const left = rackTimeout(sk, seg, wnd);
    if (left <= 0) {
      markLost(sk, seg);
      timeRemove(sk, seg);
    } else timeout = Math.max(timeout, left);
  }
  return timeout;
}

/** After an ACK; true: a timer waits for segments that may still come. */
export function rackMarkLost(sk: TcpSock): boolean {
  if (!sk.rackAdvanced) return false;
  sk.rackAdvanced = false;
  const timeout = rackDetectLoss(sk);
  if (timeout === 0) return false;
  resetXmitTimer(sk, ICSK_TIME_REO_TIMEOUT, Math.min(timeout + TCP_TIMEOUT_MIN, sk.rtoUs));
  return true;
}

/** A segment was delivered: RACK.xmit_ts and RACK.rtt (RFC 8985 §6.2 steps 1 and 2). */
export function rackAdvance(sk: TcpSock, sacked: number, endSeq: number, sentUs: number): void {
  const rtt = sk.mstamp - sentUs;
  // Faster than possible: the ACK is for an earlier transmission of it.
  if (rtt < tcpMinRtt(sk) && (sacked & (TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS)) !== 0) return;
  sk.rackAdvanced = true;
  sk.rackRttUs = rtt;
  if (sentAfter(sentUs, sk.rackMstamp, endSeq, sk.rackEndSeq)) {
    sk.rackMstamp = sentUs;
    sk.rackEndSeq = endSeq;
  }
}

/** D-SACKs widen the window (RFC 8985 §6.2 step 4; `tcp_rack_update_reo_wnd`). */
export function rackUpdateReoWnd(sk: TcpSock, st: AckState): void {
  if ((sk.net.sysctl.tcpRecovery & TCP_RACK_STATIC_REO_WND) !== 0 || st.priorDelivered === 0)
    return;
  if (st.priorDelivered < sk.rackLastDelivered) sk.rackDsackSeen = false;
  if (sk.rackDsackSeen) {
    sk.rackReoWndSteps = Math.min(255, sk.rackReoWndSteps + 1);
    sk.rackDsackSeen = false;
    sk.rackLastDelivered = sk.delivered;
    sk.rackReoWndPersist = TCP_RACK_RECOVERY_THRESH;
  } else if (sk.rackReoWndPersist === 0) sk.rackReoWndSteps = 1;
}
