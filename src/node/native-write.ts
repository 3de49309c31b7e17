/**
 * Writes of native consumers of a handle: TLS, HTTP/2, and whatever writes through Node's own stream
 * code. They wait for `finishWrite`, which must not come before the write has returned.
 */
import { drainTicks, markReady } from './loop.ts';
import type { TcpHandle } from './tcp-handle.ts';
import { uv } from './uv.ts';

interface Finished {
  readonly req: object;
  readonly status: number;
}

export class NativeWrites {
  /** Done, and not yet told. */
  private readonly finished: Finished[] = [];
  private readonly handle: TcpHandle;

  constructor(handle: TcpHandle) {
    this.handle = handle;
  }

  write(req: object, chunks: Uint8Array[]): number {
    const { handle } = this;
    const data = chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
    const result = handle.send(data);
    if (result < 0) return result;
    if (result === 0) {
      handle.hold.begin();
      process.nextTick(finishNow, handle, req);
    } else handle.whenSent((status) => this.finish(req, status));
    return 0;
  }

  private finish(req: object, status: number): void {
    this.finished.push({ req, status });
    this.handle.hold.begin();
    markReady(this.handle);
  }

  tellFinished(): void {
    while (this.finished.length > 0) {
      const { req, status } = this.finished.shift() as Finished;
      this.handle.hold.end();
      this.handle.finishWrite(req, status);
      drainTicks();
    }
  }
}

/** Ends a write that was taken at once. */
function finishNow(handle: TcpHandle, req: object): void {
  handle.hold.end();
  handle.finishWrite(req, handle.closed ? uv('ECANCELED') : 0);
}
