/**
 * How large the receive buffer and the window grow (Linux `tcp_init_buffer_space`, `tcp_grow_window`,
 * `tcp_rcv_space_adjust`: dynamic right-sizing, `tcp_measure_rcv_mss`).
 */
import { seqLt } from '../../util/seq.ts';
import { TCP_FIN, TCP_HLEN, TCP_PSH, TCP_SYN, TCP_URG } from '../../wire/tcp.ts';
import { mstampRefresh } from './clock.ts';
import {
  ICSK_ACK_PUSHED,
  ICSK_ACK_PUSHED2,
  TCP_INIT_CWND,
  TCP_MIN_MSS,
  TCP_MSS_DEFAULT,
} from './constants.ts';
import { rttFromTsopt } from './rto.ts';
import type { RxSegment } from './segment.ts';
import { sndbufExpand } from './send-buffer.ts';
import type { TcpSock } from './sock.ts';
import { tcpFullSpace, tcpSpace, tcpSpaceFromWin, tcpWinFromSpace } from './window.ts';

/** `SOCK_MIN_RCVBUF / 2` */
const MIN_CLAMP = 1152;

/** Sizes at the start of a connection. */
export function initBufferSpace(sk: TcpSock): void {
  if (!sk.sndbufLocked) sndbufExpand(sk);
  mstampRefresh(sk);
  sk.rcvqTime = sk.mstamp;
  sk.rcvqSeq = sk.copiedSeq;
  const max = tcpFullSpace(sk);
  const appWin = sk.net.sysctl.tcpAppWin;
  if (sk.windowClamp >= max) {
    sk.windowClamp = max;
    if (appWin !== 0 && max > 4 * sk.advmss)
      sk.windowClamp = Math.max(max - Math.floor(max / 2 ** appWin), 4 * sk.advmss);
  }
  if (appWin !== 0 && sk.windowClamp > 2 * sk.advmss && sk.windowClamp + sk.advmss > max)
    sk.windowClamp = Math.max(2 * sk.advmss, max - sk.advmss);
  sk.rcvSsthresh = Math.min(sk.rcvSsthresh, sk.windowClamp);
  sk.sndCwndStamp = sk.mstamp;
  sk.rcvqSpace = Math.min(sk.rcvSsthresh, sk.rcvWnd, TCP_INIT_CWND * sk.advmss);
}

/** A new upper bound of the window (`tcp_set_window_clamp`). */
export function tcpSetWindowClamp(sk: TcpSock, val: number): void {
  const old = sk.windowClamp;
  const clamp = Math.max(val, MIN_CLAMP);
  if (clamp === old) return;
  sk.windowClamp = clamp;
  if (clamp < old) sk.rcvSsthresh = Math.min(sk.rcvSsthresh, clamp);
  else sk.rcvSsthresh = Math.max(Math.min(sk.rcvWnd, clamp), sk.rcvSsthresh);
}

/** Learns the peer's segment size, and what share of the buffer is payload. */
export function measureRcvMss(sk: TcpSock, seg: RxSegment): void {
  const last = sk.lastSegSize;
  sk.lastSegSize = 0;
  let len = seg.pkt.gsoSize !== 0 ? seg.pkt.gsoSize : seg.len;
  if (len >= sk.rcvMss) {
    if (len !== sk.rcvMss) {
      const old = sk.scalingRatio;
      sk.scalingRatio = Math.max(1, Math.min(255, Math.floor((seg.len * 256) / seg.truesize)));
      if (old !== sk.scalingRatio) {
        tcpSetWindowClamp(sk, tcpFullSpace(sk));
        sk.rcvqSpace = Math.min(sk.rcvqSpace, sk.windowClamp);
      }
    }
    sk.rcvMss = Math.min(len, sk.advmss);
    if ((seg.flags & TCP_PSH) !== 0) sk.ackPending |= ICSK_ACK_PUSHED;
    return;
  }
  len += seg.hdr.headerLen();
  const remnant = (seg.flags & (TCP_FIN | TCP_URG | TCP_SYN | TCP_PSH)) !== 0;
  if (len >= TCP_MSS_DEFAULT + TCP_HLEN || (len >= TCP_MIN_MSS + TCP_HLEN && !remnant)) {
    len -= sk.tcpHeaderLen;
    sk.lastSegSize = len;
    if (len === last) {
      sk.rcvMss = len;
      return;
    }
  }
  if ((sk.ackPending & ICSK_ACK_PUSHED) !== 0) sk.ackPending |= ICSK_ACK_PUSHED2;
  sk.ackPending |= ICSK_ACK_PUSHED;
}

/** Opens `rcvSsthresh` as far as this kind of segment can be stored. */
export function growWindow(sk: TcpSock, seg: RxSegment): void {
  const room = Math.min(sk.windowClamp, tcpSpace(sk)) - sk.rcvSsthresh;
  if (room <= 0) return;
  let incr: number;
  if (tcpWinFromSpace(sk, seg.truesize) <= seg.len) incr = 2 * sk.advmss;
  else incr = growSlowly(sk, seg);
  if (incr === 0) return;
  incr = Math.max(incr, 2 * seg.len);
  sk.rcvSsthresh += Math.min(room, incr);
  sk.ackQuick |= 1;
}

/** Segments with much overhead: only while the window is a small part of the largest buffer. */
function growSlowly(sk: TcpSock, seg: RxSegment): number {
  let truesize = tcpWinFromSpace(sk, seg.truesize) >> 1;
  let window = tcpWinFromSpace(sk, sk.net.sysctl.tcpRmem[2]) >> 1;
  while (sk.rcvSsthresh <= window) {
    if (truesize <= seg.len) return 2 * sk.rcvMss;
    truesize >>= 1;
    window >>= 1;
  }
  return 0;
}

function rcvRttUpdate(sk: TcpSock, sample: number, byWindow: boolean): void {
  const rtt = sk.rcvRttUs;
  if (rtt === 0 || sample * 8 < rtt) {
    sk.rcvRttUs = sample * 8;
    return;
  }
  // Larger ones tell of the reader as much as of the path, unless it is waiting.
  if (byWindow || sk.rcvNxt !== sk.copiedSeq) return;
  sk.rcvRttUs = rtt - (rtt >> 3) + sample;
}

/** RTT from the time that a window's worth of data takes (`tcp_rcv_rtt_measure`). */
export function rcvRttMeasure(sk: TcpSock): void {
  if (sk.rcvRttTime !== 0) {
    if (seqLt(sk.rcvNxt, sk.rcvRttSeq)) return;
    rcvRttUpdate(sk, Math.max(1, sk.mstamp - sk.rcvRttTime), true);
  }
  sk.rcvRttSeq = (sk.rcvNxt + sk.rcvWnd) | 0;
  sk.rcvRttTime = sk.mstamp;
}

/** RTT from timestamps, on full segments (`tcp_rcv_rtt_measure_ts`). */
export function rcvRttMeasureTs(sk: TcpSock, seg: RxSegment): void {
  if (!sk.sawTstamp || sk.rcvTsecr === 0 || sk.rcvTsecr === sk.rcvRttLastTsecr) return;
  sk.rcvRttLastTsecr = sk.rcvTsecr;
  if ((seg.endSeq - seg.seq) >>> 0 < sk.rcvMss) return;
  const delta = rttFromTsopt(sk, 0);
  if (delta > 0) rcvRttUpdate(sk, delta, false);
}

/** After each read: a reader that keeps up deserves twice what it read per round-trip. */
export function rcvSpaceAdjust(sk: TcpSock): void {
  mstampRefresh(sk);
  const time = sk.mstamp - sk.rcvqTime;
  if (time < sk.rcvRttUs >> 3 || sk.rcvRttUs === 0) return;
  // What waits to be read is no merit of the reader's.
  const waiting = (sk.rcvNxt - sk.copiedSeq) >>> 0;
  const copied = ((sk.copiedSeq - sk.rcvqSeq) >>> 0) - waiting;
  if (copied > sk.rcvqSpace) rcvbufGrow(sk, copied);
  sk.rcvqSeq = sk.copiedSeq;
  sk.rcvqTime = sk.mstamp;
}

/** Room for `space` bytes per round-trip, with the sender's growth (`tcp_rcvbuf_grow`). */
export function rcvbufGrow(sk: TcpSock, space: number): void {
  const old = sk.rcvqSpace;
  sk.rcvqSpace = space;
  const s = sk.net.sysctl;
  if (s.tcpModerateRcvbuf === 0 || sk.rcvbufLocked) return;
  // One round-trip late, and the sender may double.
  let win = space * 2;
  if (old > 0) win += Math.floor((win * (space - old)) / old) * 2;
  const ofo = sk.receiveQueue.ofo;
  const last = ofo[ofo.length - 1];
  if (last !== undefined) win += (last.endSeq - sk.rcvNxt) >>> 0;
  const rcvbuf = Math.min(tcpSpaceFromWin(sk, win), s.tcpRmem[2]);
  if (rcvbuf > sk.rcvbuf) {
    sk.rcvbuf = rcvbuf;
    sk.windowClamp = tcpWinFromSpace(sk, rcvbuf);
  }
}
