/**
 * Joins what was sacked to the sacked segment before it, so that a long scoreboard stays short (Linux
 * `tcp_shift_skb_data`, `tcp_shifted_skb`).
 */
import { MIB } from '../../mib.ts';
import { seqGe, seqGt, seqLe } from '../../util/seq.ts';
import type { AckState } from './ack-state.ts';
import {
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TCPCB_TAGBITS,
} from './constants.ts';
import { count } from './count.ts';
import { rateDelivered } from './rate.ts';
import { tagRange } from './sack-tag.ts';
import type { TxSegment } from './segment.ts';
import { absorbRest, shiftData, timeRemove } from './send-queue.ts';
import type { TcpSock } from './sock.ts';

/** Tag the segment by itself; nothing of it is covered; all or part of it was tagged and joined. */
export const SHIFT_FALLBACK = 0;
export const SHIFT_NOOP = 1;
export const SHIFTED = 2;

/** Bytes per segment on the wire (`tcp_skb_seglen`). */
function segmentLen(seg: TxSegment): number {
  return seg.pcount === 1 ? seg.len : seg.gsoSize;
}

function isPlainSacked(seg: TxSegment): boolean {
  return (seg.sacked & TCPCB_TAGBITS) === TCPCB_SACKED_ACKED;
}

function fallback(sk: TcpSock): number {
  count(sk.net, MIB.TcpExtTCPSackShiftFallback);
  return SHIFT_FALLBACK;
}

/** Segment `seg`, the `i`th, and the block in `st`. */
export function shiftSacked(
  sk: TcpSock,
  i: number,
  seg: TxSegment,
  dup: boolean,
  st: AckState,
): number {
  const rl = seg.sacked & (TCPCB_LOST | TCPCB_SACKED_RETRANS);
  if (!dup && rl === TCPCB_SACKED_RETRANS) return fallback(sk);
  if (seg.len === 0 || !seqGt(seg.endSeq, sk.sndUna)) return fallback(sk);
  const prev = sk.rtxQueue.at(i - 1);
  if (prev === null || !isPlainSacked(prev) || prev.eor) return fallback(sk);
  let len = seg.len;
  let pcount = seg.pcount;
  let mss = segmentLen(seg);
  if (!(seqLe(st.tagStart, seg.seq) && seqGe(st.tagEnd, seg.endSeq))) {
    if (!seqGt(seg.endSeq, st.tagStart) || pcount <= 1) return SHIFT_NOOP;
    if (!seqLe(st.tagStart, seg.seq)) return fallback(sk);
    mss = seg.gsoSize;
    // Only whole segments count.
    pcount = Math.floor(((st.tagEnd - seg.seq) | 0) / mss);
    len = pcount * mss;
  }
  if (mss !== segmentLen(prev)) return fallback(sk);
  if (pcount === 0) return SHIFT_NOOP;
  if (!seqGt((seg.seq + len) | 0, sk.sndUna)) return fallback(sk);
  if (!shiftData(prev, seg, len)) return fallback(sk);
  st.shiftDup = dup;
  st.shiftMss = mss;
  if (shifted(sk, i, seg, pcount, st)) joinNext(sk, i, prev, st);
  return SHIFTED;
}

/** A hole is filled: the sacked segment behind it joins as well. */
function joinNext(sk: TcpSock, i: number, prev: TxSegment, st: AckState): void {
  const next = sk.rtxQueue.at(i);
  if (next === null || next.len === 0 || !isPlainSacked(next)) return;
  if (st.shiftMss !== segmentLen(next) || prev.eor) return;
  if (!shiftData(prev, next, next.len)) return;
  st.shiftDup = false;
  shifted(sk, i, next, next.pcount, st);
}

/** The bytes moved: tags them, and moves the counts. True: all of `seg` was eaten. */
function shifted(sk: TcpSock, i: number, seg: TxSegment, pcount: number, st: AckState): boolean {
  const queue = sk.rtxQueue;
  const prev = queue.at(i - 1) as TxSegment;
  const end = (prev.seq + prev.len) | 0;
  tagRange(sk, seg, end, pcount, st.shiftDup, st);
  rateDelivered(sk, seg, st);
  prev.endSeq = end;
  seg.seq = end;
  prev.pcount += pcount;
  seg.pcount -= pcount;
  if (prev.gsoSize === 0) prev.gsoSize = st.shiftMss;
  if (seg.pcount <= 1) seg.gsoSize = 0;
  prev.sacked |= seg.sacked & TCPCB_EVER_RETRANS;
  if (seg.len > 0) {
    count(sk.net, MIB.TcpExtTCPSackShifted);
    return false;
  }
  if (sk.retransmitHint === seg) sk.retransmitHint = prev;
  if (sk.highestSack === seg) sk.highestSack = queue.at(i + 1);
  absorbRest(sk, prev, seg);
  prev.deliveredUs = 0;
  timeRemove(sk, seg);
  queue.removeAt(i);
  count(sk.net, MIB.TcpExtTCPSackMerged);
  return true;
}
