/** Options of level SOL_SOCKET (Linux `sk_setsockopt`, `sk_getsockopt`). */
import { EACCES, EDOM, EINVAL, ENODEV, ENOPROTOOPT, EOPNOTSUPP, EPERM } from '../errno.ts';
import { CMSG_TIMESTAMP, CMSG_TIMESTAMPNS } from '../transport/ancillary.ts';
import { DatagramSock } from '../transport/datagram.ts';
import { programBytes } from '../transport/filter/bpf.ts';
import { attachFilter, detachFilter, lockFilter } from '../transport/filter/socket-filter.ts';
import { AF_PACKET, EPOLLOUT, type OptionValue, type Sock } from '../transport/sock.ts';
import * as so from '../transport/sockopt-names.ts';
import { TCP_CLOSE, TCP_LISTEN } from '../transport/tcp/constants.ts';
import { TcpSock } from '../transport/tcp/sock.ts';
import { setTimestamping } from '../transport/tx-stamp.ts';
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts';
import type { Credentials } from './credentials.ts';
import { toInt, toLinger, toTimeVal } from './option-value.ts';

/** `SOCK_MIN_RCVBUF`, `SOCK_MIN_SNDBUF` */
const MIN_RCVBUF = 2304;
const MIN_SNDBUF = 4608;
const INT_MAX = 0x7fffffff;
/** Priorities that need no capability. */
const MAX_FREE_PRIORITY = 6;

/** 0 or `-errno`. */
export function setSocketOption(
  sk: Sock,
  cred: Credentials,
  name: number,
  value: OptionValue,
): number {
  switch (name) {
    case so.SO_LINGER:
      return setLinger(sk, value);
    case so.SO_RCVTIMEO:
    case so.SO_SNDTIMEO:
      return setTimeout(sk, name, value);
    case so.SO_BINDTODEVICE:
      return bindToDevice(sk, cred, value);
    case so.SO_ATTACH_FILTER:
      return attachFilter(sk, value);
    default:
  }
  const v = toInt(value);
  if (v === undefined) return -EINVAL;
  if (setFlag(sk, name, v !== 0)) return 0;
  switch (name) {
    case so.SO_RCVBUF:
    case so.SO_SNDBUF:
    case so.SO_RCVBUFFORCE:
    case so.SO_SNDBUFFORCE:
      return setBuffer(sk, cred, name, v);
    case so.SO_RCVLOWAT:
      return setRcvlowat(sk, v);
    case so.SO_DEBUG:
    case so.SO_PRIORITY:
    case so.SO_MARK:
    case so.SO_BUSY_POLL:
    case so.SO_BINDTOIFINDEX:
      return setPrivileged(sk, cred, name, v);
    case so.SO_TIMESTAMPING:
      return setTimestamping(sk, v, streamOrigin(sk));
    case so.SO_ZEROCOPY:
      return setZeroCopy(sk, v);
    case so.SO_BUF_LOCK:
      if ((v & ~BUF_LOCK_MASK) !== 0) return -EINVAL;
      sk.sndbufLocked = (v & 1) !== 0;
      sk.rcvbufLocked = (v & 2) !== 0;
      return 0;
    case so.SO_PEEK_OFF:
      if (sk.family === AF_PACKET) return -EOPNOTSUPP;
      sk.ownRare().peekOff = v;
      return 0;
    case so.SO_MAX_PACING_RATE:
      sk.ownRare().maxPacingRate = typeof value === 'number' ? value : v;
      if (sk instanceof TcpSock) {
        sk.maxPacingRate = v === -1 ? Number.POSITIVE_INFINITY : v >>> 0;
        // LINUX: once asked for, pacing stays.
        if (v !== -1) sk.pacingNeeded = true;
        sk.pacingRate = Math.min(sk.pacingRate, sk.maxPacingRate);
      }
      return 0;
    case so.SO_DETACH_FILTER:
      return detachFilter(sk);
    case so.SO_LOCK_FILTER:
      return lockFilter(sk, v !== 0);
    case so.SO_INCOMING_CPU:
      sk.ownRare().incomingCpu = v;
      return 0;
    case so.SO_TXREHASH:
      if (v < -1 || v > 1) return -EINVAL;
      sk.ownRare().txRehash = v !== 0;
      return 0;
    case so.SO_BSDCOMPAT:
      return 0;
    default:
      return setToldBack(sk, cred, name, v);
  }
}

/** Options that are on or off; true when `name` is one. */
function setFlag(sk: Sock, name: number, on: boolean): boolean {
  switch (name) {
    case so.SO_REUSEADDR:
      sk.reuseAddr = on;
      return true;
    case so.SO_REUSEPORT:
      sk.reusePort = on;
      return true;
    case so.SO_BROADCAST:
      sk.broadcast = on;
      return true;
    case so.SO_KEEPALIVE:
      sk.setKeepAlive(on);
      return true;
    case so.SO_OOBINLINE:
      sk.oobInline = on;
      return true;
    case so.SO_DONTROUTE:
      sk.ownRare().dontRoute = on;
      sk.resetRoute();
      return true;
    case so.SO_NO_CHECK:
      sk.ownRare().noCheck = on;
      return true;
    case so.SO_TIMESTAMP:
      setTimestamp(sk, CMSG_TIMESTAMP, on);
      return true;
    case so.SO_TIMESTAMPNS:
      setTimestamp(sk, CMSG_TIMESTAMPNS, on);
      return true;
    default:
      return false;
  }
}

/** `SOCK_BUF_LOCK_MASK` */
const BUF_LOCK_MASK = 3;

/** Where OPT_ID may count from; null: there is no connection. */
function streamOrigin(sk: Sock): { readonly una: number; readonly write: number } | null {
  if (!(sk instanceof TcpSock) || sk.state === TCP_CLOSE || sk.state === TCP_LISTEN) return null;
  return { una: sk.sndUna, write: sk.writeSeq };
}

/** Streams, and datagrams of UDP. */
function setZeroCopy(sk: Sock, v: number): number {
  if (sk.protocol !== IPPROTO_TCP && sk.protocol !== IPPROTO_UDP) return -EOPNOTSUPP;
  if (v < 0 || v > 1) return -EINVAL;
  sk.ownRare().zeroCopy = v === 1;
  return 0;
}

/** Options about what is not here (cards, busy polling, memory accounts): noted, and told back. */
function setToldBack(sk: Sock, cred: Credentials, name: number, v: number): number {
  switch (name) {
    case so.SO_PREFER_BUSY_POLL:
      if (v !== 0 && !cred.capNetAdmin) return -EPERM;
      break;
    case so.SO_BUSY_POLL_BUDGET:
      if (v < 0 || v > 0xffff) return -EINVAL;
      if (v > DEFAULT_BUSY_POLL_BUDGET && !cred.capNetAdmin) return -EPERM;
      break;
    case so.SO_RESERVE_MEM:
      // LINUX: only where a memory controller counts for sockets (`mem_cgroup_sockets_enabled`).
      return v < 0 ? -EINVAL : -EOPNOTSUPP;
    case so.SO_RXQ_OVFL:
    case so.SO_WIFI_STATUS:
    case so.SO_NOFCS:
    case so.SO_SELECT_ERR_QUEUE:
    case so.SO_RCVMARK:
    case so.SO_RCVPRIORITY:
      break;
    default:
      return -ENOPROTOOPT;
  }
  const isNumber = name === so.SO_BUSY_POLL_BUDGET;
  const rare = sk.ownRare();
  rare.toldBack ??= new Map();
  rare.toldBack.set(name, isNumber ? v : Number(v !== 0));
  return 0;
}

function getToldBack(sk: Sock, name: number): number {
  const known = sk.rare.toldBack?.get(name);
  if (known !== undefined) return known;
  switch (name) {
    case so.SO_BUSY_POLL_BUDGET:
      return DEFAULT_BUSY_POLL_BUDGET;
    case so.SO_PREFER_BUSY_POLL:
    case so.SO_RESERVE_MEM:
    case so.SO_RXQ_OVFL:
    case so.SO_WIFI_STATUS:
    case so.SO_NOFCS:
    case so.SO_SELECT_ERR_QUEUE:
    case so.SO_RCVMARK:
    case so.SO_RCVPRIORITY:
    case so.SO_INCOMING_NAPI_ID:
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

/** `BUSY_POLL_BUDGET` */
const DEFAULT_BUSY_POLL_BUDGET = 8;

/** One of the two at most. */
function setTimestamp(sk: Sock, flag: number, on: boolean): void {
  sk.cmsgFlags &= ~(CMSG_TIMESTAMP | CMSG_TIMESTAMPNS);
  if (on) sk.cmsgFlags |= flag;
}

function setLinger(sk: Sock, value: OptionValue): number {
  const linger = toLinger(value);
  if (typeof linger === 'number') return linger;
  const on = linger.onoff === true || (typeof linger.onoff === 'number' && linger.onoff !== 0);
  sk.lingerUs = on ? Math.max(0, linger.linger) * 1_000_000 : -1;
  return 0;
}

/** `sock_set_timeout`: a negative time means not to wait at all. */
function setTimeout(sk: Sock, name: number, value: OptionValue): number {
  const time = toTimeVal(value);
  if (typeof time === 'number') return time;
  if (time.usec < 0 || time.usec >= 1_000_000) return -EDOM;
  const us = time.sec < 0 ? -1 : time.sec * 1_000_000 + time.usec;
  if (name === so.SO_RCVTIMEO) sk.rcvTimeoutUs = us;
  else sk.sndTimeoutUs = us;
  return 0;
}

function setBuffer(sk: Sock, cred: Credentials, name: number, asked: number): number {
  const force = name === so.SO_RCVBUFFORCE || name === so.SO_SNDBUFFORCE;
  if (force && !cred.capNetAdmin) return -EPERM;
  const { sysctl } = sk.net;
  if (name === so.SO_RCVBUF || name === so.SO_RCVBUFFORCE) {
    const size = force ? Math.max(0, asked) : Math.min(asked >>> 0, sysctl.rmemMax);
    sk.rcvbufLocked = true;
    sk.rcvbuf = Math.max(Math.min(size, INT_MAX >> 1) * 2, MIN_RCVBUF);
    return 0;
  }
  const size = force ? Math.max(0, asked) : Math.min(asked >>> 0, sysctl.wmemMax);
  sk.sndbufLocked = true;
  sk.sndbuf = Math.max(Math.min(size, INT_MAX >> 1) * 2, MIN_SNDBUF);
  sk.wake(EPOLLOUT);
  return 0;
}

/** TCP's is bounded by the largest window (`tcp_set_rcvlowat`). */
function setRcvlowat(sk: Sock, asked: number): number {
  let value = asked < 0 ? INT_MAX : asked;
  if (sk instanceof TcpSock) {
    const limit = sk.rcvbufLocked ? sk.rcvbuf >> 1 : sk.net.sysctl.tcpRmem[2] >> 1;
    value = Math.min(value, limit);
  }
  sk.rcvlowat = value === 0 ? 1 : value;
  if (sk instanceof TcpSock && !sk.rcvbufLocked && value * 2 > sk.rcvbuf) {
    sk.rcvbuf = value * 2;
    sk.windowClamp = value;
  }
  return 0;
}

function setPrivileged(sk: Sock, cred: Credentials, name: number, value: number): number {
  const mayPrivilege = cred.capNetAdmin || cred.capNetRaw;
  switch (name) {
    case so.SO_DEBUG:
      if (value !== 0 && !cred.capNetAdmin) return -EACCES;
      sk.ownRare().debug = value !== 0;
      return 0;
    case so.SO_PRIORITY:
      if ((value < 0 || value > MAX_FREE_PRIORITY) && !mayPrivilege) return -EPERM;
      sk.priority = value;
      return 0;
    case so.SO_MARK:
      if (!mayPrivilege) return -EPERM;
      sk.mark = value;
      sk.resetRoute();
      return 0;
    case so.SO_BUSY_POLL:
      if (value > sk.rare.busyPollUs && !cred.capNetAdmin) return -EPERM;
      if (value < 0) return -EINVAL;
      sk.ownRare().busyPollUs = value;
      return 0;
    default:
      return bindToIndex(sk, cred, value);
  }
}

/** Takes a name; `''` unbinds. */
function bindToDevice(sk: Sock, cred: Credentials, value: OptionValue): number {
  let name = '';
  if (typeof value === 'string') name = value;
  else if (value instanceof Uint8Array) name = latin1(value);
  else return -EINVAL;
  if (name === '') return bindToIndex(sk, cred, 0);
  const dev = sk.net.devs.find(name);
  return dev === undefined ? -ENODEV : bindToIndex(sk, cred, dev.ifindex);
}

function bindToIndex(sk: Sock, cred: Credentials, ifindex: number): number {
  if (sk.boundDevIf !== 0 && !cred.capNetRaw) return -EPERM;
  if (ifindex < 0) return -EINVAL;
  sk.boundDevIf = ifindex;
  if (sk instanceof DatagramSock) sk.rehash();
  sk.resetRoute();
  return 0;
}

function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const b of bytes) {
    if (b === 0) break;
    text += String.fromCharCode(b);
  }
  return text;
}

/** A value, or `-errno`; -1 is a value. */
export function getSocketOption(sk: Sock, name: number): OptionValue {
  const flag = getFlag(sk, name);
  if (flag !== undefined) return flag ? 1 : 0;
  switch (name) {
    case so.SO_TYPE:
      return sk.type;
    case so.SO_PROTOCOL:
      return sk.protocol;
    case so.SO_DOMAIN:
      return sk.family;
    case so.SO_ERROR:
      return takeAnyError(sk);
    case so.SO_RCVBUF:
      return sk.rcvbuf;
    case so.SO_SNDBUF:
      return sk.sndbuf;
    case so.SO_RCVLOWAT:
      return sk.rcvlowat;
    case so.SO_SNDLOWAT:
      return 1;
    case so.SO_PRIORITY:
      return sk.priority;
    case so.SO_MARK:
      return sk.mark;
    case so.SO_LINGER:
      return { onoff: sk.lingerUs < 0 ? 0 : 1, linger: Math.max(0, sk.lingerUs) / 1_000_000 };
    case so.SO_RCVTIMEO:
      return timeVal(sk.rcvTimeoutUs);
    case so.SO_SNDTIMEO:
      return timeVal(sk.sndTimeoutUs);
    default:
      return getRareOption(sk, name);
  }
}

function getFlag(sk: Sock, name: number): boolean | undefined {
  switch (name) {
    case so.SO_REUSEADDR:
      return sk.reuseAddr;
    case so.SO_REUSEPORT:
      return sk.reusePort;
    case so.SO_BROADCAST:
      return sk.broadcast;
    case so.SO_KEEPALIVE:
      return sk.keepAlive;
    case so.SO_OOBINLINE:
      return sk.oobInline;
    case so.SO_DEBUG:
      return sk.rare.debug;
    case so.SO_DONTROUTE:
      return sk.rare.dontRoute;
    case so.SO_NO_CHECK:
      return sk.rare.noCheck;
    case so.SO_TXREHASH:
      return sk.rare.txRehash;
    case so.SO_LOCK_FILTER:
      return sk.rare.filterLocked;
    case so.SO_TIMESTAMP:
      return (sk.cmsgFlags & CMSG_TIMESTAMP) !== 0;
    case so.SO_TIMESTAMPNS:
      return (sk.cmsgFlags & CMSG_TIMESTAMPNS) !== 0;
    case so.SO_ACCEPTCONN:
      return sk instanceof TcpSock && sk.state === TCP_LISTEN;
    case so.SO_BSDCOMPAT:
      return false;
    default:
      return undefined;
  }
}

function getRareOption(sk: Sock, name: number): OptionValue {
  switch (name) {
    case so.SO_BINDTODEVICE: {
      if (sk.boundDevIf === 0) return '';
      return sk.net.devs.findIndex(sk.boundDevIf)?.name ?? -ENODEV;
    }
    case so.SO_BINDTOIFINDEX:
      return sk.boundDevIf;
    case so.SO_PEEK_OFF:
      return sk.rare.peekOff;
    case so.SO_BUSY_POLL:
      return sk.rare.busyPollUs;
    case so.SO_MAX_PACING_RATE:
      return sk.rare.maxPacingRate;
    case so.SO_INCOMING_CPU:
      return sk.rare.incomingCpu;
    case so.SO_COOKIE:
      return sk.cookie;
    case so.SO_NETNS_COOKIE:
      return sk.net.id;
    case so.SO_ZEROCOPY:
      return sk.rare.zeroCopy ? 1 : 0;
    case so.SO_BUF_LOCK:
      return (sk.sndbufLocked ? 1 : 0) | (sk.rcvbufLocked ? 2 : 0);
    case so.SO_TIMESTAMPING:
      // LINUX: the kernel writes two numbers, the second for PHC binding.
      return sk.rare.tsFlags;
    case so.SO_ATTACH_FILTER:
      // SO_GET_FILTER has the same number.
      return programBytes(sk.rare.filter ?? []);
    case so.SO_MEMINFO:
      return memInfo(sk);
    default:
      return getToldBack(sk, name);
  }
}

/** SO_MEMINFO (`sk_get_meminfo`): nine numbers as the kernel writes them. */
function memInfo(sk: Sock): Uint8Array {
  const isTcp = sk instanceof TcpSock;
  const values = [
    isTcp ? sk.rmemAlloc : 0,
    sk.rcvbuf,
    0,
    sk.sndbuf,
    0,
    isTcp ? sk.wmemQueued : 0,
    0,
    0,
    0,
  ];
  const out = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => {
    out.setUint32(4 * i, value, true);
  });
  return new Uint8Array(out.buffer);
}

/** SO_ERROR: the error, else what was only noted so far. Both are read once. */
function takeAnyError(sk: Sock): number {
  const err = sk.takeError();
  if (err !== 0) return err;
  const soft = sk.errSoft;
  sk.errSoft = 0;
  return soft;
}

function timeVal(us: number): { readonly sec: number; readonly usec: number } {
  const n = Math.max(0, us);
  return { sec: Math.floor(n / 1_000_000), usec: n % 1_000_000 };
}
