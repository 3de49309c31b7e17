/** An ICMP error about a segment of ours (RFC 5461, RFC 5927, RFC 1191; Linux `tcp_v4_err`). */
import { EPROTO } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import type { IcmpError } from '../../protocols.ts';
import { seqBetween } from '../../util/seq.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH,
  ICMP_PARAMETERPROB,
  ICMP_TIME_EXCEEDED,
} from '../../wire/icmp.ts';
import { HARD, icmpErrno, isFragNeeded } from '../icmp-errno.ts';
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
import { dropRequest } from './listen-stop.ts';
import { mtuReduced } from './pmtu.ts';
import type { RequestSock } from './request.ts';
import { computedRto } from './rto.ts';
import type { TcpSock } from './sock.ts';
import { resetXmitTimer } from './timer-arm.ts';

/** The quoted packet's socket is told. */
export function tcpError(pkt: Packet, error: IcmpError): void {
  const dev = pkt.dev;
  if (dev === null) return;
  const { net } = dev;
  const { bytes } = error;
  if (bytes.length < 8) {
    net.mib[MIB.IcmpInErrors]++;
    return;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sport = view.getUint16(0);
  const dport = view.getUint16(2);
  const seq = view.getInt32(4);
  const c: Connection | null = net.tcp.connections.lookup(
    error.src,
    sport,
    error.dst,
    dport,
    dev.ifindex,
  );
  if (c === null) {
    net.mib[MIB.IcmpInErrors]++;
    return;
  }
  if (c.state === TCP_TIME_WAIT) return;
  if (c.state === TCP_NEW_SYN_RECV) {
    requestError(net, c as RequestSock, error, seq);
    return;
  }
  socketError(c as TcpSock, error, seq);
}

/** A SYN-ACK of ours cannot get there (`tcp_req_err`). */
function requestError(net: NetNs, req: RequestSock, error: IcmpError, seq: number): void {
  if (seq !== req.sntIsn) {
    count(net, MIB.TcpExtOutOfWindowIcmps);
    return;
  }
  const abort =
    error.type === ICMP_PARAMETERPROB ||
    error.type === ICMP_TIME_EXCEEDED ||
    (error.type === ICMP_DEST_UNREACH &&
      (error.code === ICMP_NET_UNREACH || error.code === ICMP_HOST_UNREACH));
  if (!abort) return;
  dropRequest(req);
  count(net, MIB.TcpExtListenDrops);
}

function socketError(sk: TcpSock, error: IcmpError, seq: number): void {
  if (sk.state === TCP_CLOSE) return;
  // RFC 5927 §4.1: who does not know what is in flight may not speak.
  const req = sk.fastOpenRsk;
  if (!seqBetween(seq, req === null ? sk.sndUna : req.sntIsn, sk.sndNxt)) {
    count(sk.net, MIB.TcpExtOutOfWindowIcmps);
    return;
  }
  if (isFragNeeded(error)) {
    mtuReduced(sk, error.info);
    return;
  }
  const errno = icmpErrno(error) & ~HARD;
  if (errno === 0) return;
  if (
    error.type === ICMP_DEST_UNREACH &&
    (error.code === ICMP_NET_UNREACH || error.code === ICMP_HOST_UNREACH)
  )
    rtoRevert(sk, seq);
  // A fast-open socket that was accepted counts as connected.
  const opening = sk.state === TCP_SYN_SENT || sk.state === TCP_SYN_RECV;
  if (opening && (req === null || req.child !== null)) {
    failWith(sk, errno);
    return;
  }
  // RFC 1122 §4.2.3.9: an established connection goes on trying.
  if (sk.recverr) {
    sk.err = errno;
    errorReport(sk);
  } else sk.errSoft = errno === EPROTO ? EPROTO : errno;
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
