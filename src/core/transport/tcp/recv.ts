/** Reading (RFC 9293 §3.10.3; Linux `tcp_recvmsg_locked`). Returns slices, never copies. */
import { EAGAIN, ENOTCONN } from '../../errno.ts';
import { NO_PAYLOAD } from '../../packet.ts';
import { TCP_FIN, TCP_SYN } from '../../wire/tcp.ts';
import { receiveTimes, wantsReceiveTime } from '../ancillary.ts';
import {
  type ControlMessage,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  NO_RECEIVED,
  RCV_SHUTDOWN,
  type Received,
} from '../sock.ts';
import { SOL_TCP, TCP_INQ } from '../sockopt-names.ts';
import { TCP_CLOSE, TCP_LISTEN } from './constants.ts';
import { cleanupRbuf } from './delack.ts';
import { rcvSpaceAdjust } from './receive-buffer.ts';
import { repairRead } from './repair.ts';
import { type RxSegment, sliceInto } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { recvUrg } from './urgent.ts';
import { fastPathCheck } from './window.ts';

const NO_CONTROL: readonly ControlMessage[] = [];

/** A read under way. */
class Reader {
  readonly out: Uint8Array[] = [];
  readonly max: number;
  readonly peek: boolean;
  /** MSG_TRUNC: the bytes are thrown away. */
  readonly discard: boolean;
  /** Next byte. */
  seq: number;
  copied = 0;
  /** The urgent byte was stepped over; the FIN was reached. */
  hole = false;
  end = false;
  /** Arrival of the segment that was read last, µs of the kernel's clock. */
  timeUs = 0;
  /** A read stops at the urgent byte, and does not begin with it and go on. */
  stop = false;

  constructor(seq: number, max: number, flags: number) {
    this.seq = seq;
    this.max = max;
    this.peek = (flags & MSG_PEEK) !== 0;
    this.discard = (flags & MSG_TRUNC) !== 0;
  }
}

/** At most `max` bytes; at the end of the stream `len` is 0. */
export function tcpRecvmsg(sk: TcpSock, max: number, flags: number): Received | number {
  if (sk.state === TCP_LISTEN) return -ENOTCONN;
  if ((flags & MSG_OOB) !== 0) return recvUrg(sk, max, flags);
  const peek = (flags & MSG_PEEK) !== 0;
  if (sk.repair) {
    const found = repairRead(sk, max, peek);
    if (typeof found !== 'number') return plain(found, NO_CONTROL);
    if (found < 0) return found;
  }
  const r = new Reader(sk.copiedSeq, max, flags);
  const offset = peek ? Math.max(0, sk.rare.peekOff) : 0;
  r.seq = (r.seq + offset) | 0;
  readQueue(sk, r);
  if (r.copied === 0 && !r.end) {
    const nothing = whyNothing(sk, max);
    if (nothing !== 0) return nothing;
  }
  if (sk.rareMaybe !== null && sk.rareMaybe.peekOff >= 0) movePeekOffset(sk, r);
  if (r.copied > 0) rcvSpaceAdjust(sk);
  if (!peek && (r.copied > 0 || r.end || r.hole)) cleanupRbuf(sk, r.copied);
  return plain(r.out, controlOfRead(sk, r), r.copied);
}

function plain(
  out: Uint8Array[],
  control: readonly ControlMessage[],
  copied = out.reduce((n, slice) => n + slice.length, 0),
): Received {
  if (copied === 0 && control.length === 0) return NO_RECEIVED;
  const data = out.length === 0 ? NO_PAYLOAD : out;
  return { data, len: copied, fullLen: copied, from: null, flags: 0, control };
}

/** SO_PEEK_OFF follows what is peeked at, and what is read (`sk_peek_offset_fwd`, `_bwd`). */
function movePeekOffset(sk: TcpSock, r: Reader): void {
  const rare = sk.ownRare();
  rare.peekOff = Math.max(0, rare.peekOff + (r.peek ? r.copied : -r.copied));
}

function readQueue(sk: TcpSock, r: Reader): void {
  const queue = sk.receiveQueue;
  let i = 0;
  for (let seg = queue.first(); seg !== null && !r.stop && !r.end; ) {
    if (r.copied > 0 && r.copied >= r.max) return;
    const before = r.copied;
    const isRead = readSegment(sk, r, seg);
    if (r.copied > before) r.timeUs = seg.pkt.timeUs;
    if (!isRead) return;
    if ((seg.flags & TCP_FIN) !== 0) {
      r.seq = (r.seq + 1) | 0;
      r.end = true;
      if (!r.peek) sk.copiedSeq = r.seq;
    }
    if (r.peek) i++;
    else eat(sk, seg);
    seg = queue.at(i);
  }
}

/** Takes what is wanted of one segment; true: all of it was taken. */
function readSegment(sk: TcpSock, r: Reader, seg: RxSegment): boolean {
  const first = (seg.seq + ((seg.flags & TCP_SYN) !== 0 ? 1 : 0)) | 0;
  for (;;) {
    if (((r.seq - first) | 0) >= seg.len) return true;
    const urg = sk.urgData !== 0 ? (sk.urgSeq - r.seq) | 0 : -1;
    // Reading stops before the urgent byte, and steps over it next time.
    r.stop = urg === 0 && r.copied > 0;
    if (r.stop) return false;
    if (urg === 0) stepOver(sk, r);
    readBytes(r, seg, first, urg);
    if (!r.peek) afterBytes(sk, r.seq);
    if (((r.seq - first) | 0) >= seg.len) return true;
    if (r.copied >= r.max) return false;
  }
}

function stepOver(sk: TcpSock, r: Reader): void {
  if (sk.oobInline || r.max === 0) return;
  r.seq = (r.seq + 1) | 0;
  r.hole = true;
}

/** Takes bytes of one segment, up to the urgent one that is `urg` bytes ahead. */
function readBytes(r: Reader, seg: RxSegment, first: number, urg: number): void {
  const offset = (r.seq - first) | 0;
  let used = Math.min(seg.len - offset, r.max - r.copied);
  if (urg > 0 && urg < used) used = urg;
  if (used <= 0) return;
  if (!r.discard) sliceInto(r.out, seg.data, offset, used);
  r.seq = (r.seq + used) | 0;
  r.copied += used;
}

/** COPIED moved; the urgent byte may have been passed. */
function afterBytes(sk: TcpSock, seq: number): void {
  sk.copiedSeq = seq;
  if (sk.urgData === 0 || ((seq - sk.urgSeq) | 0) <= 0) return;
  sk.urgData = 0;
  fastPathCheck(sk);
}

function eat(sk: TcpSock, seg: RxSegment): void {
  sk.receiveQueue.shift();
  sk.rmemAlloc -= seg.truesize;
}

/** No byte was taken: the reason as `-errno`, or 0 at the end of the stream. */
function whyNothing(sk: TcpSock, max: number): number {
  // A read of nothing succeeds where bytes are.
  if (max === 0 && sk.receiveQueue.length > 0) return 0;
  if (sk.doneReceiving) return 0;
  if (sk.err !== 0) return -sk.takeError();
  if ((sk.shutdownMask & RCV_SHUTDOWN) !== 0) return 0;
  if (sk.state === TCP_CLOSE) return -ENOTCONN;
  return -EAGAIN;
}

/** Bytes that wait to be read (SIOCINQ, TCP_INQ; `tcp_inq`). */
export function tcpInq(sk: TcpSock): number {
  let n = (sk.rcvNxt - sk.copiedSeq) | 0;
  const last = sk.receiveQueue.last();
  if (n > 0 && last !== null && (last.flags & TCP_FIN) !== 0) n--;
  if (sk.urgData !== 0 && !sk.oobInline) {
    const urg = (sk.urgSeq - sk.copiedSeq) | 0;
    if (urg >= 0 && urg < n) return urg;
  }
  return Math.max(0, n);
}

/** When the last segment that was read came, as SO_TIMESTAMP or SO_TIMESTAMPING ask; then TCP_INQ. */
function controlOfRead(sk: TcpSock, r: Reader): readonly ControlMessage[] {
  const inq = sk.recvmsgInq ? inqControl(sk) : NO_CONTROL;
  if (r.timeUs === 0 || !wantsReceiveTime(sk)) return inq;
  return [...receiveTimes(sk, r.timeUs), ...inq];
}

/** Ancillary data of TCP_INQ. */
function inqControl(sk: TcpSock): readonly ControlMessage[] {
  let n = tcpInq(sk);
  if (n === 0 && sk.doneReceiving) n = 1;
  return [{ level: SOL_TCP, type: TCP_INQ, value: n }];
}
