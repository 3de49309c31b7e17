/** The answer to a SYN, first and again (RFC 9293 §3.10.7.2; Linux `tcp_make_synack`, `reqsk_timer_handler`). */
import { MIB } from '../../mib.ts';
import { NO_PAYLOAD } from '../../packet.ts';
import {
  TCP_ACK,
  TCP_ECE,
  TCP_SYN,
  TcpHeader,
  type TcpOptions,
  tcpOptionsLen,
} from '../../wire/tcp.ts';
import { tcpClockUs } from './clock.ts';
import { TCP_LISTEN } from './constants.ts';
import { count } from './count.ts';
import type { FastOpenCookie } from './fast-open.ts';
import { dropRequest } from './listen-stop.ts';
import { md5KeyFor } from './md5-keys.ts';
import { signSegment } from './md5sig.ts';
import { routeAdvmss } from './mss.ts';
import { MAX_OPTION_SPACE, tcpSynackOptions } from './options.ts';
import type { RequestSock } from './request.ts';
import type { TcpSock } from './sock.ts';

/** Our MSS towards the peer of `req`. */
export function synackMss(sk: TcpSock, req: RequestSock): number {
  const { route } = req;
  const mss = route === null ? req.af.defaultMss : routeAdvmss(sk.net, req.af, route);
  return sk.userMss !== 0 && sk.userMss < mss ? sk.userMss : mss;
}

/** Finds the way back; false: there is none. */
export function routeRequest(sk: TcpSock, req: RequestSock): boolean {
  const { net } = sk;
  const generation = req.ends === null ? net.ipv4.generation : net.ipv6.generation;
  if (req.route !== null && req.route.generation === generation) return true;
  const route = req.af.requestRoute(sk, req);
  if (typeof route === 'number') return false;
  req.route = route;
  return true;
}

/**
 * Sends the SYN-ACK. @param cookieTs TSval that carries a SYN cookie's options; null: the clock
 * @param foc fast-open option; null: none
 */
export function sendSynack(
  sk: TcpSock,
  req: RequestSock,
  cookieTs: number | null,
  foc: FastOpenCookie | null,
): boolean {
  const net = sk.net;
  if (!routeRequest(sk, req)) return false;
  if (req.sntSynack === 0) req.sntSynack = tcpClockUs(net);
  const options = tcpSynackOptions(req, synackMss(sk, req), cookieTs !== null);
  if (foc !== null) addCookie(options, foc);
  if (req.tstampOk && cookieTs !== null) options.tsVal = (cookieTs + req.tsOffset) | 0;
  if (req.tstampOk) {
    if (!req.tsvalSent) req.tsvalFirst = options.tsVal;
    req.tsvalSent = true;
    req.tsvalLast = options.tsVal;
  }
  const flags = TCP_SYN | TCP_ACK | (req.ecnOk ? TCP_ECE : 0);
  const pkt = net.kernel.newPacket(req.af.etherType);
  pkt.tcp = new TcpHeader(
    req.sport,
    req.dport,
    req.sntIsn,
    req.rcvNxt,
    flags,
    Math.min(req.rcvWnd, 65535),
    0,
    options,
    tcpOptionsLen(options),
  );
  if (net.tcp.md5Needed) signSynack(req, pkt.tcp);
  pkt.mark = req.mark;
  pkt.priority = sk.priority;
  pkt.timeUs = net.kernel.nowUs;
  count(net, MIB.TcpOutSegs);
  return req.af.transmitSynack(sk, req, pkt) >= 0;
}

function signSynack(req: RequestSock, hdr: TcpHeader): void {
  const key = md5KeyFor(req.listener, req);
  if (key !== null) signSegment(key, req, hdr, { slices: NO_PAYLOAD, len: 0 });
}

/** Puts a fast-open cookie in, if there is room for it. */
function addCookie(o: TcpOptions, foc: FastOpenCookie): void {
  const { bytes, exp } = foc;
  if (bytes === null) return;
  const need = (bytes.length + (exp ? 4 : 2) + 3) & ~3;
  if (MAX_OPTION_SPACE - tcpOptionsLen(o) < need) return;
  o.fastOpenCookie = bytes;
  o.fastOpenExp = exp;
}

/** Sends it again (`tcp_rtx_synack`). */
export function rtxSynack(sk: TcpSock, req: RequestSock): boolean {
  if (!sendSynack(sk, req, null, null)) return false;
  count(sk.net, MIB.TcpRetransSegs);
  count(sk.net, MIB.TcpExtTCPSynRetrans);
  if (sk.fastOpenRsk !== null) sk.totalRetrans++;
  req.numRetrans++;
  return true;
}

/** Time until the next SYN-ACK (`tcp_reqsk_timeout`). */
export function requestTimeout(sk: TcpSock, req: RequestSock): number {
  return Math.min(req.timeoutUs * 2 ** req.numTimeout, sk.rtoMaxUs);
}

/** A request's timer ran out: SYN-ACKs at 1, 3, 7 … s. */
export function requestTimer(req: RequestSock): void {
  const sk = req.listener;
  const queue = sk.acceptQueue;
  if (queue === null || sk.state !== TCP_LISTEN) {
    dropRequest(req);
    return;
  }
  let max = sk.synRetries !== 0 ? sk.synRetries : sk.net.sysctl.tcpSynackRetries;
  // A queue that is half full keeps young requests at the expense of old ones.
  const qlen = queue.requests.size;
  if (qlen * 2 > Math.max(8, sk.maxAckBacklog)) {
    let young = queue.young * 2;
    while (max > 2 && qlen >= young) {
      max--;
      young *= 2;
    }
  }
  count(sk.net, MIB.TcpExtTCPTimeouts);
  let expire = req.numTimeout >= max;
  let resend = true;
  const defer = sk.deferAccept;
  if (defer > 0) {
    expire = expire && (!req.acked || req.numTimeout >= defer);
    resend = !req.acked || req.numTimeout >= defer - 1;
  }
  if (!expire && (!resend || rtxSynack(sk, req) || req.acked)) {
    if (req.numTimeout === 0) queue.young--;
    req.numTimeout++;
    req.timer?.set(sk.net.kernel.nowUs + requestTimeout(sk, req));
    return;
  }
  dropRequest(req);
}
