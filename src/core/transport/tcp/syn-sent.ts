/** A segment arrives in SYN_SENT (RFC 9293 §3.10.7.3; Linux `tcp_rcv_synsent_state_process`). */
import { type DropReason, drop } from '../../drop.ts';
import { MIB } from '../../mib.ts';
import { seqBetween, seqGt } from '../../util/seq.ts';
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../wire/tcp.ts';
import { tcpAck } from './ack.ts';
import { FLAG_SLOWPATH } from './ack-flags.ts';
import { ticksOf } from './clock.ts';
import {
  ICSK_TIME_RETRANS,
  TCP_DELACK_MAX,
  TCP_MAX_QUICKACKS,
  TCP_SYN_RECV,
  TCP_TIMEOUT_MIN,
} from './constants.ts';
import { count } from './count.ts';
import { scheduleAck } from './delack.ts';
import { setState, stateChange } from './done.ts';
import { ecnRcvSyn, ecnRcvSynack, ecnSendSynack } from './ecn.ts';
import { rcvFastOpenSynack } from './fast-open-client.ts';
import { tcpSyncMss } from './mss.ts';
import { mtupInit } from './mtu-probe.ts';
import {
  parseSynOptions,
  type SynOptions,
  sackAgreed,
  storeTsRecent,
  TCPOLEN_TSTAMP_ALIGNED,
} from './options.ts';
import { enterQuickackMode, inPingpongMode } from './pingpong.ts';
import { sendReset } from './reply.ts';
import { tcpReset } from './reset.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { armDelack, resetXmitTimer } from './timer-arm.ts';
import { finishConnect, initializeRcvMss } from './transfer.ts';
import { tcpSendAck, tcpTransmitSegment } from './transmit.ts';

/** True: the connection is established, and urgent data and sending remain to be done. */
export function synSentProcess(sk: TcpSock, seg: RxSegment): boolean {
  const savedClamp = sk.mssClamp;
  const syn = (seg.flags & TCP_SYN) !== 0;
  const options = parseSynOptions(sk, seg.hdr, sk.userMss, sk.af.defaultMss);
  let reason: DropReason;
  if ((seg.flags & TCP_ACK) !== 0) {
    reason = checkAck(sk, seg, options);
    if (reason === 'NOT_SPECIFIED') {
      takeOptions(sk, options);
      return established(sk, seg, options);
    }
  } else if ((seg.flags & TCP_RST) !== 0) reason = 'TCP_RESET';
  else if (syn) {
    takeOptions(sk, options);
    crossedSyn(sk, seg);
    return false;
  } else reason = 'TCP_FLAGS';
  sk.mssClamp = savedClamp;
  drop(sk.net, seg.pkt, reason);
  return false;
}

/** `NOT_SPECIFIED`: a good SYN-ACK. Otherwise it was dealt with, and may be dropped for this. */
function checkAck(sk: TcpSock, seg: RxSegment, options: SynOptions): DropReason {
  const net = sk.net;
  if (!seqGt(seg.ack, sk.sndUna) || seqGt(seg.ack, sk.sndNxt)) {
    // An old connection's segment: after our RST a new SYN will be welcome.
    if (sk.retransmits === 0) resetXmitTimer(sk, ICSK_TIME_RETRANS, TCP_TIMEOUT_MIN);
    sendReset(net, seg.pkt, true);
    return 'TCP_INVALID_ACK_SEQUENCE';
  }
  if (options.sawTstamp && options.tsEcr !== 0) {
    const ecr = (options.tsEcr - sk.tsOffset) | 0;
    if (!seqBetween(ecr, ticksOf(sk.retransStamp), ticksOf(sk.mstamp))) {
      count(net, MIB.TcpExtPAWSActive);
      sendReset(net, seg.pkt, true);
      return 'TCP_RFC7323_PAWS';
    }
  }
  if ((seg.flags & TCP_RST) !== 0) {
    tcpReset(sk);
    return 'TCP_RESET';
  }
  return (seg.flags & TCP_SYN) === 0 ? 'TCP_FLAGS' : 'NOT_SPECIFIED';
}

function takeOptions(sk: TcpSock, o: SynOptions): void {
  sk.mssClamp = o.mss;
  sk.sackOk = sackAgreed(o.sackOk);
  sk.wscaleOk = o.wscale >= 0;
  sk.sndWscale = o.wscale >= 0 ? o.wscale : 0;
  sk.sawTstamp = o.sawTstamp;
  sk.rcvTsval = o.tsVal;
  sk.rcvTsecr = o.tsEcr === 0 ? 0 : (o.tsEcr - sk.tsOffset) | 0;
}

function takeTimestamps(sk: TcpSock): void {
  if (!sk.sawTstamp) {
    sk.tcpHeaderLen = 20;
    return;
  }
  sk.tstampOk = true;
  sk.tcpHeaderLen = 20 + TCPOLEN_TSTAMP_ALIGNED;
  storeTsRecent(sk);
}

/** Our SYN is acknowledged and theirs is here. */
function established(sk: TcpSock, seg: RxSegment, o: SynOptions): boolean {
  ecnRcvSynack(sk, seg.flags);
  sk.sndWl1 = seg.seq;
  if (sk.undoMarker !== 0 && sk.rcvTsecr !== 0 && sk.rcvTsecr === ticksOf(sk.retransStamp))
    sk.undoMarker = 0;
  sk.rcvNxt = (seg.seq + 1) | 0;
  sk.rcvWup = sk.rcvNxt;
  tcpAck(sk, seg, FLAG_SLOWPATH);
  // RFC 7323 §2.2: the window of a SYN is never scaled.
  sk.sndWnd = seg.hdr.window;
  sk.fastPath = sk.sndWscale === 0;
  if (!sk.wscaleOk) {
    sk.sndWscale = 0;
    sk.rcvWscale = 0;
    sk.windowClamp = Math.min(sk.windowClamp, 65535);
  }
  takeTimestamps(sk);
  if (o.sawTstamp) sk.advmss -= TCPOLEN_TSTAMP_ALIGNED;
  mtupInit(sk);
  tcpSyncMss(sk, sk.pmtuCookie);
  initializeRcvMss(sk);
  sk.copiedSeq = sk.rcvNxt;
  sk.irs = seg.seq;
  finishConnect(sk);
  const failed = (sk.synFastOpen || sk.synData) && rcvFastOpenSynack(sk, seg);
  stateChange(sk);
  if (failed) return true;
  if (sk.deferAccept > 0 || inPingpongMode(sk)) {
    // Save one ACK: data is about to carry it.
    scheduleAck(sk);
    enterQuickackMode(sk, TCP_MAX_QUICKACKS);
    armDelack(sk, TCP_DELACK_MAX);
    return false;
  }
  tcpSendAck(sk);
  return true;
}

/** Both opened at the same time, or we talk to ourselves (RFC 9293 §3.5 figure 8). */
function crossedSyn(sk: TcpSock, seg: RxSegment): void {
  setState(sk, TCP_SYN_RECV);
  takeTimestamps(sk);
  sk.rcvNxt = (seg.seq + 1) | 0;
  sk.copiedSeq = sk.rcvNxt;
  sk.rcvWup = sk.rcvNxt;
  sk.irs = seg.seq;
  sk.sndWnd = seg.hdr.window;
  sk.sndWl1 = seg.seq;
  sk.maxWindow = sk.sndWnd;
  ecnRcvSyn(sk, seg.flags);
  tcpSyncMss(sk, sk.pmtuCookie);
  initializeRcvMss(sk);
  const head = sk.rtxQueue.first();
  if (head === null || (head.flags & TCP_SYN) === 0) return;
  if ((head.flags & TCP_ACK) === 0) {
    head.flags |= TCP_ACK;
    ecnSendSynack(sk, head);
  }
  tcpTransmitSegment(sk, head);
}
