/**
 * Data arrives: in order, early, again (RFC 9293 §3.10.7.4, seventh check; Linux `tcp_data_queue`,
 * `tcp_data_queue_ofo`, `tcp_ofo_queue`).
 */
import { drop } from '../../drop.ts';
import { MIB } from '../../mib.ts';
import { seqGe, seqGt, seqLe, seqLt } from '../../util/seq.ts';
import { TCP_FIN } from '../../wire/tcp.ts';
import { tryCoalesce } from './coalesce.ts';
import { CA_EVENT_ECN_IS_CE, CA_EVENT_ECN_NO_CE } from './congestion.ts';
import {
  ICSK_ACK_NOMEM,
  ICSK_ACK_NOW,
  TCP_ATO_MIN,
  TCP_ECN_DEMAND_CWR,
  TCP_ECN_OK,
  TCP_ECN_SEEN,
  TCP_MAX_QUICKACKS,
} from './constants.ts';
import { count } from './count.ts';
import { scheduleAck } from './delack.ts';
import { EVENTS_READ } from './done.ts';
import { tcpFin } from './fin.ts';
import { enterQuickackMode, incrQuickack } from './pingpong.ts';
import { growWindow, measureRcvMss, rcvbufGrow, rcvRttMeasure } from './receive-buffer.ts';
import { rmemSchedule } from './receive-prune.ts';
import { dsackExtend, dsackSet, sackNewOfo, sackRemove } from './sack-out.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { fastPathCheck, tcpReceiveWindow } from './window.ts';

/** ECN bits of the IP header (RFC 3168 §5). */
const INET_ECN_NOT_ECT = 0;
const INET_ECN_CE = 3;

/** `sk_data_ready`, as far as SO_RCVLOWAT is reached (`tcp_data_ready`). */
export function dataReady(sk: TcpSock): void {
  if (sk.orphan) return;
  if (isReadable(sk, sk.rcvlowat) || sk.doneReceiving) sk.wake(EVENTS_READ);
}

/** Linux `tcp_epollin_ready` */
export function isReadable(sk: TcpSock, target: number): boolean {
  const avail = (sk.rcvNxt - sk.copiedSeq) | 0;
  if (avail <= 0) return false;
  return avail >= target || sk.rmemAlloc > sk.rcvbuf || tcpReceiveWindow(sk) <= sk.rcvMss;
}

/** RFC 3168 §6.1.3: a mark is echoed until the sender says CWR (`tcp_data_ecn_check`). */
function ecnCheckCe(sk: TcpSock, seg: RxSegment): void {
  if ((sk.ecnFlags & TCP_ECN_OK) === 0) return;
  switch (seg.ecn) {
    case INET_ECN_NOT_ECT:
      // A lost mark on retransmissions must not be hidden for long.
      if ((sk.ecnFlags & TCP_ECN_SEEN) !== 0) enterQuickackMode(sk, 2);
      break;
    case INET_ECN_CE:
      if (sk.ca.needsEcn) sk.ca.cwndEvent(sk, CA_EVENT_ECN_IS_CE);
      if ((sk.ecnFlags & TCP_ECN_DEMAND_CWR) === 0) {
        enterQuickackMode(sk, 2);
        sk.ecnFlags |= TCP_ECN_DEMAND_CWR;
      }
      sk.ecnFlags |= TCP_ECN_SEEN;
      break;
    default:
      if (sk.ca.needsEcn) sk.ca.cwndEvent(sk, CA_EVENT_ECN_NO_CE);
      sk.ecnFlags |= TCP_ECN_SEEN;
  }
}

/** Keeps the delayed-ACK engine and the window up to date (`tcp_event_data_recv`). */
export function eventDataRecv(sk: TcpSock, seg: RxSegment): void {
  scheduleAck(sk);
  measureRcvMss(sk, seg);
  rcvRttMeasure(sk);
  const now = sk.mstamp;
  if (sk.atoUs === 0) {
    incrQuickack(sk, TCP_MAX_QUICKACKS);
    sk.atoUs = TCP_ATO_MIN;
  } else {
    const m = now - sk.lrcvtime;
    if (m <= TCP_ATO_MIN / 2) sk.atoUs = (sk.atoUs >> 1) + TCP_ATO_MIN / 2;
    else if (m < sk.atoUs) sk.atoUs = Math.min((sk.atoUs >> 1) + m, sk.rtoUs);
    else if (m > sk.rtoUs) incrQuickack(sk, TCP_MAX_QUICKACKS);
  }
  sk.lrcvtime = now;
  ecnCheckCe(sk, seg);
  if (seg.len >= 128) growWindow(sk, seg);
}

/** RCV.NXT moves (`tcp_rcv_nxt_update`). */
function rcvNxtUpdate(sk: TcpSock, seq: number): void {
  sk.bytesReceived += (seq - sk.rcvNxt) >>> 0;
  sk.rcvNxt = seq;
}

/** Appends to the receive queue and charges the buffer (`tcp_queue_rcv`). */
export function queueRcv(sk: TcpSock, seg: RxSegment): void {
  if (tryCoalesce(sk, sk.receiveQueue.last(), seg)) seg.queued = true;
  else {
    sk.receiveQueue.push(seg);
    sk.rmemAlloc += seg.truesize;
  }
  rcvNxtUpdate(sk, seg.endSeq);
}

/** The text of a segment that passed all other checks. */
export function dataQueue(sk: TcpSock, seg: RxSegment): void {
  const net = sk.net;
  if (seg.seq === seg.endSeq) return;
  sk.dsackPending = false;
  if (seg.seq === sk.rcvNxt) {
    if (tcpReceiveWindow(sk) === 0 && !(seg.len === 0 && (seg.flags & TCP_FIN) !== 0)) {
      count(net, MIB.TcpExtTCPZeroWindowDrop);
      refuse(sk, seg, 'TCP_ZEROWINDOW');
      return;
    }
    queueInOrder(sk, seg);
    return;
  }
  if (seqLe(seg.endSeq, sk.rcvNxt)) {
    count(net, MIB.TcpExtDelayedACKLost);
    dsackSet(sk, seg.seq, seg.endSeq);
    refuse(sk, seg, 'TCP_OLD_DATA');
    return;
  }
  if (seqGe(seg.seq, (sk.rcvNxt + tcpReceiveWindow(sk)) | 0)) {
    refuse(sk, seg, 'TCP_OVERWINDOW');
    return;
  }
  if (seqLt(seg.seq, sk.rcvNxt)) {
    dsackSet(sk, seg.seq, sk.rcvNxt);
    if (tcpReceiveWindow(sk) === 0) {
      count(net, MIB.TcpExtTCPZeroWindowDrop);
      refuse(sk, seg, 'TCP_ZEROWINDOW');
      return;
    }
    queueInOrder(sk, seg);
    return;
  }
  dataQueueOfo(sk, seg);
}

/** Nothing new, or no room: the peer learns where we are, at once. */
function refuse(
  sk: TcpSock,
  seg: RxSegment,
  reason: 'TCP_ZEROWINDOW' | 'TCP_OLD_DATA' | 'TCP_OVERWINDOW',
): void {
  enterQuickackMode(sk, TCP_MAX_QUICKACKS);
  scheduleAck(sk);
  drop(sk.net, seg.pkt, reason);
}

/** In sequence and in the window. */
function queueInOrder(sk: TcpSock, seg: RxSegment): void {
  if (!rmemSchedule(sk, seg)) {
    sk.ackPending |= ICSK_ACK_NOMEM | ICSK_ACK_NOW;
    scheduleAck(sk);
    if (!sk.orphan) sk.wake(EVENTS_READ);
    // An empty queue takes one segment whatever its size.
    if (sk.receiveQueue.length > 0 && seg.len > 0) {
      count(sk.net, MIB.TcpExtTCPRcvQDrop);
      drop(sk.net, seg.pkt, 'PROTO_MEM');
      return;
    }
  }
  queueRcv(sk, seg);
  if (seg.len > 0) eventDataRecv(sk, seg);
  if ((seg.flags & TCP_FIN) !== 0) tcpFin(sk);
  if (sk.receiveQueue.ofo.length > 0) {
    ofoQueue(sk);
    // RFC 5681 §4.2: a filled gap is acknowledged at once.
    if (sk.receiveQueue.ofo.length === 0) sk.ackPending |= ICSK_ACK_NOW;
  }
  if (sk.sackBlocks.length > 0) sackRemove(sk);
  fastPathCheck(sk);
  dataReady(sk);
}

/** Moves what is in sequence now from the out-of-order queue (`tcp_ofo_queue`). */
function ofoQueue(sk: TcpSock): void {
  const list = sk.receiveQueue.ofo;
  const dsackHigh = sk.rcvNxt;
  let n = 0;
  let fin = false;
  while (n < list.length && !fin) {
    const seg = list[n] as RxSegment;
    if (seqGt(seg.seq, sk.rcvNxt)) break;
    n++;
    if (seqLt(seg.seq, dsackHigh))
      dsackExtend(sk, seg.seq, seqLt(seg.endSeq, dsackHigh) ? seg.endSeq : dsackHigh);
    if (seqLe(seg.endSeq, sk.rcvNxt)) {
      sk.rmemAlloc -= seg.truesize;
      drop(sk.net, seg.pkt, 'TCP_OFO_DROP');
      continue;
    }
    if (tryCoalesce(sk, sk.receiveQueue.last(), seg)) sk.rmemAlloc -= seg.truesize;
    else sk.receiveQueue.push(seg);
    rcvNxtUpdate(sk, seg.endSeq);
    fin = (seg.flags & TCP_FIN) !== 0;
  }
  list.splice(0, n);
  if (fin) tcpFin(sk);
}

/** A segment beyond a gap; overlaps keep what came first where Linux does. */
function dataQueueOfo(sk: TcpSock, seg: RxSegment): void {
  const net = sk.net;
  ecnCheckCe(sk, seg);
  if (!rmemSchedule(sk, seg)) {
    count(net, MIB.TcpExtTCPOFODrop);
    if (!sk.orphan) sk.wake(EVENTS_READ);
    drop(net, seg.pkt, 'PROTO_MEM');
    return;
  }
  measureRcvMss(sk, seg);
  sk.fastPath = false;
  scheduleAck(sk);
  sk.rcvOooPack += seg.segs;
  count(net, MIB.TcpExtTCPOFOQueue);
  const fate = ofoInsert(sk, seg);
  if (sk.sackOk !== 0) sackNewOfo(sk, seg.seq, seg.endSeq);
  if (fate !== KNOWN) {
    // Without SACK the window must not move: duplicate ACKs are to be seen as such.
    if (sk.sackOk !== 0) growWindow(sk, seg);
    seg.queued = true;
    if (fate === INSERTED) sk.rmemAlloc += seg.truesize;
  }
  // Nobody grows for a socket that was not accepted, or was closed.
  if (!sk.orphan && sk.listener === null) rcvbufGrow(sk, sk.rcvqSpace);
}

/** What became of a segment out of order: its bytes were there, it was copied to another, it is in the queue. */
const KNOWN = 0;
const COALESCED = 1;
const INSERTED = 2;

/** Puts `seg` in its place. */
function ofoInsert(sk: TcpSock, seg: RxSegment): number {
  const list = sk.receiveQueue.ofo;
  let i = sk.receiveQueue.findOfo(seg.seq);
  const before = list[i - 1];
  if (before !== undefined) {
    if (seqLt(seg.seq, before.endSeq)) {
      // `before` holds our first byte.
      if (!seqGt(seg.endSeq, before.endSeq)) {
        count(sk.net, MIB.TcpExtTCPOFOMerge);
        drop(sk.net, seg.pkt, 'TCP_OFOMERGE');
        dsackSet(sk, seg.seq, seg.endSeq);
        return KNOWN;
      }
      if (seqGt(seg.seq, before.seq)) dsackSet(sk, seg.seq, before.endSeq);
      else i--;
    } else if (tryCoalesce(sk, before, seg)) return COALESCED;
  }
  // Whatever lies wholly within the new segment goes.
  let covered = i;
  for (; covered < list.length; covered++) {
    const next = list[covered] as RxSegment;
    if (!seqGt(seg.endSeq, next.seq)) break;
    if (seqLt(seg.endSeq, next.endSeq)) {
      dsackExtend(sk, next.seq, seg.endSeq);
      break;
    }
    dsackExtend(sk, next.seq, next.endSeq);
    count(sk.net, MIB.TcpExtTCPOFOMerge);
    sk.rmemAlloc -= next.truesize;
    drop(sk.net, next.pkt, 'TCP_OFOMERGE');
  }
  if (i === list.length) list.push(seg);
  else list.splice(i, covered - i, seg);
  return INSERTED;
}
