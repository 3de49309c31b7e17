/** Marking segments lost (Linux `tcp_mark_skb_lost`, `tcp_newreno_mark_lost`, reordering). */
import { MIB } from '../../mib.ts';
import { seqLt } from '../../util/seq.ts';
import {
  TCP_CA_RECOVERY,
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
} from './constants.ts';
import { count, countBy } from './count.ts';
import { tcpHighestSackSeq } from './flight.ts';
import type { TxSegment } from './segment.ts';
import { fragmentSent } from './send-queue.ts';
import type { TcpSock } from './sock.ts';

/** Marks `seg` to be sent again, or again. */
export function markLost(sk: TcpSock, seg: TxSegment): void {
  const marks = seg.sacked;
  if ((marks & TCPCB_SACKED_ACKED) !== 0) return;
  const hint = sk.retransmitHint;
  if (hint === null ? sk.retransOut >= sk.lostOut : seqLt(seg.seq, hint.seq))
    sk.retransmitHint = seg;
  if ((marks & TCPCB_LOST) !== 0) {
    if ((marks & TCPCB_SACKED_RETRANS) === 0) return;
    seg.sacked &= ~TCPCB_SACKED_RETRANS;
    sk.retransOut -= seg.pcount;
    countBy(sk.net, MIB.TcpExtTCPLostRetransmit, seg.pcount);
  } else {
    sk.lostOut += seg.pcount;
    seg.sacked |= TCPCB_LOST;
  }
  sk.lost += seg.pcount;
}

/** RFC 6582 §3.2: without SACK the first segment is the lost one (`tcp_newreno_mark_lost`). */
export function newrenoMarkLost(sk: TcpSock, advanced: boolean): void {
  const before = sk.caState < TCP_CA_RECOVERY && sk.sackedOut >= sk.reordering;
  if (!before && !(sk.caState === TCP_CA_RECOVERY && advanced)) return;
  const seg = sk.rtxQueue.first();
  if (seg === null || (seg.sacked & TCPCB_LOST) !== 0) return;
  const mss = seg.pcount > 1 ? seg.gsoSize : seg.len;
  if (seg.pcount > 1 && seg.len > mss) fragmentSent(sk, seg, mss, mss);
  markLost(sk, seg);
}

/** A segment overtook others: raise the degree of reordering (`tcp_check_sack_reordering`). */
export function checkSackReordering(sk: TcpSock, lowSeq: number, byTimestamps: boolean): void {
  const fack = tcpHighestSackSeq(sk);
  if (!seqLt(lowSeq, fack)) return;
  const metric = (fack - lowSeq) >>> 0;
  const mss = sk.mssCache;
  if (metric > sk.reordering * mss)
    sk.reordering = Math.min(Math.ceil(metric / mss), sk.net.sysctl.tcpMaxReordering);
  sk.reordSeen++;
  count(sk.net, byTimestamps ? MIB.TcpExtTCPTSReorder : MIB.TcpExtTCPSACKReorder);
}

/** Something was sent again and is not acknowledged yet (`tcp_any_retrans_done`). */
export function anyRetransDone(sk: TcpSock): boolean {
  if (sk.retransOut > 0) return true;
  const head = sk.rtxQueue.first();
  return head !== null && (head.sacked & TCPCB_EVER_RETRANS) !== 0;
}

/** Duplicate ACKs stand for segments that arrived, which reno counts (`tcp_limit_reno_sacked`). */
export function limitRenoSacked(sk: TcpSock): boolean {
  const holes = Math.min(Math.max(sk.lostOut, 1), sk.packetsOut);
  if (sk.sackedOut + holes <= sk.packetsOut) return false;
  sk.sackedOut = sk.packetsOut - holes;
  return true;
}

function checkRenoReordering(sk: TcpSock, addend: number): void {
  if (!limitRenoSacked(sk)) return;
  sk.reordering = Math.min(sk.packetsOut + addend, sk.net.sysctl.tcpMaxReordering);
  sk.reordSeen++;
  count(sk.net, MIB.TcpExtTCPRenoReorder);
}

/** Counts delivered segments (`tcp_count_delivered`). */
export function countDelivered(sk: TcpSock, n: number, ece: boolean): void {
  sk.delivered += n;
  if (ece) sk.deliveredCe += n;
}

export function addRenoSack(sk: TcpSock, dupacks: number, ece: boolean): void {
  if (dupacks === 0) return;
  const prior = sk.sackedOut;
  sk.sackedOut += dupacks;
  checkRenoReordering(sk, 0);
  const delivered = sk.sackedOut - prior;
  if (delivered > 0) countDelivered(sk, delivered, ece);
}

export function removeRenoSacks(sk: TcpSock, acked: number, ece: boolean): void {
  if (acked > 0) {
    countDelivered(sk, Math.max(acked - sk.sackedOut, 1), ece);
    sk.sackedOut = acked - 1 >= sk.sackedOut ? 0 : sk.sackedOut - (acked - 1);
  }
  checkRenoReordering(sk, acked);
}
