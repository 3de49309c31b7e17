/** A fast-open socket leaves its listener's queue of unfinished ones (Linux `reqsk_fastopen_remove`). */
import { tcpClockUs } from './clock.ts';
import { TCP_LISTEN } from './constants.ts';
import type { TcpSock } from './sock.ts';

/** How long a RST keeps its place in the queue: who forges addresses does not get it back soon. */
const RESET_HOLD_US = 60_000_000;

/** The handshake of `sk` ended. @param reset by a RST of the peer's */
export function removeFastOpen(sk: TcpSock, reset: boolean): void {
  const req = sk.fastOpenRsk;
  if (req === null) return;
  sk.fastOpenRsk = null;
  req.tfo = false;
  const queue = req.listener.acceptQueue;
  if (queue === null) return;
  queue.fastOpenLen--;
  if (req.child !== null || !reset || req.listener.state !== TCP_LISTEN) return;
  queue.fastOpenResets.push(tcpClockUs(sk.net) + RESET_HOLD_US);
  queue.fastOpenLen++;
}
