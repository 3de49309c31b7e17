/** Sending again (RFC 6298, RFC 6675; Linux `tcp_retransmit_skb`, `tcp_xmit_retransmit_queue`). */
import { EAGAIN, EBUSY, EHOSTUNREACH, EINVAL, ENOMEM } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import { seqLt } from '../../util/seq.ts';
import { TCP_CWR, TCP_ECE, TCP_SYN } from '../../wire/tcp.ts';
import { mstampRefresh } from './clock.ts';
import {
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  TCP_CA_LOSS,
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
} from './constants.ts';
import { count, countBy } from './count.ts';
import { tcpInCwndReduction, tcpPacketsInFlight, tcpWndEnd } from './flight.ts';
import { tcpCurrentMss, tcpTsoSegs } from './mss.ts';
import { pacingCheck } from './pacing.ts';
import { rebuildRoute } from './route-cache.ts';
import type { TxSegment } from './segment.ts';
import {
  adjustPcount,
  fragmentSent,
  mayFragment,
  setTsoSegs,
  trimHead,
  tryCollapse,
} from './send-queue.ts';
import { smallQueueCheck, stillInQueue } from './small-queue.ts';
import type { TcpSock } from './sock.ts';
import { resetXmitTimerPaced } from './timer-arm.ts';
import { tcpTransmitSegment } from './transmit.ts';

/** The part of `seg` that was acknowledged meanwhile is not sent again. 0 or `-errno`. */
function dropAcked(sk: TcpSock, seg: TxSegment): number {
  if (!seqLt(seg.seq, sk.sndUna)) return 0;
  const gone = (sk.sndUna - seg.seq) | 0;
  if ((seg.flags & TCP_SYN) !== 0) {
    seg.flags &= ~TCP_SYN;
    seg.seq = (seg.seq + 1) | 0;
    if (gone > 1) trimHead(sk, seg, gone - 1);
    return 0;
  }
  if (seqLt(seg.endSeq, sk.sndUna)) return -EINVAL;
  trimHead(sk, seg, gone);
  return 0;
}

/** Cuts `seg` to what may go, or joins its neighbours to it. 0 or `-errno`. */
function resize(sk: TcpSock, seg: TxSegment, segs: number): number {
  const mss = tcpCurrentMss(sk);
  let avail = (tcpWndEnd(sk) - seg.seq) | 0;
  if (avail <= 0) {
    // The peer took its window back: only the oldest segment goes, as a probe (RFC 9293 §3.8.6).
    if (seg.seq !== sk.sndUna) return -EAGAIN;
    avail = mss;
  }
  let len = mss * segs;
  if (len > avail) {
    len = avail - (avail % mss);
    if (len === 0) len = avail;
  }
  if (seg.len > len) {
    if (!mayFragment(sk, seg)) return -ENOMEM;
    fragmentSent(sk, seg, len, mss);
    return 0;
  }
  const old = seg.pcount;
  setTsoSegs(seg, mss);
  if (old !== seg.pcount) adjustPcount(sk, seg, old - seg.pcount);
  const room = Math.min(avail, mss);
  if (seg.len < room) tryCollapse(sk, seg, room);
  return 0;
}

/** RFC 3168 §6.1.1.1: a path that drops ECN-setup SYNs gets one without (net.ipv4.tcp_ecn_fallback). */
function clearEcnSyn(sk: TcpSock, seg: TxSegment): void {
  const setup = TCP_SYN | TCP_ECE | TCP_CWR;
  if ((seg.flags & setup) === setup && sk.net.sysctl.tcpEcnFallback !== 0)
    seg.flags &= ~(TCP_ECE | TCP_CWR);
}

/** Sends at most `segs` segments of `seg` again; 0 or `-errno` (`__tcp_retransmit_skb`). */
export function retransmitOnly(sk: TcpSock, seg: TxSegment, segs: number): number {
  const net = sk.net;
  // A probe of the path MTU proves nothing when something else was lost.
  sk.mtupProbeSize = 0;
  if (stillInQueue(sk, seg)) return -EBUSY;
  const stale = dropAcked(sk, seg);
  if (stale < 0) return stale;
  if (rebuildRoute(sk) < 0) return -EHOSTUNREACH;
  const unfit = resize(sk, seg, segs);
  if (unfit < 0) return unfit;
  clearEcnSyn(sk, seg);
  const n = seg.pcount;
  countBy(net, MIB.TcpRetransSegs, n);
  if ((seg.flags & TCP_SYN) !== 0) count(net, MIB.TcpExtTCPSynRetrans);
  sk.totalRetrans += n;
  sk.bytesRetrans += seg.len;
  const err = tcpTransmitSegment(sk, seg);
  if (err !== 0) countBy(net, MIB.TcpExtTCPRetransFail, n);
  // Even if it failed: a round-trip from it would be measured from a packet that never was.
  seg.sacked |= TCPCB_EVER_RETRANS;
  return err;
}

/** The same, and the connection remembers it (`tcp_retransmit_skb`). */
export function tcpRetransmit(sk: TcpSock, seg: TxSegment, segs: number): number {
  const err = retransmitOnly(sk, seg, segs);
  // DEVIATION: after an undo a retransmission may still be under way; Linux counts it again.
  if (err === 0 && (seg.sacked & TCPCB_SACKED_RETRANS) === 0) {
    seg.sacked |= TCPCB_SACKED_RETRANS;
    sk.retransOut += seg.pcount;
  }
  if (sk.retransStamp === 0) sk.retransStamp = seg.sentUs;
  if (sk.undoRetrans < 0) sk.undoRetrans = 0;
  sk.undoRetrans += seg.pcount;
  return err;
}

/** What `classify` says: to be sent again; not lost, or sent again already; not lost and not sacked either. */
const LOST = 0;
const DONE = 1;
const HOLE = 2;

function classify(marks: number): number {
  if ((marks & TCPCB_LOST) === 0)
    return (marks & (TCPCB_SACKED_RETRANS | TCPCB_SACKED_ACKED)) === 0 ? HOLE : DONE;
  return (marks & (TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS)) === 0 ? LOST : DONE;
}

/** Sends one lost segment again, and counts it as what it is part of; false: it did not work. */
function retransmitLost(sk: TcpSock, seg: TxSegment, segs: number): boolean {
  if (tcpRetransmit(sk, seg, segs) !== 0) return false;
  const counter =
    sk.caState === TCP_CA_LOSS ? MIB.TcpExtTCPSlowStartRetrans : MIB.TcpExtTCPFastRetrans;
  countBy(sk.net, counter, seg.pcount);
  if (tcpInCwndReduction(sk)) sk.prrOut += seg.pcount;
  return true;
}

/** Sends what is marked lost, as far as the window lets (`tcp_xmit_retransmit_queue`). */
export function xmitRetransmitQueue(sk: TcpSock): void {
  if (sk.packetsOut === 0) return;
  mstampRefresh(sk);
  const queue = sk.rtxQueue;
  const head = queue.first();
  const maxSegs = tcpTsoSegs(sk, tcpCurrentMss(sk));
  let hole = false;
  let rearm = false;
  let i = sk.retransmitHint === null ? 0 : Math.max(0, queue.indexOf(sk.retransmitHint));
  for (let seg = queue.at(i); seg !== null; seg = queue.at(++i)) {
    if (pacingCheck(sk)) break;
    // Before the first hole nothing will have to be sent again.
    if (!hole) sk.retransmitHint = seg;
    const segs = sk.sndCwnd - tcpPacketsInFlight(sk);
    if (segs <= 0 || sk.retransOut >= sk.lostOut) break;
    const kind = classify(seg.sacked);
    if (kind === HOLE) hole = true;
    if (kind !== LOST) continue;
    if (smallQueueCheck(sk, seg, 1)) break;
    if (!retransmitLost(sk, seg, Math.min(segs, maxSegs))) break;
    if (seg === head && sk.pending !== ICSK_TIME_REO_TIMEOUT) rearm = true;
  }
  if (rearm) resetXmitTimerPaced(sk, ICSK_TIME_RETRANS, sk.rtoUs);
}
