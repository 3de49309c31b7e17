/**
 * The receive buffer is full: segments with more overhead than payload are copied together, then what is
 * out of order is thrown away from its far end (Linux `tcp_try_rmem_schedule`, `tcp_prune_queue`,
 * `tcp_collapse`, `tcp_collapse_ofo_queue`, `tcp_prune_ofo_queue`).
 */
import { drop } from '../../drop.ts';
import { MIB } from '../../mib.ts';
import { headSize, SHARED_INFO, SKB_SIZE } from '../../truesize.ts';
import { seqGt, seqLt } from '../../util/seq.ts';
import { TCP_FIN, TCP_SYN } from '../../wire/tcp.ts';
import { count } from './count.ts';
import { sackReset } from './sack-out.ts';
import { RxSegment, sliceInto } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { tcpWinFromSpace } from './window.ts';

/** Payload of a collapsed segment: a page without `struct skb_shared_info` (`SKB_MAX_ORDER(0, 0)`). */
const COLLAPSED_MAX = 3776;

/** One segment may go beyond the limit (`tcp_can_ingest`). */
function canIngest(sk: TcpSock): boolean {
  return sk.rmemAlloc <= sk.rcvbuf;
}

/** Makes room for `seg`; false: there is none, even after pruning. */
export function rmemSchedule(sk: TcpSock, seg: RxSegment): boolean {
  return canIngest(sk) || pruneQueue(sk, seg);
}

function pruneQueue(sk: TcpSock, seg: RxSegment): boolean {
  if (sk.rmemAlloc === 0) return false;
  const { net } = sk;
  count(net, MIB.TcpExtPruneCalled);
  clampWindow(sk);
  if (canIngest(sk)) return true;
  collapseOfoQueue(sk);
  if (sk.receiveQueue.length > 0) {
    const out: RxSegment[] = [];
    const list = sk.receiveQueue.toArray();
    collapse(sk, { list, from: 0, to: list.length, start: sk.copiedSeq, end: sk.rcvNxt }, out);
    sk.receiveQueue.replace(out);
  }
  if (canIngest(sk)) return true;
  pruneOfoQueue(sk, seg);
  if (canIngest(sk)) return true;
  count(net, MIB.TcpExtRcvPruned);
  sk.fastPath = false;
  return false;
}

/** The reader is slow: let the buffer follow what is in it, and offer little (`tcp_clamp_window`). */
function clampWindow(sk: TcpSock): void {
  const max = sk.net.sysctl.tcpRmem[2];
  sk.ackQuick = 0;
  if (sk.rcvbuf < max && !sk.rcvbufLocked) sk.rcvbuf = Math.min(sk.rmemAlloc, max);
  if (sk.rmemAlloc > sk.rcvbuf) sk.rcvSsthresh = Math.min(sk.windowClamp, 2 * sk.advmss);
}

/** Segments [from, to) of a list, of whose bytes only [start, end) count. */
interface Range {
  readonly list: readonly RxSegment[];
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly end: number;
}

const NO_COLLAPSE: number = TCP_SYN | TCP_FIN;

/** Appends the segments of a range to `out`, copied together from the first on that is worth it. */
function collapse(sk: TcpSock, r: Range, out: RxSegment[]): void {
  const { list, to, end } = r;
  let { start } = r;
  let i = r.from;
  let found = false;
  for (; i < to; i++) {
    const seg = list[i] as RxSegment;
    if (!seqLt(start, seg.endSeq)) {
      discard(sk, seg);
      continue;
    }
    if ((seg.flags & NO_COLLAPSE) === 0 && isBloated(sk, seg, start)) {
      found = true;
      break;
    }
    const next = i + 1 < to ? (list[i + 1] as RxSegment) : null;
    if (next !== null && seg.endSeq !== next.seq) {
      found = true;
      break;
    }
    out.push(seg);
    start = seg.endSeq;
  }
  if (found && ((list[i] as RxSegment).flags & NO_COLLAPSE) === 0)
    i = copyTogether(sk, { list, from: i, to, start, end }, out);
  for (; i < to; i++) out.push(list[i] as RxSegment);
}

function isBloated(sk: TcpSock, seg: RxSegment, start: number): boolean {
  return tcpWinFromSpace(sk, seg.truesize) > seg.len || seqLt(seg.seq, start);
}

/** Returns the index of the first segment that was not copied. */
function copyTogether(sk: TcpSock, r: Range, out: RxSegment[]): number {
  const { list, to, end } = r;
  let { start } = r;
  let i = r.from;
  while (seqLt(start, end)) {
    let room = Math.min(COLLAPSED_MAX, (end - start) | 0);
    const bytes = new Uint8Array(room);
    const made = madeFrom(sk, list[i] as RxSegment, start, bytes);
    out.push(made);
    while (room > 0) {
      const seg = list[i] as RxSegment;
      const size = Math.min(room, (seg.endSeq - start) | 0);
      if (size > 0) {
        copyBytes(seg, (start - seg.seq) | 0, size, bytes.subarray(made.len));
        made.len += size;
        made.endSeq = (made.endSeq + size) | 0;
        room -= size;
        start = (start + size) | 0;
      }
      if (seqLt(start, seg.endSeq)) continue;
      discard(sk, seg);
      i++;
      if (i < to && ((list[i] as RxSegment).flags & NO_COLLAPSE) === 0) continue;
      made.data = [bytes.subarray(0, made.len)];
      made.tailroom += room;
      return i;
    }
  }
  return i;
}

function copyBytes(seg: RxSegment, from: number, size: number, into: Uint8Array): void {
  const slices: Uint8Array[] = [];
  sliceInto(slices, seg.data, from, size);
  let at = 0;
  for (const slice of slices) {
    into.set(slice, at);
    at += slice.length;
  }
}

/** An empty segment at `start` that takes after `seg` and holds `bytes`. */
function madeFrom(sk: TcpSock, seg: RxSegment, start: number, bytes: Uint8Array): RxSegment {
  const pkt = sk.net.kernel.newPacket(seg.pkt.proto);
  const made = new RxSegment(pkt, seg.hdr, seg.ecn, 0);
  made.seq = start;
  made.endSeq = start;
  made.data = [bytes];
  made.len = 0;
  made.flags = seg.flags;
  made.queued = true;
  made.truesize = headSize(bytes.length) + SKB_SIZE;
  made.tailroom = headSize(bytes.length) - SHARED_INFO - bytes.length;
  sk.rmemAlloc += made.truesize;
  return made;
}

function discard(sk: TcpSock, seg: RxSegment): void {
  sk.rmemAlloc -= seg.truesize;
  count(sk.net, MIB.TcpExtTCPRcvCollapsed);
}

/** Copies each run of adjacent segments together. Many lone tiny ones are left as they are. */
function collapseOfoQueue(sk: TcpSock): void {
  const list = sk.receiveQueue.ofo;
  const out: RxSegment[] = [];
  let tiny = 0;
  let i = 0;
  while (i < list.length) {
    const head = list[i] as RxSegment;
    let end = head.endSeq;
    let truesize = head.truesize;
    let n = i + 1;
    for (; n < list.length; n++) {
      const seg = list[n] as RxSegment;
      if (seqGt(seg.seq, end)) break;
      truesize += seg.truesize;
      if (seqGt(seg.endSeq, end)) end = seg.endSeq;
    }
    const start = head.seq;
    if (n > i + 1 || ((end - start) | 0) >= COLLAPSED_MAX)
      collapse(sk, { list, from: i, to: n, start, end }, out);
    else {
      out.push(head);
      tiny += truesize;
    }
    i = n;
    if (tiny > sk.rcvbuf >> 3) break;
  }
  // What was not looked at stays behind what was.
  for (; i < list.length; i++) out.push(list[i] as RxSegment);
  for (let k = 0; k < out.length; k++) list[k] = out[k] as RxSegment;
  list.length = out.length;
}

/** Throws out-of-order segments away from the far end, an eighth of the buffer at a time. */
function pruneOfoQueue(sk: TcpSock, incoming: RxSegment): void {
  const list = sk.receiveQueue.ofo;
  let goal = sk.rcvbuf >> 3;
  let pruned = false;
  while (list.length > 0) {
    const last = list[list.length - 1] as RxSegment;
    if (seqGt(incoming.seq, last.seq)) break;
    list.pop();
    pruned = true;
    goal -= last.truesize;
    sk.rmemAlloc -= last.truesize;
    drop(sk.net, last.pkt, 'TCP_OFO_QUEUE_PRUNE');
    if (goal > 0 && list.length > 0) continue;
    if (canIngest(sk)) break;
    goal = sk.rcvbuf >> 3;
  }
  if (!pruned) return;
  count(sk.net, MIB.TcpExtOfoPruned);
  if (sk.sackOk !== 0) sackReset(sk);
}
