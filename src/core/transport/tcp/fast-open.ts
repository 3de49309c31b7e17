/**
 * Fast open, passive side (RFC 7413; Linux `tcp_fastopen.c`): a SYN with a good cookie makes a socket at
 * once, and its data may be read before the handshake ends.
 */
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import { type SipKey, sipHash } from '../../util/siphash.ts';
import { TCP_FIN, TCP_SYN } from '../../wire/tcp.ts';
import { makeChild } from './child.ts';
import { tcpClockUs } from './clock.ts';
import { ICSK_TIME_RETRANS, TCP_TIMEOUT_INIT } from './constants.ts';
import { count } from './count.ts';
import type { TcpRoute, Tuple } from './family.ts';
import { tcpFin } from './fin.ts';
import type { RequestSock } from './request.ts';
import { routeNeedsNoCookie } from './route-metrics.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { resetXmitTimer } from './timer-arm.ts';
import { initTransfer } from './transfer.ts';

/** Bits of net.ipv4.tcp_fastopen. */
export const TFO_CLIENT_ENABLE = 1;
export const TFO_SERVER_ENABLE = 2;
export const TFO_CLIENT_NO_COOKIE = 4;
export const TFO_SERVER_COOKIE_NOT_REQD = 0x200;
export const TFO_SERVER_WO_SOCKOPT1 = 0x400;

/** The option of a SYN, and what the answer will carry. */
export interface FastOpenCookie {
  /** Length 0: a request; null: no option. */
  bytes: Uint8Array | null;
  exp: boolean;
}

/** The key of a namespace is made when a listener first needs it (`tcp_fastopen_init_key_once`). */
export function initFastOpenKey(net: NetNs): void {
  const { tcp } = net;
  if (tcp.fastOpenKeys !== null) return;
  const { random } = tcp.secrets;
  tcp.fastOpenKeys = [[random.i32(), random.i32(), random.i32(), random.i32()]];
}

/** listen(2): every listener is one, if net.ipv4.tcp_fastopen says so (`__inet_listen_sk`). */
export function listenFastOpen(sk: TcpSock, backlog: number): void {
  const mode = sk.net.sysctl.tcpFastopen;
  const all = TFO_SERVER_WO_SOCKOPT1 | TFO_SERVER_ENABLE;
  if ((mode & all) !== all || sk.fastOpenQueue !== 0) return;
  sk.fastOpenQueue = Math.min(backlog >>> 0, sk.net.sysctl.somaxconn);
  initFastOpenKey(sk.net);
}

function swap32(n: number): number {
  return (n << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24);
}

/** Cookie of a client for a server's address: 8 bytes. */
export function fastOpenCookie(
  key: SipKey,
  who: Pick<Tuple, 'saddr' | 'daddr' | 'ends'>,
): Uint8Array {
  const { saddr, daddr, ends } = who;
  const words = ends === null ? [daddr, saddr] : [...wordsOf(ends.remote), ...wordsOf(ends.local)];
  const [low, high] = sipHash(key, words.map(swap32));
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, low, true);
  view.setInt32(4, high, true);
  return bytes;
}

function wordsOf({ a, b, c, d }: Ip6Addr): number[] {
  return [a, b, c, d];
}

function keysOf(sk: TcpSock): readonly SipKey[] {
  return sk.fastOpenKeys ?? sk.net.tcp.fastOpenKeys ?? [];
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Room in the listener's queue of unfinished fast opens; a RST counts for a minute. */
function queueCheck(sk: TcpSock): boolean {
  const queue = sk.acceptQueue;
  if (sk.fastOpenQueue === 0 || queue === null) return false;
  if (queue.fastOpenLen < sk.fastOpenQueue) return true;
  const oldest = queue.fastOpenResets[0];
  if (oldest === undefined || oldest > tcpClockUs(sk.net)) {
    count(sk.net, MIB.TcpExtTCPFastOpenListenOverflow);
    return false;
  }
  queue.fastOpenResets.shift();
  queue.fastOpenLen--;
  return true;
}

/** No cookie is asked for (`tcp_fastopen_no_cookie`). */
export function noCookieNeeded(sk: TcpSock, flag: number, route: TcpRoute | null): boolean {
  if ((sk.net.sysctl.tcpFastopen & flag) !== 0 || sk.fastOpenNoCookie !== 0) return true;
  return routeNeedsNoCookie(route);
}

/**
 * A SYN with the option or with data (`tcp_try_fastopen`): the socket that it makes, or null. `foc` is
 * changed to what the SYN-ACK shall carry.
 */
export function tryFastOpen(
  sk: TcpSock,
  seg: RxSegment,
  req: RequestSock,
  foc: FastOpenCookie,
): TcpSock | null {
  const { net } = sk;
  const asked = foc.bytes;
  if (asked !== null && asked.length === 0) count(net, MIB.TcpExtTCPFastOpenCookieReqd);
  if ((net.sysctl.tcpFastopen & TFO_SERVER_ENABLE) === 0 || !queueCheck(sk)) {
    foc.bytes = null;
    return null;
  }
  if (noCookieNeeded(sk, TFO_SERVER_COOKIE_NOT_REQD, req.route))
    return open(sk, seg, req, foc, null);
  if (asked === null) return null;
  const keys = keysOf(sk);
  const [first] = keys;
  const good = first === undefined ? null : fastOpenCookie(first, req);
  if (asked.length > 0) {
    const used = keys.findIndex((k) => sameBytes(fastOpenCookie(k, req), asked));
    if (used >= 0) return open(sk, seg, req, foc, used === 0 ? null : good, good);
    count(net, MIB.TcpExtTCPFastOpenPassiveFail);
  }
  foc.bytes = good;
  return null;
}

/** @param fresh cookie of the first key, if the second one was used @param fallback answer without a socket */
// biome-ignore lint/complexity/useMaxParams: one step of tryFastOpen, which may fail
function open(
  sk: TcpSock,
  seg: RxSegment,
  req: RequestSock,
  foc: FastOpenCookie,
  fresh: Uint8Array | null,
  fallback: Uint8Array | null = null,
): TcpSock | null {
  const child = createChild(sk, seg, req);
  if (child === null) {
    count(sk.net, MIB.TcpExtTCPFastOpenPassiveFail);
    foc.bytes = fallback;
    return null;
  }
  foc.bytes = fresh;
  if (fresh !== null) count(sk.net, MIB.TcpExtTCPFastOpenPassiveAltKey);
  count(sk.net, MIB.TcpExtTCPFastOpenPassive);
  return child;
}

/** Linux `tcp_fastopen_create_child` */
function createChild(sk: TcpSock, seg: RxSegment, req: RequestSock): TcpSock | null {
  const child = makeChild(sk, seg, req);
  const queue = sk.acceptQueue;
  if (child === null || queue === null) return null;
  queue.fastOpenLen++;
  child.fastOpenRsk = req;
  child.synFastOpenIn = true;
  req.tfo = true;
  req.child = child;
  // RFC 7323 §2.2: the window of a SYN is never scaled.
  child.sndWnd = seg.hdr.window;
  child.maxWindow = child.sndWnd;
  sk.net.tcp.connections.add(child);
  req.timeoutUs = TCP_TIMEOUT_INIT;
  resetXmitTimer(child, ICSK_TIME_RETRANS, req.timeoutUs);
  initTransfer(child);
  child.rcvNxt = (seg.hdr.seq + 1) | 0;
  addSynData(child, seg);
  req.rcvNxt = child.rcvNxt;
  child.rcvWup = child.rcvNxt;
  return child;
}

/** The text of a SYN or SYN-ACK goes into the receive queue (`tcp_fastopen_add_skb`). */
export function addSynData(sk: TcpSock, seg: RxSegment): void {
  if (seg.endSeq === sk.rcvNxt) return;
  sk.segsIn = seg.segs;
  if (seg.len > 0) sk.dataSegsIn = seg.segs;
  seg.seq = (seg.seq + 1) | 0;
  seg.flags &= ~TCP_SYN;
  sk.rmemAlloc += seg.truesize;
  sk.rcvNxt = seg.endSeq;
  sk.receiveQueue.push(seg);
  sk.synDataAcked = true;
  sk.bytesReceived = seg.len;
  if ((seg.flags & TCP_FIN) !== 0) tcpFin(sk);
}
