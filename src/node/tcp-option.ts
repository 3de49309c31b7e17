/** The options of a TCP handle, as libuv sets them (`src/unix/tcp.c`). */
import {
  IP_TOS,
  SO_KEEPALIVE,
  SOL_IP,
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

export function setTypeOfService(socket: MaybeSocket, tos: number): number {
  return set(socket, SOL_IP, IP_TOS, tos);
}

export function getTypeOfService(socket: MaybeSocket): number {
  if (socket === undefined) return uv('EBADF');
  const tos = socket.getsockopt(SOL_IP, IP_TOS);
  return typeof tos !== 'number' ? 0 : tos < 0 ? uvErrno(tos) : tos;
}
