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

/** Reads per event, as libuv's `uv__read`. */
const READS = 32;
/** Slices smaller than this on average are joined into one chunk. */
const JOIN_BELOW = 8192;

/** A socket of Node's with the insides that this file uses. */
type Owner = NetSocket & Record<symbol, unknown> & { _readableState: { endEmitted: boolean } };

/** Delivers what the socket has, as long as somebody reads. */
export function receive(handle: TcpHandle): void {
  for (let i = 0; i < READS; i++) {
    if (!handle.receiving || handle.closed) return;
    const got = handle.recv();
    if (typeof got === 'number') {
      if (got !== -EAGAIN) handle.readError(uvErrno(got));
      return;
    }
    if (got.length === 0) {
      handle.endOfStream();
      return;
    }
    deliver(handle, got);
  }
  if (handle.receiving) markReady(handle);
}

function deliver(handle: TcpHandle, slices: readonly Uint8Array[]): void {
  const chunks = joined(slices);
  for (let i = 0; i < chunks.length; i++) {
    if (!handle.receiving) {
      handle.unread = [...handle.unread, ...chunks.slice(i)];
      return;
    }
    const chunk = chunks[i] as Uint8Array;
    if (handle.tls === undefined && !handle._consumed && isPlain(handle)) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      makeCallback(handle.resource, push, handle, bytes);
    } else {
      handle.readBuffer(chunk);
      drainTicks();
    }
  }
}

/** Does Node's own socket read this handle, and nobody else? */
function isPlain(handle: TcpHandle): boolean {
  const owner = ownerOf(handle);
  return owner !== undefined && owner._handle === (handle as object) && !isNativelyRead(handle);
}

/** HTTP/2 replaces the handle's `onread` by a native listener without telling. */
function isNativelyRead(_handle: TcpHandle): boolean {
  return false;
}

/** One chunk of many small slices; large ones are left as they are. */
function joined(slices: readonly Uint8Array[]): readonly Uint8Array[] {
  if (slices.length === 1) return slices;
  let total = 0;
  for (const slice of slices) total += slice.length;
  return total / slices.length >= JOIN_BELOW ? slices : [Buffer.concat(slices, total)];
}
