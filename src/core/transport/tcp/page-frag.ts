/**
 * Where small writes are gathered, so that they need neither a buffer each nor a copy each (Linux
 * `skb_page_frag_refill`): bytes are appended to a chunk, slices of which go out.
 */

/** `SKB_FRAG_PAGE_ORDER`: 32 KiB. */
const CHUNK = 32_768;
/** From here on a write has a buffer of its own. */
const OWN_BUFFER = 4_096;

export class PageFrag {
  private chunk: Uint8Array = new Uint8Array(0);
  private used = 0;

  /** Copies data[from, from + len) and appends the slice to `out`, growing its last one if adjacent. */
  append(out: Uint8Array[], data: Uint8Array, from: number, len: number): void {
    if (len >= OWN_BUFFER) {
      out.push(Uint8Array.prototype.slice.call(data, from, from + len));
      return;
    }
    if (this.used + len > this.chunk.length) {
      this.chunk = new Uint8Array(CHUNK);
      this.used = 0;
    }
    const chunk = this.chunk;
    chunk.set(
      from === 0 && len === data.length ? data : data.subarray(from, from + len),
      this.used,
    );
    const last = out[out.length - 1];
    if (
      last !== undefined &&
      last.buffer === chunk.buffer &&
      last.byteOffset + last.length === this.used
    )
      out[out.length - 1] = chunk.subarray(last.byteOffset, this.used + len);
    else out.push(chunk.subarray(this.used, this.used + len));
    this.used += len;
  }
}
