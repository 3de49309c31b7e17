/** The end of a connection's life (Linux `tcp_set_state`, `tcp_done`, `inet_csk_destroy_sock`). */
import { ETIMEDOUT } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  EPOLLRDNORM,
  EPOLLWRNORM,
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
} from '../sock.ts';
import {
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_ESTABLISHED,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from './constants.ts';
import { count, countBy } from './count.ts';
import { checkOfoOnDestroy } from './fast-open-blackhole.ts';
import { removeFastOpen } from './fast-open-queue.ts';
import { purgeSendQueue } from './send-queue.ts';
import type { TcpSock } from './sock.ts';
import { clearAllTimers } from './timer-arm.ts';

/** `sk_state_change`: whoever waits looks again at everything. */
export const EVENTS_STATE: number =
  EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP | EPOLLRDHUP;
/** `sk_data_ready` */
export const EVENTS_READ: number = EPOLLIN | EPOLLPRI | EPOLLRDNORM;
/** `sk_write_space` */
export const EVENTS_WRITE: number = EPOLLOUT | EPOLLWRNORM;

/** `sk_state_change` */
export function stateChange(sk: TcpSock): void {
  if (!sk.orphan) sk.wake(EVENTS_STATE);
}

/** `sk_error_report` */
export function errorReport(sk: TcpSock): void {
  if (!sk.orphan) sk.wake(EPOLLERR | EPOLLIN | EPOLLOUT);
}

/** Enters a state and keeps the counters right (Linux `tcp_set_state`). */
export function setState(sk: TcpSock, state: number): void {
  const old = sk.state;
  const net = sk.net;
  const was = old === TCP_ESTABLISHED || old === TCP_CLOSE_WAIT;
  const is = state === TCP_ESTABLISHED || state === TCP_CLOSE_WAIT;
  if (is && !was) count(net, MIB.TcpCurrEstab);
  else if (was && !is) countBy(net, MIB.TcpCurrEstab, -1);
  if (state === TCP_CLOSE) {
    if (was) count(net, MIB.TcpEstabResets);
    net.tcp.connections.remove(sk);
    if (!sk.bindPortLocked) net.tcp.binds.remove(sk);
  }
  sk.state = state;
}

/** The connection is over; the socket lives on until it is closed (Linux `tcp_done`). */
export function tcpDone(sk: TcpSock): void {
  if (sk.state === TCP_SYN_SENT || sk.state === TCP_SYN_RECV) count(sk.net, MIB.TcpAttemptFails);
  setState(sk, TCP_CLOSE);
  clearAllTimers(sk);
  if (sk.fastOpenRsk !== null) removeFastOpen(sk, false);
  sk.shutdownMask = RCV_SHUTDOWN | SEND_SHUTDOWN;
  if (sk.orphan) destroySock(sk);
  else stateChange(sk);
}

/** Frees everything (Linux `inet_csk_destroy_sock`). */
export function destroySock(sk: TcpSock): void {
  const tcp = sk.net.tcp;
  if (!tcp.socks.delete(sk)) return;
  clearAllTimers(sk);
  if (sk.synFastOpen) checkOfoOnDestroy(sk);
  sk.fastOpenReq = null;
  purgeSendQueue(sk);
  sk.receiveQueue.clear();
  sk.rmemAlloc = 0;
  tcp.connections.remove(sk);
  tcp.binds.remove(sk);
  if (sk.orphan) tcp.orphanCount--;
  sk.route = null;
  if (tcp.socks.size === 0) sk.net.checkRefs();
}

/** Gives up on the peer: the soft error that explains it, or ETIMEDOUT (Linux `tcp_write_err`). */
export function writeError(sk: TcpSock): void {
  sk.err = sk.errSoft !== 0 ? sk.errSoft : ETIMEDOUT;
  errorReport(sk);
  purgeSendQueue(sk);
  tcpDone(sk);
  count(sk.net, MIB.TcpExtTCPAbortOnTimeout);
}

/** Ends the connection with an error that the application will see. */
export function failWith(sk: TcpSock, errno: number): void {
  sk.err = errno;
  purgeSendQueue(sk);
  tcpDone(sk);
  errorReport(sk);
}
