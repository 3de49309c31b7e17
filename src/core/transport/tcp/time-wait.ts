/**
 * TIME-WAIT (RFC 9293 §3.6.1, RFC 1337, RFC 6191; Linux `tcp_time_wait`,
 * `tcp_timewait_state_process`, `tcp_twsk_unique`).
 */
import { drop } from '../../drop.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { isLoopback } from '../../util/address.ts';
import { isLoopback6 } from '../../util/ip6-addr.ts';
import { seqGt, seqLt } from '../../util/seq.ts';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../wire/tcp.ts';
import { oowRateLimited } from './challenge.ts';
import { tcpClockMs, tcpClockSec, tcpClockUs } from './clock.ts';
import {
  TCP_FIN_WAIT2,
  TCP_PAWS_MSL,
  TCP_PAWS_WRAP,
  TCP_TIME_WAIT,
  TCP_TIMEWAIT_LEN,
} from './constants.ts';
import { count } from './count.ts';
import { tcpDone } from './done.ts';
import { md5KeyFor } from './md5-keys.ts';
import { updateMetrics } from './metrics.ts';
import { sendReply, sendReset } from './reply.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { TimeWaitSock } from './time-wait-sock.ts';
import { tcpReceiveWindow } from './window.ts';

/** What to do with a segment for a TIME-WAIT socket. */
export const TW_SUCCESS = 0;
export const TW_RST = 1;
export const TW_ACK = 2;
export const TW_SYN = 3;

/**
 * Leaves a small remainder in the table and ends the socket (Linux `tcp_time_wait`).
 * @param state `TCP_TIME_WAIT`, or `TCP_FIN_WAIT2` for an orphan @param timeoUs 0: a minute
 */
export function enterTimeWait(sk: TcpSock, state: number, timeoUs: number): void {
  const net = sk.net;
  const tcp = net.tcp;
  updateMetrics(sk);
  if (tcp.twCount >= net.sysctl.tcpMaxTwBuckets) {
    count(net, MIB.TcpExtTCPTimeWaitOverflow);
    tcpDone(sk);
    return;
  }
  const tw = new TimeWaitSock(sk, sk.cookie);
  tw.substate = state;
  tw.rcvSaddr = sk.rcvSaddr;
  tw.inet6 = sk.inet6 === null ? null : sk.inet6.boundAddr();
  tw.reuseAddr = sk.reuseAddr;
  tw.reusePort = sk.reusePort;
  tw.domain = sk.domain;
  tw.rcvNxt = sk.rcvNxt;
  tw.sndNxt = sk.sndNxt;
  tw.rcvWnd = tcpReceiveWindow(sk);
  tw.rcvWscale = sk.rcvWscale;
  tw.tsRecent = sk.tsRecent;
  tw.tsRecentStamp = sk.tsRecentStamp;
  tw.tsOffset = sk.tsOffset;
  tw.lastOowAckUs = sk.lastOowAckUs;
  tw.tos = sk.ends === null || sk.inet6 === null ? sk.tos : sk.inet6.tclass;
  tw.mark = sk.mark;
  tw.ttl = sk.ttl;
  tw.md5Key = md5KeyFor(sk, sk);
  tw.entryUs = tcpClockUs(net);
  const bucket = sk.bindBucket;
  if (bucket !== null) tcp.binds.add(bucket, tw);
  tcp.twCount++;
  const timer = net.kernel.timer(() => killTimeWait(net, tw));
  tw.timer = timer;
  const timeo = state === TCP_TIME_WAIT || timeoUs === 0 ? TCP_TIMEWAIT_LEN : timeoUs;
  timer.set(net.kernel.nowUs + timeo);
  count(net, timeo <= 4_000_000 ? MIB.TcpExtTWKilled : MIB.TcpExtTW);
  tcp.connections.replace(sk, tw);
  tcpDone(sk);
}

/** Forgets a TIME-WAIT socket (Linux `inet_twsk_deschedule_put`). */
export function killTimeWait(net: NetNs, tw: TimeWaitSock): void {
  if (tw.timer === null) return;
  tw.timer.clear();
  tw.timer = null;
  net.tcp.twCount--;
  net.tcp.connections.remove(tw);
  net.tcp.binds.remove(tw);
}

function reschedule(net: NetNs, tw: TimeWaitSock): void {
  tw.timer?.set(net.kernel.nowUs + TCP_TIMEWAIT_LEN);
}

/** RFC 7323 §5.3 for a socket that is gone (`tcp_paws_reject`). */
function pawsReject(net: NetNs, tw: TimeWaitSock, seg: RxSegment): boolean {
  const o = seg.hdr.options;
  if (o === null || !o.timestamps || tw.tsRecentStamp === 0) return false;
  if (((tw.tsRecent - o.tsVal) | 0) <= 0 || tw.tsRecent === 0) return false;
  const age = tcpClockSec(net) - tw.tsRecentStamp;
  if (age >= TCP_PAWS_WRAP) return false;
  // A RST that late comes from a rebooted peer.
  return !((seg.flags & TCP_RST) !== 0 && age >= TCP_PAWS_MSL);
}

function storeTs(net: NetNs, tw: TimeWaitSock, seg: RxSegment): void {
  const o = seg.hdr.options;
  if (o === null || !o.timestamps) return;
  tw.tsRecent = o.tsVal;
  tw.tsRecentStamp = tcpClockSec(net);
}

function inWindow(seq: number, endSeq: number, start: number, end: number): boolean {
  if (seq === start) return true;
  if (seqGt(endSeq, start) && seqLt(seq, end)) return true;
  return seq === end && seq === endSeq;
}

/** A segment for an orphan's FIN_WAIT2. */
function finWait2(net: NetNs, tw: TimeWaitSock, seg: RxSegment, paws: boolean): number {
  if (paws || !inWindow(seg.seq, seg.endSeq, tw.rcvNxt, (tw.rcvNxt + tw.rcvWnd) | 0))
    return outOfWindow(net, tw, MIB.TcpExtTCPACKSkippedFinWait2);
  if ((seg.flags & TCP_RST) !== 0) {
    killTimeWait(net, tw);
    return TW_SUCCESS;
  }
  if ((seg.flags & TCP_SYN) !== 0 && !seqLt(seg.seq, tw.rcvNxt)) return TW_RST;
  if ((seg.flags & TCP_ACK) === 0 || !seqGt(seg.endSeq, tw.rcvNxt) || seg.endSeq === seg.seq)
    return TW_SUCCESS;
  // Nobody is there to read new data.
  if ((seg.flags & TCP_FIN) === 0 || seg.endSeq !== ((tw.rcvNxt + 1) | 0)) return TW_RST;
  tw.substate = TCP_TIME_WAIT;
  tw.entryUs = tcpClockUs(net);
  tw.rcvNxt = seg.endSeq;
  storeTs(net, tw, seg);
  reschedule(net, tw);
  return TW_ACK;
}

function outOfWindow(net: NetNs, tw: TimeWaitSock, counter: number): number {
  return oowRateLimited(net, tw, counter) ? TW_SUCCESS : TW_ACK;
}

/** Decides what a segment does to a TIME-WAIT socket; `TW_*`. */
export function timeWaitProcess(net: NetNs, tw: TimeWaitSock, seg: RxSegment): number {
  const paws = pawsReject(net, tw, seg);
  if (tw.substate === TCP_FIN_WAIT2) return finWait2(net, tw, seg, paws);
  const rst = (seg.flags & TCP_RST) !== 0;
  if (!paws && seg.seq === tw.rcvNxt && (seg.seq === seg.endSeq || rst)) {
    if (rst) {
      // RFC 1337: a RST may kill the state too early; Linux lets it, unless told not to.
      if (net.sysctl.tcpRfc1337 === 0) {
        killTimeWait(net, tw);
        return TW_SUCCESS;
      }
    } else reschedule(net, tw);
    storeTs(net, tw, seg);
    return TW_SUCCESS;
  }
  // RFC 9293 §3.10.7.4: a SYN from the future starts a new connection.
  const o = seg.hdr.options;
  const newer = o?.timestamps && tw.tsRecentStamp !== 0 && ((tw.tsRecent - o.tsVal) | 0) < 0;
  if (
    (seg.flags & (TCP_SYN | TCP_RST | TCP_ACK)) === TCP_SYN &&
    !paws &&
    (seqGt(seg.seq, tw.rcvNxt) || newer)
  )
    return TW_SYN;
  if (paws) count(net, MIB.TcpExtPAWSTimewait);
  if (rst) return TW_SUCCESS;
  // LINUX: an ACK in the window starts the minute again.
  if (paws || (seg.flags & TCP_ACK) !== 0) reschedule(net, tw);
  return outOfWindow(net, tw, MIB.TcpExtTCPACKSkippedTimeWait);
}

/** First sequence number of a connection that follows this one (RFC 6191). */
export function timeWaitIsn(tw: TimeWaitSock): number {
  const isn = (tw.sndNxt + 65535 + 2) | 0;
  return isn === 0 ? 1 : isn;
}

/** Answers as the socket would have (`tcp_v4_timewait_ack`). */
export function timeWaitAck(net: NetNs, tw: TimeWaitSock, seg: RxSegment): void {
  sendReply(net, seg.pkt, {
    seq: tw.sndNxt,
    ack: tw.rcvNxt,
    flags: TCP_ACK,
    window: Math.min(65535, Math.floor(tw.rcvWnd / 2 ** tw.rcvWscale)),
    ts:
      tw.tsRecentStamp !== 0 || tw.tsRecent !== 0
        ? [(tcpClockMs(net) + tw.tsOffset) | 0, tw.tsRecent]
        : null,
    tos: tw.tos,
    ttl: tw.ttl,
  });
}

/** A segment arrived for a TIME-WAIT socket. True: it is a SYN for the listener, with `timeWaitIsn`. */
export function timeWaitInput(net: NetNs, tw: TimeWaitSock, seg: RxSegment): boolean {
  switch (timeWaitProcess(net, tw, seg)) {
    case TW_SYN:
      return true;
    case TW_ACK:
      timeWaitAck(net, tw, seg);
      break;
    case TW_RST:
      sendReset(net, seg.pkt, true);
      killTimeWait(net, tw);
      break;
    default:
      break;
  }
  drop(net, seg.pkt, 'NOT_SPECIFIED', 'TIME_WAIT');
  return false;
}

/** May connect() take the four-tuple over (net.ipv4.tcp_tw_reuse; `tcp_twsk_unique`)? */
export function timeWaitReusable(net: NetNs, tw: TimeWaitSock, explicitPort: boolean): boolean {
  let reuse = net.sysctl.tcpTwReuse;
  if (tw.substate === TCP_FIN_WAIT2) reuse = 0;
  if (reuse === 2 && !isOnLoopback(tw)) reuse = 0;
  if (tw.tsRecentStamp === 0) return false;
  if (explicitPort) return true;
  const age = Math.floor(tcpClockUs(net) / 1000) - Math.floor(tw.entryUs / 1000);
  return reuse !== 0 && age > net.sysctl.tcpTwReuseDelay;
}

/** Both ends on this host: no old segment can be anywhere. */
function isOnLoopback(tw: TimeWaitSock): boolean {
  if (tw.boundDevIf === 1) return true;
  const { ends } = tw;
  if (ends !== null) return isLoopback6(ends.remote) || isLoopback6(ends.local);
  return isLoopback(tw.daddr) || isLoopback(tw.saddr);
}
