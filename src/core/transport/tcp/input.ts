/**
 * TCP's entry: which socket a segment is for (RFC 9293 §3.10.7; Linux `tcp_v4_rcv`, `tcp_v6_rcv`).
 * RX 3/4. From: `network/ipv4/input`, `network/ipv6/input`. To: `transport/tcp/arrival`.
 */

import { drop } from '../../drop.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { BAD_L4, BAD_L4_CSUM, PACKET_HOST, type Packet } from '../../packet.ts';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../wire/tcp.ts';
import { FROM_TRANSPORT, filterPasses } from '../filter/socket-filter.ts';
import type { RareOptions } from '../rare-options.ts';
import { segmentArrives } from './arrival.ts';
import { lookupConnection } from './connection-lookup.ts';
import { TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_SYN_RECV, TCP_TIME_WAIT } from './constants.ts';
import { count } from './count.ts';
import { EVENTS_READ } from './done.ts';
import { checkCookie, checkRequest, REQ_DONE, REQ_LISTENER } from './handshake.ts';
import { connRequest } from './listen.ts';
import { dropRequest } from './listen-stop.ts';
import { lookupListener } from './listener-lookup.ts';
import { isSignedRight } from './md5sig.ts';
import { sendReset } from './reply.ts';
import type { RequestSock } from './request.ts';
import { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { killTimeWait, timeWaitAck, timeWaitInput, timeWaitIsn } from './time-wait.ts';
import type { TimeWaitSock } from './time-wait-sock.ts';

/** Takes a packet from IP. */
export function tcpInput(pkt: Packet): void {
  const { dev, tcp } = pkt;
  if (dev === null) return;
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
  const { ip, ip6 } = pkt;
  const seg =
    ip !== null
      ? new RxSegment(pkt, tcp, ip.tos & 3, ip.headerLen())
      : new RxSegment(pkt, tcp, (ip6?.tclass ?? 0) & 3, ip6?.headerLen() ?? 0);
  const c = lookupConnection(net, pkt, tcp, dev.ifindex);
  if (c === null) {
    const sk = lookupListener(net, pkt, tcp);
    if (sk === null) noSocket(net, seg);
    else if (isSignedRight(sk, pkt, tcp)) {
      const passed = passFilter(sk, seg);
      if (passed !== null) listenerInput(sk, passed, 0);
    }
  } else if (c.state === TCP_TIME_WAIT) timeWait(net, c as TimeWaitSock, seg);
  else if (c.state === TCP_NEW_SYN_RECV) requestInput(net, c as RequestSock, seg);
  else segmentForSocket(c as TcpSock, seg);
}

/** RFC 9293 §3.10.7.1 */
function noSocket(net: NetNs, seg: RxSegment): void {
  sendReset(net, seg.pkt, false);
  drop(net, seg.pkt, 'NO_SOCKET');
}

/** RFC 5082: IP_MINTTL, IPV6_MINHOPCOUNT. */
function isFromTooFar(options: RareOptions, pkt: Packet): boolean {
  const { ip, ip6 } = pkt;
  return ip6 === null ? (ip?.ttl ?? 255) < options.minTtl : ip6.hopLimit < options.minHopCount;
}

/** Who may speak, then the connection's own rules. */
function segmentForSocket(sk: TcpSock, seg: RxSegment): void {
  if (sk.rareMaybe === null || !isFromTooFar(sk.rareMaybe, seg.pkt)) {
    if (!isSignedRight(sk, seg.pkt, seg.hdr)) return;
    const passed = passFilter(sk, seg);
    if (passed !== null) segmentArrives(sk, passed);
    return;
  }
  count(sk.net, MIB.TcpExtTCPMinTTLDrop);
  drop(sk.net, seg.pkt, 'NOT_SPECIFIED', 'IP_MINTTL');
}

/** The socket's filter: the segment, cut to what is kept of it; null: it was dropped (Linux `tcp_filter`). */
function passFilter(sk: TcpSock, seg: RxSegment): RxSegment | null {
  const { rareMaybe } = sk;
  if (rareMaybe === null || rareMaybe.filter === null) return seg;
  const { pkt, hdr } = seg;
  const { len } = pkt;
  if (!filterPasses(sk, rareMaybe.filter, pkt, FROM_TRANSPORT, hdr.headerLen())) {
    drop(sk.net, pkt, 'SOCKET_FILTER');
    return null;
  }
  if (pkt.len === len) return seg;
  const { ip, ip6 } = pkt;
  return ip !== null
    ? new RxSegment(pkt, hdr, ip.tos & 3, ip.headerLen())
    : new RxSegment(pkt, hdr, (ip6?.tclass ?? 0) & 3, ip6?.headerLen() ?? 0);
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
  if (!isSignedRight(sk, seg.pkt, seg.hdr)) return;
  const passed = passFilter(sk, seg);
  if (passed === null) return;
  const result = checkRequest(sk, passed, req);
  if (typeof result !== 'number') {
    childProcess(sk, result, passed);
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
  const listener = lookupListener(net, seg.pkt, seg.hdr);
  if (listener === null) {
    timeWaitAck(net, tw, seg);
    drop(net, seg.pkt, 'NOT_SPECIFIED', 'TIME_WAIT');
    return;
  }
  const isn = timeWaitIsn(tw);
  killTimeWait(net, tw);
  if (isSignedRight(listener, seg.pkt, seg.hdr)) listenerInput(listener, seg, isn);
}
