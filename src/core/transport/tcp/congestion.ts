/**
 * Congestion control as a plug (Linux `struct tcp_congestion_ops`, `tcp_cong.c`; RFC 5681), and the two
 * steps that all algorithms share.
 */
import type { AckState } from './ack-state.ts';
import { tcpInSlowStart } from './flight.ts';
import type { TcpSock } from './sock.ts';

/** First transmission after everything was acknowledged. */
export const CA_EVENT_TX_START = 0;
export const CA_EVENT_CWND_RESTART = 1;
export const CA_EVENT_COMPLETE_CWR = 2;
export const CA_EVENT_LOSS = 3;
/** A segment arrived that was marked, that was not (to those that need ECN). */
export const CA_EVENT_ECN_NO_CE = 4;
export const CA_EVENT_ECN_IS_CE = 5;

/** Names as in Linux; what an algorithm does not need is null, and costs nothing. */
export interface CongestionControl {
  /** Name in `net.ipv4.tcp_congestion_control` and TCP_CONGESTION. */
  readonly name: string;
  /** Everybody may choose it (`TCP_CONG_NON_RESTRICTED`). */
  readonly nonRestricted: boolean;
  /** ECN is asked for, and every segment is capable of it (`TCP_CONG_NEEDS_ECN`). */
  readonly needsEcn: boolean;
  init(sk: TcpSock): void;
  release(sk: TcpSock): void;
  /** Slow start threshold after a loss, segments. */
  ssthresh(sk: TcpSock): number;
  /** `acked` segments were newly delivered. */
  congAvoid(sk: TcpSock, acked: number): void;
  /** Sets window and rate after each ACK, instead of PRR and `congAvoid`. */
  readonly congControl: ((sk: TcpSock, rs: AckState) => void) | null;
  setState(sk: TcpSock, state: number): void;
  cwndEvent(sk: TcpSock, event: number): void;
  /** Each ACK, with its `FLAG_*`. */
  readonly inAckEvent: ((sk: TcpSock, flag: number) => void) | null;
  /** @param rttUs round-trip time of the newest segment; negative: no sample */
  pktsAcked(sk: TcpSock, acked: number, rttUs: number): void;
  /** The congestion window when a reduction proves to have been wrong. */
  undoCwnd(sk: TcpSock): number;
  /** Smallest burst in segments, instead of net.ipv4.tcp_min_tso_segs. */
  readonly minTsoSegs: ((sk: TcpSock) => number) | null;
  /** The send buffer holds this many windows. */
  readonly sndbufExpand: number;
  /** TCP_CC_INFO: bytes of `union tcp_cc_info`; null: nothing to tell. */
  readonly getInfo: ((sk: TcpSock) => Uint8Array) | null;
}

/** Linux `tcp_reno_undo_cwnd` */
export function renoUndoCwnd(sk: TcpSock): number {
  return Math.max(sk.sndCwnd, sk.priorCwnd);
}

/** What most algorithms do not do. */
export const CONGESTION_DEFAULTS: Omit<CongestionControl, 'name' | 'ssthresh' | 'congAvoid'> = {
  nonRestricted: false,
  needsEcn: false,
  init(): void {},
  release(): void {},
  congControl: null,
  setState(): void {},
  cwndEvent(): void {},
  inAckEvent: null,
  pktsAcked(): void {},
  undoCwnd: renoUndoCwnd,
  minTsoSegs: null,
  sndbufExpand: 2,
  getInfo: null,
};

/** Linux `tcp_slow_start`: returns the ACKs left over when the threshold is reached. */
export function tcpSlowStart(sk: TcpSock, acked: number): number {
  const cwnd = Math.min(sk.sndCwnd + acked, sk.sndSsthresh);
  const left = acked - (cwnd - sk.sndCwnd);
  sk.sndCwnd = Math.min(cwnd, sk.sndCwndClamp);
  return left;
}

/** Linux `tcp_cong_avoid_ai`: one more segment for each `w` that were acknowledged. */
export function tcpCongAvoidAi(sk: TcpSock, w: number, acked: number): void {
  if (sk.sndCwndCnt >= w) {
    sk.sndCwndCnt = 0;
    sk.sndCwnd++;
  }
  sk.sndCwndCnt += acked;
  if (sk.sndCwndCnt >= w) {
    const delta = Math.floor(sk.sndCwndCnt / w);
    sk.sndCwndCnt -= delta * w;
    sk.sndCwnd += delta;
  }
  sk.sndCwnd = Math.min(sk.sndCwnd, sk.sndCwndClamp);
}

/** Linux `tcp_is_cwnd_limited`: growth is for connections that would use it. */
export function tcpIsCwndLimited(sk: TcpSock): boolean {
  if (sk.isCwndLimited) return true;
  // In slow start the window may grow to twice what was in flight.
  return tcpInSlowStart(sk) && sk.sndCwnd < 2 * sk.maxPacketsOut;
}
