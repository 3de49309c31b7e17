/** Writing (RFC 9293 §3.10.2; Linux `tcp_sendmsg_locked`). */
import { EAGAIN, EPIPE } from '../../errno.ts';
import { TCP_ACK, TCP_PSH } from '../../wire/tcp.ts';
import {
  MSG_EOR,
  MSG_FASTOPEN,
  MSG_MORE,
  MSG_OOB,
  MSG_ZEROCOPY,
  SEND_SHUTDOWN,
  type SockAddrIn,
} from '../sock.ts';
import { CHRONO_BUSY, chronoStart } from './chrono.ts';
import { tcpClockUs } from './clock.ts';
import {
  TCP_CLOSE_WAIT,
  TCP_ESTABLISHED,
  TCP_NAGLE_PUSH,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from './constants.ts';
import { slowStartAfterIdleCheck } from './cwnd.ts';
import { EVENTS_WRITE } from './done.ts';
import { tcpQueuesEmpty } from './flight.ts';
import { tcpCurrentMss, tcpXmitSizeGoal } from './mss.ts';
import {
  forcedPush,
  pushPendingFrames,
  queueSegment,
  tcpMarkPush,
  tcpPush,
  tcpPushOne,
} from './output.ts';
import { rateCheckAppLimited } from './rate.ts';
import { repairWrite, TCP_SEND_QUEUE } from './repair.ts';
import { TxSegment } from './segment.ts';
import { streamMemoryFree } from './send-buffer.ts';
import { noteStamp, noteZeroCopy } from './send-notes.ts';
import type { TcpSock } from './sock.ts';
import { sendFastOpen } from './stream-connect.ts';

/** Slices that one segment may hold (`MAX_SKB_FRAGS`). */
const MAX_FRAGS = 17;

/** EPIPE, unless an error explains it (`sk_stream_error`). */
function streamError(sk: TcpSock): number {
  const err = sk.takeError();
  return -(err !== 0 ? err : EPIPE);
}

/** May data be written now? 0 or `-errno` (`sk_stream_wait_connect` without waiting). */
function checkWritable(sk: TcpSock): number {
  if (sk.state !== TCP_ESTABLISHED && sk.state !== TCP_CLOSE_WAIT) {
    if (sk.err !== 0) return -sk.takeError();
    if (sk.state !== TCP_SYN_SENT && sk.state !== TCP_SYN_RECV) return -EPIPE;
    sk.noSpace = true;
    return -EAGAIN;
  }
  if (sk.err !== 0 || (sk.shutdownMask & SEND_SHUTDOWN) !== 0) return streamError(sk);
  return 0;
}

/** A new segment at the end of the send queue (`tcp_skb_entail`). */
function entail(sk: TcpSock): TxSegment {
  const seg = new TxSegment(sk.writeSeq, TCP_ACK);
  const first = sk.writeQueue.empty;
  queueSegment(sk, seg);
  if (first) chronoStart(sk, CHRONO_BUSY);
  sk.nonagle &= ~TCP_NAGLE_PUSH;
  slowStartAfterIdleCheck(sk, tcpClockUs(sk.net));
  return seg;
}

/** Adds `len` bytes to `seg`, the last of the queue. */
function append(sk: TcpSock, seg: TxSegment, len: number): void {
  seg.len += len;
  seg.endSeq = (seg.endSeq + len) | 0;
  seg.truesize += len;
  seg.pcount = 0;
  sk.wmemQueued += len;
  sk.writeSeq = (sk.writeSeq + len) | 0;
}

/**
 * Takes bytes; returns how many, or `-errno`. @param to with MSG_FASTOPEN: where to connect
 * @param owned `data` will never change: no copy is made
 */
export function tcpSendmsg(
  sk: TcpSock,
  data: Uint8Array,
  flags: number,
  to: SockAddrIn | null,
  owned: boolean,
): number {
  if (sk.repair) {
    const done = repairWrite(sk, data);
    return done !== 1 || sk.repairQueue !== TCP_SEND_QUEUE
      ? done
      : sendBytes(sk, data, flags & ~MSG_FASTOPEN, owned);
  }
  if ((flags & MSG_FASTOPEN) === 0 && !sk.deferConnect) return sendBytes(sk, data, flags, owned);
  const taken = sendFastOpen(sk, data, to);
  return taken !== 0 ? taken : sendBytes(sk, data, flags, owned);
}

/** A write under way. */
class Writer {
  readonly data: Uint8Array;
  readonly flags: number;
  readonly owned: boolean;
  /** Ends of pieces that stay where they are (MSG_ZEROCOPY): each is a fragment. */
  pieceEnds: readonly number[] | null = null;
  mss = 0;
  goal = 0;
  copied = 0;

  constructor(data: Uint8Array, flags: number, owned: boolean) {
    this.data = data;
    this.flags = flags;
    this.owned = owned;
  }

  /** Bytes that the next fragment may take of the `room` in a segment. */
  pieceLen(room: number): number {
    const len = Math.min(room, this.data.length - this.copied);
    const end = this.pieceEnds?.find((e) => e > this.copied);
    return end === undefined ? len : Math.min(len, end - this.copied);
  }

  /** Sizes follow the path and the options of the moment (`tcp_send_mss`). */
  measure(sk: TcpSock): void {
    this.mss = tcpCurrentMss(sk);
    this.goal = tcpXmitSizeGoal(sk, this.mss, (this.flags & MSG_OOB) === 0);
  }
}

/** Takes bytes on a connection that is, or is being, set up. */
function sendBytes(sk: TcpSock, data: Uint8Array, flags: number, owned: boolean): number {
  rateCheckAppLimited(sk);
  // Before the handshake of a fast open is over, its passive side may write.
  const early = sk.fastOpenRsk !== null ? 0 : checkWritable(sk);
  if (early < 0) return early;
  const start = sk.writeSeq;
  const zc = (flags & MSG_ZEROCOPY) !== 0 && data.length > 0 && sk.rare.zeroCopy;
  const tail = zc ? (sk.writeQueue.last()?.seq ?? null) : null;
  const w = new Writer(data, flags, owned);
  if (zc) takePieces(sk, w);
  w.measure(sk);
  while (w.copied < data.length) {
    let seg = openSegment(sk, w);
    if (seg === null) {
      if (!streamMemoryFree(sk)) {
        const stop = noRoom(sk, w);
        if (stop > 0) noteSent(sk, zc, start, tail);
        if (stop !== 0) return stop;
        continue;
      }
      seg = entail(sk);
    }
    fill(sk, w, seg);
    if (w.copied < data.length && seg.len >= w.goal && (flags & MSG_OOB) === 0)
      pushFull(sk, w, seg);
  }
  if (w.copied > 0) {
    noteSent(sk, zc, start, tail);
    tcpPush(sk, flags, w.mss, sk.nonagle);
  }
  return w.copied;
}

/** The last segment of the queue, if more goes into it. */
function openSegment(sk: TcpSock, w: Writer): TxSegment | null {
  const seg = sk.writeQueue.last();
  if (seg === null || seg.len >= w.goal || seg.eor) return null;
  if (seg.data.length < MAX_FRAGS) return seg;
  tcpMarkPush(sk, seg);
  return null;
}

/** The pieces of this write, which only it knows. */
function takePieces(sk: TcpSock, w: Writer): void {
  const rare = sk.ownRare();
  w.pieceEnds = rare.pieceEnds;
  rare.pieceEnds = null;
}

/** The send buffer is full: what the write gives, or 0 when sending made room at once. */
function noRoom(sk: TcpSock, w: Writer): number {
  sk.noSpace = true;
  if (w.copied === 0) {
    wakeIfIdle(sk);
    return -EAGAIN;
  }
  tcpPush(sk, w.flags & ~MSG_MORE, w.mss, TCP_NAGLE_PUSH);
  if (!streamMemoryFree(sk)) return w.copied;
  w.measure(sk);
  return 0;
}

/** Puts bytes into the last segment of the queue. */
function fill(sk: TcpSock, w: Writer, seg: TxSegment): void {
  const { data, copied } = w;
  const len = w.pieceLen(w.goal - seg.len);
  if (w.pieceEnds !== null) seg.data.push(data.slice(copied, copied + len));
  else if (w.owned) seg.data.push(data.subarray(copied, copied + len));
  else sk.net.tcp.frag.append(seg.data, data, copied, len);
  if (copied === 0) seg.flags &= ~TCP_PSH;
  append(sk, seg, len);
  w.copied += len;
  if (w.copied === data.length && (w.flags & MSG_EOR) !== 0) seg.eor = true;
}

/** A segment is full and more follows: it may go. */
function pushFull(sk: TcpSock, w: Writer, seg: TxSegment): void {
  if (forcedPush(sk)) {
    tcpMarkPush(sk, seg);
    pushPendingFrames(sk, w.mss, TCP_NAGLE_PUSH);
  } else if (seg === sk.writeQueue.first()) tcpPushOne(sk, w.mss);
}

/** What the application wants to hear of these bytes later. */
function noteSent(sk: TcpSock, zc: boolean, start: number, tail: number | null): void {
  if (sk.rareMaybe === null) return;
  if (zc) noteZeroCopy(sk, start, tail);
  if (sk.rareMaybe.tsFlags !== 0) noteStamp(sk);
}

/** LINUX: a writer that found no room on an idle socket is told of room again. */
function wakeIfIdle(sk: TcpSock): void {
  if (tcpQueuesEmpty(sk)) sk.wake(EVENTS_WRITE);
}
