/**
 * When to acknowledge: at once, later, or compressed (RFC 1122 §4.2.3.2, RFC 9293 §3.8.6.3; Linux
 * `__tcp_ack_snd_check`, `tcp_send_delayed_ack`, `tcp_delack_timer_handler`, `tcp_cleanup_rbuf`).
 */
import { MIB } from '../../mib.ts';
import { RCV_SHUTDOWN } from '../sock.ts';
import { mstampRefresh, tcpClockUs } from './clock.ts';
import {
  ICSK_ACK_NOW,
  ICSK_ACK_PUSHED,
  ICSK_ACK_PUSHED2,
  ICSK_ACK_SCHED,
  ICSK_ACK_TIMER,
  TCP_ATO_MIN,
  TCP_CLOSE,
  TCP_DELACK_MAX,
  TCP_DELACK_MIN,
  TCP_FASTRETRANS_THRESH,
  TCP_LISTEN,
} from './constants.ts';
import { count } from './count.ts';
import { inPingpongMode, inQuickackMode, pingpongExit } from './pingpong.ts';
import { tcpRtoMin } from './rto.ts';
import type { TcpSock } from './sock.ts';
import { armDelack } from './timer-arm.ts';
import { tcpSendAck } from './transmit.ts';
import { tcpReceiveWindow, tcpWindowToOffer } from './window.ts';

/** An ACK is owed (`inet_csk_schedule_ack`). */
export function scheduleAck(sk: TcpSock): void {
  sk.ackPending |= ICSK_ACK_SCHED;
}

/** After a segment: send the ACK that is owed, or arrange for it (`tcp_ack_snd_check`). */
export function ackSndCheck(sk: TcpSock): void {
  if ((sk.ackPending & ICSK_ACK_SCHED) === 0) return;
  if (
    ((sk.rcvNxt - sk.rcvWup) >>> 0 > sk.rcvMss &&
      // The reader will send it, if the window cannot open before that.
      ((sk.rcvNxt - sk.copiedSeq) >>> 0 < sk.rcvlowat || tcpWindowToOffer(sk) >= sk.rcvWnd)) ||
    inQuickackMode(sk) ||
    (sk.ackPending & ICSK_ACK_NOW) !== 0
  ) {
    tcpSendAck(sk);
    return;
  }
  if (sk.receiveQueue.ofo.length === 0) {
    sendDelayedAck(sk);
    return;
  }
  ackOutOfOrder(sk);
}

/** Out of order: three at once for fast retransmit, then compressed (net.ipv4.tcp_comp_sack_*). */
function ackOutOfOrder(sk: TcpSock): void {
  const s = sk.net.sysctl;
  if (sk.sackOk === 0 || sk.compressedAck >= s.tcpCompSackNr) {
    tcpSendAck(sk);
    return;
  }
  if (sk.compressedAckRcvNxt !== sk.rcvNxt) {
    sk.compressedAckRcvNxt = sk.rcvNxt;
    sk.dupAckCounter = 0;
  }
  if (sk.dupAckCounter < TCP_FASTRETRANS_THRESH) {
    sk.dupAckCounter++;
    tcpSendAck(sk);
    return;
  }
  sk.compressedAck++;
  if (sk.compressedAckTimer.pending) return;
  let rtt = sk.rcvRttUs;
  if (sk.srttUs !== 0 && sk.srttUs < rtt) rtt = sk.srttUs;
  // rtt is scaled by 8: 5 % of it.
  const delay = Math.min(s.tcpCompSackDelayNs / 1000, Math.floor(rtt / 160));
  sk.compressedAckTimer.set(sk.net.kernel.nowUs + Math.floor(delay));
}

/** Sends the ACK that compression holds back, if any (`tcp_sack_compress_send_ack`). */
export function compressedSendAck(sk: TcpSock): void {
  if (sk.compressedAck === 0) return;
  sk.compressedAckTimerMaybe?.clear();
  // The ACK that goes now was counted among those saved.
  sk.compressedAck--;
  tcpSendAck(sk);
}

/** Linux `tcp_compressed_ack_kick` */
export function compressedAckTimer(sk: TcpSock): void {
  if (sk.compressedAck === 0) return;
  sk.compressedAck--;
  tcpSendAck(sk);
}

/** Less than the peer's timeout, if it is as patient as we are (`tcp_delack_max`). */
export function delackMax(sk: TcpSock): number {
  return Math.min(sk.delackMaxUs, Math.max(tcpRtoMin(sk), 2_000) - 1_000);
}

/** Arms the delayed-ACK timer: 40 to 200 ms, after what the peer's pace suggests. */
function sendDelayedAck(sk: TcpSock): void {
  let ato = sk.atoUs;
  if (ato > TCP_DELACK_MIN) {
    let max = 500_000;
    if (inPingpongMode(sk) || (sk.ackPending & ICSK_ACK_PUSHED) !== 0) max = TCP_DELACK_MAX;
    if (sk.srttUs !== 0) max = Math.min(max, Math.max(sk.srttUs >> 3, TCP_DELACK_MIN));
    ato = Math.min(ato, max);
  }
  ato = Math.min(ato, delackMax(sk));
  const now = tcpClockUs(sk.net);
  if ((sk.ackPending & ICSK_ACK_TIMER) !== 0) {
    if (sk.ackTimeoutUs <= now + (ato >> 2)) {
      tcpSendAck(sk);
      return;
    }
    if (sk.ackTimeoutUs < now + ato) {
      sk.ackPending |= ICSK_ACK_SCHED;
      return;
    }
  }
  armDelack(sk, ato);
}

/** The delayed-ACK timer ran out. */
export function delackTimer(sk: TcpSock): void {
  if (sk.state === TCP_CLOSE || sk.state === TCP_LISTEN) return;
  if (sk.compressedAck > 0) {
    compressedSendAck(sk);
    return;
  }
  if ((sk.ackPending & ICSK_ACK_TIMER) === 0) return;
  sk.ackPending &= ~ICSK_ACK_TIMER;
  if ((sk.ackPending & ICSK_ACK_SCHED) === 0) return;
  if (!inPingpongMode(sk)) sk.atoUs = Math.min(sk.atoUs * 2, sk.rtoUs);
  else {
    pingpongExit(sk);
    sk.atoUs = TCP_ATO_MIN;
  }
  mstampRefresh(sk);
  tcpSendAck(sk);
  count(sk.net, MIB.TcpExtDelayedACKs);
}

/** The application read `copied` bytes: acknowledge, or tell of a larger window (`tcp_cleanup_rbuf`). */
export function cleanupRbuf(sk: TcpSock, copied: number): void {
  let now = false;
  if ((sk.ackPending & ICSK_ACK_SCHED) !== 0) {
    const pushed =
      (sk.ackPending & ICSK_ACK_PUSHED2) !== 0 ||
      ((sk.ackPending & ICSK_ACK_PUSHED) !== 0 && !inPingpongMode(sk));
    if ((sk.rcvNxt - sk.rcvWup) >>> 0 > sk.rcvMss || (copied > 0 && pushed && sk.rmemAlloc === 0))
      now = true;
  }
  if (copied > 0 && !now && (sk.shutdownMask & RCV_SHUTDOWN) === 0) {
    const window = tcpReceiveWindow(sk);
    if (2 * window <= sk.windowClamp) {
      const offer = tcpWindowToOffer(sk);
      if (offer !== 0 && offer >= 2 * window) now = true;
    }
  }
  if (now) {
    mstampRefresh(sk);
    tcpSendAck(sk);
  }
}
