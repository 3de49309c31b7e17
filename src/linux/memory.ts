/**
 * Native memory that system calls read and write: it stays where it is, and its address is known. An
 * arena is filled from the front and emptied as a whole once the call that used it has returned.
 */

/** Some bytes, as JavaScript and as the kernel see them. */
export interface Block {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Maps zeroed memory that is never given back: a process lives no longer than its script. */
export type MapMemory = (length: number) => {
  readonly address: number;
  readonly buffer: ArrayBuffer;
};

const ALIGN = 16;

export class Arena {
  private readonly map: MapMemory;
  private address = 0;
  private buffer: ArrayBuffer = new ArrayBuffer(0);
  private used = 0;

  constructor(map: MapMemory, length: number) {
    this.map = map;
    this.grow(length);
  }

  /** Zeroed bytes, valid until `reset`. */
  alloc(length: number): Block {
    if (this.used + length > this.buffer.byteLength) this.grow(length);
    const at = this.used;
    this.used = Math.ceil((at + length) / ALIGN) * ALIGN;
    const bytes = new Uint8Array(this.buffer, at, length);
    bytes.fill(0);
    return {
      address: this.address + at,
      bytes,
      view: new DataView(this.buffer, at, length),
    };
  }

  copy(data: Uint8Array): Block {
    const block = this.alloc(data.length);
    block.bytes.set(data);
    return block;
  }

  reset(): void {
    this.used = 0;
  }

  /** What was handed out before stays valid: it lies in the old mapping. */
  private grow(length: number): void {
    const size = Math.max(this.buffer.byteLength * 2, Math.ceil((length + ALIGN) / 4096) * 4096);
    ({ address: this.address, buffer: this.buffer } = this.map(size));
    this.used = 0;
  }
}
