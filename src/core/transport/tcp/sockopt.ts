/** Options of level SOL_TCP with Linux's ranges (`do_tcp_setsockopt`, `do_tcp_getsockopt`). */
import { EINVAL, ENOENT } from '../../errno.ts';
import type { OptionValue } from '../sock.ts';
import * as opt from '../sockopt-names.ts';
import { setCongestionControl } from './congestion-table.ts';
import {
  ICSK_ACK_PUSHED,
  ICSK_ACK_SCHED,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_DELACK_MAX,
  TCP_ESTABLISHED,
  TCP_LISTEN,
  TCP_MIN_MSS,
  TCP_NAGLE_CORK,
  TCP_NAGLE_OFF,
  TCP_NAGLE_PUSH,
  TCP_TIMEOUT_INIT,
  TCP_TIMEOUT_MIN,
} from './constants.ts';
import { cleanupRbuf } from './delack.ts';
import { EVENTS_WRITE } from './done.ts';
import { tcpInfo } from './info.ts';
import { setMd5Key } from './md5-keys.ts';
import { tcpPushPending } from './output.ts';
import { inPingpongMode, pingpongEnter, pingpongExit } from './pingpong.ts';
import { tcpSetWindowClamp } from './receive-buffer.ts';
import { setRepairOptions, setRepairWindow } from './repair.ts';
import type { TcpSock } from './sock.ts';
import { getRareOption, setFastOpenKey, setRareOption } from './sockopt-rare.ts';
import { resetKeepaliveTimer } from './timer-arm.ts';
import { keepaliveElapsed, keepaliveIntvl, keepaliveProbes, keepaliveTime } from './timers.ts';

const MAX_TCP_KEEP = 32767;
const MAX_TCP_KEEPCNT = 127;
const MAX_TCP_SYNCNT = 127;
const MAX_TCP_WINDOW = 32767;
const RTO_MAX_S = 120;
/** `TCP_RTO_MIN` */
const RTO_MIN_US = 200_000;
const SECOND = 1_000_000;

function toInt(value: OptionValue): number | undefined {
  if (typeof value === 'number') return value | 0;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (!(value instanceof Uint8Array) || value.length < 4) return undefined;
  return new DataView(value.buffer, value.byteOffset).getInt32(0, true);
}

/** 0 or `-errno`. */
export function setTcpOption(sk: TcpSock, name: number, value: OptionValue): number {
  if (name === opt.TCP_CONGESTION) return setCongestion(sk, value);
  if (name === opt.TCP_ULP) return -ENOENT;
  if (name === opt.TCP_FASTOPEN_KEY) return setFastOpenKey(sk, value);
  const val = toInt(value);
  if (val === undefined) return -EINVAL;
  if (name === opt.TCP_MD5SIG || name === opt.TCP_MD5SIG_EXT) return setMd5Key(sk, name, value);
  if (name === opt.TCP_REPAIR_OPTIONS) return setRepairOptions(sk, value);
  if (name === opt.TCP_REPAIR_WINDOW) return setRepairWindow(sk, value);
  switch (name) {
    case opt.TCP_NODELAY:
      setNodelay(sk, val !== 0);
      return 0;
    case opt.TCP_CORK:
      setCork(sk, val !== 0);
      return 0;
    case opt.TCP_QUICKACK:
      setQuickack(sk, val);
      return 0;
    case opt.TCP_MAXSEG:
      if (val !== 0 && (val < TCP_MIN_MSS || val > MAX_TCP_WINDOW)) return -EINVAL;
      sk.userMss = val;
      return 0;
    case opt.TCP_WINDOW_CLAMP:
      return setWindowClamp(sk, val);
    case opt.TCP_INQ:
      if (val !== 0 && val !== 1) return -EINVAL;
      sk.recvmsgInq = val === 1;
      return 0;
    case opt.TCP_NOTSENT_LOWAT:
      sk.notsentLowat = val;
      sk.wake(EVENTS_WRITE);
      return 0;
    default:
      return setTiming(sk, name, val);
  }
}

/** Options that are times and counts. */
function setTiming(sk: TcpSock, name: number, val: number): number {
  switch (name) {
    case opt.TCP_KEEPIDLE:
      if (val < 1 || val > MAX_TCP_KEEP) return -EINVAL;
      setKeepidle(sk, val);
      return 0;
    case opt.TCP_KEEPINTVL:
      if (val < 1 || val > MAX_TCP_KEEP) return -EINVAL;
      sk.keepaliveIntvlUs = val * SECOND;
      return 0;
    case opt.TCP_KEEPCNT:
      if (val < 1 || val > MAX_TCP_KEEPCNT) return -EINVAL;
      sk.keepaliveProbes = val;
      return 0;
    case opt.TCP_SYNCNT:
      if (val < 1 || val > MAX_TCP_SYNCNT) return -EINVAL;
      sk.synRetries = val;
      return 0;
    case opt.TCP_LINGER2:
      sk.linger2Us = val < 0 ? -1 : Math.min(val, RTO_MAX_S) * SECOND;
      return 0;
    case opt.TCP_DEFER_ACCEPT:
      sk.deferAccept = secsToRetrans(val);
      return 0;
    case opt.TCP_USER_TIMEOUT:
      if (val < 0) return -EINVAL;
      sk.userTimeoutUs = val * 1000;
      return 0;
    default:
      return setTimeouts(sk, name, val);
  }
}

/** Bounds of the retransmission timeout and of the delayed ACK. */
function setTimeouts(sk: TcpSock, name: number, val: number): number {
  switch (name) {
    case opt.TCP_RTO_MAX_MS:
      if (val < 1000 || val > 120_000) return -EINVAL;
      sk.rtoMaxUs = val * 1000;
      return 0;
    case opt.TCP_RTO_MIN_US:
      if (val > RTO_MIN_US || val < TCP_TIMEOUT_MIN) return -EINVAL;
      sk.rtoMinUs = val;
      return 0;
    case opt.TCP_DELACK_MAX_US:
      if (val > TCP_DELACK_MAX || val < TCP_TIMEOUT_MIN) return -EINVAL;
      sk.delackMaxUs = val;
      return 0;
    default:
      return setRareOption(sk, name, val);
  }
}

/** Weaker than TCP_CORK, but what is queued goes out now. */
function setNodelay(sk: TcpSock, on: boolean): void {
  if (!on) {
    sk.nonagle &= ~TCP_NAGLE_OFF;
    return;
  }
  sk.nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH;
  tcpPushPending(sk);
}

function setCork(sk: TcpSock, on: boolean): void {
  if (on) {
    sk.nonagle |= TCP_NAGLE_CORK;
    return;
  }
  sk.nonagle &= ~TCP_NAGLE_CORK;
  if ((sk.nonagle & TCP_NAGLE_OFF) !== 0) sk.nonagle |= TCP_NAGLE_PUSH;
  tcpPushPending(sk);
}

function setQuickack(sk: TcpSock, val: number): void {
  if (val === 0) {
    pingpongEnter(sk);
    return;
  }
  pingpongExit(sk);
  const open = sk.state === TCP_ESTABLISHED || sk.state === TCP_CLOSE_WAIT;
  if (!open || (sk.ackPending & ICSK_ACK_SCHED) === 0) return;
  sk.ackPending |= ICSK_ACK_PUSHED;
  cleanupRbuf(sk, 1);
  if ((val & 1) === 0) pingpongEnter(sk);
}

function setWindowClamp(sk: TcpSock, val: number): number {
  if (val === 0) {
    if (sk.state !== TCP_CLOSE) return -EINVAL;
    sk.windowClamp = 0;
    return 0;
  }
  tcpSetWindowClamp(sk, val);
  return 0;
}

function setKeepidle(sk: TcpSock, seconds: number): void {
  sk.keepaliveTimeUs = seconds * SECOND;
  if (!sk.keepAlive || sk.state === TCP_CLOSE || sk.state === TCP_LISTEN) return;
  resetKeepaliveTimer(sk, Math.max(0, sk.keepaliveTimeUs - keepaliveElapsed(sk)));
}

function setCongestion(sk: TcpSock, value: OptionValue): number {
  const name = typeof value === 'string' ? value : nameOf(value);
  return setCongestionControl(sk, name);
}

/** Text of bytes up to the first NUL. */
function nameOf(value: OptionValue): string {
  if (!(value instanceof Uint8Array)) return '';
  let text = '';
  for (const byte of value) {
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** SYN-ACK retransmissions that fill at least `seconds` (Linux `secs_to_retrans`). */
function secsToRetrans(seconds: number): number {
  if (seconds <= 0) return 0;
  let timeout = TCP_TIMEOUT_INIT / SECOND;
  let period = timeout;
  let n = 1;
  while (seconds > period && n < 255) {
    n++;
    timeout = Math.min(timeout * 2, RTO_MAX_S);
    period += timeout;
  }
  return n;
}

function retransToSecs(retrans: number): number {
  if (retrans === 0) return 0;
  let timeout = TCP_TIMEOUT_INIT / SECOND;
  let period = timeout;
  for (let n = 1; n < retrans; n++) {
    timeout = Math.min(timeout * 2, RTO_MAX_S);
    period += timeout;
  }
  return period;
}

/** The value, or -ENOPROTOOPT. */
export function getTcpOption(sk: TcpSock, name: number): OptionValue {
  const s = sk.net.sysctl;
  switch (name) {
    case opt.TCP_MAXSEG:
      if (sk.repair) return sk.mssClamp;
      if (sk.userMss !== 0 && (sk.state === TCP_CLOSE || sk.state === TCP_LISTEN))
        return sk.userMss;
      return sk.mssCache;
    case opt.TCP_NODELAY:
      return (sk.nonagle & TCP_NAGLE_OFF) !== 0 ? 1 : 0;
    case opt.TCP_CORK:
      return (sk.nonagle & TCP_NAGLE_CORK) !== 0 ? 1 : 0;
    case opt.TCP_KEEPIDLE:
      return keepaliveTime(sk) / SECOND;
    case opt.TCP_KEEPINTVL:
      return keepaliveIntvl(sk) / SECOND;
    case opt.TCP_KEEPCNT:
      return keepaliveProbes(sk);
    case opt.TCP_SYNCNT:
      return sk.synRetries !== 0 ? sk.synRetries : s.tcpSynRetries;
    case opt.TCP_LINGER2:
      if (sk.linger2Us < 0) return -1;
      return sk.linger2Us !== 0 ? sk.linger2Us / SECOND : s.tcpFinTimeout;
    case opt.TCP_DEFER_ACCEPT:
      return retransToSecs(sk.deferAccept);
    case opt.TCP_WINDOW_CLAMP:
      return sk.windowClamp;
    case opt.TCP_INFO:
      return tcpInfo(sk);
    case opt.TCP_QUICKACK:
      return inPingpongMode(sk) ? 0 : 1;
    case opt.TCP_CONGESTION:
      return sk.ca.name;
    default:
      return getRareOption(sk, name);
  }
}
