/**
 * What Linux charges to a receive buffer for a datagram (`skb->truesize`): the memory that its
 * `struct sk_buff` and its buffer take, which is a power of two. Measured with SO_MEMINFO on lo.
 */

/** `sizeof(struct sk_buff)`, aligned to a cache line. */
const SK_BUFF = 256;
/** `sizeof(struct skb_shared_info)`, aligned. */
const SHARED_INFO = 320;
/** Room for the link header, IP and UDP headers and alignment in front of the data. */
const HEADERS = 59;
/** Buffers of small packets have a cache of their own (`SKB_SMALL_HEAD_SIZE`). */
const SMALL_HEAD = 576;
/** Longer ones have their data in pages (`SKB_MAX_ALLOC`). */
const PAGED = 16_005;

/** Bytes charged for a datagram with `len` bytes of data behind its transport header. */
export function datagramTruesize(len: number): number {
  if (len > PAGED) return SK_BUFF + SMALL_HEAD + len;
  const head = ((len + HEADERS + 63) & ~63) + SHARED_INFO;
  if (head <= SMALL_HEAD) return SK_BUFF + SMALL_HEAD;
  return SK_BUFF + (1 << (32 - Math.clz32(head - 1)));
}
