/**
 * What Linux charges for the memory of a packet (`skb->truesize`) that came in through a tun device
 * (`tun_alloc_skb`, `alloc_skb_with_frags`; measured with SO_MEMINFO on 6.18), and how much room its buffer
 * has behind the packet. The windows that a peer sees follow from it.
 */

/** `struct sk_buff`, `struct skb_shared_info`, each aligned to a cache line. */
export const SKB_SIZE = 256;
export const SHARED_INFO = 320;
/** Buffers of small packets have a cache of their own (`SKB_SMALL_HEAD_SIZE`). */
const SMALL_HEAD = 576;
const PAGE = 4096;
/** Room in front of a packet (`NET_SKB_PAD`). */
const PAD = 64;
/** What is in the buffer of a packet too long for one page (`SKB_MAX_HEAD(NET_SKB_PAD)`); pages hold the rest. */
const GOOD_LINEAR = PAGE - PAD - SHARED_INFO;

/** Bytes of a buffer (`skb->head` and the shared info behind it) that has room for `size` bytes. */
export function headSize(size: number): number {
  const need = ((size + 63) & ~63) + SHARED_INFO;
  return need <= SMALL_HEAD ? SMALL_HEAD : 1 << (32 - Math.clz32(need - 1));
}

/** Of an IP packet of `ipLen` bytes that was written to a tun device. */
export function tunTruesize(ipLen: number): number {
  if (PAD + ipLen < PAGE) return headSize(PAD + ipLen) + SKB_SIZE;
  return PAGE + SKB_SIZE + ((ipLen - GOOD_LINEAR + PAGE - 1) & ~(PAGE - 1));
}

/** `skb_tailroom` of such a packet: what can be copied behind it without more memory. */
export function tunTailroom(ipLen: number): number {
  if (PAD + ipLen >= PAGE) return 0;
  return headSize(PAD + ipLen) - SHARED_INFO - PAD - ipLen;
}
