/** The end of a TCP handle's writing half: a FIN once all that was written is with the stack (`uv__drain`). */
import { AsyncResource } from 'node:async_hooks';
import { makeCallback, markReady } from './loop.ts';
import type { ProgramSocket } from './system-calls.ts';
import type { TcpHandle } from './tcp-handle.ts';
import { touchClock } from './touch-clock.ts';
import { uv, uvErrno } from './uv.ts';

/** shutdown(2) */
const SHUT_WR = 1;
/** The FIN has not been sent yet. */
const WAITING = 1;

/** What Node makes for a shutdown. */
export interface ShutdownRequest {
  oncomplete?: (status: number) => void;
}

/** A shutdown under way. */
export class ShuttingDown {
  readonly req: ShutdownRequest;
  /** undefined: a native consumer waits for `finishShutdown`. */
  readonly resource: AsyncResource | undefined;
  status: number = WAITING;

  constructor(req: ShutdownRequest, native: boolean) {
    this.req = req;
    this.resource = native
      ? undefined
      : new AsyncResource('SHUTDOWNWRAP', { requireManualDestroy: true });
  }
}

export function shutdown(handle: TcpHandle, req: ShutdownRequest, native: boolean): number {
  const isAble = handle.socket !== undefined && !handle.closed && handle.connecting === undefined;
  if (!isAble || handle.shuttingDown !== undefined) return uv('ENOTCONN');
  handle.shuttingDown = new ShuttingDown(req, native);
  handle.hold.begin();
  touchClock(handle.net);
  tryShutdown(handle, handle.shuttingDown);
  return 0;
}

/** Sends the FIN unless something waits to be sent. */
export function tryShutdown(handle: TcpHandle, waiting: ShuttingDown): void {
  if (waiting.status !== WAITING || handle.isSending) return;
  const err = (handle.socket as ProgramSocket).shutdown(SHUT_WR);
  waiting.status = err < 0 ? uvErrno(err) : 0;
  markReady(handle);
}

/** Tells that the FIN was sent, or that it was not: `cancelled`, a number of libuv. */
export function finishShutdown(handle: TcpHandle, cancelled: number): void {
  const done = handle.shuttingDown;
  if (done === undefined || (done.status === WAITING && cancelled === 0)) return;
  const status = done.status === WAITING ? cancelled : done.status;
  handle.shuttingDown = undefined;
  handle.hold.end();
  if (done.resource === undefined) handle.finishShutdown(done.req, status);
  else {
    makeCallback(done.resource, complete, done.req, status);
    done.resource.emitDestroy();
  }
}

function complete(req: ShutdownRequest, status: number): void {
  req.oncomplete?.(status);
}
