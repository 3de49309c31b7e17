/**
 * The state of a stream socket's file (Linux `enum socket_state`) and what listen, shutdown and
 * disconnecting do with it (`net/ipv4/af_inet.c`).
 */
import { EINVAL, ENOTCONN } from '../errno.ts';
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
import {
  SS_CONNECTED,
  SS_CONNECTING,
  SS_DISCONNECTING,
  SS_UNCONNECTED,
} from '../transport/tcp/stream-connect.ts';

const HANDSHAKE: number = TCPF_SYN_SENT | TCPF_SYN_RECV;

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
