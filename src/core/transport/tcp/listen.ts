/** Listening: SYNs and backlogs (RFC 9293 §3.10.7.2; Linux `inet_csk_listen_start`, `tcp_conn_request`, `inet_csk_accept`). */
import { drop } from '../../drop.ts';
import { EADDRINUSE, EAGAIN, EINVAL } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import { AF_INET6 } from '../sock.ts';
import { AcceptQueue, acceptQueueFull } from './accept-queue.ts';
import { getPort } from './bind.ts';
import { tcpClockUs } from './clock.ts';
import { TCP_CLOSE, TCP_LISTEN, TCP_TIMEOUT_INIT } from './constants.ts';
import { count } from './count.ts';
import { EVENTS_READ, setState } from './done.ts';
import { ecnCreateRequest } from './ecn.ts';
import { type FastOpenCookie, listenFastOpen, tryFastOpen } from './fast-open.ts';
import { initialSeq, timestampOffset } from './isn.ts';
import { peerIsProven } from './metrics.ts';
import { isForUs } from './reply.ts';
import type { RequestSock } from './request.ts';
import { makeRequest, requestWindow } from './request-init.ts';
import { savedSynOf } from './saved-syn.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { requestTimer, routeRequest, sendSynack } from './synack.ts';
import { cookieIsn, cookieTimestamp } from './syncookie.ts';

/** listen(2); a second call changes the backlog. */
export function listenSock(sk: TcpSock, backlog: number): number {
  if (sk.state === TCP_LISTEN) {
    sk.maxAckBacklog = backlog;
    return 0;
  }
  if (sk.state !== TCP_CLOSE) return -EINVAL;
  sk.maxAckBacklog = backlog;
  const port = sk.sport;
  // The state counts in conflicts: a listener shares its port with nobody who did not agree.
  sk.state = TCP_LISTEN;
  const owned = sk.bindBucket;
  if (owned !== null && owned.owners.size > 1) {
    const err = relisten(sk, port);
    if (err < 0) return err;
  } else if (owned === null) {
    const err = getPort(sk, port);
    if (err < 0) {
      sk.state = TCP_CLOSE;
      return err;
    }
  }
  listenFastOpen(sk, backlog);
  sk.state = TCP_CLOSE;
  setState(sk, TCP_LISTEN);
  sk.acceptQueue = new AcceptQueue();
  sk.atoUs = 0;
  sk.ackPending = 0;
  const list = sk.net.tcp.listeners.get(sk.sport);
  if (list === undefined) sk.net.tcp.listeners.set(sk.sport, [sk]);
  // LINUX: those of AF_INET6 that share the port come last (`inet_hash`).
  else if (sk.reusePort && sk.family === AF_INET6) list.push(sk);
  else list.unshift(sk);
  return 0;
}

/** The port is shared: is it still free for a listener? */
function relisten(sk: TcpSock, port: number): number {
  const err = getPort(sk, port);
  if (err < 0) {
    sk.state = TCP_CLOSE;
    return -EADDRINUSE;
  }
  return 0;
}

/** accept(2): the next connection, -EAGAIN, or -EINVAL when not listening. */
export function acceptSock(sk: TcpSock): TcpSock | number {
  if (sk.state !== TCP_LISTEN || sk.acceptQueue === null) return -EINVAL;
  const child = sk.acceptQueue.shift();
  if (child === null) return -EAGAIN;
  child.listener = null;
  // The handshake of a fast open goes on without the queue.
  if (child.fastOpenRsk !== null) child.fastOpenRsk.child = null;
  return child;
}

function listenDrop(sk: TcpSock, seg: RxSegment): void {
  count(sk.net, MIB.TcpExtListenDrops);
  drop(sk.net, seg.pkt, 'TCP_LISTEN_OVERFLOW');
}

/** The request queue is full: cookies, or nothing (`tcp_syn_flood_action`). */
function floodAction(sk: TcpSock): boolean {
  if (sk.net.sysctl.tcpSyncookies === 0) {
    count(sk.net, MIB.TcpExtTCPReqQFullDrop);
    return false;
  }
  count(sk.net, MIB.TcpExtTCPReqQFullDoCookies);
  return true;
}

/** How a SYN is received. */
const SYN_REFUSED = 0;
const SYN_NOTED = 1;
const SYN_COOKIE = 2;

/** Room in the queues, and whether a cookie must do; counts refusals. */
function admitSyn(sk: TcpSock, queue: AcceptQueue, seg: RxSegment, twIsn: number): number {
  // Never to a group: nobody answers a broadcast SYN.
  if (!isForUs(seg.pkt)) return SYN_REFUSED;
  let how = SYN_NOTED;
  const full = queue.requests.size > sk.maxAckBacklog;
  if ((sk.net.sysctl.tcpSyncookies === 2 || full) && twIsn === 0) {
    if (!floodAction(sk)) return SYN_REFUSED;
    how = SYN_COOKIE;
  }
  if (!acceptQueueFull(sk)) return how;
  count(sk.net, MIB.TcpExtListenOverflows);
  return SYN_REFUSED;
}

/** A SYN for a listener. @param twIsn sequence number that a TIME-WAIT asks for; 0: none */
export function connRequest(sk: TcpSock, seg: RxSegment, twIsn: number): void {
  const { net } = sk;
  const queue = sk.acceptQueue;
  if (queue === null) return;
  const how = admitSyn(sk, queue, seg, twIsn);
  const cookie = how === SYN_COOKIE;
  if (how === SYN_REFUSED) {
    listenDrop(sk, seg);
    return;
  }
  const req = makeRequest(sk, seg, cookie);
  if (!routeRequest(sk, req) || (!cookie && twIsn === 0 && lacksRoom(sk, req))) {
    listenDrop(sk, seg);
    return;
  }
  if (req.tstampOk) req.tsOffset = timestampOffset(net, req.saddr, req.daddr);
  ecnCreateRequest(req, seg);
  requestWindow(sk, req);
  if (cookie) {
    answerWithCookie(sk, req);
    return;
  }
  req.sntIsn = twIsn !== 0 ? twIsn : initialSeq(net, req.saddr, req.daddr, req.sport, req.dport);
  if (sk.saveSyn !== 0) req.savedSyn = savedSynOf(seg, sk.saveSyn);
  answerSyn(sk, queue, seg, req);
}

/** With a socket at once (fast open), or with a request that waits for the third segment. */
function answerSyn(sk: TcpSock, queue: AcceptQueue, seg: RxSegment, req: RequestSock): void {
  const { net } = sk;
  const foc = fastOpenAsked(seg);
  const child = foc === null ? null : tryFastOpen(sk, seg, req, foc);
  if (child !== null) {
    sendSynack(child, req, null, foc);
    queue.push(child);
    if (!sk.orphan) sk.wake(EVENTS_READ);
    return;
  }
  req.timeoutUs = TCP_TIMEOUT_INIT;
  req.timer = net.kernel.timer(() => requestTimer(req));
  req.timer.set(net.kernel.nowUs + req.timeoutUs);
  net.tcp.connections.add(req);
  queue.requests.add(req);
  queue.young++;
  sendSynack(sk, req, null, foc);
}

/** The fast-open option of a SYN, or data; null: neither. */
function fastOpenAsked(seg: RxSegment): FastOpenCookie | null {
  const o = seg.hdr.options;
  const bytes = o === null ? null : o.fastOpenCookie;
  if (bytes === null && seg.len === 0) return null;
  return { bytes, exp: o?.fastOpenExp === true };
}

/** Without cookies the last quarter of tcp_max_syn_backlog is for peers that are known to be alive. */
function lacksRoom(sk: TcpSock, req: RequestSock): boolean {
  const s = sk.net.sysctl;
  if (s.tcpSyncookies !== 0) return false;
  const used = sk.acceptQueue === null ? 0 : sk.acceptQueue.requests.size;
  if (s.tcpMaxSynBacklog - used >= s.tcpMaxSynBacklog >> 2) return false;
  return !peerIsProven(sk.net, req);
}

function answerWithCookie(sk: TcpSock, req: RequestSock): void {
  if (sk.acceptQueue !== null) sk.acceptQueue.synqOverflowUs = tcpClockUs(sk.net);
  if (!req.tstampOk) req.ecnOk = false;
  const ts = req.tstampOk ? cookieTimestamp(sk, req) : null;
  req.sntIsn = cookieIsn(sk, req);
  sendSynack(sk, req, ts, null);
}
