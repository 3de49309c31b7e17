/**
 * Bytes between the stack and the reader of a handle. The stack hands out slices of what the sender
 * wrote, cut where segments ended; here they become chunks again, none longer than one read of libuv's.
 */
import { EAGAIN } from '../core/errno.ts';
import type { ProgramSocket } from './system-calls.ts';

/** One read, as large as libuv's. */
const READ_SIZE = 65_536;
/** Slices smaller than this are copied together with small neighbours: cheaper than an event each. */
const JOIN_BELOW = 8192;

export class ReadAhead {
  private readonly chunks: Uint8Array[] = [];
  /** The last read was full: the next one may have the rest of the last chunk's memory. */
  private cutOff = false;
  /** An error that the stack told behind the last chunk; 0: none. */
  private error = 0;

  /** The next chunk; null at the end of the stream; a negated Linux number when there is none. */
  next(socket: ProgramSocket): Uint8Array | null | number {
    const { chunks } = this;
    if (chunks.length === 0 || (this.cutOff && chunks.length === 1)) {
      const outcome = this.error !== 0 ? this.error : this.read(socket);
      if (chunks.length === 0) {
        this.error = 0;
        return outcome === 0 ? null : outcome;
      }
    }
    return chunks.shift() as Uint8Array;
  }

  /** Bytes that the reader had no room for; they come first next time. */
  putBack(bytes: Uint8Array): void {
    this.chunks.unshift(bytes);
  }

  get isEmpty(): boolean {
    return this.chunks.length === 0 && this.error === 0;
  }

  clear(): void {
    this.chunks.length = 0;
    this.cutOff = false;
  }

  /** Bytes read, or a negated Linux number. */
  private read(socket: ProgramSocket): number {
    const got = socket.recv(READ_SIZE);
    this.cutOff = false;
    if (typeof got === 'number') {
      // The stack tells an error once, and a chunk may be left to deliver first.
      if (got !== -EAGAIN) this.error = got;
      return got;
    }
    const { data } = got;
    this.cutOff = got.len === READ_SIZE;
    if (data.length === 1 && this.chunks.length === 0) this.chunks.push(data[0] as Uint8Array);
    else if (data.length > 0) {
      appendSlices(this.chunks, data);
      if (this.chunks.length > 1) joinSmall(this.chunks);
    }
    return got.len;
  }
}

/** Appends slices; those that lie side by side in memory become one without a copy. */
function appendSlices(chunks: Uint8Array[], slices: readonly Uint8Array[]): void {
  for (let i = 0; i < slices.length; i++) {
    const slice = slices[i] as Uint8Array;
    const last = chunks[chunks.length - 1];
    if (last !== undefined && isBehind(slice, last))
      chunks[chunks.length - 1] = new Uint8Array(
        last.buffer,
        last.byteOffset,
        last.length + slice.length,
      );
    else chunks.push(slice);
  }
}

function isBehind(slice: Uint8Array, last: Uint8Array): boolean {
  return (
    slice.buffer === last.buffer &&
    slice.byteOffset === last.byteOffset + last.length &&
    last.length + slice.length <= READ_SIZE
  );
}

/** Copies runs of small chunks into one each. */
function joinSmall(chunks: Uint8Array[]): void {
  let kept = 0;
  for (let from = 0; from < chunks.length; ) {
    const first = chunks[from] as Uint8Array;
    let to = from + 1;
    let total = first.length;
    while (total < READ_SIZE && to < chunks.length && isSmall(chunks, to - 1, to)) {
      total += (chunks[to] as Uint8Array).length;
      to++;
    }
    chunks[kept++] = to === from + 1 ? first : Buffer.concat(chunks.slice(from, to), total);
    from = to;
  }
  chunks.length = kept;
}

function isSmall(chunks: readonly Uint8Array[], a: number, b: number): boolean {
  return (
    (chunks[a] as Uint8Array).length < JOIN_BELOW && (chunks[b] as Uint8Array).length < JOIN_BELOW
  );
}
