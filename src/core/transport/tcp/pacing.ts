/**
 * Pacing by the connection itself (Linux `tcp_pacing_check`, `tcp_update_skb_after_send`): after each packet the
 * next may leave when the rate allows. BBR needs it, SO_MAX_PACING_RATE asks for it; others send at once.
 */
import type { TcpSock } from './sock.ts';

/** The first packets are not paced: a short answer is not made slower. */
const UNPACED_SEGMENTS = 10;

/** True: it is too early for the next packet; the timer will see to it. */
export function pacingCheck(sk: TcpSock): boolean {
  if (!sk.pacingNeeded || sk.pacingFq || sk.wstampUs <= sk.mstamp) return false;
  if (!sk.pacingTimer.pending)
    sk.pacingTimer.set(sk.net.kernel.nowUs + Math.ceil(sk.wstampUs - sk.mstamp));
  return true;
}

/** A packet of `len` bytes left: when may the next (`tcp_update_skb_after_send`)? */
export function pacingSent(sk: TcpSock, len: number, priorWstampUs: number): void {
  if (!sk.pacingNeeded && !sk.pacingFq) return;
  const rate = sk.pacingRate;
  if (rate === Number.POSITIVE_INFINITY || rate === 0) return;
  if (sk.dataSegsOut < UNPACED_SEGMENTS) return;
  const us = (len * 1_000_000) / rate;
  // A timer that was late is made up for, by half of the distance at most.
  const credit = sk.wstampUs - priorWstampUs;
  sk.wstampUs += us - Math.min(us / 2, credit);
}

/** Microseconds until the next packet may leave (`tcp_pacing_delay`). */
export function pacingDelay(sk: TcpSock): number {
  const delay = sk.wstampUs - sk.mstamp;
  return delay > 0 ? Math.floor(delay) : 0;
}
