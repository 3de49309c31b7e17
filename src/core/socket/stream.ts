/**
 * The state of a stream socket's file (Linux `enum socket_state`) and what connect, listen, accept and
 * shutdown do with it (`net/ipv4/af_inet.c`).
 */
import {
  EALREADY,
  ECONNABORTED,
  EINPROGRESS,
  EINVAL,
  EISCONN,
} from '../errno.ts';
import {
  TCP_CLOSE,
  TCP_LISTEN,
  TCPF_SYN_RECV,
  TCPF_SYN_SENT,
} from '../transport/tcp/constants.ts';
import type { TcpSock } from '../transport/tcp/sock.ts';

/** `sock->state` */
export const SS_UNCONNECTED = 0;
export const SS_CONNECTING = 1;
export const SS_CONNECTED = 2;

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
