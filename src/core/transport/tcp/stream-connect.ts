/**
 * connect(2) of a stream socket and its file's state (Linux `__inet_stream_connect`); a write may connect,
 * too (MSG_FASTOPEN, TCP_FASTOPEN_CONNECT; `tcp_sendmsg_fastopen`).
 */
import { EALREADY, ECONNABORTED, EINPROGRESS, EINVAL, EISCONN, EOPNOTSUPP } from '../../errno.ts';
import type { SockAddrIn } from '../sock.ts';
import { sendSyn } from './connect.ts';
import { connectSock6 } from './connect6.ts';
import { TCP_CLOSE, TCPF_SYN_RECV, TCPF_SYN_SENT } from './constants.ts';
import { setState } from './done.ts';
import { TFO_CLIENT_ENABLE } from './fast-open.ts';
import { FastOpenRequest } from './fast-open-option.ts';
import type { TcpSock } from './sock.ts';

/** `sock->state` */
export const SS_UNCONNECTED = 0;
export const SS_CONNECTING = 1;
export const SS_CONNECTED = 2;
export const SS_DISCONNECTING = 3;

const HANDSHAKE: number = TCPF_SYN_SENT | TCPF_SYN_RECV;

/** Connects without blocking. @param sending a write asks for it @param to null: the write names nobody */
export function streamConnect(sk: TcpSock, to: SockAddrIn | null, sending = false): number {
  let err = 0;
  switch (sk.fileState) {
    case SS_CONNECTED:
      return -EISCONN;
    case SS_CONNECTING:
      if (!sk.deferConnect) err = -EALREADY;
      else err = sending ? -EINPROGRESS : -EISCONN;
      break;
    case SS_DISCONNECTING:
      return -EINVAL;
    default:
      if (sk.state !== TCP_CLOSE) return -EISCONN;
      if (to === null) return -EINVAL;
      err = sk.inet6 === null ? sk.connect(to.addr, to.port) : connectSock6(sk, sk.inet6, to);
      if (err < 0 && err !== -EINPROGRESS) return err;
      sk.fileState = SS_CONNECTING;
      if (sk.deferConnect) return 0;
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

/**
 * The write that connects: bytes that the SYN took, or what connecting gave if it took none; 0: connected,
 * nothing was taken.
 */
export function sendFastOpen(sk: TcpSock, data: Uint8Array, to: SockAddrIn | null): number {
  if ((sk.net.sysctl.tcpFastopen & TFO_CLIENT_ENABLE) === 0) return -EOPNOTSUPP;
  if (sk.fastOpenReq !== null) return -EALREADY;
  const req = new FastOpenRequest(data);
  sk.fastOpenReq = req;
  if (sk.deferConnect) {
    const err = sendSyn(sk);
    if (err < 0 && err !== -EINPROGRESS) {
      setState(sk, TCP_CLOSE);
      sk.dport = 0;
    }
  }
  const err = streamConnect(sk, to, true);
  if (sk.fastOpenReq === req) {
    sk.fastOpenReq = null;
    sk.deferConnect = false;
  }
  return err === -EINPROGRESS && req.copied > 0 ? req.copied : err;
}
