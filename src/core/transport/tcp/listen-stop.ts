/** The end of listening (Linux `inet_csk_listen_stop`). */
import { TCP_CLOSE } from './constants.ts';
import { destroySock, setState } from './done.ts';
import type { RequestSock } from './request.ts';
import { sendActiveReset } from './reset.ts';
import { purgeSendQueue } from './send-queue.ts';
import type { TcpSock } from './sock.ts';
import { clearAllTimers } from './timer-arm.ts';

/** Forgets a request (`inet_csk_reqsk_queue_drop`); false: it was forgotten already. */
export function dropRequest(req: RequestSock): boolean {
  const queue = req.listener.acceptQueue;
  req.timer?.clear();
  req.timer = null;
  req.listener.net.tcp.connections.remove(req);
  if (queue === null || !queue.requests.delete(req)) return false;
  if (req.numTimeout === 0) queue.young--;
  return true;
}

/** Takes a listener out of the look-up. */
export function unlisten(sk: TcpSock): void {
  const listeners = sk.net.tcp.listeners;
  const list = listeners.get(sk.sport);
  if (list === undefined) return;
  const i = list.indexOf(sk);
  if (i >= 0) list.splice(i, 1);
  if (list.length === 0) listeners.delete(sk.sport);
}

/** Requests are forgotten; connections that nobody accepted are reset. */
export function listenStop(sk: TcpSock): void {
  unlisten(sk);
  const queue = sk.acceptQueue;
  sk.acceptQueue = null;
  if (queue === null) return;
  for (const req of [...queue.requests]) {
    req.timer?.clear();
    req.timer = null;
    sk.net.tcp.connections.remove(req);
  }
  queue.requests.clear();
  for (const child of queue.waiting()) {
    child.orphan = true;
    child.listener = null;
    child.fastOpenRsk = null;
    sk.net.tcp.orphanCount++;
    if (child.state !== TCP_CLOSE) {
      sendActiveReset(child);
      setState(child, TCP_CLOSE);
    }
    clearAllTimers(child);
    purgeSendQueue(child);
    destroySock(child);
  }
}
