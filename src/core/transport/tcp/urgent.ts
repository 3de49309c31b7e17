/** Urgent data (RFC 9293 §3.8.5, RFC 6093; Linux `tcp_check_urg`, `tcp_urg`). */
import { EAGAIN, EINVAL, ENOTCONN } from '../../errno.ts';
import { NO_PAYLOAD } from '../../packet.ts';
import { seqGt, seqLe, seqLt } from '../../util/seq.ts';
import { TCP_URG } from '../../wire/tcp.ts';
import { EPOLLPRI, MSG_OOB, MSG_PEEK, MSG_TRUNC, RCV_SHUTDOWN, type Received } from '../sock.ts';
import { TCP_CLOSE } from './constants.ts';
import { type RxSegment, sliceInto } from './segment.ts';
import type { TcpSock } from './sock.ts';

/** Bits of `urgData` above the byte itself. */
export const TCP_URG_NOTYET = 0x0100;
export const TCP_URG_VALID = 0x0200;
export const TCP_URG_READ = 0x0400;

/** The urgent pointer moved (`tcp_check_urg`). LINUX: it points behind the byte, unless tcp_stdurg. */
function checkUrg(sk: TcpSock, seg: RxSegment): void {
  let ptr = seg.hdr.urg;
  if (ptr !== 0 && sk.net.sysctl.tcpStdurg === 0) ptr--;
  const at = (ptr + seg.hdr.seq) | 0;
  if (seqGt(sk.copiedSeq, at) || seqLt(at, sk.rcvNxt)) return;
  if (sk.urgData !== 0 && !seqGt(at, sk.urgSeq)) return;
  if (!sk.orphan) sk.wake(EPOLLPRI);
  // A second urgent byte demotes the first, which nobody fetched, to ordinary data: it is skipped.
  if (
    sk.urgSeq === sk.copiedSeq &&
    sk.urgData !== 0 &&
    !sk.oobInline &&
    sk.copiedSeq !== sk.rcvNxt
  ) {
    const first = sk.receiveQueue.first();
    sk.copiedSeq = (sk.copiedSeq + 1) | 0;
    if (first !== null && seqLe(first.endSeq, sk.copiedSeq)) {
      sk.receiveQueue.shift();
      sk.rmemAlloc -= first.truesize;
    }
  }
  sk.urgData = TCP_URG_NOTYET;
  sk.fastPath = false;
  sk.urgSeq = at;
}

/** Sixth check of RFC 9293 §3.10.7.4. Runs before the segment's data is queued. */
export function tcpUrg(sk: TcpSock, seg: RxSegment): void {
  if ((seg.flags & TCP_URG) !== 0) checkUrg(sk, seg);
  if (sk.urgData !== TCP_URG_NOTYET) return;
  const offset = (sk.urgSeq - seg.seq) | 0;
  if (offset < 0 || offset >= seg.len) return;
  const out: Uint8Array[] = [];
  sliceInto(out, seg.data, offset, 1);
  sk.urgData = TCP_URG_VALID | ((out[0] as Uint8Array)[0] as number);
  if (!sk.orphan) sk.wake(EPOLLPRI);
}

/** Reads the urgent byte (recv with MSG_OOB; `tcp_recv_urg`). */
export function recvUrg(sk: TcpSock, max: number, flags: number): Received | number {
  if (sk.oobInline || sk.urgData === 0 || sk.urgData === TCP_URG_READ) return -EINVAL;
  if (sk.state === TCP_CLOSE && !sk.doneReceiving) return -ENOTCONN;
  if ((sk.urgData & TCP_URG_VALID) !== 0) {
    const byte = sk.urgData & 0xff;
    if ((flags & MSG_PEEK) === 0) sk.urgData = TCP_URG_READ;
    if (max === 0 || (flags & MSG_TRUNC) !== 0)
      return received(NO_PAYLOAD, MSG_OOB | (max === 0 ? MSG_TRUNC : 0));
    return received([Uint8Array.of(byte)], MSG_OOB);
  }
  if (sk.state === TCP_CLOSE || (sk.shutdownMask & RCV_SHUTDOWN) !== 0)
    return received(NO_PAYLOAD, 0);
  return -EAGAIN;
}

function received(data: readonly Uint8Array[], flags: number): Received {
  return { data, len: data.length, fullLen: data.length, from: null, flags, control: [] };
}

/** SIOCATMARK: the next byte to read is the urgent one. */
export function atMark(sk: TcpSock): boolean {
  return sk.urgData !== 0 && sk.urgSeq === sk.copiedSeq;
}
