/**
 * Copies what an application sends: it may change its buffer afterwards. Small pieces share a chunk,
 * because a buffer of its own costs ten times as much as a slice (Linux `skb_page_frag_refill`).
 */

/** Up to here V8 keeps the bytes of a typed array inside the object: a chunk would be slower. */
const INLINE = 64;
/** From here on a piece has a buffer of its own. */
const OWN_BUFFER = 4096;
/** Small enough that one forgotten datagram does not pin much. */
const CHUNK = 16_384;

export class CopyIn {
  private chunk: Uint8Array = new Uint8Array(0);
  private used = 0;

  /** A copy that nobody else has. */
  copy(data: Uint8Array): Uint8Array {
    const len = data.length;
    if (len <= INLINE || len >= OWN_BUFFER) {
      const own = new Uint8Array(len);
      own.set(data);
      return own;
    }
    if (this.used + len > this.chunk.length) {
      this.chunk = new Uint8Array(CHUNK);
      this.used = 0;
    }
    const from = this.used;
    this.used += len;
    this.chunk.set(data, from);
    return this.chunk.subarray(from, this.used);
  }
}
