/** Interactive ("ping-pong") connections, on which ACKs are delayed (Linux `inet_csk_enter_pingpong_mode`). */
import { TCP_ATO_MIN, TCP_MAX_QUICKACKS, TCP_MIN_MSS } from './constants.ts';
import type { TcpSock } from './sock.ts';

/** `INET_CSK` cap of the counter. */
const PINGPONG_MAX = 255;

export function pingpongInc(sk: TcpSock): void {
  if (sk.pingpong < PINGPONG_MAX) sk.pingpong++;
}

export function pingpongEnter(sk: TcpSock): void {
  sk.pingpong = sk.net.sysctl.tcpPingpongThresh;
}

export function pingpongExit(sk: TcpSock): void {
  sk.pingpong = 0;
}

export function inPingpongMode(sk: TcpSock): boolean {
  return sk.pingpong >= sk.net.sysctl.tcpPingpongThresh;
}

/** Segments that will be acknowledged at once (`tcp_incr_quickack`). */
export function incrQuickack(sk: TcpSock, max: number): void {
  let quickacks = Math.floor(sk.rcvWnd / (2 * Math.max(sk.rcvMss, TCP_MIN_MSS)));
  if (quickacks === 0) quickacks = 2;
  quickacks = Math.min(quickacks, max);
  if (quickacks > sk.ackQuick) sk.ackQuick = quickacks;
}

/** Linux `tcp_enter_quickack_mode` */
export function enterQuickackMode(sk: TcpSock, max: number = TCP_MAX_QUICKACKS): void {
  incrQuickack(sk, max);
  pingpongExit(sk);
  sk.atoUs = TCP_ATO_MIN;
}

/** Linux `tcp_in_quickack_mode` */
export function inQuickackMode(sk: TcpSock): boolean {
  if (sk.route?.quickack === true) return true;
  return sk.ackQuick > 0 && !inPingpongMode(sk);
}
