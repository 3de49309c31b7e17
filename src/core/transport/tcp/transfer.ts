/** The moment a connection is established (Linux `tcp_init_transfer`, `tcp_finish_connect`). */
import { tcpClockUs } from './clock.ts';
import { TCP_ESTABLISHED, TCP_MIN_MSS, TCP_MSS_DEFAULT } from './constants.ts';
import { updatePacingRate } from './cwnd.ts';
import { setState } from './done.ts';
import { tcpInitCwnd } from './flight.ts';
import { initMetrics } from './metrics.ts';
import { mtupInit } from './mtu-probe.ts';
import { initBufferSpace } from './receive-buffer.ts';
import { rebuildRoute } from './route-cache.ts';
import type { TcpSock } from './sock.ts';
import { resetKeepaliveTimer } from './timer-arm.ts';
import { keepaliveTime } from './timers.ts';

/** First guess of the peer's segment size (`tcp_initialize_rcv_mss`). */
export function initializeRcvMss(sk: TcpSock): void {
  let hint = Math.min(sk.advmss, sk.mssCache);
  hint = Math.min(hint, sk.rcvWnd >> 1, TCP_MSS_DEFAULT);
  sk.rcvMss = Math.max(hint, TCP_MIN_MSS);
}

/** Congestion window, algorithm and buffers. */
export function initTransfer(sk: TcpSock): void {
  rebuildRoute(sk);
  mtupInit(sk);
  initMetrics(sk);
  sk.sndCwnd = sk.totalRetrans > 1 && sk.undoMarker !== 0 ? 1 : tcpInitCwnd(sk);
  sk.sndCwndStamp = sk.mstamp;
  sk.ca.init(sk);
  initBufferSpace(sk);
}

/** Our SYN was answered (`tcp_finish_connect`). */
export function finishConnect(sk: TcpSock): void {
  setState(sk, TCP_ESTABLISHED);
  const now = tcpClockUs(sk.net);
  sk.lrcvtime = now;
  initTransfer(sk);
  sk.lsndtime = now;
  if (sk.keepAlive) resetKeepaliveTimer(sk, keepaliveTime(sk));
  updatePacingRate(sk);
}
