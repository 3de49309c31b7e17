/**
 * Arming and disarming (Linux `inet_csk_reset_xmit_timer`, `tcp_rearm_rto`,
 * `tcp_schedule_loss_probe`). What the timers do is in `timers.ts`.
 */
import { tcpClockUs } from './clock.ts';
import {
  ICSK_ACK_SCHED,
  ICSK_ACK_TIMER,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_NONE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  TCP_CA_CWR,
  TCP_CA_OPEN,
  TCP_RTO_MIN,
  TCP_TIMEOUT_INIT,
  TCP_TIMEOUT_MIN,
} from './constants.ts';
import { tcpRtoMin } from './rto.ts';
import type { TcpSock } from './sock.ts';

/** Arms the retransmission timer for `what` in `whenUs`, at most the longest RTO. */
export function resetXmitTimer(sk: TcpSock, what: number, whenUs: number): void {
  const when = Math.min(whenUs, sk.rtoMaxUs);
  sk.pending = what;
  sk.retransmitTimer.set(sk.net.kernel.nowUs + when);
}

/** The same, counted from when the next packet may leave (`tcp_reset_xmit_timer` with `pace_delay`). */
export function resetXmitTimerPaced(sk: TcpSock, what: number, whenUs: number): void {
  const delay = sk.pacingNeeded || sk.pacingFq ? sk.wstampUs - sk.mstamp : 0;
  resetXmitTimer(sk, what, delay > 0 ? whenUs + Math.floor(delay) : whenUs);
}

/** Nothing to retransmit or probe. The timer itself is left to run out, which costs less. */
export function clearXmitTimer(sk: TcpSock): void {
  sk.pending = ICSK_TIME_NONE;
}

/** Microseconds until the oldest segment's timeout (`tcp_rto_delta_us`). */
export function rtoDeltaUs(sk: TcpSock): number {
  const head = sk.rtxQueue.first();
  if (head === null) return sk.rtoUs;
  return head.sentUs + sk.rtoUs - sk.mstamp;
}

/** RFC 6298 §5.2, §5.3 */
export function tcpRearmRto(sk: TcpSock): void {
  // The timer is the SYN-ACK's.
  if (sk.fastOpenRsk !== null) return;
  if (sk.packetsOut === 0) {
    clearXmitTimer(sk);
    return;
  }
  let rto = sk.rtoUs;
  if (sk.pending === ICSK_TIME_REO_TIMEOUT || sk.pending === ICSK_TIME_LOSS_PROBE)
    rto = Math.max(rtoDeltaUs(sk), 1);
  resetXmitTimerPaced(sk, ICSK_TIME_RETRANS, rto);
}

/** Arms a tail loss probe if one is allowed (RFC 8985 §7.2); false: not allowed. */
export function tcpScheduleLossProbe(sk: TcpSock, advancingRto: boolean): boolean {
  const early = sk.net.sysctl.tcpEarlyRetrans;
  if (early !== 3 && early !== 4) return false;
  if (sk.packetsOut === 0 || sk.sackOk === 0 || sk.fastOpenRsk !== null) return false;
  if (sk.caState !== TCP_CA_OPEN && sk.caState !== TCP_CA_CWR) return false;
  let timeout = TCP_TIMEOUT_INIT;
  if (sk.srttUs !== 0) {
    timeout = sk.srttUs >> 2;
    // One packet alone may be waiting for a delayed ACK.
    timeout += sk.packetsOut === 1 ? tcpRtoMin(sk) : TCP_TIMEOUT_MIN;
  }
  const rto = advancingRto ? sk.rtoUs : rtoDeltaUs(sk);
  if (rto > 0) timeout = Math.min(timeout, rto);
  resetXmitTimerPaced(sk, ICSK_TIME_LOSS_PROBE, timeout);
  return true;
}

/** First interval of zero-window probes (`tcp_probe0_base`). */
export function probe0Base(sk: TcpSock): number {
  return Math.max(sk.rtoUs, TCP_RTO_MIN);
}

/** Interval of the next probe, limited by `maxUs` (`tcp_probe0_when`). */
export function probe0When(sk: TcpSock, maxUs: number): number {
  const most = 31 - Math.clz32(Math.floor(sk.rtoMaxUs / TCP_RTO_MIN)) + 1;
  const backoff = Math.min(sk.backoff, most);
  return Math.min(probe0Base(sk) * 2 ** backoff, maxUs);
}

/** Unsent data and nothing in flight: something must make the peer speak (`tcp_check_probe_timer`). */
export function checkProbeTimer(sk: TcpSock): void {
  if (sk.packetsOut === 0 && sk.pending === ICSK_TIME_NONE)
    resetXmitTimerPaced(sk, ICSK_TIME_PROBE0, probe0Base(sk));
}

/** Arms the delayed-ACK timer (`inet_csk_reset_xmit_timer` with ICSK_TIME_DACK). */
export function armDelack(sk: TcpSock, inUs: number): void {
  sk.ackPending |= ICSK_ACK_TIMER | ICSK_ACK_SCHED;
  sk.ackTimeoutUs = tcpClockUs(sk.net) + inUs;
  sk.delackTimer.set(sk.net.kernel.nowUs + inUs);
}

/** The ACK went out (`inet_csk_clear_xmit_timer` with ICSK_TIME_DACK). */
export function clearDelack(sk: TcpSock): void {
  sk.ackPending = 0;
  sk.ackRetry = 0;
}

/** Arms the keepalive timer, which also times FIN_WAIT2 (`inet_csk_reset_keepalive_timer`). */
export function resetKeepaliveTimer(sk: TcpSock, inUs: number): void {
  sk.keepaliveTimer.set(sk.net.kernel.nowUs + inUs);
}

export function deleteKeepaliveTimer(sk: TcpSock): void {
  sk.keepaliveTimerMaybe?.clear();
}

/** Ends all timers (`inet_csk_clear_xmit_timers`). */
export function clearAllTimers(sk: TcpSock): void {
  sk.pending = ICSK_TIME_NONE;
  sk.ackPending = 0;
  sk.retransmitTimer.clear();
  sk.delackTimerMaybe?.clear();
  sk.keepaliveTimerMaybe?.clear();
  sk.compressedAckTimerMaybe?.clear();
  sk.pacingTimerMaybe?.clear();
}
