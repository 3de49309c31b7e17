/**
 * The state of a stream socket's file (Linux `enum socket_state`) and what connect, listen, accept and
 * shutdown do with it (`net/ipv4/af_inet.c`).
 */
import { EALREADY, ECONNABORTED, EINPROGRESS, EINVAL, EISCONN, ENOTCONN } from '../errno.ts';
import { EPOLLHUP, EPOLLIN, EPOLLOUT, RCV_SHUTDOWN } from '../transport/sock.ts';
import {
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_SYN_SENT,
  TCPF_CLOSE,
  TCPF_SYN_RECV,
  TCPF_SYN_SENT,
} from '../transport/tcp/constants.ts';
import type { TcpSock } from '../transport/tcp/sock.ts';

/** `sock->state` */
export const SS_UNCONNECTED = 0;
export const SS_CONNECTING = 1;
export const SS_CONNECTED = 2;
export const SS_DISCONNECTING = 3;

const HANDSHAKE: number = TCPF_SYN_SENT | TCPF_SYN_RECV;

/** Linux `__inet_stream_connect` of a socket that does not block. */
export function streamConnect(sk: TcpSock, addr: number, port: number): number {
  let err = 0;
  switch (sk.fileState) {
    case SS_CONNECTED:
      return -EISCONN;
    case SS_CONNECTING:
      err = -EALREADY;
      break;
    case SS_DISCONNECTING:
      return -EINVAL;
    default:
      if (sk.state !== TCP_CLOSE) return -EISCONN;
      err = sk.connect(addr, port);
      if (err < 0 && err !== -EINPROGRESS) return err;
      sk.fileState = SS_CONNECTING;
      err = -EINPROGRESS;
  }
  if (((1 << sk.state) & HANDSHAKE) !== 0) return err;
  if (sk.state !== TCP_CLOSE) {
    sk.fileState = SS_CONNECTED;
    return 0;
  }
  const pending = sk.takeError();
  sk.fileState = SS_UNCONNECTED;
  sk.disconnect();
  return -(pending === 0 ? ECONNABORTED : pending);
}

/** AF_UNSPEC */
export function streamDisconnect(sk: TcpSock): number {
  const err = sk.disconnect();
  if (err === 0) sk.fileState = SS_UNCONNECTED;
  return err;
}

/** Linux `inet_listen` */
export function streamListen(sk: TcpSock, backlog: number): number {
  if (sk.fileState !== SS_UNCONNECTED) return -EINVAL;
  if (sk.state !== TCP_CLOSE && sk.state !== TCP_LISTEN) return -EINVAL;
  const { somaxconn } = sk.net.sysctl;
  return sk.listen(backlog >>> 0 > somaxconn ? somaxconn : backlog);
}

/** Linux `inet_shutdown`; `how` is 0, 1 or 2. */
export function streamShutdown(sk: TcpSock, how: number): number {
  const mask = how + 1;
  if (sk.fileState === SS_CONNECTING) {
    const early = ((1 << sk.state) & (HANDSHAKE | TCPF_CLOSE)) !== 0;
    sk.fileState = early ? SS_DISCONNECTING : SS_CONNECTED;
  }
  if (sk.state === TCP_CLOSE) {
    // The bits are set all the same: who polls sees a hang-up.
    sk.shutdownMask |= mask;
    sk.wake(EPOLLIN | EPOLLOUT | EPOLLHUP);
    return -ENOTCONN;
  }
  if (sk.state !== TCP_LISTEN && sk.state !== TCP_SYN_SENT) return sk.shutdown(how);
  if (sk.state === TCP_LISTEN && (mask & RCV_SHUTDOWN) === 0) return 0;
  const err = sk.disconnect();
  sk.fileState = err === 0 ? SS_UNCONNECTED : SS_DISCONNECTING;
  sk.wake(EPOLLIN | EPOLLOUT | EPOLLHUP);
  return err;
}
