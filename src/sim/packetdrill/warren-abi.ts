/**
 * The C side of Warren's socket API: addresses, option values and control messages as Linux on x86-64 lays
 * them out in memory, to and from the values that `src/core/socket` takes and gives.
 */
import type { PacketInfo } from '../../core/transport/ancillary.ts';
import type { ExtendedError } from '../../core/transport/error-queue.ts';
import type { PacketInfo6 } from '../../core/transport/inet6-cmsg.ts';
import {
  AF_INET,
  AF_INET6,
  type ControlMessage as CoreControl,
  type OptionValue,
  type SockAddr,
  type SockAddrIn,
} from '../../core/transport/sock.ts';
import * as so from '../../core/transport/sockopt-names.ts';
import type { TcpInfo } from '../../core/transport/tcp/info.ts';
import { getIp6, type Ip6Addr, mappedAddr, putIp6 } from '../../core/util/ip6-addr.ts';
import { type Address, type CallBuffer, type ControlMessage, isBad } from './target.ts';
import { writeTcpInfo } from './tcp-info.ts';

const TIMEVAL_LEN = 16;
const LINGER_LEN = 8;
/** `TCP_CA_NAME_MAX` */
const CA_NAME_LEN = 16;

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function int32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  view(out).setInt32(0, value | 0, true);
  return out;
}

function int64(value: number): Uint8Array {
  const out = new Uint8Array(8);
  const low = value % 2 ** 32;
  view(out).setUint32(0, low < 0 ? low + 2 ** 32 : low, true);
  view(out).setInt32(4, Math.floor(value / 2 ** 32), true);
  return out;
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** An IPv4 address in network order. */
function addressBytes(addr: number): Uint8Array {
  const out = new Uint8Array(4);
  view(out).setInt32(0, addr);
  return out;
}

/** An IPv6 address in network order. */
function address6Bytes(addr: Ip6Addr): Uint8Array {
  const out = new Uint8Array(16);
  putIp6(view(out), 0, addr);
  return out;
}

export function toSockAddr(a: Address): SockAddr {
  if (a.family === AF_INET6) {
    const { port, scopeId } = a;
    return { family: AF_INET6, addr: 0, addr6: getIp6(view(a.addr), 0), port, scopeId } as SockAddr;
  }
  if (a.family !== AF_INET && a.family !== 0) return { family: a.family };
  const addr = a.addr.length === 4 ? view(a.addr).getInt32(0) : 0;
  return { family: a.family, addr, port: a.port } as SockAddr;
}

export function fromSockAddr(a: SockAddrIn): Address {
  if (a.addr6 !== undefined) {
    const { port, scopeId = 0 } = a;
    return { family: AF_INET6, addr: address6Bytes(a.addr6), port, flowinfo: 0, scopeId };
  }
  return { family: AF_INET, addr: addressBytes(a.addr), port: a.port, flowinfo: 0, scopeId: 0 };
}

/** `struct sockaddr_in6` without port. */
function sockaddrIn6(addr: Ip6Addr): Uint8Array {
  const out = new Uint8Array(28);
  view(out).setUint16(0, AF_INET6, true);
  out.set(address6Bytes(addr), 8);
  return out;
}

/** `struct sockaddr_in` */
function sockaddrIn(a: SockAddrIn): Uint8Array {
  const out = new Uint8Array(16);
  const v = view(out);
  v.setUint16(0, AF_INET, true);
  v.setUint16(2, a.port);
  v.setInt32(4, a.addr);
  return out;
}

/** What setsockopt() was given, as the option's value. */
export function toOption(level: number, option: number, bytes: Uint8Array): OptionValue {
  const v = view(bytes);
  if (level === so.SOL_SOCKET) {
    if (option === so.SO_LINGER && bytes.length >= LINGER_LEN)
      return { onoff: v.getInt32(0, true), linger: v.getInt32(4, true) };
    const isTime = option === so.SO_RCVTIMEO || option === so.SO_SNDTIMEO;
    if (isTime && bytes.length >= TIMEVAL_LEN)
      return { sec: Number(v.getBigInt64(0, true)), usec: Number(v.getBigInt64(8, true)) };
    if (option === so.SO_MAX_PACING_RATE && bytes.length >= 8)
      return Number(v.getBigUint64(0, true));
  }
  if (level === so.SOL_IP) {
    const isMember = option >= so.IP_MULTICAST_IF && option <= so.IP_DROP_SOURCE_MEMBERSHIP;
    if (isMember && bytes.length >= 8) return groupRequest(v, bytes.length);
  }
  return bytes;
}

/** `struct ip_mreq`, `ip_mreqn`, `ip_mreq_source` */
function groupRequest(v: DataView, length: number): OptionValue {
  const multiaddr = v.getInt32(0);
  const address = v.getInt32(4);
  return length >= 12
    ? { multiaddr, address, ifindex: v.getInt32(8, true) }
    : { multiaddr, address };
}

/** What getsockopt() writes: at most `len` bytes. */
export function fromOption(
  level: number,
  option: number,
  value: OptionValue,
  len: number,
): Uint8Array {
  const bytes = optionBytes(level, option, value, len);
  return bytes.length > len ? bytes.subarray(0, len) : bytes;
}

function optionBytes(level: number, option: number, value: OptionValue, len: number): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') {
    const isName = level === so.SOL_TCP && option === so.TCP_CONGESTION;
    const out = new Uint8Array(isName ? CA_NAME_LEN : value.length + 1);
    for (let i = 0; i < value.length; i++) out[i] = value.charCodeAt(i);
    return out;
  }
  if (typeof value === 'object') return structBytes(level, option, value);
  const isLong =
    level === so.SOL_SOCKET &&
    (option === so.SO_COOKIE ||
      option === so.SO_NETNS_COOKIE ||
      (option === so.SO_MAX_PACING_RATE && len >= 8));
  if (isLong) return int64(value);
  // LINUX: a byte is enough where the caller has no room for more (`do_ip_getsockopt`).
  if (level === so.SOL_IP && len > 0 && len < 4 && value >= 0 && value <= 255)
    return Uint8Array.of(value);
  return int32(value);
}

function structBytes(level: number, option: number, value: object): Uint8Array {
  if (level === so.SOL_TCP && option === so.TCP_INFO) return tcpInfoBytes(value as TcpInfo);
  if ('onoff' in value && 'linger' in value)
    return concat(int32(Number(value.onoff)), int32(Number(value.linger)));
  if ('sec' in value && 'usec' in value)
    return concat(int64(Number(value.sec)), int64(Number(value.usec)));
  throw new Error(`no C layout is known for option ${option} of level ${level}`);
}

/** `snd_cwnd` is `sndCwnd` here. */
function tcpInfoBytes(info: TcpInfo): Uint8Array {
  const values = info as unknown as Readonly<Record<string, number | boolean>>;
  return writeTcpInfo((name) => {
    const value = values[name.replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase())];
    return value === undefined ? undefined : Number(value);
  });
}

/** Ancillary data that a call received. */
export function fromControl(m: CoreControl): ControlMessage {
  return { level: m.level, type: m.type, data: controlData(m) };
}

function controlData(m: CoreControl): Uint8Array {
  const { level, type, value } = m;
  if (value instanceof Uint8Array) return value;
  if (level === so.SOL_SOCKET && type === so.SO_TIMESTAMP) {
    const us = value as number;
    return concat(int64(Math.floor(us / 1e6)), int64(us % 1e6));
  }
  if (level === so.SOL_SOCKET && type === so.SO_TIMESTAMPNS) {
    const ns = value as number;
    return concat(int64(Math.floor(ns / 1e9)), int64(ns % 1e9));
  }
  if (level === so.SOL_SOCKET && type === so.SO_TIMESTAMPING) {
    const us = value as number;
    return concat(
      int64(Math.floor(us / 1e6)),
      int64(Math.round((us % 1e6) * 1000)),
      new Uint8Array(32),
    );
  }
  if (level === so.SOL_IPV6) {
    if (type === so.IPV6_RECVERR) return extendedError6(value as ExtendedError);
    if (type === so.IPV6_PKTINFO) {
      const p = value as PacketInfo6;
      return concat(address6Bytes(p.addr), int32(p.ifindex));
    }
  }
  if (level === so.SOL_IP) {
    if (type === so.IP_RECVERR) return extendedError(value as ExtendedError);
    if (type === so.IP_PKTINFO) {
      const p = value as PacketInfo;
      return concat(int32(p.ifindex), addressBytes(p.specDst), addressBytes(p.addr));
    }
    if (type === so.IP_RECVORIGDSTADDR) return sockaddrIn(value as SockAddrIn);
    if (type === so.IP_TOS) return Uint8Array.of(Number(value));
  }
  return int32(Number(value));
}

/** `struct sock_extended_err`, and behind it the address of who sent the error. */
function extendedError(e: ExtendedError): Uint8Array {
  const from = { family: AF_INET, addr: e.offender, port: 0 } as const;
  return concat(errorFields(e), e.offender === 0 ? new Uint8Array(16) : sockaddrIn(from));
}

/** The same for an AF_INET6 socket: an IPv4 host shows as a mapped address. */
function extendedError6(e: ExtendedError): Uint8Array {
  const from = e.offender6 ?? (e.offender === 0 ? undefined : mappedAddr(e.offender));
  return concat(errorFields(e), from === undefined ? new Uint8Array(28) : sockaddrIn6(from));
}

function errorFields(e: ExtendedError): Uint8Array {
  return concat(
    int32(e.errno),
    Uint8Array.of(e.origin, e.type, e.code, 0),
    int32(e.info),
    int32(e.data ?? 0),
  );
}

/** Ancillary data that a call sends. */
export function toControl(m: ControlMessage): CoreControl {
  const { level, type, data } = m;
  const v = view(data);
  if (level === so.SOL_IP && type === so.IP_PKTINFO && data.length >= 12)
    return {
      level,
      type,
      value: { ifindex: v.getInt32(0, true), specDst: v.getInt32(4), addr: v.getInt32(8) },
    };
  if (data.length >= 4) return { level, type, value: v.getInt32(0, true) };
  return { level, type, value: data[0] ?? 0 };
}

/** Where each piece of a write ends. */
export function pieceEnds(parts: readonly CallBuffer[]): number[] {
  let at = 0;
  return parts.map((part) => {
    at += isBad(part) ? 0 : part.length;
    return at;
  });
}
