/** The headers of a SYN, kept for TCP_SAVED_SYN (Linux `tcp_reqsk_record_syn`). */
import { frameBytes, ipBytes } from '../../wire/frame.ts';
import type { RxSegment } from './segment.ts';

/** @param mode TCP_SAVE_SYN: 1: from the IP header on, 2: from the link's */
export function savedSynOf(seg: RxSegment, mode: number): Uint8Array {
  const { pkt } = seg;
  const all = mode === 2 ? frameBytes(pkt) : ipBytes(pkt);
  return all.slice(0, all.length - pkt.len);
}
