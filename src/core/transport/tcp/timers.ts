/** What happens when a timer runs out (RFC 6298 §5, RFC 1122 §4.2.3.5; Linux `tcp_timer.c`). */
import { MIB } from '../../mib.ts';
import { mstampRefresh, tcpClockUs, ticksOf } from './clock.ts';
import {
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_NONE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  TCP_CA_DISORDER,
  TCP_CA_LOSS,
  TCP_CA_RECOVERY,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT2,
  TCP_LISTEN,
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_RTO_MIN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIMEOUT_INIT,
  TCP_TIMEWAIT_LEN,
} from './constants.ts';
import { count } from './count.ts';
import { tcpDone, writeError } from './done.ts';
import { detectBlackhole } from './fast-open-blackhole.ts';
import { tcpInInitialSlowstart } from './flight.ts';
import { mtuProbing } from './mtu-probe.ts';
import { outOfResources } from './orphan.ts';
import { sendLossProbe, sendProbe0, writeWakeup } from './probe.ts';
import { enterLoss, rackReoTimeout } from './recovery.ts';
import type { RequestSock } from './request.ts';
import { sendActiveReset } from './reset.ts';
import { tcpRetransmit } from './retransmit.ts';
import { computedRto, tcpRtoMin } from './rto.ts';
import type { TcpSock } from './sock.ts';
import { rtxSynack } from './synack.ts';
import { enterTimeWait } from './time-wait.ts';
import { resetKeepaliveTimer, resetXmitTimer } from './timer-arm.ts';

/** Retransmissions of a thin stream without backoff (`TCP_THIN_LINEAR_RETRIES`). */
const THIN_LINEAR_RETRIES = 6;

/** The timer behind `sk.pending` ran out (`tcp_write_timer_handler`). */
export function writeTimer(sk: TcpSock): void {
  const what = sk.pending;
  if (sk.state === TCP_CLOSE || sk.state === TCP_LISTEN || what === ICSK_TIME_NONE) return;
  mstampRefresh(sk);
  switch (what) {
    case ICSK_TIME_REO_TIMEOUT:
      rackReoTimeout(sk);
      break;
    case ICSK_TIME_LOSS_PROBE:
      sendLossProbe(sk);
      break;
    case ICSK_TIME_RETRANS:
      sk.pending = ICSK_TIME_NONE;
      retransmitTimer(sk);
      break;
    case ICSK_TIME_PROBE0:
      sk.pending = ICSK_TIME_NONE;
      probeTimer(sk);
      break;
  }
}

/** RFC 6298 §5.4 to §5.7 */
function retransmitTimer(sk: TcpSock): void {
  const req = sk.fastOpenRsk;
  if (req !== null) {
    fastOpenSynackTimer(sk, req);
    return;
  }
  if (sk.packetsOut === 0) return;
  const head = sk.rtxQueue.first();
  if (head === null) return;
  const opening = sk.state === TCP_SYN_SENT || sk.state === TCP_SYN_RECV;
  if (sk.sndWnd === 0 && !sk.orphan && !opening) {
    // The peer took its window back: what we send again serves as a probe.
    if (probe0TimedOut(sk)) {
      writeError(sk);
      return;
    }
    enterLoss(sk);
    tcpRetransmit(sk, head, 1);
    sk.route = null;
    backOff(sk);
    return;
  }
  count(sk.net, MIB.TcpExtTCPTimeouts);
  if (writeTimeout(sk)) return;
  if (sk.retransmits === 0) countFailure(sk);
  enterLoss(sk);
  updateRtoStats(sk);
  const first = sk.rtxQueue.first() ?? head;
  if (tcpRetransmit(sk, first, 1) > 0) {
    resetXmitTimer(sk, ICSK_TIME_RETRANS, TCP_RESOURCE_PROBE_INTERVAL);
    return;
  }
  backOff(sk);
}

/** The SYN-ACK of a fast open was not acknowledged; nothing else is sent before (`tcp_fastopen_synack_timer`). */
function fastOpenSynackTimer(sk: TcpSock, req: RequestSock): void {
  count(sk.net, MIB.TcpExtTCPTimeouts);
  const max = sk.synRetries !== 0 ? sk.synRetries : sk.net.sysctl.tcpSynackRetries + 1;
  if (req.numTimeout >= max) {
    writeError(sk);
    return;
  }
  if (sk.retransmits === 1) enterLoss(sk);
  rtxSynack(sk, req);
  req.numTimeout++;
  updateRtoStats(sk);
  if (sk.retransStamp === 0) sk.retransStamp = sk.mstamp;
  resetXmitTimer(sk, ICSK_TIME_RETRANS, req.timeoutUs * 2 ** req.numTimeout);
}

/** Linux `tcp_update_rto_stats` */
function updateRtoStats(sk: TcpSock): void {
  if (sk.retransmits === 0) {
    sk.totalRtoRecoveries++;
    sk.rtoStamp = tcpClockUs(sk.net);
  }
  sk.retransmits++;
  sk.totalRto++;
}

/** Which kind of recovery the timeout interrupted. */
function countFailure(sk: TcpSock): void {
  const sack = sk.sackOk !== 0;
  let counter = 0;
  if (sk.caState === TCP_CA_RECOVERY)
    counter = sack ? MIB.TcpExtTCPSackRecoveryFail : MIB.TcpExtTCPRenoRecoveryFail;
  else if (sk.caState === TCP_CA_LOSS) counter = MIB.TcpExtTCPLossFailures;
  else if (sk.caState === TCP_CA_DISORDER || sk.sackedOut > 0)
    counter = sack ? MIB.TcpExtTCPSackFailures : MIB.TcpExtTCPRenoFailures;
  if (counter !== 0) count(sk.net, counter);
}

/** Doubles the timeout and arms the timer again. */
function backOff(sk: TcpSock): void {
  const s = sk.net.sysctl;
  const thin =
    sk.state === TCP_ESTABLISHED &&
    (sk.thinLto || s.tcpThinLinearTimeouts !== 0) &&
    sk.packetsOut < 4 &&
    !tcpInInitialSlowstart(sk) &&
    sk.retransmits <= THIN_LINEAR_RETRIES;
  if (thin) {
    sk.backoff = 0;
    sk.rtoUs = Math.min(Math.max(computedRto(sk), tcpRtoMin(sk)), sk.rtoMaxUs);
  } else if (sk.state !== TCP_SYN_SENT || sk.totalRto > s.tcpSynLinearTimeouts) {
    sk.backoff++;
    sk.rtoUs = Math.min(sk.rtoUs * 2, sk.rtoMaxUs);
  }
  resetXmitTimer(sk, ICSK_TIME_RETRANS, clampRto(sk));
  if (timedOut(sk, s.tcpRetries1 + 1, 0)) sk.route = null;
}

/** TCP_USER_TIMEOUT bounds the wait (`tcp_clamp_rto_to_user_timeout`; RFC 5482). */
function clampRto(sk: TcpSock): number {
  if (sk.userTimeoutUs === 0) return sk.rtoUs;
  const elapsed = ((ticksOf(sk.mstamp) - ticksOf(sk.retransStamp)) | 0) * 1000;
  const left = sk.userTimeoutUs - elapsed;
  return left <= 0 ? 1000 : Math.min(sk.rtoUs, left);
}

/** How long `boundary` retransmissions take from a first timeout of `baseUs` (`tcp_model_timeout`). */
function modelTimeout(sk: TcpSock, boundary: number, baseUs: number): number {
  const thresh = Math.floor(Math.log2(sk.rtoMaxUs / baseUs));
  if (boundary <= thresh) return (2 ** (boundary + 1) - 1) * baseUs;
  return (2 ** (thresh + 1) - 1) * baseUs + (boundary - thresh) * sk.rtoMaxUs;
}

/** RFC 1122 §4.2.3.5, in time instead of counts (`retransmits_timed_out`). */
function timedOut(sk: TcpSock, boundary: number, timeoutUs: number): boolean {
  if (sk.retransmits === 0) return false;
  let limit = timeoutUs;
  if (limit === 0) {
    const opening = sk.state === TCP_SYN_SENT || sk.state === TCP_SYN_RECV;
    limit = modelTimeout(sk, boundary, opening ? TCP_TIMEOUT_INIT : TCP_RTO_MIN);
  }
  // LINUX compares in timestamp ticks.
  return ((ticksOf(sk.mstamp) - ticksOf(sk.retransStamp) - Math.floor(limit / 1000)) | 0) >= 0;
}

/** The end of patience: true if the connection was given up. */
function writeTimeout(sk: TcpSock): boolean {
  const s = sk.net.sysctl;
  let expired = false;
  let retryUntil: number;
  if (sk.state === TCP_SYN_SENT || sk.state === TCP_SYN_RECV) {
    retryUntil = sk.synRetries !== 0 ? sk.synRetries : s.tcpSynRetries;
    const max = sk.state === TCP_SYN_SENT ? retryUntil + s.tcpSynLinearTimeouts : retryUntil;
    expired = sk.retransmits >= max;
    if (sk.retransmits > 0) sk.route = null;
  } else {
    if (timedOut(sk, s.tcpRetries1, 0)) {
      mtuProbing(sk);
      sk.route = null;
    }
    retryUntil = s.tcpRetries2;
    if (sk.orphan) {
      const alive = sk.rtoUs < sk.rtoMaxUs;
      retryUntil = orphanRetries(sk, alive);
      if (outOfResources(sk, alive || !timedOut(sk, retryUntil, 0))) return true;
    }
  }
  if (!expired) expired = timedOut(sk, retryUntil, sk.userTimeoutUs);
  detectBlackhole(sk, expired);
  if (expired) {
    writeError(sk);
    return true;
  }
  // Another path may do better (SO_TXREHASH; `sk_rethink_txhash`).
  if (sk.rare.txRehash) {
    sk.timeoutRehash++;
    sk.af.rehash(sk);
    count(sk.net, MIB.TcpExtTcpTimeoutRehash);
  }
  return false;
}

/** net.ipv4.tcp_orphan_retries; 0 means 8, or none for a peer that is known to be gone. */
function orphanRetries(sk: TcpSock, alive: boolean): number {
  let retries = sk.net.sysctl.tcpOrphanRetries;
  if (sk.errSoft !== 0 && !alive) retries = 0;
  if (retries === 0 && alive) retries = 8;
  return retries;
}

/** A peer whose window stays closed while it does not acknowledge (`tcp_rtx_probe0_timed_out`). */
function probe0TimedOut(sk: TcpSock): boolean {
  let max = 2 * sk.rtoMaxUs;
  const start = sk.retransStamp !== 0 ? sk.retransStamp : (sk.rtxQueue.first()?.sentUs ?? 0);
  const since = sk.mstamp - start;
  if (sk.userTimeoutUs !== 0) {
    if (since > sk.userTimeoutUs) return true;
    max = Math.min(max, sk.userTimeoutUs);
  }
  return since > max && sk.mstamp - sk.rcvTstamp > max;
}

/** RFC 1122 §4.2.2.17: a peer that answers probes keeps the connection. */
function probeTimer(sk: TcpSock): void {
  if (sk.packetsOut > 0 || sk.writeQueue.empty) {
    sk.probesOut = 0;
    sk.probesTstamp = 0;
    return;
  }
  const now = tcpClockUs(sk.net);
  if (sk.probesTstamp === 0) sk.probesTstamp = now;
  else if (sk.userTimeoutUs !== 0 && now - sk.probesTstamp >= sk.userTimeoutUs) {
    writeError(sk);
    return;
  }
  let max = sk.net.sysctl.tcpRetries2;
  if (sk.orphan) {
    const alive = sk.rtoUs * 2 ** Math.min(sk.backoff, 30) < sk.rtoMaxUs;
    max = orphanRetries(sk, alive);
    if (!alive && sk.backoff >= max) {
      writeError(sk);
      return;
    }
    if (outOfResources(sk, true)) return;
  }
  if (sk.probesOut >= max) writeError(sk);
  else sendProbe0(sk);
}

/** TCP_KEEPIDLE or net.ipv4.tcp_keepalive_time, microseconds. */
export function keepaliveTime(sk: TcpSock): number {
  return sk.keepaliveTimeUs !== 0 ? sk.keepaliveTimeUs : sk.net.sysctl.tcpKeepaliveTime * 1_000_000;
}

export function keepaliveIntvl(sk: TcpSock): number {
  if (sk.keepaliveIntvlUs !== 0) return sk.keepaliveIntvlUs;
  return sk.net.sysctl.tcpKeepaliveIntvl * 1_000_000;
}

export function keepaliveProbes(sk: TcpSock): number {
  return sk.keepaliveProbes !== 0 ? sk.keepaliveProbes : sk.net.sysctl.tcpKeepaliveProbes;
}

/** Time since anything came (`keepalive_time_elapsed`). */
export function keepaliveElapsed(sk: TcpSock): number {
  const now = tcpClockUs(sk.net);
  return Math.min(now - sk.lrcvtime, now - sk.rcvTstamp);
}

/** How long an orphan stays in FIN_WAIT2 (`tcp_fin_time`). */
export function finTime(sk: TcpSock): number {
  const time = sk.linger2Us !== 0 ? sk.linger2Us : sk.net.sysctl.tcpFinTimeout * 1_000_000;
  return Math.max(time, sk.rtoUs * 3.5);
}

/** RFC 1122 §4.2.3.6, and the end of FIN_WAIT2 (`tcp_keepalive_timer`). */
export function keepaliveTimer(sk: TcpSock): void {
  if (sk.state === TCP_LISTEN) return;
  mstampRefresh(sk);
  if (sk.state === TCP_FIN_WAIT2 && sk.orphan) {
    const left = finTime(sk) - TCP_TIMEWAIT_LEN;
    if (sk.linger2Us >= 0 && left > 0) {
      enterTimeWait(sk, TCP_FIN_WAIT2, left);
      return;
    }
    sendActiveReset(sk);
    tcpDone(sk);
    return;
  }
  if (!sk.keepAlive || sk.state === TCP_CLOSE || sk.state === TCP_SYN_SENT) return;
  let next = keepaliveTime(sk);
  if (sk.packetsOut === 0 && sk.writeQueue.empty) {
    const elapsed = keepaliveElapsed(sk);
    if (elapsed >= next) {
      if (keepaliveExpired(sk, elapsed)) {
        sendActiveReset(sk);
        writeError(sk);
        return;
      }
      if (writeWakeup(sk, MIB.TcpExtTCPKeepAlive) <= 0) {
        sk.probesOut++;
        next = keepaliveIntvl(sk);
      } else next = TCP_RESOURCE_PROBE_INTERVAL;
    } else next -= elapsed;
  }
  resetKeepaliveTimer(sk, next);
}

function keepaliveExpired(sk: TcpSock, elapsed: number): boolean {
  if (sk.userTimeoutUs !== 0) return elapsed >= sk.userTimeoutUs && sk.probesOut > 0;
  return sk.probesOut >= keepaliveProbes(sk);
}
