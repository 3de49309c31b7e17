/**
 * Received bytes on their way from the stack to whoever reads a handle: a plain socket gets them
 * pushed directly, with what Node's `onStreamRead` does around it; TLS, HTTP/2 and a parser that reads
 * from the handle get them through the native stream.
 */
import type { Socket as NetSocket } from 'node:net';
import { EAGAIN } from '../core/errno.ts';
import { type Internals, internals } from './internals.ts';
import { drainTicks, makeCallback, markReady } from './loop.ts';
import type { TcpHandle } from './tcp-handle.ts';
import { uvErrno, uvException } from './uv.ts';

/** Chunks per event, as many as `uv__read` reads. */
const READS = 32;

/** A socket of Node's with the insides that this file uses. */
type Owner = NetSocket & Record<symbol, unknown> & { _readableState: { endEmitted: boolean } };

/** Delivers what the socket has, as long as somebody reads. */
export function receive(handle: TcpHandle): void {
  for (let i = 0; i < READS; i++) {
    if (!handle.receiving || handle.closed) return;
    const chunk = handle.read();
    if (typeof chunk === 'number') {
      if (chunk !== -EAGAIN) handle.readError(uvErrno(chunk));
      return;
    }
    if (chunk === null) {
      handle.endOfStream();
      return;
    }
    if (handle.nativelyRead) {
      handle.rxBytes += chunk.length;
      handle.readBuffer(chunk);
      drainTicks();
    } else {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      makeCallback(handle.resource, push, handle, bytes);
    }
  }
  if (handle.receiving) markReady(handle);
}

function ownerOf(handle: TcpHandle): Owner | undefined {
  return (handle as unknown as Record<symbol, Owner | undefined>)[internals().owner];
}

/** What Node's `onStreamRead` does with received bytes. */
function push(handle: TcpHandle, bytes: Buffer): void {
  const socket = ownerOf(handle);
  if (socket === undefined) return;
  const inside = internals();
  (socket[inside.updateTimer] as () => void).call(socket);
  if (socket.destroyed) return;
  let more: boolean;
  if (socket[inside.buffer] === null) {
    handle.rxBytes += bytes.length;
    more = socket.push(bytes);
  } else more = fillUserBuffer(handle, socket, bytes, inside);
  if (more) return;
  handle.reading = false;
  if (!socket.destroyed) handle.readStop();
}

/** The `onread` option: the socket's own buffer is filled again and again; false: it wants no more. */
function fillUserBuffer(
  handle: TcpHandle,
  socket: Owner,
  bytes: Buffer,
  inside: Internals,
): boolean {
  let offset = 0;
  while (offset < bytes.length) {
    const buffer = socket[inside.buffer] as Uint8Array;
    const n = Math.min(buffer.length, bytes.length - offset);
    buffer.set(bytes.subarray(offset, offset + n));
    offset += n;
    handle.rxBytes += n;
    const callback = socket[inside.bufferCallback] as (n: number, buffer: Uint8Array) => unknown;
    const more = callback.call(socket, n, buffer) !== false;
    const generate = socket[inside.bufferGenerator] as (() => unknown) | null;
    const next = generate === null ? undefined : generate();
    if (next instanceof Uint8Array) socket[inside.buffer] = next;
    if ((!more || !handle.receiving) && offset < bytes.length)
      handle.putBack(bytes.subarray(offset));
    if (!more) return false;
    if (!handle.receiving) return true;
  }
  return true;
}

/** The peer has sent all; the native stream tells whoever listens. */
export function deliverEof(handle: TcpHandle): void {
  handle.emitEOF();
  drainTicks();
}

/** A failed read destroys the socket, or the TLS socket above it. */
export function deliverError(handle: TcpHandle, errno: number): void {
  const socket = (handle.tls as NetSocket | undefined) ?? ownerOf(handle);
  if (socket !== undefined) makeCallback(handle.resource, fail, socket, errno);
}

function fail(socket: NetSocket, errno: number): void {
  const update = (socket as Owner)[internals().updateTimer];
  if (typeof update === 'function') update.call(socket);
  socket.destroy(uvException(errno, 'read'));
}
