/**
 * Bytes on their way into a stream socket: as much as the socket takes at once, and the rest when it
 * says that there is room, as libuv's write queue does.
 */
import { EAGAIN } from '../core/errno.ts';
import { streamMemoryFree } from '../core/transport/tcp/send-buffer.ts';
import { TcpSock } from '../core/transport/tcp/sock.ts';
import { allocateBytes } from './send-memory.ts';
import type { ProgramSocket } from './system-calls.ts';
import { uvErrno } from './uv.ts';

/** Bytes from which on a piece is copied into memory of its own. */
const OWN_COPY = 4096;
/** Longest such piece: what does not fit into the send buffer is copied again later. */
const PIECE = 65_536;

/** Tells how a queued write ended: 0 or a negative number of libuv. */
export type WriteDone = (status: number) => void;

class PendingWrite {
  readonly data: Uint8Array;
  offset: number;
  done: WriteDone | undefined = undefined;

  constructor(data: Uint8Array, offset: number) {
    this.data = data;
    this.offset = offset;
  }
}

export class SendQueue {
  /** Bytes that the socket has not taken yet (`writeQueueSize`). */
  size = 0;
  private readonly socket: ProgramSocket;
  private pending: PendingWrite[] = [];

  constructor(socket: ProgramSocket) {
    this.socket = socket;
  }

  get length(): number {
    return this.pending.length;
  }

  /**
   * Sends what goes at once. Returns 0 when that was all of it, 1 when the rest waits and `whenDone`
   * must be called next, a negative number of libuv when the socket refuses.
   */
  write(data: Uint8Array): number {
    let offset = 0;
    if (this.pending.length === 0) {
      const sent = sendAll(this.socket, data, 0);
      if (sent < 0) return uvErrno(sent);
      if (sent === data.length) return 0;
      offset = sent;
    }
    this.pending.push(new PendingWrite(data, offset));
    this.size += data.length - offset;
    return 1;
  }

  /** Says whom to tell when the write that was queued last is done. */
  whenDone(done: WriteDone): void {
    const last = this.pending[this.pending.length - 1];
    if (last !== undefined) last.done = done;
  }

  /** The socket has room. Completed writes are told through their `done`. */
  flush(): void {
    while (this.pending.length > 0) {
      const write = this.pending[0] as PendingWrite;
      const sent = sendAll(this.socket, write.data, write.offset);
      if (sent < 0) {
        this.fail(uvErrno(sent));
        return;
      }
      write.offset += sent;
      this.size -= sent;
      if (write.offset < write.data.length) return;
      this.pending.shift();
      write.done?.(0);
    }
  }

  /** Ends all that waits with `status`. */
  fail(status: number): void {
    const pending = this.pending;
    this.pending = [];
    this.size = 0;
    for (const write of pending) write.done?.(status);
  }
}

/** Bytes that the socket took of `data` from `start` on; a negated Linux number if it refuses. */
function sendAll(socket: ProgramSocket, data: Uint8Array, start: number): number {
  let offset = start;
  while (offset < data.length) {
    const n = sendSome(socket, data, offset);
    if (n === -EAGAIN) break;
    if (n < 0) return offset > start ? offset - start : n;
    offset += n;
  }
  return offset - start;
}

/**
 * One call of the socket. A large piece is copied here, into memory that need not be cleared first, and
 * handed over: the stack does not copy it again.
 */
function sendSome(socket: ProgramSocket, data: Uint8Array, offset: number): number {
  const { sk } = socket;
  const length = Math.min(data.length - offset, PIECE);
  if (length < OWN_COPY || !(sk instanceof TcpSock) || !streamMemoryFree(sk))
    return socket.send(offset === 0 ? data : data.subarray(offset));
  const copy = allocateBytes(length);
  copy.set(length === data.length ? data : data.subarray(offset, offset + length));
  const n = sk.sendOwned(copy, 0);
  sk.net.kernel.softirq();
  return n;
}
