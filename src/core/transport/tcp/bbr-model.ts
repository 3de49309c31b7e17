/** BBR's model of the path and what follows from it (Linux `tcp_bbr.c`): see `bbr.ts`. */
import { TCP_CA_OPEN, TCP_INIT_CWND } from './constants.ts';
import { MaxFilter } from './min-filter.ts';
import type { TcpSock } from './sock.ts';

export const BBR_UNIT = 256;
const BW_UNIT: number = 2 ** 24;
/** 2 / ln 2: the least gain that doubles the rate each round-trip. */
export const BBR_HIGH_GAIN: number = Math.floor((BBR_UNIT * 2885) / 1000) + 1;
export const CYCLE_GAIN: readonly number[] = [320, 192, 256, 256, 256, 256, 256, 256];
/** Of the eight phases, those in which PROBE_BW may begin: not the second. */
const CYCLE_RAND = 7;
/** Pace a little below the estimate, so that no queue grows. */
const PACING_MARGIN_PERCENT = 1;
/** Below this rate, bits per second, bursts are single segments. */
const MIN_TSO_RATE = 1_200_000;
/** `GSO_LEGACY_MAX_SIZE - 1 - MAX_TCP_HEADER` */
const BURST_MAX: number = 65536 - 1 - 256;

// A policer at work: estimates over several round-trips that agree, with much loss.
const LT_INTVL_MIN_RTTS = 4;
const LT_LOSS_THRESH = 50;
const LT_BW_RATIO: number = BBR_UNIT / 8;
const LT_BW_DIFF: number = 4000 / 8;
const LT_BW_MAX_RTTS = 48;

/** Modes */
export const STARTUP = 0;
export const DRAIN = 1;
export const PROBE_BW = 2;
export const PROBE_RTT = 3;

/** `struct bbr` */
export class Bbr {
  mode: number = STARTUP;
  minRttUs: number = Number.POSITIVE_INFINITY;
  minRttStampUs = 0;
  /** End of PROBE_RTT; 0: not in it yet. */
  probeRttDoneUs = 0;
  probeRttRoundDone = false;
  /** Highest bandwidth of ten rounds. */
  readonly bw: MaxFilter = new MaxFilter();
  rttCnt = 0;
  nextRttDelivered = 0;
  roundStart = false;
  cycleMstamp = 0;
  cycleIdx = 0;
  prevCaState: number = TCP_CA_OPEN;
  packetConservation = false;
  idleRestart = false;
  pacingGain: number = BBR_HIGH_GAIN;
  cwndGain: number = BBR_HIGH_GAIN;
  fullBwReached = false;
  fullBw = 0;
  fullBwCnt = 0;
  priorCwnd = 0;
  hasSeenRtt = false;
  ltIsSampling = false;
  ltRttCnt = 0;
  ltUseBw = false;
  ltBw = 0;
  ltLastDelivered = 0;
  ltLastStampMs = 0;
  ltLastLost = 0;
  ackEpochMstamp = 0;
  ackEpochAcked = 0;
  readonly extraAcked: [number, number] = [0, 0];
  extraAckedWinRtts = 0;
  extraAckedWinIdx: 0 | 1 = 0;
}

/** LINUX: the state is all zero until the connection is made; a lost SYN is a loss, too. */
export function stateOf(sk: TcpSock): Bbr {
  sk.caPriv ??= new Bbr();
  return sk.caPriv as Bbr;
}

export function bbrBw(b: Bbr): number {
  return b.ltUseBw ? b.ltBw : b.bw.value;
}

export function extraAcked(b: Bbr): number {
  return Math.max(b.extraAcked[0], b.extraAcked[1]);
}

/** Linux `bbr_rate_bytes_per_sec` */
function rateBytesPerSec(sk: TcpSock, bw: number, gain: number): number {
  const rate = Math.floor((bw * sk.mssCache * gain) / BBR_UNIT);
  return Math.floor((rate * 10_000 * (100 - PACING_MARGIN_PERCENT)) / BW_UNIT);
}

export function bwToPacingRate(sk: TcpSock, bw: number, gain: number): number {
  return Math.min(rateBytesPerSec(sk, bw, gain), sk.maxPacingRate);
}

/** Linux `bbr_min_tso_segs` */
export function minTsoSegs(sk: TcpSock): number {
  return sk.pacingRate < MIN_TSO_RATE >> 3 ? 1 : 2;
}

function tsoSegsGoal(sk: TcpSock): number {
  const bytes = Math.min(Math.floor(sk.pacingRate / 2 ** sk.pacingShift), BURST_MAX);
  return Math.min(Math.max(Math.floor(bytes / sk.mssCache), minTsoSegs(sk)), 0x7f);
}

/** Bandwidth-delay product times `gain`, segments (`bbr_bdp`). */
export function bdp(b: Bbr, bw: number, gain: number): number {
  if (b.minRttUs === Number.POSITIVE_INFINITY) return TCP_INIT_CWND;
  const w = Math.floor((bw * b.minRttUs * gain) / BBR_UNIT);
  return Math.floor((w + BW_UNIT - 1) / BW_UNIT);
}

/** Room for bursts and delayed ACKs (`bbr_quantization_budget`). */
export function quantizationBudget(sk: TcpSock, b: Bbr, segs: number): number {
  let cwnd = segs + 3 * tsoSegsGoal(sk);
  cwnd += cwnd & 1;
  if (b.mode === PROBE_BW && b.cycleIdx === 0) cwnd += 2;
  return cwnd;
}

export function inflight(sk: TcpSock, b: Bbr, bw: number, gain: number): number {
  return quantizationBudget(sk, b, bdp(b, bw, gain));
}

/** What will be in the network when the next packet may leave (`bbr_packets_in_net_at_edt`). */
export function packetsInNetAtEdt(sk: TcpSock, b: Bbr, now: number): number {
  const waitUs = Math.max(0, sk.wstampUs - sk.mstamp);
  const delivered = Math.floor((bbrBw(b) * waitUs) / BW_UNIT);
  const then = b.pacingGain > BBR_UNIT ? now + tsoSegsGoal(sk) : now;
  return Math.max(0, then - delivered);
}

/** Begins PROBE_BW in a random phase, so that connections do not probe at the same time. */
export function resetProbeBwMode(sk: TcpSock, b: Bbr): void {
  b.mode = PROBE_BW;
  b.cycleIdx = (8 - sk.net.tcp.secrets.random.below(CYCLE_RAND)) & 7;
  b.cycleMstamp = sk.deliveredUs;
}

function resetLtInterval(sk: TcpSock, b: Bbr): void {
  b.ltLastStampMs = Math.floor(sk.deliveredUs / 1000);
  b.ltLastDelivered = sk.delivered;
  b.ltLastLost = sk.lost;
  b.ltRttCnt = 0;
}

export function resetLtBwSampling(sk: TcpSock, b: Bbr): void {
  b.ltBw = 0;
  b.ltUseBw = false;
  b.ltIsSampling = false;
  resetLtInterval(sk, b);
}

/** Two intervals in a row with the same rate: a policer's. */
function ltIntervalDone(sk: TcpSock, b: Bbr, bw: number): void {
  if (b.ltBw !== 0) {
    const diff = Math.abs(bw - b.ltBw);
    if (
      diff * BBR_UNIT <= LT_BW_RATIO * b.ltBw ||
      rateBytesPerSec(sk, diff, BBR_UNIT) <= LT_BW_DIFF
    ) {
      b.ltBw = Math.floor((bw + b.ltBw) / 2);
      b.ltUseBw = true;
      b.pacingGain = BBR_UNIT;
      b.ltRttCnt = 0;
      return;
    }
  }
  b.ltBw = bw;
  resetLtInterval(sk, b);
}

/** Looks for token-bucket policers (`bbr_lt_bw_sampling`). */
export function ltBwSampling(sk: TcpSock, b: Bbr, losses: number, appLimited: boolean): void {
  if (b.ltUseBw) {
    if (b.mode === PROBE_BW && b.roundStart && ++b.ltRttCnt >= LT_BW_MAX_RTTS) {
      resetLtBwSampling(sk, b);
      resetProbeBwMode(sk, b);
    }
    return;
  }
  if (!b.ltIsSampling) {
    if (losses <= 0) return;
    resetLtInterval(sk, b);
    b.ltIsSampling = true;
  }
  if (appLimited) {
    resetLtBwSampling(sk, b);
    return;
  }
  if (b.roundStart) b.ltRttCnt++;
  if (b.ltRttCnt < LT_INTVL_MIN_RTTS) return;
  if (b.ltRttCnt > 4 * LT_INTVL_MIN_RTTS) {
    resetLtBwSampling(sk, b);
    return;
  }
  // An interval ends with a loss, when tokens ran out.
  if (losses <= 0) return;
  const lost = sk.lost - b.ltLastLost;
  const delivered = sk.delivered - b.ltLastDelivered;
  if (delivered === 0 || lost * BBR_UNIT < LT_LOSS_THRESH * delivered) return;
  const ms = Math.floor(sk.deliveredUs / 1000) - b.ltLastStampMs;
  if (ms < 1) return;
  ltIntervalDone(sk, b, Math.floor((delivered * BW_UNIT) / (ms * 1000)));
}
