/**
 * Options: which go into a segment, and what is taken from one (RFC 9293 §3.2, RFC 7323, RFC 2018;
 * Linux `tcp_syn_options`, `tcp_synack_options`, `tcp_established_options`, `tcp_parse_options`).
 */
import { TCP_ACK, TCP_SYN, type TcpHeader, TcpOptions } from '../../wire/tcp.ts';
import { tcpClockMs, tcpClockSec } from './clock.ts';
import { TCP_SACK_SEEN } from './constants.ts';
import { md5KeyFor } from './md5-keys.ts';
import { TCPOLEN_MD5SIG_ALIGNED, withSignature } from './md5sig.ts';
import type { RequestSock } from './request.ts';
import type { TcpSock } from './sock.ts';

/** Bytes of the timestamps option with its padding. */
export const TCPOLEN_TSTAMP_ALIGNED = 12;
const TCPOLEN_SACK_BASE_ALIGNED = 4;
const TCPOLEN_SACK_PERBLOCK = 8;
export const MAX_OPTION_SPACE = 40;
/** Blocks that are kept to be sent (`TCP_NUM_SACKS`). */
export const TCP_NUM_SACKS = 4;

/** Options of our SYN. */
export function tcpSynOptions(sk: TcpSock, advmss: number): TcpOptions {
  const s = sk.net.sysctl;
  const o = new TcpOptions();
  o.mss = advmss;
  // LINUX: a signature, timestamps and SACK would not leave room for more.
  const signed = md5KeyFor(sk, sk) !== null;
  if (signed) withSignature(o);
  if (s.tcpTimestamps !== 0 && !signed) {
    o.timestamps = true;
    o.tsVal = (tcpClockMs(sk.net) + sk.tsOffset) | 0;
    o.tsEcr = sk.tsRecent;
  }
  if (s.tcpWindowScaling !== 0) o.wscale = sk.rcvWscale;
  if (s.tcpSack !== 0) o.sackPermitted = true;
  return o;
}

/** Options of the SYN-ACK of a simultaneous open: what the peer's SYN allowed. */
export function tcpSynAckOptionsOf(sk: TcpSock, advmss: number): TcpOptions {
  return tcpSynOptions(sk, advmss);
}

/** Options of the answer to a SYN: only what it offered. */
export function tcpSynackOptions(req: RequestSock, mss: number, cookie: boolean): TcpOptions {
  const o = new TcpOptions();
  o.mss = mss;
  if (md5KeyFor(req.listener, req) !== null) {
    withSignature(o);
    // No SACK block fits beside both, so timestamps go (`tcp_synack_options`).
    if (!cookie) req.tstampOk = req.tstampOk && !req.sackOk;
  }
  if (req.wscaleOk) o.wscale = req.rcvWscale;
  if (req.tstampOk) {
    o.timestamps = true;
    o.tsVal = (tcpClockMs(req.listener.net) + req.tsOffset) | 0;
    o.tsEcr = req.tsRecent;
  }
  if (req.sackOk) o.sackPermitted = true;
  return o;
}

/** SACK blocks that will go into the next segment, the D-SACK included. */
function effectiveSacks(sk: TcpSock): number {
  return (sk.sackBlocks.length >> 1) + (sk.dsackPending ? 1 : 0);
}

/** Bytes of the options that every segment has. */
function fixedOptionsLen(sk: TcpSock): number {
  const size = sk.tstampOk ? TCPOLEN_TSTAMP_ALIGNED : 0;
  if (sk.md5Keys === null || md5KeyFor(sk, sk) === null) return size;
  return size + TCPOLEN_MD5SIG_ALIGNED;
}

/** Bytes of options of an ordinary segment now. */
export function tcpEstablishedOptionsLen(sk: TcpSock): number {
  let size = fixedOptionsLen(sk);
  const sacks = effectiveSacks(sk);
  if (sacks > 0) size += sackLen(sacks, MAX_OPTION_SPACE - size);
  return size;
}

function sackBlocksThatFit(sacks: number, room: number): number {
  return Math.min(sacks, Math.floor((room - TCPOLEN_SACK_BASE_ALIGNED) / TCPOLEN_SACK_PERBLOCK));
}

function sackLen(sacks: number, room: number): number {
  const n = sackBlocksThatFit(sacks, room);
  return n > 0 ? TCPOLEN_SACK_BASE_ALIGNED + n * TCPOLEN_SACK_PERBLOCK : 0;
}

/** Options of an ordinary segment; null: none. Uses the D-SACK up. */
export function tcpEstablishedOptions(sk: TcpSock): TcpOptions | null {
  const sacks = effectiveSacks(sk);
  const signed = sk.md5Keys !== null && md5KeyFor(sk, sk) !== null;
  if (!sk.tstampOk && sacks === 0 && !signed) return null;
  const o = new TcpOptions();
  if (signed) withSignature(o);
  if (sk.tstampOk) {
    o.timestamps = true;
    o.tsVal = (Math.floor(sk.mstamp / 1000) + sk.tsOffset) | 0;
    o.tsEcr = sk.tsRecent;
  }
  if (sacks > 0) {
    const n = sackBlocksThatFit(sacks, MAX_OPTION_SPACE - fixedOptionsLen(sk));
    if (n > 0) o.sack = sackBlocks(sk, n);
  }
  return o;
}

/** The first `n` blocks, the D-SACK before all others. */
function sackBlocks(sk: TcpSock, n: number): number[] {
  const blocks: number[] = [];
  if (sk.dsackPending) {
    blocks.push(sk.dsackStart, sk.dsackEnd);
    sk.dsackPending = false;
  }
  for (let i = 0; blocks.length < 2 * n; i++) blocks.push(sk.sackBlocks[i] as number);
  return blocks;
}

/** The timestamps of an ordinary segment (`tcp_fast_parse_options`); false: it carries none. */
export function parseTimestamps(sk: TcpSock, hdr: TcpHeader): boolean {
  const o = hdr.options;
  sk.sawTstamp = false;
  if (o === null || !sk.tstampOk || !o.timestamps) return false;
  sk.sawTstamp = true;
  sk.rcvTsval = o.tsVal;
  // An echo of 0 stays 0: it means that there is none.
  sk.rcvTsecr = o.tsEcr === 0 ? 0 : (o.tsEcr - sk.tsOffset) | 0;
  return true;
}

/** What a SYN or SYN-ACK says (`tcp_parse_options` with estab 0). */
export class SynOptions {
  mss = 0;
  wscale = -1;
  sackOk = false;
  sawTstamp = false;
  tsVal = 0;
  tsEcr = 0;
}

/** Reads the options of a SYN as far as our sysctls accept them. */
export function parseSynOptions(
  sk: TcpSock,
  hdr: TcpHeader,
  userMss: number,
  defaultMss: number,
): SynOptions {
  const s = sk.net.sysctl;
  const r = new SynOptions();
  const o = hdr.options;
  let mss = o === null ? 0 : o.mss;
  // RFC 9293 §3.7.1
  if (mss === 0) mss = defaultMss;
  else if (userMss !== 0 && userMss < mss) mss = userMss;
  r.mss = userMss !== 0 && userMss < mss ? userMss : mss;
  if (o === null) return r;
  if (s.tcpWindowScaling !== 0) r.wscale = o.wscale;
  if (s.tcpSack !== 0) r.sackOk = o.sackPermitted;
  if (o.timestamps && s.tcpTimestamps !== 0) {
    r.sawTstamp = true;
    r.tsVal = o.tsVal;
    r.tsEcr = o.tsEcr;
  }
  return r;
}

/** Notes TS.Recent (RFC 7323 §4.3; `tcp_store_ts_recent`). */
export function storeTsRecent(sk: TcpSock): void {
  sk.tsRecent = sk.rcvTsval;
  sk.tsRecentStamp = tcpClockSec(sk.net);
}

/** The flags say that SYN options count. */
export function isSyn(hdr: TcpHeader): boolean {
  return (hdr.flags & TCP_SYN) !== 0;
}

export function isSynAck(hdr: TcpHeader): boolean {
  return (hdr.flags & (TCP_SYN | TCP_ACK)) === (TCP_SYN | TCP_ACK);
}

/** SACK was agreed on in the handshake. */
export function sackAgreed(ok: boolean): number {
  return ok ? TCP_SACK_SEEN : 0;
}
