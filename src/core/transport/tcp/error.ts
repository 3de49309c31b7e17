/** An ICMP error about a segment of ours (RFC 5461, RFC 5927, RFC 1191, RFC 8201; Linux `tcp_v4_err`, `tcp_v6_err`). */
import { MIB } from '../../mib.ts';
import { MIB6 } from '../../mib6.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import type { Icmp6Error, IcmpError } from '../../protocols.ts';
import { seqBetween } from '../../util/seq.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH,
  ICMP_PARAMETERPROB,
  ICMP_TIME_EXCEEDED,
} from '../../wire/icmp.ts';
import { ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE, ICMPV6_PKT_TOOBIG } from '../../wire/icmpv6.ts';
import { IPV6_MIN_MTU } from '../../wire/ipv6.ts';
import { queueIcmp6Error, queueIcmpError } from '../error-queue.ts';
import { HARD, icmpErrno, isFragNeeded } from '../icmp-errno.ts';
import { icmp6Errno } from '../icmp6-errno.ts';
import { ifindexOf } from '../inet6-cmsg.ts';
import { mstampRefresh } from './clock.ts';
import type { Connection } from './connection-table.ts';
import {
  ICSK_TIME_RETRANS,
  TCP_CLOSE,
  TCP_NEW_SYN_RECV,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
  TCP_TIMEOUT_INIT,
} from './constants.ts';
import { count } from './count.ts';
import { errorReport, failWith } from './done.ts';
import { Ends6 } from './family.ts';
import { dropRequest } from './listen-stop.ts';
import { mtuReduced } from './pmtu.ts';
import type { RequestSock } from './request.ts';
import { computedRto } from './rto.ts';
import type { TcpSock } from './sock.ts';
import { resetXmitTimer } from './timer-arm.ts';

/** What an error means to TCP, whichever protocol brought it. */
interface News {
  /** Sequence number of the quoted segment. */
  readonly seq: number;
  /** Positive; 0: nothing to a socket. */
  readonly errno: number;
  /** New path MTU; 0: none. */
  readonly mtu: number;
  /** A SYN-ACK need not be tried again. */
  readonly endsRequest: boolean;
  /** No route: the path is cut, not congested. */
  readonly isCut: boolean;
  /** The message itself, and the port that the quoted segment was for. */
  readonly pkt: Packet;
  readonly error: IcmpError | Icmp6Error;
  readonly dport: number;
}

/** The quoted packet's socket is told (`tcp_v4_err`). */
export function tcpError(pkt: Packet, error: IcmpError): void {
  const dev = pkt.dev;
  if (dev === null) return;
  const { net } = dev;
  const quote = quoteOf(error.bytes);
  const c = net.tcp.connections.lookup(
    error.src,
    quote.sport,
    error.dst,
    quote.dport,
    dev.ifindex,
    null,
  );
  if (c === null) {
    net.mib[MIB.IcmpInErrors]++;
    return;
  }
  const { type, code } = error;
  const isCut =
    type === ICMP_DEST_UNREACH && (code === ICMP_NET_UNREACH || code === ICMP_HOST_UNREACH);
  tell(net, c, {
    seq: quote.seq,
    errno: icmpErrno(error) & ~HARD,
    mtu: isFragNeeded(error) ? error.info : 0,
    endsRequest: isCut || type === ICMP_PARAMETERPROB || type === ICMP_TIME_EXCEEDED,
    isCut,
    pkt,
    error,
    dport: quote.dport,
  });
}

/** The same over IPv6 (`tcp_v6_err`). */
export function tcp6Error(pkt: Packet, error: Icmp6Error): void {
  const dev = pkt.dev;
  if (dev === null) return;
  const { net } = dev;
  const { connections, secrets } = net.tcp;
  const quote = quoteOf(error.bytes);
  const ends = new Ends6(error.src, error.dst);
  const [saddr, daddr] = [secrets.digest(error.src), secrets.digest(error.dst)];
  const { sport, dport } = quote;
  const c = connections.lookup(saddr, sport, daddr, dport, ifindexOf(pkt), ends);
  if (c === null) {
    net.ipv6.mib[MIB6.Icmp6InErrors]++;
    return;
  }
  const { type, code } = error;
  const errno = icmp6Errno(error);
  const isTooBig = type === ICMPV6_PKT_TOOBIG;
  // LINUX: what does not speak of less than the least of all MTUs is not heeded.
  if (isTooBig && error.info >>> 0 < IPV6_MIN_MTU && c.state !== TCP_NEW_SYN_RECV) return;
  tell(net, c, {
    seq: quote.seq,
    errno: errno & ~HARD,
    mtu: isTooBig ? error.info >>> 0 : 0,
    endsRequest: (errno & HARD) !== 0,
    isCut: type === ICMPV6_DEST_UNREACH && code === ICMPV6_NOROUTE,
    pkt,
    error,
    dport,
  });
}

/** Ports and sequence number: the first eight bytes of the quoted segment. */
function quoteOf(bytes: Uint8Array): { sport: number; dport: number; seq: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { sport: view.getUint16(0), dport: view.getUint16(2), seq: view.getInt32(4) };
}

function tell(net: NetNs, c: Connection, news: News): void {
  if (c.state === TCP_TIME_WAIT) return;
  if (c.state === TCP_NEW_SYN_RECV) requestError(net, c as RequestSock, news);
  else socketError(c as TcpSock, news);
}

/** A SYN-ACK of ours cannot get there (`tcp_req_err`). */
function requestError(net: NetNs, req: RequestSock, news: News): void {
  if (news.seq !== req.sntIsn) {
    count(net, MIB.TcpExtOutOfWindowIcmps);
    return;
  }
  if (!news.endsRequest) return;
  dropRequest(req);
  count(net, MIB.TcpExtListenDrops);
}

function socketError(sk: TcpSock, news: News): void {
  if (sk.state === TCP_CLOSE) return;
  // RFC 5927 §4.1: who does not know what is in flight may not speak.
  const req = sk.fastOpenRsk;
  if (!seqBetween(news.seq, req === null ? sk.sndUna : req.sntIsn, sk.sndNxt)) {
    count(sk.net, MIB.TcpExtOutOfWindowIcmps);
    return;
  }
  if (news.mtu !== 0) {
    mtuReduced(sk, news.mtu);
    return;
  }
  const { errno } = news;
  if (errno === 0) return;
  if (news.isCut) rtoRevert(sk, news.seq);
  // A fast-open socket that was accepted counts as connected.
  const opening = sk.state === TCP_SYN_SENT || sk.state === TCP_SYN_RECV;
  if (opening && (req === null || req.child !== null)) {
    // LINUX: over IPv4 whether it was asked for or not.
    if (news.pkt.ip6 === null || asksForErrors(sk)) queue(sk, news);
    failWith(sk, errno);
    return;
  }
  // RFC 1122 §4.2.3.9: an established connection goes on trying.
  if (asksForErrors(sk)) {
    sk.err = errno;
    errorReport(sk);
  } else sk.errSoft = errno;
}

/** IP_RECVERR, IPV6_RECVERR: that of the protocol below. */
function asksForErrors(sk: TcpSock): boolean {
  return sk.ends === null || sk.inet6 === null ? sk.recverr : sk.inet6.recvErr;
}

/** The error of a connection that is being opened is kept with what it quotes, the TCP header. */
function queue(sk: TcpSock, { pkt, error, dport }: News): void {
  if (pkt.ip6 === null) queueIcmpError(sk, pkt, error as IcmpError, dport, 0);
  else queueIcmp6Error(sk, pkt, error as Icmp6Error, dport, 0);
}

/** A router answers, so the path is not congested but cut: back off less (RFC 6069 §4). */
function rtoRevert(sk: TcpSock, seq: number): void {
  if (seq !== sk.sndUna || sk.retransmits === 0 || sk.backoff === 0) return;
  const head = sk.rtxQueue.first();
  if (head === null) return;
  mstampRefresh(sk);
  sk.backoff--;
  const rto = sk.srttUs !== 0 ? computedRto(sk) : TCP_TIMEOUT_INIT;
  sk.rtoUs = Math.min(rto * 2 ** sk.backoff, sk.rtoMaxUs);
  const left = sk.rtoUs - (sk.mstamp - head.sentUs);
  resetXmitTimer(sk, ICSK_TIME_RETRANS, Math.max(left, 0));
}
