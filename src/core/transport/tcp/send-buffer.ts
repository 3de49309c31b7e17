/** How much may wait to be sent, and who is told of room (Linux `tcp_sndbuf_expand`, `sk_stream_*`). */
import { CHRONO_SNDBUF_LIMITED, chronoStop } from './chrono.ts';
import { TCP_INIT_CWND } from './constants.ts';
import { EVENTS_WRITE } from './done.ts';
import { tcpNotsentBytes } from './flight.ts';
import type { TcpSock } from './sock.ts';

/** Room for headers and `struct skb_shared_info` that Linux charges with each segment. */
const HEADER_ROOM = 576;
/** `struct sk_buff` */
const SKB_SIZE = 256;

/** The buffer holds twice the congestion window, or what the algorithm asks for (`tcp_sndbuf_expand`). */
export function sndbufExpand(sk: TcpSock): void {
  let perMss = Math.max(sk.mssClamp, sk.mssCache) + HEADER_ROOM;
  perMss = 2 ** Math.ceil(Math.log2(perMss)) + SKB_SIZE;
  const segs = Math.max(TCP_INIT_CWND, sk.sndCwnd, sk.reordering + 1);
  const size = sk.ca.sndbufExpand * segs * perMss;
  if (sk.sndbuf < size) sk.sndbuf = Math.min(size, sk.net.sysctl.tcpWmem[2]);
}

/** The congestion window says that a larger buffer would be used (`tcp_should_expand_sndbuf`). */
export function shouldExpandSndbuf(sk: TcpSock): boolean {
  if (sk.sndbufLocked) return false;
  const left = sk.sackedOut + sk.lostOut;
  const inFlight = sk.packetsOut - left + sk.retransOut;
  return inFlight < sk.sndCwnd;
}

/** net.ipv4.tcp_notsent_lowat or TCP_NOTSENT_LOWAT. */
export function notsentLowat(sk: TcpSock): number {
  return sk.notsentLowat !== 0 ? sk.notsentLowat >>> 0 : sk.net.sysctl.tcpNotsentLowat;
}

/** Another segment may be queued (`sk_stream_memory_free`). */
export function streamMemoryFree(sk: TcpSock, wake = 0): boolean {
  if (sk.wmemQueued >= sk.sndbuf) return false;
  // When waking, half of the mark must be free, so that writers are not woken for each segment.
  return tcpNotsentBytes(sk) * 2 ** wake < notsentLowat(sk);
}

/** EPOLLOUT: a third of the buffer is free (`sk_stream_is_writeable`). */
export function streamIsWriteable(sk: TcpSock): boolean {
  const used = sk.wmemQueued;
  return sk.sndbuf - used >= used >> 1 && streamMemoryFree(sk, 1);
}

/** Tells a waiting writer that there is room (`tcp_check_space`, `sk_stream_write_space`). */
export function checkSpace(sk: TcpSock): void {
  if (!sk.noSpace) return;
  if (shouldExpandSndbuf(sk)) {
    sndbufExpand(sk);
    sk.sndCwndStamp = sk.mstamp;
  }
  if (streamIsWriteable(sk)) {
    sk.noSpace = false;
    chronoStop(sk, CHRONO_SNDBUF_LIMITED);
    if (!sk.orphan) sk.wake(EVENTS_WRITE);
  }
}
