/**
 * The congestion window outside of the algorithms: is it used, does it decay (RFC 2861, RFC 7661;
 * Linux `tcp_cwnd_validate`, `tcp_cwnd_restart`, `tcp_update_pacing_rate`).
 */
import { seqGt } from '../../util/seq.ts';
import { CHRONO_SNDBUF_LIMITED, chronoStart } from './chrono.ts';
import { CA_EVENT_CWND_RESTART } from './congestion.ts';
import { TCP_CA_OPEN, TCP_CLOSE_WAIT, TCP_ESTABLISHED } from './constants.ts';
import { tcpCurrentSsthresh, tcpInitCwnd, tcpPacketsInFlight } from './flight.ts';
import type { TcpSock } from './sock.ts';

/** The window was not filled for an RTO: meet what was used in the middle (`tcp_cwnd_application_limited`). */
function applicationLimited(sk: TcpSock): void {
  if (sk.caState === TCP_CA_OPEN && !sk.orphan && !sk.noSpace) {
    const used = Math.max(sk.sndCwndUsed, tcpInitCwnd(sk));
    if (used < sk.sndCwnd) {
      sk.sndSsthresh = tcpCurrentSsthresh(sk);
      sk.sndCwnd = (sk.sndCwnd + used) >> 1;
    }
    sk.sndCwndUsed = 0;
  }
  sk.sndCwndStamp = sk.mstamp;
}

/** After each transmission: was the window the limit? */
export function tcpCwndValidate(sk: TcpSock, cwndLimited: boolean): void {
  const inFlight = sk.packetsOut;
  // Once per window; or earlier when this is the fuller picture.
  if (
    !seqGt(sk.cwndUsageSeq, sk.sndUna) ||
    cwndLimited ||
    (!sk.isCwndLimited && inFlight > sk.maxPacketsOut)
  ) {
    sk.isCwndLimited = cwndLimited;
    sk.maxPacketsOut = inFlight;
    sk.cwndUsageSeq = sk.sndNxt;
  }
  const limited =
    sk.isCwndLimited || (sk.sndCwnd < sk.sndSsthresh && sk.sndCwnd < 2 * sk.maxPacketsOut);
  if (limited) {
    sk.sndCwndUsed = 0;
    sk.sndCwndStamp = sk.mstamp;
    return;
  }
  if (sk.packetsOut > sk.sndCwndUsed) sk.sndCwndUsed = sk.packetsOut;
  if (
    sk.net.sysctl.tcpSlowStartAfterIdle !== 0 &&
    sk.mstamp - sk.sndCwndStamp >= sk.rtoUs &&
    sk.ca.congControl === null
  )
    applicationLimited(sk);
  // Nothing left to send, and a writer waits: the send buffer is too small.
  const open = sk.state === TCP_ESTABLISHED || sk.state === TCP_CLOSE_WAIT;
  if (sk.writeQueue.empty && sk.noSpace && open) chronoStart(sk, CHRONO_SNDBUF_LIMITED);
}

/** net.ipv4.tcp_slow_start_after_idle (RFC 5681 §4.1): called when a write begins. */
export function slowStartAfterIdleCheck(sk: TcpSock, now: number): void {
  if (sk.net.sysctl.tcpSlowStartAfterIdle === 0 || sk.packetsOut !== 0) return;
  if (sk.ca.congControl !== null) return;
  const idle = now - sk.lsndtime;
  if (idle > sk.rtoUs) cwndRestart(sk, idle, now);
}

/** Halves the window for each RTO that passed idle (`tcp_cwnd_restart`). */
function cwndRestart(sk: TcpSock, idleUs: number, now: number): void {
  sk.ca.cwndEvent(sk, CA_EVENT_CWND_RESTART);
  sk.sndSsthresh = tcpCurrentSsthresh(sk);
  const restart = Math.min(tcpInitCwnd(sk), sk.sndCwnd);
  let left = idleUs - sk.rtoUs;
  let cwnd = sk.sndCwnd;
  while (left > 0 && cwnd > restart) {
    cwnd >>= 1;
    left -= sk.rtoUs;
  }
  sk.sndCwnd = Math.max(cwnd, restart);
  sk.sndCwndStamp = now;
  sk.sndCwndUsed = 0;
}

/**
 * Bytes per second at which packets are spread if the connection is paced; the size of bursts follows
 * it always (Linux `tcp_update_pacing_rate`).
 */
export function updatePacingRate(sk: TcpSock): void {
  const s = sk.net.sysctl;
  const slow = sk.sndCwnd < sk.sndSsthresh >>> 1;
  let rate = sk.mssCache * 80_000 * (slow ? s.tcpPacingSsRatio : s.tcpPacingCaRatio);
  rate *= Math.max(sk.sndCwnd, sk.packetsOut);
  if (sk.srttUs > 0) rate = Math.floor(rate / sk.srttUs);
  sk.pacingRate = Math.min(rate, sk.maxPacingRate);
}

/** Never more than what is in flight and a few (`tcp_moderate_cwnd`-like bound). */
export function inFlightPlus(sk: TcpSock, n: number): number {
  return tcpPacketsInFlight(sk) + n;
}
