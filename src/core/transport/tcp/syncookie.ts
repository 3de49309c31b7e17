/**
 * SYN cookies: what a request would have held, in the sequence number and the timestamp of the SYN-ACK
 * (RFC 4987 §3.6; Linux `syncookies.c`). Valid for two minutes after an overflow.
 */
import { MIB } from '../../mib.ts';
import { tcpClockMs, tcpClockUs } from './clock.ts';
import { count } from './count.ts';
import type { Tuple } from './family.ts';
import type { RequestSock } from './request.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';

/** Minutes that a cookie lives. */
const MAX_AGE = 2;
const DATA_MASK = 0xffffff;
/** Options in the low bits of TSval: window scale (15: none), SACK, ECN. */
const TS_BITS = 6;
const TS_SACK = 0x10;
const TS_ECN = 0x20;
const TS_WSCALE = 0xf;

function minutes(sk: TcpSock): number {
  return Math.floor(tcpClockUs(sk.net) / 60_000_000);
}

function hash(sk: TcpSock, c: number, who: Tuple, n: number): number {
  return sk.net.tcp.secrets.cookie(c, who.saddr, who.daddr, (who.sport << 16) | who.dport, n);
}

/** Our initial sequence number that is the cookie (`cookie_v4_init_sequence`). Lowers `req.mss`. */
export function cookieIsn(sk: TcpSock, req: RequestSock): number {
  const table = req.af.cookieMss;
  let index = table.length - 1;
  while (index > 0 && req.mss < (table[index] as number)) index--;
  req.mss = table[index] as number;
  count(sk.net, MIB.TcpExtSyncookiesSent);
  const n = minutes(sk);
  return (
    (hash(sk, 0, req, 0) + req.rcvIsn + (n << 24) + ((hash(sk, 1, req, n) + index) & DATA_MASK)) | 0
  );
}

/** MSS index that an acknowledged cookie holds; -1: no cookie of ours. */
function checkCookie(sk: TcpSock, who: Tuple, cookie: number, peerIsn: number): number {
  const n = minutes(sk);
  const rest = (cookie - hash(sk, 0, who, 0) - peerIsn) | 0;
  const age = (n - (rest >>> 24)) & 0xff;
  if (age >= MAX_AGE) return -1;
  return (rest - hash(sk, 1, who, n - age)) & DATA_MASK;
}

/** TSval that carries the options of `req`, before the offset (`cookie_init_timestamp`). */
export function cookieTimestamp(sk: TcpSock, req: RequestSock): number {
  const now = tcpClockMs(sk.net);
  let bits = req.wscaleOk ? req.sndWscale : TS_WSCALE;
  if (req.sackOk) bits |= TS_SACK;
  if (req.ecnOk) bits |= TS_ECN;
  const ts = ((now >> TS_BITS) << TS_BITS) | bits;
  return ts > now ? ts - (1 << TS_BITS) : ts;
}

/** The request queue overflowed lately (`tcp_synq_no_recent_overflow` is the contrary). */
function recentOverflow(sk: TcpSock): boolean {
  const at = sk.acceptQueue === null ? 0 : sk.acceptQueue.synqOverflowUs;
  return at !== 0 && tcpClockUs(sk.net) - at <= MAX_AGE * 60_000_000;
}

/** An ACK for a listener: the MSS that its cookie says; 0: it is none. */
export function cookieMss(sk: TcpSock, who: RequestSock, seg: RxSegment): number {
  if (sk.net.sysctl.tcpSyncookies === 0 || !recentOverflow(sk)) return 0;
  const index = checkCookie(sk, who, (seg.ack - 1) | 0, (seg.seq - 1) | 0);
  const mss = who.af.cookieMss[index] ?? 0;
  count(sk.net, mss === 0 ? MIB.TcpExtSyncookiesFailed : MIB.TcpExtSyncookiesRecv);
  return mss;
}

/** Takes the options back from the echoed timestamp; false: they are not allowed here. */
export function cookieOptions(sk: TcpSock, req: RequestSock, ecr: number): boolean {
  const s = sk.net.sysctl;
  if (s.tcpTimestamps === 0) return false;
  req.sackOk = (ecr & TS_SACK) !== 0;
  if (req.sackOk && s.tcpSack === 0) return false;
  req.ecnOk = (ecr & TS_ECN) !== 0 && s.tcpEcn !== 0;
  if ((ecr & TS_WSCALE) === TS_WSCALE) return true;
  req.wscaleOk = true;
  req.sndWscale = ecr & TS_WSCALE;
  return s.tcpWindowScaling !== 0;
}
