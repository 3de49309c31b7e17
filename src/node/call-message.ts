/**
 * Messages between a program and the process that holds its namespace: a 32-bit length of what follows,
 * a 32-bit length of the head, the head as JSON, and the bytes of a socket. Numbers are big-endian.
 *
 * On the program's first connection, the calls, a request `[call, socket, …]` is answered by a reply
 * `[result, EPOLL…]`, which tells what the socket is ready for, before the next one comes. On its second, the events, the holder tells what sockets are ready for: `[[socket, EPOLL…], …]`.
 */
import { Buffer } from 'node:buffer';
import type { ByteQueue } from './byte-queue.ts';

/** Bytes of data in one message: the largest datagram fits. */
export const MAX_DATA = 65_536;
/** Longest message. */
export const MAX_CALL_MESSAGE: number = MAX_DATA + (1 << 18);

const LENGTHS = 8;

export interface CallMessage {
  readonly head: readonly unknown[];
  readonly data: Buffer;
}

export function encodeCall(head: readonly unknown[], data?: readonly Uint8Array[]): Buffer {
  const text = Buffer.from(JSON.stringify(head));
  const lengths = Buffer.allocUnsafe(LENGTHS);
  const bytes = (data ?? []).reduce((sum, d) => sum + d.length, 0);
  lengths.writeUInt32BE(4 + text.length + bytes, 0);
  lengths.writeUInt32BE(text.length, 4);
  return Buffer.concat([lengths, text, ...(data ?? [])]);
}

/** The next whole message; undefined: it is not there yet. Throws on what is no message. */
export function takeCall(queue: ByteQueue): CallMessage | undefined {
  if (queue.length < LENGTHS) return undefined;
  const length = checkLengths(queue.uint32At(0), queue.uint32At(4));
  return queue.length < length ? undefined : decodeCall(queue.take(length));
}

/** Bytes of the message that begins with `bytes`; 0: too few to tell. */
export function callLength(bytes: Buffer): number {
  if (bytes.length < LENGTHS) return 0;
  return checkLengths(bytes.readUInt32BE(0), bytes.readUInt32BE(4));
}

/** A whole message. The data are a view of `bytes`. */
export function decodeCall(bytes: Buffer): CallMessage {
  const end = LENGTHS + bytes.readUInt32BE(4);
  const head: unknown = JSON.parse(bytes.toString('utf8', LENGTHS, end));
  if (!Array.isArray(head)) throw new Error('a message without a head');
  return { head, data: bytes.subarray(end) };
}

function checkLengths(length: number, headLength: number): number {
  if (4 + length > MAX_CALL_MESSAGE || headLength + 4 > length)
    throw new Error(`a message of ${length} bytes`);
  return 4 + length;
}
