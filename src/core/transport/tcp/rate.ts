/** Delivery-rate samples (Linux `tcp_rate.c`; draft-cheng-iccrg-delivery-rate-estimation). */
import { seqGt } from '../../util/seq.ts';
import type { AckState } from './ack-state.ts';
import { TCPCB_EVER_RETRANS, TCPCB_SACKED_ACKED, TCPCB_SACKED_RETRANS } from './constants.ts';
import { tcpPacketsInFlight } from './flight.ts';
import { tcpMinRtt } from './rto.ts';
import type { TxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';

/** True if (t1, seq1) was sent after (t2, seq2) (`tcp_skb_sent_after`). */
export function sentAfter(t1: number, t2: number, seq1: number, seq2: number): boolean {
  return t1 > t2 || (t1 === t2 && seqGt(seq1, seq2));
}

/** A segment was delivered: the most recently sent one makes the sample. */
export function rateDelivered(sk: TcpSock, seg: TxSegment, st: AckState): void {
  if (seg.deliveredUs === 0) return;
  if (st.priorDelivered === 0 || sentAfter(seg.sentUs, sk.firstTxUs, seg.endSeq, st.lastEndSeq)) {
    st.priorDelivered = seg.delivered;
    st.priorDeliveredCe = seg.deliveredCe;
    st.priorMstamp = seg.deliveredUs;
    st.isAppLimited = seg.isAppLimited;
    st.isRetrans = (seg.sacked & (TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS)) !== 0;
    st.lastEndSeq = seg.endSeq;
    sk.firstTxUs = seg.sentUs;
    st.sndIntervalUs = seg.sentUs - seg.firstTxUs;
  }
  // Sacked now, acknowledged later: count it once.
  if ((seg.sacked & TCPCB_SACKED_ACKED) !== 0) seg.deliveredUs = 0;
}

/** Finishes the sample of an ACK (`tcp_rate_gen`). */
export function rateGen(sk: TcpSock, st: AckState, delivered: number, wasReneg: boolean): void {
  if (sk.appLimited !== 0 && sk.delivered > sk.appLimited) sk.appLimited = 0;
  if (delivered > 0) sk.deliveredUs = sk.mstamp;
  st.ackedSacked = delivered;
  if (st.priorMstamp === 0 || wasReneg) {
    st.rateDelivered = -1;
    st.rateIntervalUs = -1;
    return;
  }
  st.rateDelivered = sk.delivered - st.priorDelivered;
  st.deliveredCe = sk.deliveredCe - st.priorDeliveredCe;
  st.rcvIntervalUs = sk.mstamp - st.priorMstamp;
  st.rateIntervalUs = Math.max(st.sndIntervalUs, st.rcvIntervalUs);
  if (st.rateIntervalUs < tcpMinRtt(sk)) {
    st.rateIntervalUs = -1;
    return;
  }
  if (
    !st.isAppLimited ||
    st.rateDelivered * sk.rateIntervalUs >= sk.rateDelivered * st.rateIntervalUs
  ) {
    sk.rateDelivered = st.rateDelivered;
    sk.rateIntervalUs = st.rateIntervalUs;
    sk.rateAppLimited = st.isAppLimited;
  }
}

/** The application has nothing to send though it could (`tcp_rate_check_app_limited`). */
export function rateCheckAppLimited(sk: TcpSock): void {
  if (
    ((sk.writeSeq - sk.sndNxt) | 0) < sk.mssCache &&
    tcpPacketsInFlight(sk) < sk.sndCwnd &&
    sk.lostOut <= sk.retransOut
  ) {
    const n = sk.delivered + tcpPacketsInFlight(sk);
    sk.appLimited = n === 0 ? 1 : n;
  }
}
