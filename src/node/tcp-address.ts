/** The addresses of a TCP handle: bind and the two names, with libuv's delayed errors (`uv__tcp_bind`). */
import { EADDRINUSE, EAFNOSUPPORT } from '../core/errno.ts';
import { AF_INET6 } from '../core/transport/sock.ts';
import {
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_IPV6,
  SOL_SOCKET,
} from '../core/transport/sockopt-names.ts';
import { type AddressInfo, fillAddress, toSockAddr } from './address.ts';
import type { ProgramSocket } from './system-calls.ts';
import type { TcpHandle } from './tcp-handle.ts';
import { uv, uvErrno } from './uv.ts';

/** `UV_TCP_IPV6ONLY`, `UV_TCP_REUSEPORT` */
const FLAG_IPV6ONLY = 1;
const FLAG_REUSEPORT = 2;

/** An address in use is told by the listen or connect that follows, not by bind. */
export function bind(
  handle: TcpHandle,
  address: string,
  port: number,
  family: number,
  flags: number,
): number {
  const opened = handle.openSocket(family);
  if (opened < 0) return uv(opened === -EAFNOSUPPORT ? 'EINVAL' : 'ENOMEM');
  const to = toSockAddr(handle.net, address, port | 0, family);
  if (typeof to === 'number') return uvErrno(to);
  const socket = handle.socket as ProgramSocket;
  socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
  if ((flags & FLAG_REUSEPORT) !== 0) socket.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1);
  if (family === AF_INET6)
    socket.setsockopt(SOL_IPV6, IPV6_V6ONLY, (flags & FLAG_IPV6ONLY) !== 0 ? 1 : 0);
  const err = socket.bind(to);
  if (err === -EADDRINUSE) {
    handle.delayedError = uvErrno(err);
    return 0;
  }
  return err < 0 ? uvErrno(err) : 0;
}

export function getsockname(handle: TcpHandle, out: AddressInfo): number {
  if (handle.delayedError !== 0) return handle.delayedError;
  if (handle.socket === undefined || handle.closed) return uv('EBADF');
  fillAddress(handle.net, out, handle.socket.getsockname());
  return 0;
}

export function getpeername(handle: TcpHandle, out: AddressInfo): number {
  if (handle.delayedError !== 0) return handle.delayedError;
  if (handle.socket === undefined || handle.closed) return uv('EBADF');
  const peer = handle.socket.getpeername();
  if (typeof peer === 'number') return uvErrno(peer);
  fillAddress(handle.net, out, peer);
  return 0;
}
