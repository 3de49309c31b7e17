/**
 * Ethernet frames over a stream socket: the wire between a process and the fabric of a lab. Each message
 * is a 32-bit length of what follows, a byte of type, and a body:
 *
 *     1 FRAME    device (8 bits), 0 (8 bits), bytes per segment (16 bits, 0: one frame), the frame
 *     2 REQUEST  JSON { id, method, params }
 *     3 REPLY    JSON { id, result } or { id, error }
 *
 * Numbers are big-endian. Both ends may send all of them. A message that is too long or unknown ends
 * the connection: the other end is not trusted.
 */
import type { Socket } from 'node:net';
import { ByteQueue } from './byte-queue.ts';

const FRAME = 1;
const REQUEST = 2;
const REPLY = 3;
/** Length and type. */
const HEADER = 5;
const FRAME_HEADER = 4;
/** Longest frame: Ethernet and the largest IP packet. */
const MAX_FRAME: number = 14 + 65535;
/** Longest JSON text, bytes. */
const MAX_JSON = 4 << 20;
/** Bytes of frames and messages that the other end may leave unread. */
const MAX_UNREAD: number = 32 << 20;
/** Requests that may wait for their reply. */
const MAX_REQUESTS = 1000;

export interface FrameStreamOptions {
  /** Bytes that may wait for the other end; beyond that, frames are dropped at the tail. Default 4 MiB. */
  readonly queueLimit?: number;
}

/** A frame that came in. The bytes are valid during the call only. */
export type FrameHandler = (device: number, frame: Uint8Array, gsoSize: number) => void;
/** Serves a request of the other end; what it returns, or throws, is the reply. */
export type RequestHandler = (method: string, params: unknown) => unknown;

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class FrameStream {
  /** Frames that were dropped because the other end was too slow. */
  dropped = 0;
  framesSent = 0;
  framesReceived = 0;
  onFrame: FrameHandler | null = null;
  onRequest: RequestHandler | null = null;
  /** The connection is gone; with the reason if it was one of ours. */
  onClose: ((error: Error | undefined) => void) | null = null;
  private readonly socket: Socket;
  private readonly queueLimit: number;
  private batch: Uint8Array[] = [];
  private batchBytes = 0;
  private flushing = false;
  private readonly incoming: ByteQueue = new ByteQueue();
  private lastId = 0;
  private readonly waiting: Map<number, Waiting> = new Map();
  private failure: Error | undefined = undefined;
  private closed = false;

  constructor(socket: Socket, options: FrameStreamOptions = {}) {
    this.socket = socket;
    this.queueLimit = options.queueLimit ?? 4 << 20;
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('error', (error) => {
      this.failure ??= error;
    });
    socket.on('close', () => this.finish());
  }

  /** Sends a frame at the end of this turn; false if it was dropped. The bytes must not change any more. */
  sendFrame(device: number, frame: Uint8Array, gsoSize = 0): boolean {
    if (this.closed || frame.length > MAX_FRAME) return false;
    if (this.socket.writableLength + this.batchBytes > this.queueLimit) {
      this.dropped++;
      return false;
    }
    const head = Buffer.allocUnsafe(HEADER + FRAME_HEADER);
    head.writeUInt32BE(1 + FRAME_HEADER + frame.length, 0);
    head[4] = FRAME;
    head[5] = device;
    head[6] = 0;
    head.writeUInt16BE(gsoSize, 7);
    this.framesSent++;
    this.queue(head);
    this.queue(frame);
    return true;
  }

  /** Asks the other end; rejects with its error, or when the connection goes. */
  request(method: string, params: unknown = null): Promise<unknown> {
    if (this.closed) return Promise.reject(new Error('the connection is closed'));
    if (this.waiting.size >= MAX_REQUESTS) return Promise.reject(new Error('too many requests'));
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.sendJson(REQUEST, { id, method, params });
    });
  }

  /** Ends the connection after what is queued. */
  end(): void {
    this.flush();
    this.socket.end();
  }

  destroy(error?: Error): void {
    this.failure ??= error;
    this.socket.destroy();
  }

  /** What has not been given to the socket yet, for who must write it synchronously. */
  takeUnsent(): Buffer {
    const bytes = Buffer.concat(this.batch);
    this.batch = [];
    this.batchBytes = 0;
    return bytes;
  }

  private queue(bytes: Uint8Array): void {
    this.batch.push(bytes);
    this.batchBytes += bytes.length;
    if (this.flushing) return;
    this.flushing = true;
    queueMicrotask(() => this.flush());
  }

  /** One write for all that this turn sent. */
  private flush(): void {
    this.flushing = false;
    if (this.batch.length === 0) return;
    const bytes = this.takeUnsent();
    if (!this.closed && this.socket.writable) this.socket.write(bytes);
  }

  private sendJson(type: number, value: unknown): void {
    const text = Buffer.from(JSON.stringify(value) ?? 'null');
    if (text.length > MAX_JSON) throw new Error('the message is too long');
    if (this.socket.writableLength + this.batchBytes > MAX_UNREAD) {
      this.destroy(new Error('the other end of the wire does not read'));
      return;
    }
    const head = Buffer.allocUnsafe(HEADER);
    head.writeUInt32BE(1 + text.length, 0);
    head[4] = type;
    this.queue(head);
    this.queue(text);
  }

  private receive(chunk: Buffer): void {
    const { incoming } = this;
    incoming.push(chunk);
    while (incoming.length >= HEADER && !this.closed && this.failure === undefined) {
      const length = incoming.uint32At(0);
      const type = incoming.byteAt(4);
      const problem = lengthProblem(type, length);
      if (problem !== undefined) {
        this.destroy(new Error(`the other end of the wire broke the protocol: ${problem}`));
        return;
      }
      if (incoming.length < 4 + length) break;
      this.handle(type, incoming.take(4 + length).subarray(HEADER));
    }
    incoming.settle();
  }

  private handle(type: number, body: Buffer): void {
    if (type === FRAME) {
      this.framesReceived++;
      const device = body[0] as number;
      this.onFrame?.(device, body.subarray(FRAME_HEADER), body.readUInt16BE(2));
      return;
    }
    let message: unknown;
    try {
      message = JSON.parse(body.toString());
    } catch {
      this.destroy(new Error('the other end of the wire broke the protocol: not JSON'));
      return;
    }
    if (typeof message !== 'object' || message === null) return;
    if (type === REQUEST) void this.serve(message as { id?: unknown; method?: unknown });
    else this.settle(message as { id?: unknown });
  }

  private async serve(message: {
    id?: unknown;
    method?: unknown;
    params?: unknown;
  }): Promise<void> {
    const { id, method, params } = message;
    let reply: object;
    try {
      if (this.onRequest === null || typeof method !== 'string')
        throw new Error(`nobody serves ${String(method)}`);
      reply = { id, result: (await this.onRequest(method, params)) ?? null };
    } catch (error) {
      reply = { id, error: error instanceof Error ? error.message : String(error) };
    }
    if (!this.closed) this.sendJson(REPLY, reply);
  }

  private settle(message: { id?: unknown; result?: unknown; error?: unknown }): void {
    const id = Number(message.id);
    const waiting = this.waiting.get(id);
    if (waiting === undefined) return;
    this.waiting.delete(id);
    if (message.error === undefined) waiting.resolve(message.result);
    else waiting.reject(new Error(String(message.error)));
  }

  private finish(): void {
    this.closed = true;
    for (const { reject } of this.waiting.values())
      reject(this.failure ?? new Error('the connection is closed'));
    this.waiting.clear();
    this.onClose?.(this.failure);
  }
}

/** What is wrong with a message's head; undefined: nothing. */
function lengthProblem(type: number, length: number): string | undefined {
  if (type === FRAME) {
    return length < 1 + FRAME_HEADER || length > 1 + FRAME_HEADER + MAX_FRAME
      ? `a frame of ${length} bytes`
      : undefined;
  }
  if (type !== REQUEST && type !== REPLY) return `unknown type ${type}`;
  return length < 1 || length > 1 + MAX_JSON ? `a message of ${length} bytes` : undefined;
}
