/**
 * First to fourth check of RFC 9293 §3.10.7.4: sequence number with PAWS (RFC 7323 §5), RST (RFC 5961
 * §3), SYN (RFC 5961 §4). Linux `tcp_validate_incoming`.
 */
import { type DropReason, drop } from '../../drop.ts';
import { MIB } from '../../mib.ts';
import { seqGt, seqLt } from '../../util/seq.ts';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../wire/tcp.ts';
import { segmentRateLimited, sendChallengeAck } from './challenge.ts';
import { tcpClockSec } from './clock.ts';
import {
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_LAST_ACK,
  TCP_MAX_QUICKACKS,
  TCP_PAWS_WINDOW,
  TCP_PAWS_WRAP,
  TCP_SYN_RECV,
} from './constants.ts';
import { count } from './count.ts';
import { parseTimestamps } from './options.ts';
import { enterQuickackMode } from './pingpong.ts';
import { tcpReset } from './reset.ts';
import { dsackSet } from './sack-out.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { tcpSendAck } from './transmit.ts';
import { tcpReceiveWindow } from './window.ts';

/** Runs checks 1 to 4; false: the segment is dealt with. */
export function validateIncoming(sk: TcpSock, seg: RxSegment, synIsError: boolean): boolean {
  if (parseTimestamps(sk, seg.hdr)) {
    const paws = pawsCheck(sk, seg);
    if (paws !== null && !pawsFailed(sk, seg, paws, synIsError)) return false;
  }
  const bad = checkSequence(sk, seg);
  if (bad !== null) {
    unacceptable(sk, seg, bad, synIsError);
    return false;
  }
  if ((seg.flags & TCP_RST) !== 0) {
    checkReset(sk, seg);
    return false;
  }
  if ((seg.flags & TCP_SYN) !== 0 && !isCrossedSynAck(sk, seg)) {
    synChallenge(sk, seg, synIsError);
    return false;
  }
  return true;
}

/** RFC 7323 §5.3 R1; null: the timestamp is good, or the segment harmless. */
function pawsCheck(sk: TcpSock, seg: RxSegment): DropReason | null {
  const behind = (sk.tsRecent - sk.rcvTsval) | 0;
  if (behind <= TCP_PAWS_WINDOW) return null;
  if (tcpClockSec(sk.net) - sk.tsRecentStamp >= TCP_PAWS_WRAP || sk.tsRecent === 0) return null;
  const pure = (seg.flags & TCP_ACK) !== 0 && seg.seq === seg.endSeq;
  if (!pure) return 'TCP_RFC7323_PAWS';
  if (seg.seq !== sk.rcvNxt)
    return seqLt(seg.seq, sk.rcvNxt) ? 'TCP_RFC7323_PAWS_ACK' : 'TCP_RFC7323_PAWS';
  if (seg.ack !== sk.sndUna) return 'TCP_RFC7323_PAWS';
  const win = seg.hdr.window << sk.sndWscale;
  if (seqGt(seg.seq, sk.sndWl1) || (seg.seq === sk.sndWl1 && win > sk.sndWnd))
    return 'TCP_RFC7323_PAWS';
  // A duplicate ACK that was overtaken within about a timeout does no harm.
  return behind > Math.floor((sk.rtoUs * 12) / 10_000) ? 'TCP_RFC7323_PAWS' : null;
}

/** True: go on all the same, since a RST is judged by its sequence number alone. */
function pawsFailed(sk: TcpSock, seg: RxSegment, reason: DropReason, synIsError: boolean): boolean {
  if ((seg.flags & TCP_RST) !== 0) return true;
  const net = sk.net;
  if ((seg.flags & TCP_SYN) !== 0) {
    synChallenge(sk, seg, synIsError);
    return false;
  }
  if (reason === 'TCP_RFC7323_PAWS_ACK') {
    count(net, MIB.TcpExtPAWSOldAck);
  } else {
    count(net, MIB.TcpExtPAWSEstab);
    if (!segmentRateLimited(net, seg, sk, MIB.TcpExtTCPACKSkippedPAWS)) sendDupack(sk, seg);
  }
  drop(net, seg.pkt, reason);
  return false;
}

/** RFC 9293 table 6, with Linux's leniencies (`tcp_sequence`); null: acceptable. */
function checkSequence(sk: TcpSock, seg: RxSegment): DropReason | null {
  if (seqLt(seg.endSeq, sk.rcvWup)) return 'TCP_OLD_SEQUENCE';
  const limit = (sk.rcvNxt + tcpReceiveWindow(sk)) | 0;
  if (!seqGt(seg.endSeq, limit)) return null;
  if (seqGt(seg.seq, limit)) return 'TCP_INVALID_SEQUENCE';
  // A FIN needs no room.
  const fin = (seg.flags & TCP_FIN) !== 0 ? 1 : 0;
  if (!seqGt((seg.endSeq - fin) | 0, limit)) return null;
  // LINUX: an empty queue takes one segment that is longer than the window.
  return sk.receiveQueue.length > 0 ? 'TCP_INVALID_END_SEQUENCE' : null;
}

function unacceptable(sk: TcpSock, seg: RxSegment, reason: DropReason, synIsError: boolean): void {
  const net = sk.net;
  if ((seg.flags & TCP_RST) !== 0) {
    if (isLateReset(sk, seg)) {
      tcpReset(sk);
      drop(net, seg.pkt, 'TCP_RESET');
      return;
    }
  } else if ((seg.flags & TCP_SYN) !== 0) {
    synChallenge(sk, seg, synIsError);
    return;
  } else {
    if (reason !== 'TCP_OLD_SEQUENCE') count(net, MIB.TcpExtBeyondWindow);
    if (!segmentRateLimited(net, seg, sk, MIB.TcpExtTCPACKSkippedSeq)) sendDupack(sk, seg);
  }
  drop(net, seg.pkt, reason);
}

/** A RST just before RCV.NXT, after the peer's FIN: some stacks do that (`tcp_reset_check`). */
function isLateReset(sk: TcpSock, seg: RxSegment): boolean {
  if (seg.seq !== ((sk.rcvNxt - 1) | 0)) return false;
  const s = sk.state;
  return s === TCP_CLOSE_WAIT || s === TCP_LAST_ACK || s === TCP_CLOSING;
}

/** RFC 5961 §3.2, and RST behind the last SACK block. */
function checkReset(sk: TcpSock, seg: RxSegment): void {
  let exact = seg.seq === sk.rcvNxt || isLateReset(sk, seg);
  const blocks = sk.sackBlocks;
  if (!exact && sk.sackOk !== 0 && blocks.length > 0) {
    let max = blocks[1] as number;
    for (let i = 3; i < blocks.length; i += 2)
      if (seqGt(blocks[i] as number, max)) max = blocks[i] as number;
    exact = seg.seq === max;
  }
  if (exact) tcpReset(sk);
  else sendChallengeAck(sk);
  drop(sk.net, seg.pkt, 'TCP_RESET');
}

/** The answer to our SYN-ACK of a simultaneous open: their SYN, now with ACK. */
function isCrossedSynAck(sk: TcpSock, seg: RxSegment): boolean {
  return (
    sk.state === TCP_SYN_RECV &&
    (seg.flags & TCP_ACK) !== 0 &&
    ((seg.seq + 1) | 0) === seg.endSeq &&
    ((seg.seq + 1) | 0) === sk.rcvNxt &&
    seg.ack === sk.sndNxt
  );
}

/** RFC 5961 §4.2 */
function synChallenge(sk: TcpSock, seg: RxSegment, isError: boolean): void {
  const net = sk.net;
  if (isError) count(net, MIB.TcpInErrs);
  count(net, MIB.TcpExtTCPSYNChallenge);
  sendChallengeAck(sk);
  drop(net, seg.pkt, 'TCP_INVALID_SYN');
}

/** An ACK that says where we are, and what came twice (`tcp_send_dupack`). */
function sendDupack(sk: TcpSock, seg: RxSegment): void {
  if (seg.endSeq !== seg.seq && seqLt(seg.seq, sk.rcvNxt)) {
    count(sk.net, MIB.TcpExtDelayedACKLost);
    enterQuickackMode(sk, TCP_MAX_QUICKACKS);
    dsackSet(sk, seg.seq, seqGt(seg.endSeq, sk.rcvNxt) ? sk.rcvNxt : seg.endSeq);
  }
  tcpSendAck(sk);
}
