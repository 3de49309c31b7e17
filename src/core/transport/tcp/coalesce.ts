/**
 * Received segments that fit behind the one before are copied there, and cost nothing then (Linux
 * `tcp_try_coalesce`, `skb_try_coalesce`). Only what came through a tun device has such room here: a segment that
 * a sender of ours made is shared with it as long as it is not acknowledged (`skb_cloned`). LINUX: pages of
 * those that are acknowledged are joined as well; that saves memory there, not here.
 */
import { MIB } from '../../mib.ts';
import { count } from './count.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';

/** Appends `from` to `to` if it is what follows and fits; its own memory is not charged any more. */
export function tryCoalesce(sk: TcpSock, to: RxSegment | null, from: RxSegment): boolean {
  if (to === null || from.len > to.tailroom || to.endSeq !== from.seq) return false;
  to.append(from);
  to.pkt.timeUs = from.pkt.timeUs;
  count(sk.net, MIB.TcpExtTCPRcvCoalesce);
  return true;
}
