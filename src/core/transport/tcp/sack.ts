/**
 * The scoreboard: what the peer says it has (RFC 2018 §5, RFC 2883, RFC 6675; Linux
 * `tcp_sacktag_write_queue`).
 */
import { MIB } from '../../mib.ts';
import { seqGe, seqGt, seqLe, seqLt } from '../../util/seq.ts';
import { FLAG_DSACK_TLP, FLAG_DSACKING_ACK } from './ack-flags.ts';
import type { AckState } from './ack-state.ts';
import { TCP_CA_LOSS, TCP_DSACK_SEEN, TCPCB_SACKED_ACKED } from './constants.ts';
import { count, countBy } from './count.ts';
import { tcpHighestSackSeq } from './flight.ts';
import { checkSackReordering } from './loss.ts';
import { rateDelivered } from './rate.ts';
import { SHIFT_NOOP, SHIFTED, shiftSacked } from './sack-shift.ts';
import { tagRange } from './sack-tag.ts';
import type { RxSegment, TxSegment } from './segment.ts';
import { fragmentSent, mayFragment, timeRemove } from './send-queue.ts';
import type { TcpSock } from './sock.ts';

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

/** Edge of `seg` at which [start, end) cuts it, in whole segments from its front; -1: nowhere. */
function cutAt(seg: TxSegment, start: number, end: number, inSack: boolean): number {
  const mss = seg.gsoSize;
  let len = inSack ? (end - seg.seq) | 0 : (start - seg.seq) | 0;
  if (len < mss) {
    if (inSack) return -1;
    len = mss;
  }
  if (len > mss) {
    let whole = Math.floor(len / mss) * mss;
    if (!inSack && whole < len) whole += mss;
    len = whole;
  }
  return len;
}

/**
 * Whether all of `seg` is in [start, end): 1, or 0; it is cut at an edge if part is. -1: that cannot be
 * done (`tcp_match_skb_to_sack`).
 */
function matchSegment(sk: TcpSock, seg: TxSegment, start: number, end: number): number {
  let inSack = seqLe(start, seg.seq) && seqGe(end, seg.endSeq);
  if (seg.pcount > 1 && !inSack && seqGt(seg.endSeq, start)) {
    inSack = seqLe(start, seg.seq);
    const len = cutAt(seg, start, end, inSack);
    if (len < 0) return -1;
    if (len >= seg.len && !inSack) return 0;
    if (len < seg.len) {
      if (!mayFragment(sk, seg)) return -1;
      fragmentSent(sk, seg, len, seg.gsoSize);
    }
  }
  return inSack ? 1 : 0;
}

/** Results of `walkOne`. */
const NEXT = 0;
const AGAIN = 1;
const END = 2;

/** One segment of the walk. */
function walkOne(sk: TcpSock, i: number, seg: TxSegment, st: AckState): number {
  let inSack = 0;
  let dup = st.tagDup;
  if (st.nextDupStart !== st.nextDupEnd && seqLt(seg.seq, st.nextDupEnd)) {
    inSack = matchSegment(sk, seg, st.nextDupStart, st.nextDupEnd);
    if (inSack > 0) dup = true;
  }
  if (inSack <= 0) {
    const shifted = shiftSacked(sk, i, seg, dup, st);
    // Part of it, or all, joined the segment before: what is left, or the next, is at `i`.
    if (shifted === SHIFTED) return AGAIN;
    inSack = shifted === SHIFT_NOOP ? 0 : matchSegment(sk, seg, st.tagStart, st.tagEnd);
  }
  if (inSack < 0) return END;
  if (inSack > 0) {
    tagSegment(sk, seg, dup, st);
    if ((seg.sacked & TCPCB_SACKED_ACKED) !== 0) timeRemove(sk, seg);
    if (seqGe(seg.seq, tcpHighestSackSeq(sk))) sk.highestSack = sk.rtxQueue.at(i + 1);
  }
  return NEXT;
}

/** Tags the block in hand from segment `from` on; returns where it ended (`tcp_sacktag_walk`). */
function walk(sk: TcpSock, from: number, st: AckState): number {
  const queue = sk.rtxQueue;
  let i = from;
  for (let seg = queue.at(i); seg !== null; seg = queue.at(i)) {
    if (!seqLt(seg.seq, st.tagEnd)) break;
    const result = walkOne(sk, i, seg, st);
    if (result === END) break;
    if (result === NEXT) i++;
  }
  return i;
}

function tagSegment(sk: TcpSock, seg: TxSegment, dup: boolean, st: AckState): void {
  seg.sacked = tagRange(sk, seg, seg.endSeq, seg.pcount, dup, st);
  rateDelivered(sk, seg, st);
}

/** The option's blocks that can be and are news, sorted; notes where the first went. */
function readBlocks(
  sk: TcpSock,
  seg: RxSegment,
  wire: readonly number[],
  priorUna: number,
  st: AckState,
): number[] {
  const blocks: number[] = [];
  const dsack = st.tagDup;
  st.firstBlock = 0;
  const n = Math.min(wire.length, 2 * MAX_BLOCKS);
  for (let i = 0; i < n; i += 2) {
    const start = wire[i] as number;
    const end = wire[i + 1] as number;
    const isDup = dsack && i === 0;
    if (isValidBlock(sk, isDup, start, end)) {
      if (seqGt(end, priorUna)) {
        insertSorted(blocks, start, end, st);
        continue;
      }
    } else countInvalid(sk, isDup, seg.ack, end);
    if (i === 0) st.firstBlock = -1;
  }
  return blocks;
}

function insertSorted(blocks: number[], start: number, end: number, st: AckState): void {
  let i = blocks.length;
  while (i > 0 && seqLt(start, blocks[i - 2] as number)) i -= 2;
  if (blocks.length > 0 && i <= st.firstBlock) st.firstBlock += 2;
  blocks.splice(i, 0, start, end);
}

/**
 * Tags one block, except what the previous ACK's blocks covered already (`recv_sack_cache`); `at` is how
 * far the queue was walked, `st.cacheAt` the cached block to begin with.
 */
function tagBlock(sk: TcpSock, at: number, st: AckState): number {
  const cache = sk.sackCache;
  const start = st.tagStart;
  const end = st.tagEnd;
  let i = at;
  for (;;) {
    let c = st.cacheAt;
    while (c < cache.length && !seqLt(start, cache[c + 1] as number)) c += 2;
    st.cacheAt = c;
    if (c >= cache.length || st.tagDup || !seqGt(end, cache[c] as number)) break;
    const from = cache[c] as number;
    const to = cache[c + 1] as number;
    if (seqLt(start, from)) {
      st.tagEnd = from;
      i = walk(sk, skip(sk, i, start), st);
      st.tagEnd = end;
    }
    if (!seqGt(end, to)) return i;
    if (st.nextDupStart !== st.nextDupEnd && seqLt(st.nextDupStart, to)) i = walkDup(sk, i, st);
    // Only what lies behind the cached block is new.
    st.cacheAt = c + 2;
    if (tcpHighestSackSeq(sk) === to)
      return sk.highestSack === null ? i : walk(sk, sk.rtxQueue.indexOf(sk.highestSack), st);
    i = skip(sk, i, to);
  }
  return walk(sk, skip(sk, i, start), st);
}

/** A D-SACK that lies in a part which is skipped (`tcp_maybe_skipping_dsack`). */
function walkDup(sk: TcpSock, at: number, st: AckState): number {
  const { tagStart, tagEnd, nextDupStart, nextDupEnd } = st;
  st.tagStart = nextDupStart;
  st.tagEnd = nextDupEnd;
  st.tagDup = true;
  st.nextDupStart = nextDupEnd;
  const i = walk(sk, skip(sk, at, nextDupStart), st);
  st.tagStart = tagStart;
  st.tagEnd = tagEnd;
  st.tagDup = false;
  st.nextDupStart = nextDupStart;
  return i;
}

/** The segment with `seq`, not before `at` (`tcp_sacktag_skip`). */
function skip(sk: TcpSock, at: number, seq: number): number {
  const here = sk.rtxQueue.at(at);
  if (at > 0 && here !== null && seqGt(here.seq, seq)) return at;
  return sk.rtxQueue.find(seq);
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
  if (sk.sackedOut === 0) {
    sk.highestSack = sk.rtxQueue.first();
    // Whatever was known before is acknowledged.
    sk.sackCache = [];
  }
  const dsack = checkDsack(sk, wire, seg.ack, priorUna, st);
  if (seqLt(seg.ack, (priorUna - sk.maxWindow) | 0) || sk.packetsOut === 0) return;
  st.tagDup = dsack;
  const blocks = readBlocks(sk, seg, wire, priorUna, st);
  const first = dsack ? st.firstBlock : -1;
  st.cacheAt = 0;
  let at = 0;
  for (let i = 0; i < blocks.length; i += 2) {
    st.tagStart = blocks[i] as number;
    st.tagEnd = blocks[i + 1] as number;
    st.tagDup = i === first;
    const dupNext = i + 2 === first;
    st.nextDupStart = dupNext ? (blocks[i + 2] as number) : 0;
    st.nextDupEnd = dupNext ? (blocks[i + 3] as number) : 0;
    at = tagBlock(sk, at, st);
  }
  sk.sackCache = blocks;
  if (sk.caState !== TCP_CA_LOSS || sk.undoMarker !== 0) checkSackReordering(sk, st.reord, false);
}
