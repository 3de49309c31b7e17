/** The connecting half of a TCP handle (`uv__tcp_connect`, `uv__stream_connect`). */
import { AsyncResource } from 'node:async_hooks';
import { ECONNREFUSED, EINPROGRESS } from '../core/errno.ts';
import { EPOLLERR, EPOLLHUP, EPOLLOUT } from '../core/transport/sock.ts';
import { SO_ERROR, SOL_SOCKET } from '../core/transport/sockopt-names.ts';
import { toSockAddr } from './address.ts';
import { makeCallback, markReady } from './loop.ts';
import type { ProgramSocket } from './system-calls.ts';
import type { TcpHandle } from './tcp-handle.ts';
import { touchClock } from './touch-clock.ts';
import { uv, uvErrno } from './uv.ts';

/** What Node makes for a connect: `oncomplete(status, handle, req, readable, writable)`. */
export interface ConnectRequest {
  oncomplete?: (
    status: number,
    handle: object,
    req: object,
    readable: boolean,
    writable: boolean,
  ) => void;
}

/** A connect under way. */
export class Connecting {
  readonly req: ConnectRequest;
  readonly resource: AsyncResource;
  /** An event of the connecting socket was put behind the others once. */
  private watched = false;

  constructor(req: ConnectRequest) {
    this.req = req;
    this.resource = new AsyncResource('TCPCONNECTWRAP', { requireManualDestroy: true });
  }

  /** libuv watches a connecting socket from its next poll on: what was ready by then comes first. */
  watch(handle: TcpHandle): boolean {
    if (this.watched) return true;
    this.watched = true;
    markReady(handle);
    return false;
  }
}

export function connect(
  handle: TcpHandle,
  req: ConnectRequest,
  address: string,
  port: number,
  family: number,
): number {
  if (handle.connecting !== undefined) return uv('EALREADY');
  if (handle.delayedError === 0) {
    const to = toSockAddr(handle.net, address, port, family);
    if (typeof to === 'number') return uvErrno(to);
    const opened = handle.openSocket(family);
    if (opened < 0) return uvErrno(opened);
    touchClock(handle.net);
    const err = (handle.socket as ProgramSocket).connect(to);
    if (err === -ECONNREFUSED) handle.delayedError = uvErrno(err);
    else if (err < 0 && err !== -EINPROGRESS) return uvErrno(err);
    else if (err === 0) markReady(handle);
  }
  if (handle.delayedError !== 0) markReady(handle);
  handle.connecting = new Connecting(req);
  handle.hold.begin();
  return 0;
}

/** Tells the outcome of a connect when there is one. */
export function finishConnect(handle: TcpHandle): void {
  let status = handle.delayedError;
  if (status === 0) {
    const socket = handle.socket as ProgramSocket;
    if ((socket.poll() & (EPOLLOUT | EPOLLERR | EPOLLHUP)) === 0) return;
    const err = socket.getsockopt(SOL_SOCKET, SO_ERROR);
    if (typeof err === 'number' && err !== 0) status = uvErrno(err);
  }
  completeConnect(handle, status);
}

export function completeConnect(handle: TcpHandle, status: number): void {
  const { connecting } = handle;
  handle.connecting = undefined;
  handle.delayedError = 0;
  handle.hold.end();
  if (connecting?.req.oncomplete === undefined) return;
  const { req, resource } = connecting;
  const ok = status === 0;
  makeCallback(resource, () => req.oncomplete?.(status, handle, req, ok, ok), undefined, undefined);
  resource.emitDestroy();
}
