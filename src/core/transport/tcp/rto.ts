/** The round-trip time and the timeout from it (RFC 6298 as Linux computes it: `tcp_rtt_estimator`). */
import { seqGt } from '../../util/seq.ts';
import { FLAG_ACK_MAYBE_DELAYED, FLAG_ACKED } from './ack-flags.ts';
import type { AckState } from './ack-state.ts';
import { ticksOf } from './clock.ts';
import type { TcpSock } from './sock.ts';

/** Smallest RTT of late, microseconds; Infinity: none was measured (`tcp_min_rtt`). */
export function tcpMinRtt(sk: TcpSock): number {
  return sk.rttMin.value;
}

/** The route's metric, or the connection's own (`tcp_rto_min`). */
export function tcpRtoMin(sk: TcpSock): number {
  const route = sk.route;
  return route !== null && route.rtoMinUs !== 0 ? route.rtoMinUs : sk.rtoMinUs;
}

/**
 * One measurement. `srttUs` holds 8 × SRTT, `mdevUs` 4 × the mean deviation; `rttvarUs` is the largest
 * deviation of the last round-trip, never below the shortest timeout, and decays once per round-trip.
 */
export function rttEstimator(sk: TcpSock, mrttUs: number): void {
  let m = mrttUs;
  let srtt = sk.srttUs;
  if (srtt === 0) {
    sk.srttUs = Math.max(1, m * 8);
    sk.mdevUs = m * 2;
    sk.rttvarUs = Math.max(sk.mdevUs, tcpRtoMin(sk));
    sk.mdevMaxUs = sk.rttvarUs;
    sk.rttSeq = sk.sndNxt;
    return;
  }
  m -= srtt >> 3;
  srtt += m;
  if (m < 0) {
    m = -m - (sk.mdevUs >> 2);
    // A falling RTT must not raise the deviation as fast as a rising one.
    if (m > 0) m >>= 3;
  } else m -= sk.mdevUs >> 2;
  sk.mdevUs += m;
  if (sk.mdevUs > sk.mdevMaxUs) {
    sk.mdevMaxUs = sk.mdevUs;
    if (sk.mdevMaxUs > sk.rttvarUs) sk.rttvarUs = sk.mdevMaxUs;
  }
  if (seqGt(sk.sndUna, sk.rttSeq)) {
    if (sk.mdevMaxUs < sk.rttvarUs) sk.rttvarUs -= (sk.rttvarUs - sk.mdevMaxUs) >> 2;
    sk.rttSeq = sk.sndNxt;
    sk.mdevMaxUs = tcpRtoMin(sk);
  }
  sk.srttUs = Math.max(1, srtt);
}

/** RFC 6298 §2.3: the timeout as measured, in whole milliseconds (`__tcp_set_rto`; LINUX: in ticks). */
export function computedRto(sk: TcpSock): number {
  return Math.ceil(((sk.srttUs >> 3) + sk.rttvarUs) / 1000) * 1000;
}

/** RFC 6298 §2.3, §2.4, §2.5 (`tcp_set_rto`) */
export function setRto(sk: TcpSock): void {
  sk.rtoUs = Math.min(computedRto(sk), sk.rtoMaxUs);
}

/** Keeps the minimum of the last net.ipv4.tcp_min_rtt_wlen seconds (`tcp_update_rtt_min`). */
function updateRttMin(sk: TcpSock, rttUs: number, flag: number): void {
  if ((flag & FLAG_ACK_MAYBE_DELAYED) !== 0 && rttUs > tcpMinRtt(sk)) return;
  const window = sk.net.sysctl.tcpMinRttWlen * 1_000_000;
  sk.rttMin.update(window, sk.mstamp, rttUs === 0 ? 1000 : rttUs);
}

/** RTT from the echoed timestamp in microseconds, at least `minTicks` ms; -1: senseless. */
export function rttFromTsopt(sk: TcpSock, minTicks: number): number {
  const delta = (ticksOf(sk.mstamp) - sk.rcvTsecr) >>> 0;
  if (delta >= 2_147_483) return -1;
  return Math.max(delta, minTicks) * 1000;
}

/** Takes the RTT samples of an ACK in (`tcp_ack_update_rtt`); true if one was good. */
export function ackUpdateRtt(sk: TcpSock, st: AckState, seqRtt: number, flag: number): boolean {
  let rtt = seqRtt;
  if (rtt < 0) rtt = st.sackRttUs;
  // Karn: after a retransmission only the timestamps tell (RFC 7323 §4.1).
  if (rtt < 0 && sk.sawTstamp && sk.rcvTsecr !== 0 && (flag & FLAG_ACKED) !== 0) {
    rtt = rttFromTsopt(sk, 1);
    st.caRttUs = rtt;
  }
  st.rttUs = st.caRttUs;
  if (rtt < 0) return false;
  updateRttMin(sk, st.caRttUs, flag);
  rttEstimator(sk, rtt);
  setRto(sk);
  sk.backoff = 0;
  return true;
}

/** The handshake's own measurement (`tcp_ack_update_rtt` from `tcp_synack_rtt_meas`). */
export function measureHandshake(sk: TcpSock, sentUs: number): void {
  if (sentUs === 0) return;
  const rtt = Math.max(sk.mstamp - sentUs, 0);
  updateRttMin(sk, rtt, 0);
  rttEstimator(sk, rtt);
  setRto(sk);
  sk.backoff = 0;
}
