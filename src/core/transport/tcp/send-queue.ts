/**
 * The send queue: what the application wrote, cut into segments whose bytes are slices (Linux
 * `tcp_fragment`, `tso_fragment`, `tcp_trim_head`, `tcp_collapse_retrans`, `tcp_adjust_pcount`).
 */
import { MIB } from '../../mib.ts';
import { seqGt, seqLt } from '../../util/seq.ts';
import { TCP_FIN, TCP_PSH, TCP_SYN } from '../../wire/tcp.ts';
import {
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TX_OVERHEAD,
} from './constants.ts';
import { count } from './count.ts';
import { tcpWndEnd } from './flight.ts';
import { sliceInto, TxSegment } from './segment.ts';
import { purgeNotes } from './send-notes.ts';
import type { TcpSock } from './sock.ts';

/** Sets how many segments on the wire `seg` stands for (`tcp_set_skb_tso_segs`); returns that. */
export function setTsoSegs(seg: TxSegment, mss: number): number {
  if (seg.len <= mss) {
    seg.gsoSize = 0;
    seg.pcount = 1;
  } else {
    seg.gsoSize = mss;
    seg.pcount = Math.ceil(seg.len / mss);
  }
  return seg.pcount;
}

/** A segment in flight stands for `decr` fewer on the wire than before (`tcp_adjust_pcount`). */
export function adjustPcount(sk: TcpSock, seg: TxSegment, decr: number): void {
  sk.packetsOut -= decr;
  if ((seg.sacked & TCPCB_SACKED_ACKED) !== 0) sk.sackedOut -= decr;
  if ((seg.sacked & TCPCB_SACKED_RETRANS) !== 0) sk.retransOut -= decr;
  if ((seg.sacked & TCPCB_LOST) !== 0) sk.lostOut -= decr;
  // Reno has no marks: keep its guess within bounds.
  if (sk.sackOk === 0 && decr > 0) sk.sackedOut -= Math.min(sk.sackedOut, decr);
}

/** Charges and frees send-buffer bytes (`sk_wmem_queued_add`). */
export function chargeSend(sk: TcpSock, bytes: number): void {
  sk.wmemQueued += bytes;
}

/** Cuts `seg` behind its first `len` bytes; the rest is returned, linked nowhere. */
function split(seg: TxSegment, len: number): TxSegment {
  const rest = new TxSegment((seg.seq + len) | 0, 0);
  rest.endSeq = seg.endSeq;
  seg.endSeq = rest.seq;
  rest.flags = seg.flags & ~TCP_SYN;
  seg.flags &= ~(TCP_FIN | TCP_PSH);
  rest.eor = seg.eor;
  seg.eor = false;
  const data = seg.data;
  seg.data = [];
  sliceInto(seg.data, data, 0, len);
  sliceInto(rest.data, data, len, seg.len - len);
  rest.len = seg.len - len;
  seg.len = len;
  rest.truesize = TX_OVERHEAD + rest.len;
  seg.truesize -= rest.len;
  return rest;
}

/** A send buffer that is this far over its limit is not cut further (CVE-2019-11478). */
const FRAGMENT_LIMIT = 2 * 65_536;

/** Whether a segment in flight may be cut; the ends of the queue always (`tcp_fragment`). */
export function mayFragment(sk: TcpSock, seg: TxSegment): boolean {
  if (sk.wmemQueued >> 1 <= sk.sndbuf + FRAGMENT_LIMIT) return true;
  if (seg === sk.rtxQueue.first() || seg === sk.rtxQueue.last()) return true;
  count(sk.net, MIB.TcpExtTCPWqueueTooBig);
  return false;
}

/** Cuts a segment that was sent; both halves keep its marks (`tcp_fragment` in the rtx queue). */
export function fragmentSent(sk: TcpSock, seg: TxSegment, len: number, mss: number): TxSegment {
  const index = sk.rtxQueue.indexOf(seg);
  const old = seg.pcount;
  const rest = split(seg, len);
  chargeSend(sk, TX_OVERHEAD);
  rest.sacked = seg.sacked;
  rest.sentUs = seg.sentUs;
  rest.firstTxUs = seg.firstTxUs;
  rest.deliveredUs = seg.deliveredUs;
  rest.delivered = seg.delivered;
  rest.deliveredCe = seg.deliveredCe;
  rest.isAppLimited = seg.isAppLimited;
  setTsoSegs(seg, mss);
  setTsoSegs(rest, mss);
  if (seqLt(rest.seq, sk.sndNxt)) {
    const diff = old - seg.pcount - rest.pcount;
    if (diff !== 0) adjustPcount(sk, seg, diff);
  }
  sk.rtxQueue.insertAt(index + 1, rest);
  if (seg.inTimeList) timeInsertAfter(sk, seg, rest);
  return rest;
}

/** Cuts the first unsent segment (`tso_fragment`). */
export function fragmentUnsent(sk: TcpSock, seg: TxSegment, len: number, mss: number): TxSegment {
  const rest = split(seg, len);
  chargeSend(sk, TX_OVERHEAD);
  setTsoSegs(seg, mss);
  setTsoSegs(rest, mss);
  sk.writeQueue.insertAt(1, rest);
  return rest;
}

/** Removes acknowledged bytes from the front of a segment (`tcp_trim_head`). */
export function trimHead(sk: TcpSock, seg: TxSegment, len: number): void {
  const data = seg.data;
  seg.data = [];
  sliceInto(seg.data, data, len, seg.len - len);
  seg.len -= len;
  seg.seq = (seg.seq + len) | 0;
  const freed = Math.min(len, seg.truesize - TX_OVERHEAD);
  seg.truesize -= freed;
  chargeSend(sk, -freed);
  if (seg.pcount > 1) setTsoSegs(seg, seg.gsoSize);
}

/** Slices that one segment may hold (`MAX_SKB_FRAGS`). */
export const MAX_FRAGS = 17;

/**
 * Moves the first `len` bytes of `next`, which follows `seg` directly, to the end of `seg`; the marks and
 * what `next` stands for stay. False: too many slices (`tcp_skb_shift`).
 */
export function shiftData(seg: TxSegment, next: TxSegment, len: number): boolean {
  // A packet on its way may share the old arrays.
  const data = seg.data.slice();
  sliceInto(data, next.data, 0, len);
  joinSlices(data, seg.data.length);
  if (data.length > MAX_FRAGS) return false;
  seg.data = data;
  const rest: Uint8Array[] = [];
  if (len < next.len) sliceInto(rest, next.data, len, next.len - len);
  next.data = rest;
  seg.len += len;
  next.len -= len;
  seg.truesize += len;
  next.truesize -= len;
  return true;
}

/** Makes one slice of the two at `i` if they lie side by side (`skb_frag_can_coalesce`). */
function joinSlices(data: Uint8Array[], i: number): void {
  if (i < 1 || i >= data.length) return;
  const a = data[i - 1] as Uint8Array;
  const b = data[i] as Uint8Array;
  if (a.buffer !== b.buffer || a.byteOffset + a.length !== b.byteOffset) return;
  data[i - 1] = new Uint8Array(a.buffer, a.byteOffset, a.length + b.length);
  data.splice(i, 1);
}

/** All of `next` went to `seg`: its flags do, too, and it is freed. */
export function absorbRest(sk: TcpSock, seg: TxSegment, next: TxSegment): void {
  seg.endSeq = next.endSeq;
  seg.flags |= next.flags;
  seg.eor = next.eor;
  chargeSend(sk, -next.truesize);
}

/** Fills the first unsent segment up to what may go, from the next (`tcp_grow_skb`). */
export function growUnsent(sk: TcpSock, seg: TxSegment, room: number): void {
  const next = sk.writeQueue.at(1);
  if (next === null || seg.eor) return;
  const len = Math.min(room, next.len);
  if (len <= 0 || !shiftData(seg, next, len)) return;
  seg.endSeq = (seg.endSeq + len) | 0;
  next.seq = (next.seq + len) | 0;
  if (next.len > 0) return;
  absorbRest(sk, seg, next);
  sk.writeQueue.removeAt(1);
}

/** Frees a segment that left the queues (`tcp_wmem_free_skb`). */
export function freeSegment(sk: TcpSock, seg: TxSegment): void {
  timeRemove(sk, seg);
  sk.wmemQueued -= seg.truesize;
}

/** Merges small neighbours of a retransmission while they fit (`tcp_retrans_try_collapse`). */
export function tryCollapse(sk: TcpSock, seg: TxSegment, room: number): void {
  if (sk.net.sysctl.tcpRetransCollapse === 0) return;
  if ((seg.flags & TCP_SYN) !== 0) return;
  let space = room - seg.len;
  const index = sk.rtxQueue.indexOf(seg);
  if (!canCollapse(seg)) return;
  for (;;) {
    const next = sk.rtxQueue.at(index + 1);
    if (next === null || !canCollapse(next) || seg.eor) return;
    space -= next.len;
    if (space < 0 || seqGt(next.endSeq, tcpWndEnd(sk))) return;
    if (!collapse(sk, seg, next, index)) return;
  }
}

/** `tcp_can_collapse` */
function canCollapse(seg: TxSegment): boolean {
  return seg.pcount <= 1 && (seg.sacked & TCPCB_SACKED_ACKED) === 0;
}

/** Joins `next` to `seg`, a FIN as well. False: too many slices. */
function collapse(sk: TcpSock, seg: TxSegment, next: TxSegment, index: number): boolean {
  if (next.len > 0 && !shiftData(seg, next, next.len)) return false;
  if (sk.highestSack === next) sk.highestSack = seg;
  if (sk.retransmitHint === next) sk.retransmitHint = seg;
  adjustPcount(sk, next, next.pcount);
  seg.sacked |= next.sacked & TCPCB_EVER_RETRANS;
  absorbRest(sk, seg, next);
  timeRemove(sk, next);
  sk.rtxQueue.removeAt(index + 1);
  return true;
}

/** Puts `seg` at the end of the list in order of sending. */
export function timeMoveToTail(sk: TcpSock, seg: TxSegment): void {
  if (sk.timeTail === seg) return;
  timeRemove(sk, seg);
  seg.inTimeList = true;
  seg.timePrev = sk.timeTail;
  if (sk.timeTail === null) sk.timeHead = seg;
  else sk.timeTail.timeNext = seg;
  sk.timeTail = seg;
}

function timeInsertAfter(sk: TcpSock, seg: TxSegment, added: TxSegment): void {
  added.inTimeList = true;
  added.timePrev = seg;
  added.timeNext = seg.timeNext;
  if (seg.timeNext === null) sk.timeTail = added;
  else seg.timeNext.timePrev = added;
  seg.timeNext = added;
}

/** Takes `seg` out of the list in order of sending (`list_del` of `tcp_tsorted_anchor`). */
export function timeRemove(sk: TcpSock, seg: TxSegment): void {
  if (!seg.inTimeList) return;
  if (seg.timePrev === null) sk.timeHead = seg.timeNext;
  else seg.timePrev.timeNext = seg.timeNext;
  if (seg.timeNext === null) sk.timeTail = seg.timePrev;
  else seg.timeNext.timePrev = seg.timePrev;
  seg.timePrev = null;
  seg.timeNext = null;
  seg.inTimeList = false;
}

/** Throws everything away (`tcp_write_queue_purge`). */
export function purgeSendQueue(sk: TcpSock): void {
  if (sk.rareMaybe !== null && sk.rareMaybe.sendNotes !== null)
    purgeNotes(sk, sk.rareMaybe.sendNotes);
  sk.writeQueue.clear();
  sk.rtxQueue.clear();
  sk.timeHead = null;
  sk.timeTail = null;
  sk.highestSack = null;
  sk.retransmitHint = null;
  sk.wmemQueued = 0;
  sk.packetsOut = 0;
  sk.lostOut = 0;
  sk.sackedOut = 0;
  sk.retransOut = 0;
  sk.backoff = 0;
}
