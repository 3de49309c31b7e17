/**
 * TCP's entry: which socket a segment is for (RFC 9293 §3.10.7; Linux `tcp_v4_rcv`, `__inet_lookup_skb`).
 * RX 3/4. From: `network/ipv4/input`. To: `transport/tcp/arrival`.
 */
import { drop } from '../../drop.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { BAD_L4, BAD_L4_CSUM, PACKET_HOST, type Packet } from '../../packet.ts';
import { mix32 } from '../../util/random.ts';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../wire/tcp.ts';
import { segmentArrives } from './arrival.ts';
import { TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_SYN_RECV, TCP_TIME_WAIT } from './constants.ts';
import { count } from './count.ts';
import { EVENTS_READ } from './done.ts';
import { checkCookie, checkRequest, REQ_DONE, REQ_LISTENER } from './handshake.ts';
import { connRequest } from './listen.ts';
import { dropRequest } from './listen-stop.ts';
import { sendReset } from './reply.ts';
import type { RequestSock } from './request.ts';
import { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { killTimeWait, timeWaitAck, timeWaitInput, timeWaitIsn } from './time-wait.ts';
import type { TimeWaitSock } from './time-wait-sock.ts';

/** Takes a packet from IP. */
export function tcpInput(pkt: Packet): void {
  const { dev, ip, tcp } = pkt;
  if (dev === null || ip === null) return;
  const { net } = dev;
  if (pkt.pktType !== PACKET_HOST) {
    drop(net, pkt, 'NOT_SPECIFIED', 'pkt_type');
    return;
  }
  count(net, MIB.TcpInSegs);
  if (tcp === null || (pkt.flags & BAD_L4) !== 0) {
    count(net, MIB.TcpInErrs);
    drop(net, pkt, 'PKT_TOO_SMALL');
    return;
  }
  if ((pkt.flags & BAD_L4_CSUM) !== 0) {
    count(net, MIB.TcpInCsumErrors);
    count(net, MIB.TcpInErrs);
    drop(net, pkt, 'TCP_CSUM');
    return;
  }
  const seg = new RxSegment(pkt, tcp, ip.tos & 3, ip.headerLen());
  const c = net.tcp.connections.lookup(ip.dst, tcp.dport, ip.src, tcp.sport, dev.ifindex);
  if (c === null) {
    const sk = lookupListener(net, pkt, ip.dst, tcp.dport, dev.ifindex);
    if (sk === null) noSocket(net, seg);
    else listenerInput(sk, seg, 0);
  } else if (c.state === TCP_TIME_WAIT) timeWait(net, c as TimeWaitSock, seg);
  else if (c.state === TCP_NEW_SYN_RECV) requestInput(net, c as RequestSock, seg);
  else segmentForSocket(c as TcpSock, seg);
}

/** RFC 9293 §3.10.7.1 */
function noSocket(net: NetNs, seg: RxSegment): void {
  sendReset(net, seg.pkt, false);
  drop(net, seg.pkt, 'NO_SOCKET');
}

/** IP_MINTTL, then the connection's own rules. */
function segmentForSocket(sk: TcpSock, seg: RxSegment): void {
  const ip = seg.pkt.ip;
  if (sk.rareMaybe !== null && ip !== null && ip.ttl < sk.rareMaybe.minTtl) {
    count(sk.net, MIB.TcpExtTCPMinTTLDrop);
    drop(sk.net, seg.pkt, 'NOT_SPECIFIED', 'IP_MINTTL');
    return;
  }
  segmentArrives(sk, seg);
}

/** The listener of a port that fits best; among equals of a SO_REUSEPORT group a hash chooses. */
export function lookupListener(
  net: NetNs,
  pkt: Packet,
  addr: number,
  port: number,
  dif: number,
): TcpSock | null {
  const list = net.tcp.listeners.get(port);
  if (list === undefined) return null;
  let best: TcpSock | null = null;
  let bestScore = 0;
  let equals = 0;
  for (const sk of list) {
    const score = scoreOf(sk, addr, dif);
    if (score > bestScore) {
      best = sk;
      bestScore = score;
      equals = 1;
    } else if (score === bestScore && score > 0 && sk.reusePort && best?.reusePort === true)
      equals++;
  }
  if (best === null || equals <= 1) return best;
  const hash = mix32(mix32(pkt.ip?.src ?? 0, addr), ((pkt.tcp?.sport ?? 0) << 16) | port) >>> 0;
  let n = Math.floor((hash / 2 ** 32) * equals);
  for (const sk of list)
    if (scoreOf(sk, addr, dif) === bestScore && sk.reusePort && n-- === 0) return sk;
  return best;
}

/** 0: does not listen there (Linux `compute_score`). */
function scoreOf(sk: TcpSock, addr: number, dif: number): number {
  if (sk.rcvSaddr !== 0 && sk.rcvSaddr !== addr) return 0;
  if (sk.boundDevIf !== 0 && sk.boundDevIf !== dif) return 0;
  return 1 + (sk.rcvSaddr !== 0 ? 2 : 0) + (sk.boundDevIf !== 0 ? 4 : 0);
}

/** RFC 9293 §3.10.7.2. @param twIsn first sequence number that a TIME-WAIT asks for */
function listenerInput(sk: TcpSock, seg: RxSegment, twIsn: number): void {
  const { net } = sk;
  const { flags } = seg;
  if ((flags & TCP_ACK) !== 0 && (flags & TCP_RST) === 0) {
    const child = checkCookie(sk, seg);
    if (child === REQ_DONE) return;
    if (typeof child !== 'number') {
      childProcess(sk, child, seg);
      return;
    }
    sendReset(net, seg.pkt, true);
    drop(net, seg.pkt, 'TCP_FLAGS');
    return;
  }
  if ((flags & TCP_RST) !== 0) {
    drop(net, seg.pkt, 'TCP_RESET');
    return;
  }
  if ((flags & TCP_SYN) === 0 || (flags & TCP_FIN) !== 0) {
    drop(net, seg.pkt, 'TCP_FLAGS');
    return;
  }
  connRequest(sk, seg, twIsn);
}

/** A segment for a request: the listener checks it (Linux `tcp_check_req`). */
function requestInput(net: NetNs, req: RequestSock, seg: RxSegment): void {
  const sk = req.listener;
  if (sk.state !== TCP_LISTEN) {
    dropRequest(req);
    noSocket(net, seg);
    return;
  }
  const result = checkRequest(sk, seg, req);
  if (typeof result !== 'number') {
    childProcess(sk, result, seg);
    return;
  }
  if (result !== REQ_LISTENER) return;
  sendReset(net, seg.pkt, true);
  drop(net, seg.pkt, 'TCP_INVALID_ACK_SEQUENCE');
}

/** The segment that made a connection is its first (Linux `tcp_child_process`). */
function childProcess(listener: TcpSock, child: TcpSock, seg: RxSegment): void {
  segmentArrives(child, seg);
  if (child.state !== TCP_SYN_RECV && !listener.orphan) listener.wake(EVENTS_READ);
}

/** TIME-WAIT: answered, or a new connection if somebody listens. */
function timeWait(net: NetNs, tw: TimeWaitSock, seg: RxSegment): void {
  if (!timeWaitInput(net, tw, seg)) return;
  const listener = lookupListener(net, seg.pkt, tw.saddr, tw.sport, seg.pkt.dev?.ifindex ?? 0);
  if (listener === null) {
    timeWaitAck(net, tw, seg);
    drop(net, seg.pkt, 'NOT_SPECIFIED', 'TIME_WAIT');
    return;
  }
  const isn = timeWaitIsn(tw);
  killTimeWait(net, tw);
  listenerInput(listener, seg, isn);
}
