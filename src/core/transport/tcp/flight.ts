/** How many segments are where (Linux `include/net/tcp.h`), and small predicates on them. */
import { seqGt, seqLt } from '../../util/seq.ts';
import {
  TCP_CA_CWR,
  TCP_CA_OPEN,
  TCP_CA_RECOVERY,
  TCP_INFINITE_SSTHRESH,
  TCP_NAGLE_OFF,
} from './constants.ts';
import type { TcpSock } from './sock.ts';

/** Segments that left the network: sacked or lost. */
export function tcpLeftOut(sk: TcpSock): number {
  return sk.sackedOut + sk.lostOut;
}

/** RFC 6675 §4 `pipe`, in segments. */
export function tcpPacketsInFlight(sk: TcpSock): number {
  return sk.packetsOut - (sk.sackedOut + sk.lostOut) + sk.retransOut;
}

export function tcpInSlowStart(sk: TcpSock): boolean {
  return sk.sndCwnd < sk.sndSsthresh;
}

export function tcpInInitialSlowstart(sk: TcpSock): boolean {
  return sk.sndSsthresh >= TCP_INFINITE_SSTHRESH;
}

export function tcpInCwndReduction(sk: TcpSock): boolean {
  return sk.caState === TCP_CA_CWR || sk.caState === TCP_CA_RECOVERY;
}

/** Slow start threshold as seen outside of a reduction (`tcp_current_ssthresh`). */
export function tcpCurrentSsthresh(sk: TcpSock): number {
  if (tcpInCwndReduction(sk)) return sk.sndSsthresh;
  return Math.max(sk.sndSsthresh, (sk.sndCwnd >> 1) + (sk.sndCwnd >> 2));
}

/** First sequence number behind the peer's window. */
export function tcpWndEnd(sk: TcpSock): number {
  return (sk.sndUna + sk.sndWnd) | 0;
}

export function tcpUrgMode(sk: TcpSock): boolean {
  return sk.sndUna !== sk.sndUp;
}

/** Nagle's last small segment is still on its way (`tcp_minshall_check`). */
export function tcpMinshallCheck(sk: TcpSock): boolean {
  return seqGt(sk.sndSml, sk.sndUna) && !seqGt(sk.sndSml, sk.sndNxt);
}

/** True: a partial segment must wait (`tcp_nagle_check`). */
export function tcpNagleCheck(sk: TcpSock, partial: boolean, nonagle: number): boolean {
  if (!partial) return false;
  if ((nonagle & 2) !== 0) return true;
  return (
    (nonagle & TCP_NAGLE_OFF) === 0 && nonagle === 0 && sk.packetsOut > 0 && tcpMinshallCheck(sk)
  );
}

/** Highest sequence number sacked so far, or SND.UNA (`tcp_highest_sack_seq`). */
export function tcpHighestSackSeq(sk: TcpSock): number {
  if (sk.sackedOut === 0) return sk.sndUna;
  if (sk.highestSack === null) return sk.sndNxt;
  return sk.highestSack.seq;
}

/** Bytes that were written but not sent (`tcp_notsent_lowat` compares them). */
export function tcpNotsentBytes(sk: TcpSock): number {
  return (sk.writeSeq - sk.sndNxt) >>> 0;
}

export function tcpIsSack(sk: TcpSock): boolean {
  return sk.sackOk !== 0;
}

/** No data between the two queues' ends. */
export function tcpQueuesEmpty(sk: TcpSock): boolean {
  return sk.rtxQueue.empty && sk.writeQueue.empty;
}

/** `after(x, SND.UNA)` for a retransmission mark. */
export function tcpCaOpen(sk: TcpSock): boolean {
  return sk.caState === TCP_CA_OPEN;
}

/** Initial congestion window of a path: the route's metric, or 10 (`tcp_init_cwnd`). */
export function tcpInitCwnd(sk: TcpSock): number {
  const metric = sk.route === null ? 0 : sk.route.initcwnd;
  return Math.min(metric === 0 ? 10 : metric, sk.sndCwndClamp);
}

/** `before(seq, SND.UNA)`: already acknowledged. */
export function isAcked(sk: TcpSock, seq: number): boolean {
  return seqLt(seq, sk.sndUna);
}
