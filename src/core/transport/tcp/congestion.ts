/**
 * Congestion control as a plug (Linux `struct tcp_congestion_ops`, `tcp_cong.c`; RFC 5681), and the two
 * steps that all algorithms share.
 */
import { tcpInSlowStart } from './flight.ts';
import type { TcpSock } from './sock.ts';

/** First transmission after everything was acknowledged. */
export const CA_EVENT_TX_START = 0;
export const CA_EVENT_CWND_RESTART = 1;
export const CA_EVENT_COMPLETE_CWR = 2;
export const CA_EVENT_LOSS = 3;

export interface CongestionControl {
  /** Name in `net.ipv4.tcp_congestion_control` and TCP_CONGESTION. */
  readonly name: string;
  init(sk: TcpSock): void;
  /** Slow start threshold after a loss, segments. */
  ssthresh(sk: TcpSock): number;
  /** `acked` segments were newly delivered. */
  congAvoid(sk: TcpSock, acked: number): void;
  setState(sk: TcpSock, state: number): void;
  cwndEvent(sk: TcpSock, event: number): void;
  /** @param rttUs round-trip time of the newest segment; negative: no sample */
  pktsAcked(sk: TcpSock, acked: number, rttUs: number): void;
}

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
