/** Reading (RFC 9293 §3.10.3; Linux `tcp_recvmsg_locked`). Returns slices, never copies. */
import { EAGAIN, ENOTCONN } from '../../errno.ts';
import { NO_PAYLOAD } from '../../packet.ts';
import { TCP_FIN, TCP_SYN } from '../../wire/tcp.ts';
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
import { type RxSegment, sliceInto } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { recvUrg } from './urgent.ts';

const NO_CONTROL: readonly ControlMessage[] = [];

/** At most `max` bytes; at the end of the stream `len` is 0. */
export function tcpRecvmsg(sk: TcpSock, max: number, flags: number): Received | number {
  if (sk.state === TCP_LISTEN) return -ENOTCONN;
  if ((flags & MSG_OOB) !== 0) return recvUrg(sk, max, flags);
  const peek = (flags & MSG_PEEK) !== 0;
  const out: Uint8Array[] = [];
  const discard = (flags & MSG_TRUNC) !== 0;
  let seq = sk.copiedSeq;
  let copied = 0;
  let hole = false;
  let end = false;
  let i = 0;
  for (let seg = sk.receiveQueue.first(); seg !== null && copied < max; ) {
    let offset = (seq - seg.seq - ((seg.flags & TCP_SYN) !== 0 ? 1 : 0)) | 0;
    let used = Math.min(seg.len - offset, max - copied);
    if (used > 0) {
      // Reading stops before the urgent byte, and steps over it next time.
      const urg = sk.urgData !== 0 ? (sk.urgSeq - seq) | 0 : -1;
      if (urg >= 0 && urg < used) {
        if (urg > 0) used = urg;
        else if (copied > 0) break;
        else if (!sk.oobInline) {
          seq = (seq + 1) | 0;
          offset++;
          used--;
          hole = true;
        }
      }
      if (used > 0) {
        if (!discard) sliceInto(out, seg.data, offset, used);
        seq = (seq + used) | 0;
        copied += used;
      }
      if (!peek) afterBytes(sk, seq);
      if (offset + used < seg.len) {
        if (sk.urgData !== 0 && sk.urgSeq === seq && copied > 0) break;
        continue;
      }
    }
    if ((seg.flags & TCP_FIN) !== 0) {
      seq = (seq + 1) | 0;
      if (!peek) sk.copiedSeq = seq;
      end = true;
    }
    if (!peek) eat(sk, seg);
    else i++;
    if (end) break;
    seg = peek ? sk.receiveQueue.at(i) : sk.receiveQueue.first();
  }
  if (copied === 0 && !end) {
    const nothing = whyNothing(sk);
    if (nothing !== 0) return nothing;
    if (hole && !peek) cleanupRbuf(sk, 0);
    return NO_RECEIVED;
  }
  if (!peek) {
    rcvSpaceAdjust(sk);
    cleanupRbuf(sk, copied);
  }
  const control = sk.recvmsgInq ? inqControl(sk) : NO_CONTROL;
  const data = out.length === 0 ? NO_PAYLOAD : out;
  return { data, len: copied, fullLen: copied, from: null, flags: 0, control };
}

/** COPIED moved; the urgent byte may have been passed. */
function afterBytes(sk: TcpSock, seq: number): void {
  sk.copiedSeq = seq;
  if (sk.urgData !== 0 && ((seq - sk.urgSeq) | 0) > 0) sk.urgData = 0;
}

function eat(sk: TcpSock, seg: RxSegment): void {
  sk.receiveQueue.shift();
  sk.rmemAlloc -= seg.truesize;
}

/** No byte was there: the reason as `-errno`, or 0 at the end of the stream. */
function whyNothing(sk: TcpSock): number {
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

/** Ancillary data of TCP_INQ. */
function inqControl(sk: TcpSock): readonly ControlMessage[] {
  let n = tcpInq(sk);
  if (n === 0 && sk.doneReceiving) n = 1;
  return [{ level: SOL_TCP, type: TCP_INQ, value: n }];
}
