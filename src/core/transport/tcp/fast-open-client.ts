/**
 * Fast open, active side (RFC 7413 §4.2; Linux `tcp_fastopen.c`, `tcp_send_syn_data`,
 * `tcp_rcv_fastopen_synack`): data in the SYN for whom we have a cookie, a request for one otherwise, and
 * neither where the network swallows such SYNs.
 */
import { MIB } from '../../mib.ts';
import { TCP_ACK, TCP_PSH } from '../../wire/tcp.ts';
import { CHRONO_BUSY, chronoStart } from './chrono.ts';
import { tcpClockUs } from './clock.ts';
import { count } from './count.ts';
import { addSynData, noCookieNeeded, TFO_CLIENT_NO_COOKIE } from './fast-open.ts';
import { fastOpenDisabled } from './fast-open-blackhole.ts';
import { EMPTY, FastOpenRequest } from './fast-open-option.ts';
import { markLost } from './loss.ts';
import { metricsOf, ownMetrics } from './metrics.ts';
import { rawMtuToMss, tcpSyncMss } from './mss.ts';
import { nonCongestionRetransmit } from './non-congestion.ts';
import { MAX_OPTION_SPACE } from './options.ts';
import { PageFrag } from './page-frag.ts';
import { type RxSegment, TxSegment } from './segment.ts';
import { chargeSend } from './send-queue.ts';
import type { TcpSock } from './sock.ts';
import { tcpTransmitSegment } from './transmit.ts';

/** `enum tcp_fastopen_client_fail` */
export const TFO_COOKIE_UNAVAILABLE = 1;
export const TFO_DATA_NOT_ACKED = 2;
export const TFO_SYN_RETRANSMITTED = 3;

/** Data may go with the SYN; `req` gets the cookie (`tcp_fastopen_cookie_check`). */
export function cookieCheck(sk: TcpSock, req: FastOpenRequest): boolean {
  const m = metricsOf(sk);
  if (m !== null) {
    if (m.mss !== 0) sk.mssClamp = m.mss;
    req.cookie = m.cookie;
    req.exp = m.cookieExp || (m.cookie.length === 0 && m.tryExp === 1);
  }
  if (fastOpenDisabled(sk)) {
    req.cookie = null;
    return false;
  }
  if (noCookieNeeded(sk, TFO_CLIENT_NO_COOKIE, sk.route)) {
    req.cookie = null;
    return true;
  }
  if (req.cookie !== null && req.cookie.length > 0) return true;
  sk.fastOpenClientFail = TFO_COOKIE_UNAVAILABLE;
  return false;
}

/** TCP_FASTOPEN_CONNECT: true: the SYN waits for the first write (`tcp_fastopen_defer_connect`). */
export function deferConnect(sk: TcpSock): boolean {
  if (sk.fastOpenConnect === 0 || sk.fastOpenReq !== null) return false;
  const req = new FastOpenRequest(EMPTY);
  const clamp = sk.mssClamp;
  const ready = cookieCheck(sk, req);
  sk.mssClamp = clamp;
  if (ready) {
    sk.deferConnect = true;
    return true;
  }
  // Without a cookie the SYN goes at once, and asks for one.
  sk.fastOpenReq = req;
  return false;
}

/** Sends the SYN of a fast open: with data, or with a request for a cookie (`tcp_send_syn_data`). */
export function sendSynData(sk: TcpSock, syn: TxSegment, req: FastOpenRequest): number {
  sk.mssClamp = sk.advmss;
  const err = cookieCheck(sk, req) ? withData(sk, syn, req) : 1;
  if (err === 0) {
    req.cookie = null;
    return 0;
  }
  // A regular SYN that asks for a cookie.
  if (req.cookie !== null && req.cookie.length > 0) req.cookie = EMPTY;
  const plain = tcpTransmitSegment(sk, syn);
  if (plain < 0) sk.synFastOpen = false;
  // SYNs that are sent again do not carry the option.
  req.cookie = null;
  return plain;
}

function withData(sk: TcpSock, syn: TxSegment, req: FastOpenRequest): number {
  if (sk.userMss !== 0 && sk.userMss < sk.mssClamp) sk.mssClamp = sk.userMss;
  tcpSyncMss(sk, sk.pmtuCookie);
  // Room for all options that anybody on the way might add.
  const space = rawMtuToMss(sk, sk.pmtuCookie) - MAX_OPTION_SPACE;
  const take = Math.max(0, Math.min(space, req.data.length));
  const seg = new TxSegment(syn.seq, syn.flags);
  if (take > 0) new PageFrag().append(seg.data, req.data, 0, take);
  seg.len = take;
  seg.truesize += take;
  seg.endSeq = (seg.endSeq + take) | 0;
  seg.pcount = 1;
  req.copied = take;
  sk.writeSeq = seg.endSeq;
  sk.packetsOut++;
  chargeSend(sk, seg.truesize);
  if (take > 0) chronoStart(sk, CHRONO_BUSY);
  const err = tcpTransmitSegment(sk, seg);
  syn.sentUs = seg.sentUs;
  // The SYN is in the queue already: what is kept here is the data.
  seg.seq = (seg.seq + 1) | 0;
  seg.flags = TCP_ACK | TCP_PSH;
  if (err >= 0) {
    sk.synData = take > 0;
    sk.rtxQueue.push(seg);
    count(sk.net, MIB.TcpExtTCPOrigDataSent);
    return 0;
  }
  sk.writeQueue.push(seg);
  sk.packetsOut--;
  return err;
}

/** The SYN-ACK of a fast open; true: data of the SYN was not taken, and is sent again. */
export function rcvFastOpenSynack(sk: TcpSock, seg: RxSegment): boolean {
  const { net } = sk;
  const data = sk.synData ? sk.rtxQueue.first() : null;
  const o = seg.hdr.options;
  const mss = sk.mssClamp === sk.userMss && o !== null ? o.mss : sk.mssClamp;
  let cookie = o === null ? null : o.fastOpenCookie;
  let tryExp = 0;
  let lost = false;
  if (!sk.synFastOpen) cookie = null;
  else if (sk.totalRetrans > 0) lost = cookie === null && data !== null;
  else if (cookie === null && !sk.synData) tryExp = sk.synFastOpenExp ? 2 : 1;
  cacheSet(sk, mss, { cookie, exp: o?.fastOpenExp === true, lost, tryExp });
  if (data !== null) {
    sk.fastOpenClientFail = sk.totalRetrans > 0 ? TFO_SYN_RETRANSMITTED : TFO_DATA_NOT_ACKED;
    for (let i = 0; i < sk.rtxQueue.length; i++) markLost(sk, sk.rtxQueue.at(i) as TxSegment);
    nonCongestionRetransmit(sk);
    count(net, MIB.TcpExtTCPFastOpenActiveFail);
    return true;
  }
  sk.synDataAcked = sk.synData;
  if (sk.synDataAcked) {
    count(net, MIB.TcpExtTCPFastOpenActive);
    // SYN and data were one packet.
    if (sk.delivered > 1) sk.delivered--;
  }
  addSynData(sk, seg);
  return false;
}

/** Linux `tcp_fastopen_cache_set` */
function cacheSet(
  sk: TcpSock,
  mss: number,
  r: { cookie: Uint8Array | null; exp: boolean; lost: boolean; tryExp: number },
): void {
  const m = ownMetrics(sk);
  m.mss = mss;
  if (r.cookie !== null && r.cookie.length > 0) {
    m.cookie = r.cookie.slice();
    m.cookieExp = r.exp;
  } else if (r.tryExp > m.tryExp && m.cookie.length === 0 && !m.cookieExp) m.tryExp = r.tryExp;
  if (r.lost) {
    m.synLoss++;
    m.lastSynLossUs = tcpClockUs(sk.net);
  } else m.synLoss = 0;
}
