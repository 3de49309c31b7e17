/** The options of a TCP handle, as libuv sets them (`src/unix/tcp.c`). */

import { AF_INET6 } from '../core/transport/sock.ts';
import {
  IP_TOS,
  IPV6_TCLASS,
  SO_KEEPALIVE,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_TCP,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from '../core/transport/sockopt-names.ts';
import type { ProgramSocket } from './system-calls.ts';
import { uv, uvErrno } from './uv.ts';

type MaybeSocket = ProgramSocket | undefined;

function set(socket: MaybeSocket, level: number, name: number, value: number): number {
  if (socket === undefined) return uv('EBADF');
  const err = socket.setsockopt(level, name, value);
  return err < 0 ? uvErrno(err) : 0;
}

export function setNoDelay(socket: MaybeSocket, enable: boolean): number {
  return set(socket, SOL_TCP, TCP_NODELAY, enable ? 1 : 0);
}

/** Seconds, as Node gives them; libuv probes every second, ten times, unless told otherwise. */
export function setKeepAlive(
  socket: MaybeSocket,
  enable: boolean,
  delay: number,
  interval = 1,
  count = 10,
): number {
  const err = set(socket, SOL_SOCKET, SO_KEEPALIVE, enable ? 1 : 0);
  if (err !== 0 || !enable || delay === 0) return err;
  return (
    set(socket, SOL_TCP, TCP_KEEPIDLE, delay) ||
    set(socket, SOL_TCP, TCP_KEEPINTVL, interval) ||
    set(socket, SOL_TCP, TCP_KEEPCNT, count)
  );
}

/** IPv6 calls it traffic class. */
function tosOf(socket: MaybeSocket): readonly [level: number, name: number] {
  return socket?.getsockname().family === AF_INET6 ? [SOL_IPV6, IPV6_TCLASS] : [SOL_IP, IP_TOS];
}

export function setTypeOfService(socket: MaybeSocket, tos: number): number {
  return set(socket, ...tosOf(socket), tos);
}

export function getTypeOfService(socket: MaybeSocket): number {
  if (socket === undefined) return uv('EBADF');
  const tos = socket.getsockopt(...tosOf(socket));
  return typeof tos !== 'number' ? 0 : tos < 0 ? uvErrno(tos) : tos;
}
