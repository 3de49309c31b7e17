/** The listening half of a TCP handle (`uv__tcp_listen`, `uv__server_io`). */
import { EAGAIN } from '../core/errno.ts';
import type { NetNs } from '../core/net.ts';
import { AF_INET } from '../core/transport/sock.ts';
import { inRoot } from './current.ts';
import { makeCallback, markReady } from './loop.ts';
import type { ProgramSocket } from './system-calls.ts';
import type { TcpHandle } from './tcp-handle.ts';
import { uvErrno } from './uv.ts';

/** Connections accepted per event, so that a flood leaves the other handles their turn. */
const ACCEPTS = 16;

export function listen(handle: TcpHandle, backlog: number): number {
  if (handle.delayedError !== 0) return handle.delayedError;
  const err = handle.openSocket(AF_INET) || (handle.socket as ProgramSocket).listen(backlog);
  if (err < 0) return uvErrno(err);
  handle.setListening();
  return 0;
}

/** @param wrap makes the handle of an accepted connection */
export function acceptSome(
  handle: TcpHandle,
  wrap: (net: NetNs, socket: ProgramSocket) => TcpHandle,
): void {
  for (let i = 0; i < ACCEPTS && !handle.closed; i++) {
    const accepted = (handle.socket as ProgramSocket).accept();
    if (accepted === -EAGAIN) return;
    const client =
      typeof accepted === 'number' ? accepted : inRoot(handle.net, wrap, handle.net, accepted);
    makeCallback(handle.resource, acceptOne, handle, client);
  }
  if (!handle.closed) markReady(handle);
}

function acceptOne(server: TcpHandle, client: TcpHandle | number): void {
  if (typeof client === 'number') server.onconnection?.(uvErrno(client), undefined);
  else server.onconnection?.(0, client);
}
