/**
 * The scoreboard: what the peer says it has (RFC 2018 §5, RFC 2883, RFC 6675; Linux
 * `tcp_sacktag_write_queue`).
 */
import { MIB } from '../../mib.ts';
import { seqGe, seqGt, seqLe, seqLt, seqMax } from '../../util/seq.ts';
import {
  FLAG_DATA_SACKED,
  FLAG_DSACK_TLP,
  FLAG_DSACKING_ACK,
  FLAG_ORIG_SACK_ACKED,
} from './ack-flags.ts';
import type { AckState } from './ack-state.ts';
import {
  TCP_CA_LOSS,
  TCP_DSACK_SEEN,
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
} from './constants.ts';
import { count, countBy } from './count.ts';
import { tcpHighestSackSeq } from './flight.ts';
import { checkSackReordering } from './loss.ts';
import { rackAdvance } from './rack.ts';
import { rateDelivered } from './rate.ts';
import type { RxSegment, TxSegment } from './segment.ts';
import { fragmentSent, mayFragment, timeRemove } from './send-queue.ts';
import type { TcpSock } from './sock.ts';

const RETRANS: number = TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS;
/** `TCP_NUM_SACKS` */
const MAX_BLOCKS = 4;

/** Plausibility of a D-SACK; returns the segments it stands for, 0: ignore (`tcp_dsack_seen`). */
function dsackSeen(sk: TcpSock, start: number, end: number, st: AckState): number {
  if (!seqLt(start, end)) return 0;
  const len = (end - start) >>> 0;
  let segs = 1;
  if (len > sk.maxWindow) return 0;
  if (len > sk.mssCache) segs = Math.ceil(len / sk.mssCache);
  else if (sk.tlpHighSeq !== 0 && sk.tlpHighSeq === end) st.flag |= FLAG_DSACK_TLP;
  sk.dsackDups += segs;
  // More duplicates than were ever sent again: the network made them.
  if (sk.dsackDups > sk.totalRetrans) return 0;
  sk.sackOk |= TCP_DSACK_SEEN;
  if (sk.reordSeen > 0 && (st.flag & FLAG_DSACK_TLP) === 0) sk.rackDsackSeen = true;
  st.flag |= FLAG_DSACKING_ACK;
  st.sackDelivered += segs;
  return segs;
}

/** Is the first block a D-SACK (RFC 2883 §4)? `tcp_check_dsack` */
function checkDsack(
  sk: TcpSock,
  blocks: readonly number[],
  ack: number,
  priorUna: number,
  st: AckState,
): boolean {
  const start = blocks[0] as number;
  const end = blocks[1] as number;
  let counter: number = MIB.TcpExtTCPDSACKRecv;
  if (!seqLt(start, ack)) {
    if (blocks.length < 4) return false;
    if (seqGt(end, blocks[3] as number) || seqLt(start, blocks[2] as number)) return false;
    counter = MIB.TcpExtTCPDSACKOfoRecv;
  }
  count(sk.net, counter);
  const segs = dsackSeen(sk, start, end, st);
  if (segs === 0) {
    count(sk.net, MIB.TcpExtTCPDSACKIgnoredDubious);
    return false;
  }
  countBy(sk.net, MIB.TcpExtTCPDSACKRecvSegs, segs);
  if (
    sk.undoMarker !== 0 &&
    sk.undoRetrans > 0 &&
    seqLe(end, priorUna) &&
    seqGt(end, sk.undoMarker)
  )
    sk.undoRetrans = Math.max(0, sk.undoRetrans - segs);
  return true;
}

/** RFC 2018 §5: blocks that cannot be are ignored (`tcp_is_sackblock_valid`). */
function isValidBlock(sk: TcpSock, isDsack: boolean, start: number, end: number): boolean {
  if (seqGt(end, sk.sndNxt) || !seqLt(start, end)) return false;
  if (!seqLt(start, sk.sndNxt)) return false;
  if (seqGt(start, sk.sndUna)) return true;
  if (!isDsack || sk.undoMarker === 0) return false;
  if (seqGt(end, sk.sndUna)) return false;
  if (seqGe(start, sk.undoMarker)) return true;
  if (!seqGt(end, sk.undoMarker)) return false;
  return seqGe(start, (end - sk.maxWindow) | 0);
}

function countInvalid(sk: TcpSock, isDsack: boolean, ack: number, end: number): void {
  let counter: number = MIB.TcpExtTCPSACKDiscard;
  if (isDsack)
    counter = sk.undoMarker === 0 ? MIB.TcpExtTCPDSACKIgnoredNoUndo : MIB.TcpExtTCPDSACKIgnoredOld;
  else if (ack !== sk.sndUna && !seqGt(end, sk.sndUna)) return;
  count(sk.net, counter);
}

/** One segment is covered by a block (`tcp_sacktag_one`). */
function tagOne(sk: TcpSock, seg: TxSegment, dup: boolean, st: AckState): void {
  let marks = seg.sacked;
  const n = seg.pcount;
  if (dup && (marks & RETRANS) !== 0) {
    if (sk.undoMarker !== 0 && sk.undoRetrans > 0 && seqGt(seg.endSeq, sk.undoMarker))
      sk.undoRetrans = Math.max(0, sk.undoRetrans - n);
    if ((marks & TCPCB_SACKED_ACKED) !== 0 && seqLt(seg.seq, st.reord)) st.reord = seg.seq;
  }
  if (!seqGt(seg.endSeq, sk.sndUna)) return;
  if ((marks & TCPCB_SACKED_ACKED) === 0) {
    rackAdvance(sk, marks, seg.endSeq, seg.sentUs);
    if ((marks & TCPCB_SACKED_RETRANS) !== 0) {
      if ((marks & TCPCB_LOST) !== 0) {
        marks &= ~(TCPCB_LOST | TCPCB_SACKED_RETRANS);
        sk.lostOut -= n;
        sk.retransOut -= n;
      }
    } else {
      if ((marks & RETRANS) === 0) noteOriginalSacked(sk, seg, st);
      if ((marks & TCPCB_LOST) !== 0) {
        marks &= ~TCPCB_LOST;
        sk.lostOut -= n;
      }
    }
    marks |= TCPCB_SACKED_ACKED;
    st.flag |= FLAG_DATA_SACKED;
    sk.sackedOut += n;
    st.sackDelivered += n;
  }
  if (dup && (marks & TCPCB_SACKED_RETRANS) !== 0) {
    marks &= ~TCPCB_SACKED_RETRANS;
    sk.retransOut -= n;
  }
  seg.sacked = marks;
}

/** Never sent again, now sacked: its RTT counts, and it may show reordering. */
function noteOriginalSacked(sk: TcpSock, seg: TxSegment, st: AckState): void {
  if (seqLt(seg.seq, tcpHighestSackSeq(sk)) && seqLt(seg.seq, st.reord)) st.reord = seg.seq;
  if (!seqGt(seg.endSeq, sk.highSeq)) st.flag |= FLAG_ORIG_SACK_ACKED;
  if (st.firstSackt === 0) st.firstSackt = seg.sentUs;
  st.lastSackt = seg.sentUs;
}

/** Whether all of `seg` is in [start, end); cuts it at an edge if part is (`tcp_match_skb_to_sack`). */
function matchSegment(sk: TcpSock, seg: TxSegment, start: number, end: number): boolean {
  let inSack = seqLe(start, seg.seq) && seqGe(end, seg.endSeq);
  if (seg.pcount > 1 && !inSack && seqGt(seg.endSeq, start)) {
    const mss = seg.gsoSize;
    inSack = seqLe(start, seg.seq);
    let len = inSack ? (end - seg.seq) | 0 : (start - seg.seq) | 0;
    if (len < mss) {
      if (inSack) return false;
      len = mss;
    }
    if (len > mss) {
      let whole = Math.floor(len / mss) * mss;
      if (!inSack && whole < len) whole += mss;
      len = whole;
    }
    if (len >= seg.len && !inSack) return false;
    if (len < seg.len) {
      if (!mayFragment(sk, seg)) return false;
      fragmentSent(sk, seg, len, mss);
    }
  }
  return inSack;
}

/** Tags all segments in [start, end) (`tcp_sacktag_walk`). */
function walk(sk: TcpSock, start: number, end: number, dup: boolean, st: AckState): void {
  const queue = sk.rtxQueue;
  let i = queue.find(start);
  for (let seg = queue.at(i); seg !== null; seg = queue.at(++i)) {
    if (!seqLt(seg.seq, end)) break;
    if (!matchSegment(sk, seg, start, end)) continue;
    tagOne(sk, seg, dup, st);
    rateDelivered(sk, seg, st);
    if ((seg.sacked & TCPCB_SACKED_ACKED) !== 0) timeRemove(sk, seg);
    if (seqGe(seg.seq, tcpHighestSackSeq(sk))) sk.highestSack = queue.at(i + 1);
  }
}

/** Tags a block, except what the previous ACK's blocks covered already (`recv_sack_cache`). */
function walkNew(
  sk: TcpSock,
  start: number,
  end: number,
  cache: readonly number[],
  st: AckState,
): void {
  let at = start;
  for (let c = 0; c < cache.length && seqLt(at, end); c += 2) {
    const from = cache[c] as number;
    const to = cache[c + 1] as number;
    if (!seqGt(to, at)) continue;
    if (!seqLt(from, end)) break;
    if (seqLt(at, from)) walk(sk, at, from, false, st);
    at = seqMax(at, to);
  }
  if (seqLt(at, end)) walk(sk, at, end, false, st);
}

/** Takes the SACK option of a segment in; adds to `st.flag`. */
export function sacktagWriteQueue(
  sk: TcpSock,
  seg: RxSegment,
  wire: readonly number[],
  priorUna: number,
  st: AckState,
): void {
  st.reord = sk.sndNxt;
  if (sk.sackedOut === 0) sk.highestSack = sk.rtxQueue.first();
  const dsack = checkDsack(sk, wire, seg.ack, priorUna, st);
  if (seqLt(seg.ack, (priorUna - sk.maxWindow) | 0) || sk.packetsOut === 0) return;
  const blocks: number[] = [];
  let dupStart = 0;
  let dupEnd = 0;
  const n = Math.min(wire.length, 2 * MAX_BLOCKS);
  for (let i = 0; i < n; i += 2) {
    const isDup = dsack && i === 0;
    const start = wire[i] as number;
    const end = wire[i + 1] as number;
    if (!isValidBlock(sk, isDup, start, end)) {
      countInvalid(sk, isDup, seg.ack, end);
      continue;
    }
    if (!seqGt(end, priorUna)) continue;
    if (isDup) {
      dupStart = start;
      dupEnd = end;
    } else insertSorted(blocks, start, end);
  }
  if (dupStart !== dupEnd) walk(sk, dupStart, dupEnd, true, st);
  for (let i = 0; i < blocks.length; i += 2)
    walkNew(sk, blocks[i] as number, blocks[i + 1] as number, sk.sackCache, st);
  sk.sackCache = blocks;
  if (sk.caState !== TCP_CA_LOSS || sk.undoMarker !== 0) checkSackReordering(sk, st.reord, false);
}

function insertSorted(blocks: number[], start: number, end: number): void {
  let i = blocks.length;
  while (i > 0 && seqLt(start, blocks[i - 2] as number)) i -= 2;
  blocks.splice(i, 0, start, end);
}
