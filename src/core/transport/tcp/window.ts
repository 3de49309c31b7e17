/**
 * The receive window: what is offered, when, and how it is rounded (RFC 9293 §3.8.6, RFC 7323 §2;
 * Linux `tcp_select_initial_window`, `__tcp_select_window`, `tcp_select_window`).
 */
import { MIB } from '../../mib.ts';
import { seqGt } from '../../util/seq.ts';
import { ICSK_ACK_NOMEM, MAX_TCP_WINDOW, TCP_MAX_WSCALE } from './constants.ts';
import { count } from './count.ts';
import type { TcpSock } from './sock.ts';

/** Bytes of window that `space` bytes of buffer are good for (`tcp_win_from_space`). */
export function tcpWinFromSpace(sk: TcpSock, space: number): number {
  return Math.floor((space * sk.scalingRatio) / 256);
}

/** Buffer needed for a window of `win` bytes (`tcp_space_from_win`). */
export function tcpSpaceFromWin(sk: TcpSock, win: number): number {
  return Math.floor((win * 256) / sk.scalingRatio);
}

/** Window that the free part of the receive buffer is good for (`tcp_space`). */
export function tcpSpace(sk: TcpSock): number {
  return tcpWinFromSpace(sk, sk.rcvbuf - sk.rmemAlloc);
}

/** The same for the whole buffer (`tcp_full_space`). */
export function tcpFullSpace(sk: TcpSock): number {
  return tcpWinFromSpace(sk, sk.rcvbuf);
}

/** Header prediction is worth a try again (`tcp_fast_path_check`). */
export function fastPathCheck(sk: TcpSock): void {
  if (
    sk.receiveQueue.ofo.length === 0 &&
    sk.rcvWnd !== 0 &&
    sk.rmemAlloc < sk.rcvbuf &&
    sk.urgData === 0
  )
    sk.fastPath = true;
}

/** What is left of the window that the peer knows (`tcp_receive_window`). */
export function tcpReceiveWindow(sk: TcpSock): number {
  const win = (sk.rcvWup + sk.rcvWnd - sk.rcvNxt) | 0;
  return win < 0 ? 0 : win;
}

/** Right edge of the window beyond which the peer must not send. */
export function tcpRcvWndEnd(sk: TcpSock): number {
  return (sk.rcvNxt + tcpReceiveWindow(sk)) | 0;
}

export interface InitialWindow {
  rcvWnd: number;
  windowClamp: number;
  rcvWscale: number;
}

/**
 * First window, clamp and scale (`tcp_select_initial_window`).
 * @param space bytes of buffer as window @param initRcvWnd the route's metric in segments, 0: none
 */
export function tcpSelectInitialWindow(
  sk: TcpSock,
  space: number,
  mss: number,
  clamp: number,
  options: { wscaleOk: boolean; initRcvWnd: number },
): InitialWindow {
  const sysctl = sk.net.sysctl;
  let windowClamp = clamp === 0 ? 65535 * 2 ** TCP_MAX_WSCALE : clamp;
  let room = Math.max(0, Math.min(space, windowClamp));
  if (room > mss) room -= room % mss;
  // What the 16 bits of a SYN cannot say the next segment will.
  let rcvWnd = sysctl.tcpWorkaroundSignedWindows !== 0 ? Math.min(room, MAX_TCP_WINDOW) : room;
  if (options.initRcvWnd !== 0) rcvWnd = Math.min(rcvWnd, options.initRcvWnd * mss);
  let rcvWscale = 0;
  if (options.wscaleOk) {
    let limit = Math.max(room, sysctl.tcpRmem[2], sysctl.rmemMax);
    limit = Math.min(limit, windowClamp);
    rcvWscale = Math.min(Math.max(31 - Math.clz32(limit >>> 0) - 15, 0), TCP_MAX_WSCALE);
  }
  windowClamp = Math.min(65535 * 2 ** rcvWscale, windowClamp);
  return { rcvWnd, windowClamp, rcvWscale };
}

/** The window worth offering now (`__tcp_select_window`): RFC 1122 §4.2.3.3, receiver's SWS avoidance. */
function selectWindow(sk: TcpSock): number {
  let mss = sk.rcvMss;
  const allowed = tcpFullSpace(sk);
  let freeSpace = tcpSpace(sk);
  let fullSpace = Math.min(sk.windowClamp, allowed);
  if (sk.net.sysctl.tcpShrinkWindow !== 0 && sk.rcvWscale !== 0)
    return selectWindowShrinking(sk, freeSpace, fullSpace);
  if (mss > fullSpace) {
    mss = fullSpace;
    if (mss <= 0) return 0;
  }
  if (freeSpace < fullSpace >> 1) {
    sk.ackQuick = 0;
    // Below a sixteenth of the buffer, or one segment, say zero: the peer must not dribble.
    freeSpace = roundDown(freeSpace, 1 << sk.rcvWscale);
    if (freeSpace < allowed >> 4 || freeSpace < mss) return 0;
  }
  if (freeSpace > sk.rcvSsthresh) freeSpace = sk.rcvSsthresh;
  if (sk.rcvWscale !== 0) {
    // Rounding up keeps the peer from being told less than it had.
    return roundUp(freeSpace, 1 << sk.rcvWscale);
  }
  let window = sk.rcvWnd;
  fullSpace = Math.max(fullSpace, 0);
  if (window <= freeSpace - mss || window > freeSpace) window = roundDown(freeSpace, mss);
  else if (mss === fullSpace && freeSpace > window + (fullSpace >> 1)) window = freeSpace;
  return window;
}

/** net.ipv4.tcp_shrink_window = 1: the edge may move back (RFC 7323 §2.4). */
function selectWindowShrinking(sk: TcpSock, space: number, fullSpace: number): number {
  const unit = 1 << sk.rcvWscale;
  let free = roundDown(space, unit);
  if (free < fullSpace >> 1) {
    sk.ackQuick = 0;
    if (free < tcpFullSpace(sk) >> 4 || free < Math.min(sk.rcvMss, fullSpace) || free < unit)
      return 0;
  }
  if (free > sk.rcvSsthresh) free = roundUp(sk.rcvSsthresh, unit);
  return free;
}

function roundDown(n: number, unit: number): number {
  return n - (((n % unit) + unit) % unit);
}

function roundUp(n: number, unit: number): number {
  return Math.ceil(n / unit) * unit;
}

/** The window as a segment will say it, 16 bits, and what it means is noted (`tcp_select_window`). */
export function tcpSelectWindow(sk: TcpSock): number {
  const net = sk.net;
  const oldWin = sk.rcvWnd;
  if ((sk.ackPending & ICSK_ACK_NOMEM) !== 0) {
    // Data could not be queued: say so, whatever was offered.
    sk.rcvWnd = 0;
    sk.rcvWup = sk.rcvNxt;
    sk.fastPath = false;
    return 0;
  }
  const curWin = tcpReceiveWindow(sk);
  let newWin = selectWindow(sk);
  if (newWin < curWin) {
    // RFC 9293 §3.8.6.2.1: the right edge never moves back.
    if (net.sysctl.tcpShrinkWindow === 0 || sk.rcvWscale === 0) {
      if (newWin === 0) count(net, MIB.TcpExtTCPWantZeroWindowAdv);
      newWin = roundUp(curWin, 1 << sk.rcvWscale);
    }
  }
  sk.rcvWnd = newWin;
  sk.rcvWup = sk.rcvNxt;
  if (sk.rcvWscale === 0 && net.sysctl.tcpWorkaroundSignedWindows !== 0)
    newWin = Math.min(newWin, MAX_TCP_WINDOW);
  else newWin = Math.min(newWin, 65535 * (1 << sk.rcvWscale));
  newWin = Math.floor(newWin / (1 << sk.rcvWscale));
  if (newWin === 0) {
    sk.fastPath = false;
    if (oldWin !== 0) count(net, MIB.TcpExtTCPToZeroWindowAdv);
  } else if (oldWin === 0) {
    count(net, MIB.TcpExtTCPFromZeroWindowAdv);
  }
  return newWin;
}

/** What a window update would offer now, without noting it (`__tcp_select_window` for readers). */
export function tcpWindowToOffer(sk: TcpSock): number {
  return selectWindow(sk);
}

/** Right edge that was advertised lies behind `seq`. */
export function beyondWindow(sk: TcpSock, seq: number): boolean {
  return seqGt(seq, tcpRcvWndEnd(sk));
}
