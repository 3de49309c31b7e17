/** pipe(2) and splice(2) between a pipe and a socket (Linux `fs/pipe.c`, `fs/splice.c`, `tcp_splice_read`). */
import { EAGAIN, EBADF, EINVAL, EPIPE } from '../../core/errno.ts';
import { MSG_MORE } from '../../core/transport/sock.ts';
import type { OpenFile } from './warren-process.ts';

/** `PIPE_DEF_BUFFERS` pages */
const CAPACITY = 65_536;
const SPLICE_F_MORE = 4;

export class Pipe {
  private bytes: Uint8Array = new Uint8Array(0);
  hasReader = true;
  hasWriter = true;

  get length(): number {
    return this.bytes.length;
  }

  get room(): number {
    return CAPACITY - this.bytes.length;
  }

  put(data: Uint8Array): void {
    const all = new Uint8Array(this.bytes.length + data.length);
    all.set(this.bytes);
    all.set(data, this.bytes.length);
    this.bytes = all;
  }

  peek(max: number): Uint8Array {
    return this.bytes.subarray(0, max);
  }

  skip(n: number): void {
    this.bytes = this.bytes.subarray(n);
  }
}

/** One end of a pipe. */
export interface PipeEnd {
  readonly pipe: Pipe;
  readonly writes: boolean;
}

export function closeEnd(end: PipeEnd): void {
  if (end.writes) end.pipe.hasWriter = false;
  else end.pipe.hasReader = false;
}

/** The bytes; or -EAGAIN when there are none yet. */
export function readPipe(end: PipeEnd, max: number): Uint8Array | number {
  const { pipe } = end;
  if (end.writes) return -EBADF;
  if (pipe.length === 0) return pipe.hasWriter ? -EAGAIN : new Uint8Array(0);
  const data = pipe.peek(max).slice();
  pipe.skip(data.length);
  return data;
}

export function writePipe(end: PipeEnd, data: Uint8Array): number {
  const { pipe } = end;
  if (!end.writes) return -EBADF;
  if (!pipe.hasReader) return -EPIPE;
  const n = Math.min(pipe.room, data.length);
  if (n === 0 && data.length > 0) return -EAGAIN;
  pipe.put(data.subarray(0, n));
  return n;
}

/** Bytes moved, or `-errno`; one end must be a pipe's. */
export function splice(from: OpenFile, to: OpenFile, len: number, flags: number): number {
  if (len === 0) return 0;
  if (from.socket !== null && to.pipe?.writes === true) {
    const { pipe } = to.pipe;
    if (!pipe.hasReader) return -EPIPE;
    if (pipe.room === 0) return -EAGAIN;
    const r = from.socket.recv(Math.min(len, pipe.room), 0);
    if (typeof r === 'number') return r;
    for (const part of r.data) pipe.put(part);
    return r.len;
  }
  if (to.socket !== null && from.pipe?.writes === false) {
    const { pipe } = from.pipe;
    if (pipe.length === 0) return pipe.hasWriter ? -EAGAIN : 0;
    const more = (flags & SPLICE_F_MORE) !== 0 ? MSG_MORE : 0;
    const n = to.socket.send(pipe.peek(len), more);
    if (n > 0) pipe.skip(n);
    return n;
  }
  return -EINVAL;
}
