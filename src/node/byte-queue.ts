/**
 * Bytes of a stream that wait until a whole message is there. Each byte is copied a bounded number of
 * times, however small the pieces in which it comes: the other end chooses them. Memory is never used again.
 */

const NOTHING: Buffer = Buffer.alloc(0);

export class ByteQueue {
  /** What waits is `bytes` from `start` to `end`; behind `end` there may be room. */
  private bytes: Buffer = NOTHING;
  private start = 0;
  private end = 0;
  /** `bytes` was allocated here: it may be written to. */
  private own = false;

  get length(): number {
    return this.end - this.start;
  }

  /** Takes a piece, which nobody changes any more. */
  push(piece: Buffer): void {
    if (this.length === 0) {
      this.bytes = piece;
      this.start = 0;
      this.end = piece.length;
      this.own = false;
      return;
    }
    this.reserve(piece.length);
    piece.copy(this.bytes, this.end);
    this.end += piece.length;
  }

  /** Byte `offset`, counted from the first that waits. */
  byteAt(offset: number): number {
    return this.bytes[this.start + offset] as number;
  }

  uint32At(offset: number): number {
    return this.bytes.readUInt32BE(this.start + offset);
  }

  /** Removes `count` bytes and gives them, as a view that nobody overwrites. */
  take(count: number): Buffer {
    const taken = this.bytes.subarray(this.start, this.start + count);
    this.start += count;
    return taken;
  }

  /** Copies what is left of a piece that was not ours. */
  settle(): void {
    if (this.length === 0) this.bytes = NOTHING;
    else if (!this.own) this.reserve(0);
  }

  private reserve(room: number): void {
    const { length } = this;
    if (this.own && this.end + room <= this.bytes.length) return;
    // Half of it is room, or each small piece would move all the others. New memory: what was taken stays.
    const target = Buffer.allocUnsafe(Math.max(256, 2 * (length + room)));
    this.bytes.copy(target, 0, this.start, this.end);
    this.bytes = target;
    this.own = true;
    this.start = 0;
    this.end = length;
  }
}
