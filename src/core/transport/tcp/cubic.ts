/**
 * CUBIC with HyStart (RFC 9438; Linux `tcp_cubic.c`), in Linux's fixed-point arithmetic: time in units
 * of 1/1024 s, the window in segments.
 */
import { MIB } from '../../mib.ts';
import { seqGt } from '../../util/seq.ts';
import {
  CA_EVENT_TX_START,
  CONGESTION_DEFAULTS,
  type CongestionControl,
  tcpCongAvoidAi,
  tcpIsCwndLimited,
  tcpSlowStart,
} from './congestion.ts';
import { TCP_CA_LOSS } from './constants.ts';
import { count, countBy } from './count.ts';
import { CUBIC_DEFAULTS, HYSTART_ACK_TRAIN, HYSTART_DELAY } from './cubic-parameters.ts';
import { tcpInSlowStart } from './flight.ts';
import type { TcpSock } from './sock.ts';

const BETA_SCALE: number = Math.floor(
  (8 * (1024 + CUBIC_DEFAULTS.beta)) / 3 / (1024 - CUBIC_DEFAULTS.beta),
);
/** C = 0.4: 410 / 1024 (RFC 9438 §5.1) */
const CUBE_RTT_SCALE: number = CUBIC_DEFAULTS.bicScale * 10;
/** 2⁴⁰ / 410: inverse of C in the same units. */
const CUBE_FACTOR: number = Math.floor(2 ** 40 / CUBE_RTT_SCALE);

const HYSTART_MIN_SAMPLES = 8;
const HYSTART_DELAY_MIN = 4000;
const HYSTART_DELAY_MAX = 16_000;

/** `struct bictcp`. Times `…Ms` are milliseconds of the TCP clock, 0: unset. */
class Cubic {
  cnt = 0;
  lastMaxCwnd = 0;
  lastCwnd = 0;
  lastTimeMs = 0;
  originPoint = 0;
  k = 0;
  delayMinUs = 0;
  epochStartMs = 0;
  ackCnt = 0;
  tcpCwnd = 0;
  found = false;
  sampleCnt = 0;
  roundStartUs = 0;
  endSeq = 0;
  lastAckUs = 0;
  currRttUs: number = Number.POSITIVE_INFINITY;
}

/** LINUX: the state is all zero until the connection is made; a lost SYN is a loss, too. */
function stateOf(sk: TcpSock): Cubic {
  sk.caPriv ??= new Cubic();
  return sk.caPriv as Cubic;
}

function nowMs(sk: TcpSock): number {
  return Math.floor(sk.mstamp / 1000);
}

function reset(ca: Cubic): void {
  ca.cnt = 0;
  ca.lastMaxCwnd = 0;
  ca.lastCwnd = 0;
  ca.lastTimeMs = 0;
  ca.originPoint = 0;
  ca.k = 0;
  ca.delayMinUs = 0;
  ca.epochStartMs = 0;
  ca.ackCnt = 0;
  ca.tcpCwnd = 0;
  ca.found = false;
}

function hystartReset(sk: TcpSock, ca: Cubic): void {
  ca.roundStartUs = sk.mstamp;
  ca.lastAckUs = sk.mstamp;
  ca.endSeq = sk.sndNxt;
  ca.currRttUs = Number.POSITIVE_INFINITY;
  ca.sampleCnt = 0;
}

/** RFC 9438 §4.2: the target one round-trip ahead, expressed as ACKs per added segment. */
function update(sk: TcpSock, ca: Cubic, acked: number): void {
  const cwnd = sk.sndCwnd;
  const now = nowMs(sk);
  ca.ackCnt += acked;
  if (ca.lastCwnd === cwnd && now - ca.lastTimeMs <= 31) return;
  if (ca.epochStartMs === 0 || now !== ca.lastTimeMs) {
    ca.lastCwnd = cwnd;
    ca.lastTimeMs = now;
    if (ca.epochStartMs === 0) startEpoch(ca, cwnd, acked, now);
    const t = Math.floor(((now - ca.epochStartMs + Math.ceil(ca.delayMinUs / 1000)) * 1024) / 1000);
    const offs = Math.abs(t - ca.k);
    const delta = Math.floor((CUBE_RTT_SCALE * offs * offs * offs) / 2 ** 40);
    const target = t < ca.k ? ca.originPoint - delta : ca.originPoint + delta;
    ca.cnt = target > cwnd ? Math.floor(cwnd / (target - cwnd)) : 100 * cwnd;
    // The first epoch has no maximum to aim at: do not crawl.
    if (ca.lastMaxCwnd === 0 && ca.cnt > 20) ca.cnt = 20;
  }
  if (sk.net.tcp.cubic.tcpFriendliness !== 0) tcpFriendliness(ca, cwnd);
  ca.cnt = Math.max(ca.cnt, 2);
}

function startEpoch(ca: Cubic, cwnd: number, acked: number, now: number): void {
  ca.epochStartMs = now;
  ca.ackCnt = acked;
  ca.tcpCwnd = cwnd;
  if (ca.lastMaxCwnd <= cwnd) {
    ca.k = 0;
    ca.originPoint = cwnd;
  } else {
    ca.k = Math.floor(Math.cbrt(CUBE_FACTOR * (ca.lastMaxCwnd - cwnd)));
    ca.originPoint = ca.lastMaxCwnd;
  }
}

/** RFC 9438 §4.3 */
function tcpFriendliness(ca: Cubic, cwnd: number): void {
  const delta = (cwnd * BETA_SCALE) >> 3;
  if (ca.ackCnt > delta && delta > 0) {
    const steps = Math.ceil(ca.ackCnt / delta) - 1;
    ca.ackCnt -= steps * delta;
    ca.tcpCwnd += steps;
  }
  if (ca.tcpCwnd > cwnd) {
    const maxCnt = Math.floor(cwnd / (ca.tcpCwnd - cwnd));
    if (ca.cnt > maxCnt) ca.cnt = maxCnt;
  }
}

/** Linux `hystart_ack_delay`: ACKs of a TSO burst may come this late. */
function hystartAckDelay(sk: TcpSock): number {
  if (sk.pacingRate === 0) return 0;
  return Math.min(1000, Math.floor((65536 * 4 * 1_000_000) / sk.pacingRate));
}

/** Leaves slow start when a train of ACKs or rising delay says that the pipe is full. */
function hystartUpdate(sk: TcpSock, ca: Cubic, delayUs: number): void {
  if (seqGt(sk.sndUna, ca.endSeq)) hystartReset(sk, ca);
  const { hystartLowWindow, hystartDetect, hystartAckDeltaUs } = sk.net.tcp.cubic;
  if (sk.sndCwnd < hystartLowWindow) return;
  if ((hystartDetect & HYSTART_ACK_TRAIN) !== 0) hystartAckTrain(sk, ca, hystartAckDeltaUs);
  if ((hystartDetect & HYSTART_DELAY) !== 0) hystartDelay(sk, ca, delayUs);
}

/** ACKs that come close together for half a round-trip. */
function hystartAckTrain(sk: TcpSock, ca: Cubic, ackDeltaUs: number): void {
  const now = sk.mstamp;
  if (now - ca.lastAckUs <= ackDeltaUs) {
    ca.lastAckUs = now;
    let threshold = ca.delayMinUs + hystartAckDelay(sk);
    // Half a round-trip; pacing itself may spread a train over as much.
    if (!sk.pacingNeeded && !sk.pacingFq) threshold >>= 1;
    if (now - ca.roundStartUs > threshold) {
      ca.found = true;
      count(sk.net, MIB.TcpExtTCPHystartTrainDetect);
      countBy(sk.net, MIB.TcpExtTCPHystartTrainCwnd, sk.sndCwnd);
      sk.sndSsthresh = sk.sndCwnd;
    }
  }
}

/** The shortest of a round's round-trip times is longer than the shortest of all. */
function hystartDelay(sk: TcpSock, ca: Cubic, delayUs: number): void {
  if (ca.currRttUs > delayUs) ca.currRttUs = delayUs;
  if (ca.sampleCnt < HYSTART_MIN_SAMPLES) {
    ca.sampleCnt++;
    return;
  }
  const thresh = Math.min(Math.max(ca.delayMinUs >> 3, HYSTART_DELAY_MIN), HYSTART_DELAY_MAX);
  if (ca.currRttUs > ca.delayMinUs + thresh) {
    ca.found = true;
    count(sk.net, MIB.TcpExtTCPHystartDelayDetect);
    countBy(sk.net, MIB.TcpExtTCPHystartDelayCwnd, sk.sndCwnd);
    sk.sndSsthresh = sk.sndCwnd;
  }
}

export const cubic: Readonly<CongestionControl> = {
  ...CONGESTION_DEFAULTS,
  name: 'cubic',
  init(sk: TcpSock): void {
    const ca = new Cubic();
    sk.caPriv = ca;
    const { hystart, initialSsthresh } = sk.net.tcp.cubic;
    if (hystart !== 0) hystartReset(sk, ca);
    else if (initialSsthresh !== 0) sk.sndSsthresh = initialSsthresh;
  },
  /** RFC 9438 §4.6, §4.7 (fast convergence) */
  ssthresh(sk: TcpSock): number {
    const ca = stateOf(sk);
    const cwnd = sk.sndCwnd;
    const { beta, fastConvergence } = sk.net.tcp.cubic;
    ca.epochStartMs = 0;
    const isFast = cwnd < ca.lastMaxCwnd && fastConvergence !== 0;
    ca.lastMaxCwnd = isFast ? Math.floor((cwnd * (1024 + beta)) / 2048) : cwnd;
    return Math.max(Math.floor((cwnd * beta) / 1024), 2);
  },
  congAvoid(sk: TcpSock, newlyAcked: number): void {
    if (!tcpIsCwndLimited(sk)) return;
    const ca = stateOf(sk);
    let acked = newlyAcked;
    if (tcpInSlowStart(sk)) {
      acked = tcpSlowStart(sk, acked);
      if (acked === 0) return;
    }
    update(sk, ca, acked);
    tcpCongAvoidAi(sk, ca.cnt, acked);
  },
  setState(sk: TcpSock, state: number): void {
    if (state !== TCP_CA_LOSS) return;
    const ca = stateOf(sk);
    reset(ca);
    hystartReset(sk, ca);
  },
  cwndEvent(sk: TcpSock, event: number): void {
    if (event !== CA_EVENT_TX_START) return;
    // After a pause the curve goes on where it stopped (RFC 9438 §5.8).
    const ca = stateOf(sk);
    const idleMs = Math.floor((sk.mstamp - sk.lsndtime) / 1000);
    if (ca.epochStartMs !== 0 && idleMs > 0)
      ca.epochStartMs = Math.min(ca.epochStartMs + idleMs, nowMs(sk));
  },
  pktsAcked(sk: TcpSock, _acked: number, rttUs: number): void {
    if (rttUs < 0) return;
    const ca = stateOf(sk);
    // The first second after fast recovery measures the queue that recovery left.
    if (ca.epochStartMs !== 0 && nowMs(sk) - ca.epochStartMs < 1000) return;
    const delay = rttUs === 0 ? 1 : rttUs;
    if (ca.delayMinUs === 0 || ca.delayMinUs > delay) ca.delayMinUs = delay;
    if (!ca.found && tcpInSlowStart(sk) && sk.net.tcp.cubic.hystart !== 0)
      hystartUpdate(sk, ca, delay);
  },
};
