/** Negotiation of ECN (RFC 3168 §6.1.1; net.ipv4.tcp_ecn; Linux `tcp_ecn_*`). AccECN is not offered. */
import { TCP_AE, TCP_CWR, TCP_ECE } from '../../wire/tcp.ts';
import { TCP_ECN_OK } from './constants.ts';
import type { RequestSock } from './request.ts';
import { routeWantsEcn } from './route-metrics.ts';
import type { RxSegment, TxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';

/** AE and the bit before it (`th->ae`, `th->res1`): a SYN that asks for AccECN is answered as RFC 3168 says. */
const NEWER_BITS: number = TCP_AE | 0xe00;
const BOTH: number = TCP_ECE | TCP_CWR;

/** Our SYN asks for ECN if net.ipv4.tcp_ecn says so: 1; or the route. */
export function ecnSendSyn(sk: TcpSock, seg: TxSegment): void {
  const mode = sk.net.sysctl.tcpEcn;
  sk.ecnFlags = 0;
  if (mode !== 1 && !sk.ca.needsEcn && !routeWantsEcn(sk.route)) return;
  seg.flags |= BOTH;
  sk.ecnFlags = TCP_ECN_OK;
}

/** The answer must carry ECE and not CWR. */
export function ecnRcvSynack(sk: TcpSock, flags: number): void {
  if ((flags & BOTH) !== TCP_ECE) sk.ecnFlags &= ~TCP_ECN_OK;
}

/** A crossed SYN must ask for ECN too. */
export function ecnRcvSyn(sk: TcpSock, flags: number): void {
  if ((flags & BOTH) !== BOTH) sk.ecnFlags &= ~TCP_ECN_OK;
}

/** The SYN-ACK of a simultaneous open. */
export function ecnSendSynack(sk: TcpSock, seg: TxSegment): void {
  seg.flags &= ~TCP_CWR;
  if ((sk.ecnFlags & TCP_ECN_OK) === 0) seg.flags &= ~TCP_ECE;
}

/** A SYN asks for ECN: do we agree (`tcp_ecn_create_request`)? */
export function ecnCreateRequest(req: RequestSock, seg: RxSegment): void {
  if ((seg.flags & BOTH) !== BOTH) return;
  // RFC 3168 §6.1.1: a SYN must not be ECN-capable itself; but who knows newer bits may (RFC 8311 §4.3).
  const newer = (seg.flags & NEWER_BITS) !== 0;
  const agrees = req.listener.net.sysctl.tcpEcn !== 0 || routeWantsEcn(req.route);
  const asks = agrees && (seg.ecn === 0 || newer);
  req.ecnOk = asks || req.listener.ca.needsEcn;
}
