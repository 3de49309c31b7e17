/** Readiness (Linux `tcp_poll`, `tcp_ioctl`). */
import { EINVAL, ENOTTY } from '../../errno.ts';
import { hasQueuedErrors } from '../error-queue.ts';
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
import { SIOCATMARK, SIOCINQ, SIOCOUTQ, SIOCOUTQNSD } from '../sockopt-names.ts';
import { TCP_CLOSE, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT } from './constants.ts';
import { isReadable } from './data.ts';
import { tcpInq } from './recv.ts';
import { streamIsWriteable } from './send-buffer.ts';
import type { TcpSock } from './sock.ts';
import { atMark, TCP_URG_VALID } from './urgent.ts';

export function tcpPoll(sk: TcpSock): number {
  if (sk.state === TCP_LISTEN)
    return sk.acceptQueue !== null && sk.acceptQueue.length > 0 ? EPOLLIN | EPOLLRDNORM : 0;
  let mask = 0;
  const down = sk.shutdownMask;
  if (down === (RCV_SHUTDOWN | SEND_SHUTDOWN) || sk.state === TCP_CLOSE) mask |= EPOLLHUP;
  if ((down & RCV_SHUTDOWN) !== 0) mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
  // The passive side of a fast open reads and writes before its handshake is over.
  const open = sk.state !== TCP_SYN_RECV || sk.fastOpenRsk !== null;
  if (sk.state !== TCP_SYN_SENT && open) mask |= pollConnected(sk);
  // The first write will send the SYN.
  else if (sk.deferConnect) mask |= EPOLLOUT | EPOLLWRNORM;
  if (sk.err !== 0 || hasQueuedErrors(sk)) mask |= EPOLLERR;
  return mask;
}

/** Data to read, room to write. */
function pollConnected(sk: TcpSock): number {
  let mask = 0;
  let target = sk.rcvlowat;
  if (!sk.oobInline && atMark(sk)) target++;
  if (isReadable(sk, target)) mask |= EPOLLIN | EPOLLRDNORM;
  if ((sk.shutdownMask & SEND_SHUTDOWN) !== 0 || streamIsWriteable(sk))
    mask |= EPOLLOUT | EPOLLWRNORM;
  else sk.noSpace = true;
  if ((sk.urgData & TCP_URG_VALID) !== 0) mask |= EPOLLPRI;
  return mask;
}

/** SIOCINQ, SIOCATMARK, SIOCOUTQ, SIOCOUTQNSD */
export function tcpIoctl(sk: TcpSock, request: number): number {
  switch (request) {
    case SIOCINQ:
      return sk.state === TCP_LISTEN ? -EINVAL : tcpInq(sk);
    case SIOCATMARK:
      return atMark(sk) ? 1 : 0;
    case SIOCOUTQ:
      return outq(sk, sk.sndUna);
    case SIOCOUTQNSD:
      return outq(sk, sk.sndNxt);
    default:
      return -ENOTTY;
  }
}

/** Bytes written and not acknowledged, or not sent. */
function outq(sk: TcpSock, from: number): number {
  if (sk.state === TCP_LISTEN) return -EINVAL;
  if (sk.state === TCP_SYN_SENT || sk.state === TCP_SYN_RECV) return 0;
  return (sk.writeSeq - from) >>> 0;
}
