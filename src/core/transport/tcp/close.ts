/** close, shutdown, linger (RFC 9293 §3.10.4; Linux `tcp_close`, `tcp_shutdown`, `tcp_disconnect`). */
import { ECONNABORTED, ECONNRESET } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import { seqLt } from '../../util/seq.ts';
import { TCP_FIN } from '../../wire/tcp.ts';
import { RCV_SHUTDOWN, SEND_SHUTDOWN } from '../sock.ts';
import {
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIMEWAIT_LEN,
} from './constants.ts';
import { count } from './count.ts';
import { destroySock, errorReport, setState, stateChange } from './done.ts';
import { removeFastOpen } from './fast-open-queue.ts';
import { listenStop } from './listen-stop.ts';
import { tooManyOrphans } from './orphan.ts';
import { tcpSendFin } from './output.ts';
import { sendActiveReset } from './reset.ts';
import { purgeSendQueue } from './send-queue.ts';
import type { TcpSock } from './sock.ts';
import { enterTimeWait } from './time-wait.ts';
import { clearAllTimers, resetKeepaliveTimer } from './timer-arm.ts';
import { finTime } from './timers.ts';
import { forgetPeer } from './unbind.ts';

/** Enters the state that closing leads to; true: a FIN is due (`tcp_close_state`). */
function closeState(sk: TcpSock): boolean {
  switch (sk.state) {
    case TCP_ESTABLISHED:
    case TCP_SYN_RECV:
      setState(sk, TCP_FIN_WAIT1);
      return true;
    case TCP_CLOSE_WAIT:
      setState(sk, TCP_LAST_ACK);
      return true;
    case TCP_LISTEN:
    case TCP_SYN_SENT:
      setState(sk, TCP_CLOSE);
      return false;
    default:
      return false;
  }
}

/** Half-close (Linux `tcp_shutdown` with SEND_SHUTDOWN). */
export function tcpShutdownSend(sk: TcpSock): void {
  const s = sk.state;
  if (s === TCP_ESTABLISHED || s === TCP_SYN_SENT || s === TCP_CLOSE_WAIT) {
    if (closeState(sk)) tcpSendFin(sk);
  }
}

/** shutdown(2) of a connection (`inet_shutdown`). @param how 0: receive, 1: send, 2: both */
export function shutdownSock(sk: TcpSock, how: number): number {
  const mask = how + 1;
  sk.shutdownMask |= mask;
  if ((mask & SEND_SHUTDOWN) !== 0) tcpShutdownSend(sk);
  stateChange(sk);
  return 0;
}

/** Bytes were received that nobody read; a FIN does not count. */
function hasUnread(sk: TcpSock): boolean {
  for (let i = 0; i < sk.receiveQueue.length; i++) {
    const seg = sk.receiveQueue.at(i);
    if (seg === null) break;
    const end = (seg.flags & TCP_FIN) !== 0 ? (seg.endSeq - 1) | 0 : seg.endSeq;
    if (seqLt(sk.copiedSeq, end)) return true;
  }
  return false;
}

/** The application's last reference is gone (`__tcp_close`). */
export function closeSock(sk: TcpSock): void {
  sk.shutdownMask = RCV_SHUTDOWN | SEND_SHUTDOWN;
  if (sk.state === TCP_LISTEN) {
    setState(sk, TCP_CLOSE);
    listenStop(sk);
    orphan(sk);
    finishOrphan(sk);
    return;
  }
  const unread = hasUnread(sk);
  sk.receiveQueue.clear();
  sk.rmemAlloc = 0;
  if (sk.state !== TCP_CLOSE) {
    if (sk.repair) disconnectSock(sk);
    else if (unread) {
      // RFC 2525 §2.17: data is lost, so the peer must know.
      count(sk.net, MIB.TcpExtTCPAbortOnClose);
      sendActiveReset(sk);
      setState(sk, TCP_CLOSE);
    } else if (sk.lingerUs === 0) {
      disconnectSock(sk);
      count(sk.net, MIB.TcpExtTCPAbortOnData);
    } else if (closeState(sk)) tcpSendFin(sk);
  }
  orphan(sk);
  finishOrphan(sk);
}

function orphan(sk: TcpSock): void {
  if (sk.orphan) return;
  sk.orphan = true;
  sk.onEvent = null;
  sk.net.tcp.orphanCount++;
}

/** An orphan in FIN_WAIT2 or CLOSE does not stay. */
function finishOrphan(sk: TcpSock): void {
  if (sk.state === TCP_FIN_WAIT2) {
    if (sk.linger2Us < 0) {
      sendActiveReset(sk);
      setState(sk, TCP_CLOSE);
      count(sk.net, MIB.TcpExtTCPAbortOnLinger);
    } else {
      const time = finTime(sk);
      if (time > TCP_TIMEWAIT_LEN) resetKeepaliveTimer(sk, time - TCP_TIMEWAIT_LEN);
      else {
        enterTimeWait(sk, TCP_FIN_WAIT2, time);
        return;
      }
    }
  }
  if (sk.state !== TCP_CLOSE && tooManyOrphans(sk, 0)) {
    setState(sk, TCP_CLOSE);
    sendActiveReset(sk);
    count(sk.net, MIB.TcpExtTCPAbortOnMemory);
  }
  if (sk.state !== TCP_CLOSE) return;
  if (sk.fastOpenRsk !== null) removeFastOpen(sk, false);
  destroySock(sk);
}

/** States in which an abort must be told to the peer (`tcp_need_reset`). */
function needReset(state: number): boolean {
  return (
    state === TCP_ESTABLISHED ||
    state === TCP_CLOSE_WAIT ||
    state === TCP_FIN_WAIT1 ||
    state === TCP_FIN_WAIT2 ||
    state === TCP_SYN_RECV
  );
}

/** Back to a fresh socket (`tcp_disconnect`): connect to AF_UNSPEC, SO_LINGER {1,0}, shutdown of a listener. */
export function disconnectSock(sk: TcpSock): number {
  const old = sk.state;
  if (old === TCP_LISTEN) {
    setState(sk, TCP_CLOSE);
    listenStop(sk);
  } else {
    if (sk.repair) sk.err = ECONNABORTED;
    const unsent = sk.sndNxt !== sk.writeSeq && (old === TCP_CLOSING || old === TCP_LAST_ACK);
    if (!sk.repair && (needReset(old) || unsent)) {
      sendActiveReset(sk);
      sk.err = ECONNRESET;
    } else if (old === TCP_SYN_SENT) sk.err = ECONNRESET;
    if (old !== TCP_CLOSE) setState(sk, TCP_CLOSE);
  }
  clearAllTimers(sk);
  sk.receiveQueue.clear();
  sk.rmemAlloc = 0;
  purgeSendQueue(sk);
  if (!sk.bindPortLocked) {
    sk.net.tcp.binds.remove(sk);
    sk.sport = 0;
  }
  sk.dport = 0;
  forgetPeer(sk);
  sk.resetConnection();
  if (!sk.orphan && sk.err !== 0) errorReport(sk);
  return 0;
}
