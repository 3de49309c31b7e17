/**
 * BBR, version 1 (Cardwell et al., "BBR: Congestion-Based Congestion Control", CACM 60(2); Linux
 * `tcp_bbr.c`): a model of the path, bandwidth and round-trip time, sets rate and window. Gains are in
 * units of 1/256, bandwidths in segments per microsecond times 2²⁴, as there.
 */
import type { AckState } from './ack-state.ts';
import { updateAckAggregation, updateBandwidth } from './bbr-bandwidth.ts';
import {
  BBR_HIGH_GAIN,
  BBR_UNIT,
  Bbr,
  bbrBw,
  bdp,
  bwToPacingRate,
  CYCLE_GAIN,
  DRAIN,
  extraAcked,
  inflight,
  ltBwSampling,
  minTsoSegs,
  PROBE_BW,
  PROBE_RTT,
  packetsInNetAtEdt,
  quantizationBudget,
  resetLtBwSampling,
  resetProbeBwMode,
  STARTUP,
  stateOf,
} from './bbr-model.ts';
import { CA_EVENT_TX_START, CONGESTION_DEFAULTS, type CongestionControl } from './congestion.ts';
import {
  TCP_CA_LOSS,
  TCP_CA_OPEN,
  TCP_CA_RECOVERY,
  TCP_INFINITE_SSTHRESH,
  TCP_INIT_CWND,
} from './constants.ts';
import { tcpPacketsInFlight } from './flight.ts';
import { tcpMinRtt } from './rto.ts';
import type { TcpSock } from './sock.ts';

const DRAIN_GAIN: number = Math.floor((BBR_UNIT * 1000) / 2885);
const CWND_GAIN: number = BBR_UNIT * 2;
const CWND_MIN_TARGET = 4;
/** Startup ends when the bandwidth grew by less than a quarter in three round-trips. */
const FULL_BW_THRESH: number = (BBR_UNIT * 5) / 4;
const FULL_BW_CNT = 3;
const MIN_RTT_WIN_US = 10_000_000;
const PROBE_RTT_US = 200_000;
const EXTRA_ACKED_MAX_US = 100_000;
const BW_UNIT: number = 2 ** 24;

/** The first guess: the initial window in one round-trip (`bbr_init_pacing_rate_from_rtt`). */
function initPacingRate(sk: TcpSock, b: Bbr): void {
  let rtt = 1000;
  if (sk.srttUs !== 0) {
    rtt = Math.max(sk.srttUs >> 3, 1);
    b.hasSeenRtt = true;
  }
  const bw = Math.floor((sk.sndCwnd * BW_UNIT) / rtt);
  sk.pacingRate = bwToPacingRate(sk, bw, BBR_HIGH_GAIN);
}

function setPacingRate(sk: TcpSock, b: Bbr, bw: number, gain: number): void {
  const rate = bwToPacingRate(sk, bw, gain);
  if (!b.hasSeenRtt && sk.srttUs !== 0) initPacingRate(sk, b);
  if (b.fullBwReached || rate > sk.pacingRate) sk.pacingRate = rate;
}

/** What to go back to after recovery or PROBE_RTT. */
function saveCwnd(sk: TcpSock, b: Bbr): void {
  if (b.prevCaState < TCP_CA_RECOVERY && b.mode !== PROBE_RTT) b.priorCwnd = sk.sndCwnd;
  else b.priorCwnd = Math.max(b.priorCwnd, sk.sndCwnd);
}

/**
 * On entering recovery: a packet out for each packet delivered, for one round; on leaving: what was
 * before. Negative: `-cwnd` is to be used as it is.
 */
function recoverOrRestore(sk: TcpSock, b: Bbr, rs: AckState, acked: number): number {
  const prev = b.prevCaState;
  const state = sk.caState;
  let cwnd = sk.sndCwnd;
  if (rs.losses > 0) cwnd = Math.max(cwnd - rs.losses, 1);
  if (state === TCP_CA_RECOVERY && prev !== TCP_CA_RECOVERY) {
    b.packetConservation = true;
    b.nextRttDelivered = sk.delivered;
    cwnd = tcpPacketsInFlight(sk) + acked;
  } else if (prev >= TCP_CA_RECOVERY && state < TCP_CA_RECOVERY) {
    cwnd = Math.max(cwnd, b.priorCwnd);
    b.packetConservation = false;
  }
  b.prevCaState = state;
  if (b.packetConservation) return -Math.max(cwnd, tcpPacketsInFlight(sk) + acked);
  return cwnd;
}

/** Room for what ACKs hold back and then acknowledge at once. */
function aggregationCwnd(sk: TcpSock, b: Bbr): number {
  if (!b.fullBwReached) return 0;
  const max = Math.floor((bbrBw(b) * EXTRA_ACKED_MAX_US) / BW_UNIT);
  return Math.min(extraAcked(b), max, sk.sndCwndClamp);
}

function setCwnd(sk: TcpSock, b: Bbr, rs: AckState, bw: number): void {
  const acked = rs.ackedSacked;
  let cwnd = sk.sndCwnd;
  if (acked > 0) {
    cwnd = recoverOrRestore(sk, b, rs, acked);
    if (cwnd < 0) cwnd = -cwnd;
    else {
      const target = quantizationBudget(sk, b, bdp(b, bw, b.cwndGain) + aggregationCwnd(sk, b));
      if (b.fullBwReached) cwnd = Math.min(cwnd + acked, target);
      else if (cwnd < target || sk.delivered < TCP_INIT_CWND) cwnd += acked;
      cwnd = Math.max(cwnd, CWND_MIN_TARGET);
    }
  }
  sk.sndCwnd = Math.min(cwnd, sk.sndCwndClamp);
  if (b.mode === PROBE_RTT) sk.sndCwnd = Math.min(sk.sndCwnd, CWND_MIN_TARGET);
}

/** PROBE_BW goes through eight phases: more, less, and six times as much as was measured. */
function updateCyclePhase(sk: TcpSock, b: Bbr, rs: AckState): void {
  if (b.mode !== PROBE_BW) return;
  const fullLength = sk.deliveredUs - b.cycleMstamp > b.minRttUs;
  let next = fullLength;
  if (b.pacingGain !== BBR_UNIT) {
    const inNet = packetsInNetAtEdt(sk, b, rs.priorInFlight);
    const bw = b.bw.value;
    if (b.pacingGain > BBR_UNIT)
      next = fullLength && (rs.losses > 0 || inNet >= inflight(sk, b, bw, b.pacingGain));
    else next = fullLength || inNet <= inflight(sk, b, bw, BBR_UNIT);
  }
  if (!next) return;
  b.cycleIdx = (b.cycleIdx + 1) & 7;
  b.cycleMstamp = sk.deliveredUs;
}

function checkFullBwReached(b: Bbr, rs: AckState): void {
  if (b.fullBwReached || !b.roundStart || rs.isAppLimited) return;
  const max = b.bw.value;
  if (max >= Math.floor((b.fullBw * FULL_BW_THRESH) / BBR_UNIT)) {
    b.fullBw = max;
    b.fullBwCnt = 0;
    return;
  }
  b.fullBwCnt++;
  b.fullBwReached = b.fullBwCnt >= FULL_BW_CNT;
}

/** The queue that startup made drains before probing begins. */
function checkDrain(sk: TcpSock, b: Bbr): void {
  if (b.mode === STARTUP && b.fullBwReached) {
    b.mode = DRAIN;
    sk.sndSsthresh = inflight(sk, b, b.bw.value, BBR_UNIT);
  }
  if (
    b.mode === DRAIN &&
    packetsInNetAtEdt(sk, b, tcpPacketsInFlight(sk)) <= inflight(sk, b, b.bw.value, BBR_UNIT)
  )
    resetProbeBwMode(sk, b);
}

function checkProbeRttDone(sk: TcpSock, b: Bbr): void {
  if (b.probeRttDoneUs === 0 || sk.mstamp <= b.probeRttDoneUs) return;
  b.minRttStampUs = sk.mstamp;
  sk.sndCwnd = Math.max(sk.sndCwnd, b.priorCwnd);
  if (b.fullBwReached) resetProbeBwMode(sk, b);
  else b.mode = STARTUP;
}

/** The minimum of ten seconds; when it is older, four segments in flight for 200 ms measure it again. */
function updateMinRtt(sk: TcpSock, b: Bbr, rs: AckState): void {
  const expired = sk.mstamp > b.minRttStampUs + MIN_RTT_WIN_US;
  if (rs.rttUs >= 0 && (rs.rttUs < b.minRttUs || (expired && !rs.isAckDelayed))) {
    b.minRttUs = rs.rttUs;
    b.minRttStampUs = sk.mstamp;
  }
  if (expired && !b.idleRestart && b.mode !== PROBE_RTT) {
    b.mode = PROBE_RTT;
    saveCwnd(sk, b);
    b.probeRttDoneUs = 0;
  }
  if (b.mode === PROBE_RTT) probeRtt(sk, b);
  if (rs.rateDelivered > 0) b.idleRestart = false;
}

/** Waits until little is in flight, then 200 ms and a round-trip. */
function probeRtt(sk: TcpSock, b: Bbr): void {
  const inFlight = tcpPacketsInFlight(sk);
  // What is measured now tells nothing of the bandwidth.
  sk.appLimited = Math.max(1, sk.delivered + inFlight);
  if (b.probeRttDoneUs === 0) {
    if (inFlight > CWND_MIN_TARGET) return;
    b.probeRttDoneUs = sk.mstamp + PROBE_RTT_US;
    b.probeRttRoundDone = false;
    b.nextRttDelivered = sk.delivered;
    return;
  }
  if (b.roundStart) b.probeRttRoundDone = true;
  if (b.probeRttRoundDone) checkProbeRttDone(sk, b);
}

function updateGains(b: Bbr): void {
  if (b.mode === STARTUP) {
    b.pacingGain = BBR_HIGH_GAIN;
    b.cwndGain = BBR_HIGH_GAIN;
  } else if (b.mode === DRAIN) {
    b.pacingGain = DRAIN_GAIN;
    b.cwndGain = BBR_HIGH_GAIN;
  } else if (b.mode === PROBE_BW) {
    b.pacingGain = b.ltUseBw ? BBR_UNIT : (CYCLE_GAIN[b.cycleIdx] as number);
    b.cwndGain = CWND_GAIN;
  } else {
    b.pacingGain = BBR_UNIT;
    b.cwndGain = BBR_UNIT;
  }
}

export const bbr: Readonly<CongestionControl> = {
  ...CONGESTION_DEFAULTS,
  name: 'bbr',
  nonRestricted: true,
  init(sk: TcpSock): void {
    const b = new Bbr();
    sk.caPriv = b;
    sk.sndSsthresh = TCP_INFINITE_SSTHRESH;
    b.nextRttDelivered = sk.delivered;
    b.prevCaState = TCP_CA_OPEN;
    b.minRttUs = tcpMinRtt(sk);
    b.minRttStampUs = sk.mstamp;
    initPacingRate(sk, b);
    resetLtBwSampling(sk, b);
    b.ackEpochMstamp = sk.mstamp;
    sk.pacingNeeded = true;
  },
  ssthresh(sk: TcpSock): number {
    saveCwnd(sk, stateOf(sk));
    return sk.sndSsthresh;
  },
  congAvoid(): void {},
  congControl(sk: TcpSock, rs: AckState): void {
    const b = stateOf(sk);
    updateBandwidth(sk, b, rs);
    updateAckAggregation(sk, b, rs);
    updateCyclePhase(sk, b, rs);
    checkFullBwReached(b, rs);
    checkDrain(sk, b);
    updateMinRtt(sk, b, rs);
    updateGains(b);
    const bw = bbrBw(b);
    setPacingRate(sk, b, bw, b.pacingGain);
    setCwnd(sk, b, rs, bw);
  },
  setState(sk: TcpSock, state: number): void {
    if (state !== TCP_CA_LOSS) return;
    const b = stateOf(sk);
    b.prevCaState = TCP_CA_LOSS;
    b.fullBw = 0;
    // A timeout is the end of a round.
    b.roundStart = true;
    ltBwSampling(sk, b, 1, false);
  },
  cwndEvent(sk: TcpSock, event: number): void {
    if (event !== CA_EVENT_TX_START || sk.appLimited === 0) return;
    const b = stateOf(sk);
    b.idleRestart = true;
    b.ackEpochMstamp = sk.mstamp;
    b.ackEpochAcked = 0;
    if (b.mode === PROBE_BW) setPacingRate(sk, b, bbrBw(b), BBR_UNIT);
    else if (b.mode === PROBE_RTT) checkProbeRttDone(sk, b);
  },
  undoCwnd(sk: TcpSock): number {
    const b = stateOf(sk);
    b.fullBw = 0;
    b.fullBwCnt = 0;
    resetLtBwSampling(sk, b);
    return sk.sndCwnd;
  },
  minTsoSegs,
  sndbufExpand: 3,
  getInfo(sk: TcpSock): Uint8Array {
    const b = stateOf(sk);
    const out = new Uint8Array(20);
    const view = new DataView(out.buffer);
    view.setBigUint64(0, BigInt(Math.floor((bbrBw(b) * sk.mssCache * 1_000_000) / BW_UNIT)), true);
    view.setUint32(8, Math.min(b.minRttUs, 0xffffffff), true);
    view.setUint32(12, b.pacingGain, true);
    view.setUint32(16, b.cwndGain, true);
    return out;
  },
};
