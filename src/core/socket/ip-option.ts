/** Options of level SOL_IP (Linux `do_ip_setsockopt`, `do_ip_getsockopt`). */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENOPROTOOPT, EPERM } from '../errno.ts';
import {
  CMSG_CHECKSUM,
  CMSG_ORIGDST,
  CMSG_PKTINFO,
  CMSG_RECVOPTS,
  CMSG_RETOPTS,
  CMSG_TOS,
  CMSG_TTL,
} from '../transport/ancillary.ts';
import { deviceOf, type GroupRequest } from '../transport/membership.ts';
import { RawSock } from '../transport/raw/sock.ts';
import { headerOptions } from '../transport/send-options.ts';
import { type OptionValue, SOCK_RAW, SOCK_STREAM, type Sock } from '../transport/sock.ts';
import * as ip from '../transport/sockopt-names.ts';
import { IPPROTO_RAW } from '../wire/ipv4.ts';
import type { Credentials } from './credentials.ts';
import { isGroupOption, setGroupOption } from './group-option.ts';
import { toFields, toInt, toIntOrByte } from './option-value.ts';

/** `INET_ECN_MASK` */
const ECN_MASK = 3;
/** `IPTOS_TOS_MASK` halves of TOS → priority (`ip_tos2prio`). */
const TOS_PRIORITY: readonly number[] = [0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4];

/** 0 or `-errno`. */
export function setIpOption(sk: Sock, cred: Credentials, name: number, value: OptionValue): number {
  if (isGroupOption(name)) return setGroupOption(sk, name, value);
  switch (name) {
    case ip.IP_MULTICAST_IF:
      return setMulticastIf(sk, value);
    case ip.IP_OPTIONS:
      return setIpOptions(sk, value);
    default:
  }
  const v = numberOf(name, value);
  if (v === undefined) return isKnown(sk, name) ? -EINVAL : -ENOPROTOOPT;
  const flag = cmsgFlagOf(name);
  if (flag !== 0) {
    sk.cmsgFlags = v === 0 ? sk.cmsgFlags & ~flag : sk.cmsgFlags | flag;
    return 0;
  }
  const isStrict = name === ip.IP_MULTICAST_ALL || name === ip.IP_RECVERR_RFC4884;
  if (isStrict && (v < 0 || v > 1)) return -EINVAL;
  return setBool(sk, cred, name, v !== 0) ?? setNumber(sk, name, v);
}

/** Options that want a value, and those that want a whole number. */
const NEEDS_VALUE: readonly number[] = [
  ip.IP_TTL,
  ip.IP_FREEBIND,
  ip.IP_TRANSPARENT,
  ip.IP_MINTTL,
  ip.IP_MULTICAST_TTL,
  ip.IP_MULTICAST_LOOP,
  ip.IP_MULTICAST_ALL,
];
const WHOLE: readonly number[] = [ip.IP_UNICAST_IF, ip.IP_LOCAL_PORT_RANGE];

/** LINUX: of a value without bytes most options make 0. */
function numberOf(name: number, value: OptionValue): number | undefined {
  if (!(value instanceof Uint8Array)) return toIntOrByte(value);
  if (WHOLE.includes(name)) {
    if (value.length !== 4) return undefined;
    const view = new DataView(value.buffer, value.byteOffset, 4);
    // The index of a device is in network order.
    return view.getInt32(0, name !== ip.IP_UNICAST_IF);
  }
  if (value.length === 0) return NEEDS_VALUE.includes(name) ? undefined : 0;
  return toIntOrByte(value);
}

/** Is there such an option of this socket? */
function isKnown(sk: Sock, name: number): boolean {
  return getIpOption(sk, name) !== -ENOPROTOOPT;
}

function cmsgFlagOf(name: number): number {
  switch (name) {
    case ip.IP_PKTINFO:
      return CMSG_PKTINFO;
    case ip.IP_RECVTTL:
      return CMSG_TTL;
    case ip.IP_RECVTOS:
      return CMSG_TOS;
    case ip.IP_RECVOPTS:
      return CMSG_RECVOPTS;
    case ip.IP_RETOPTS:
      return CMSG_RETOPTS;
    case ip.IP_CHECKSUM:
      return CMSG_CHECKSUM;
    case ip.IP_RECVORIGDSTADDR:
      return CMSG_ORIGDST;
    default:
      return 0;
  }
}

/** Undefined when `name` is not an option that is on or off. */
function setBool(sk: Sock, cred: Credentials, name: number, on: boolean): number | undefined {
  switch (name) {
    case ip.IP_RECVERR:
      sk.recverr = on;
      if (!on) sk.errorQueue = null;
      return 0;
    case ip.IP_RECVERR_RFC4884:
      sk.ownRare().recverrRfc4884 = on;
      return 0;
    case ip.IP_FREEBIND:
      sk.freebind = on;
      return 0;
    case ip.IP_TRANSPARENT:
      if (on && !cred.capNetRaw && !cred.capNetAdmin) return -EPERM;
      sk.transparent = on;
      return 0;
    case ip.IP_BIND_ADDRESS_NO_PORT:
      sk.bindAddressNoPort = on;
      return 0;
    case ip.IP_MULTICAST_LOOP:
      sk.ownRare().mcLoop = on;
      return 0;
    case ip.IP_MULTICAST_ALL:
      sk.ownRare().mcAll = on;
      return 0;
    case ip.IP_HDRINCL:
      if (sk.type !== SOCK_RAW) return -ENOPROTOOPT;
      sk.ownRare().hdrIncl = on;
      return 0;
    case ip.IP_NODEFRAG:
      if (sk.type !== SOCK_RAW) return -ENOPROTOOPT;
      sk.ownRare().noDefrag = on;
      return 0;
    default:
      return undefined;
  }
}

function setNumber(sk: Sock, name: number, v: number): number {
  switch (name) {
    case ip.IP_TOS:
      return setTos(sk, v & 0xff);
    case ip.IP_TTL:
      if (v !== -1 && (v < 1 || v > 255)) return -EINVAL;
      sk.ttl = v;
      return 0;
    case ip.IP_MTU_DISCOVER:
      if (v < ip.IP_PMTUDISC_DONT || v > ip.IP_PMTUDISC_OMIT) return -EINVAL;
      sk.pmtudisc = v;
      return 0;
    case ip.IP_MINTTL:
      if (v < 0 || v > 255) return -EINVAL;
      sk.ownRare().minTtl = v;
      return 0;
    case ip.IP_MULTICAST_TTL:
      if (sk.type === SOCK_STREAM || v < -1 || v > 255) return -EINVAL;
      sk.ownRare().mcTtl = v === -1 ? 1 : v;
      return 0;
    case ip.IP_UNICAST_IF:
      return setUnicastIf(sk, v);
    case ip.IP_ROUTER_ALERT:
      return setRouterAlert(sk, v !== 0);
    case ip.IP_LOCAL_PORT_RANGE:
      return setPortRange(sk, v);
    default:
      return -ENOPROTOOPT;
  }
}

/** A stream's ECN bits are TCP's own. */
function setTos(sk: Sock, asked: number): number {
  const tos = sk.type === SOCK_STREAM ? (asked & ~ECN_MASK) | (sk.tos & ECN_MASK) : asked;
  if (tos === sk.tos) return 0;
  sk.tos = tos;
  sk.priority = TOS_PRIORITY[(tos & 0x1e) >> 1] ?? 0;
  sk.resetRoute();
  return 0;
}

function setPortRange(sk: Sock, v: number): number {
  const low = v & 0xffff;
  const high = v >>> 16;
  if (low !== 0 && high !== 0 && low > high) return -EINVAL;
  sk.localPortRange = v;
  return 0;
}

/** The index, in network byte order in C; here as it is. */
function setUnicastIf(sk: Sock, ifindex: number): number {
  if (ifindex !== 0) {
    if (sk.net.devs.findIndex(ifindex) === undefined) return -EADDRNOTAVAIL;
    if (sk.boundDevIf !== 0 && sk.boundDevIf !== ifindex) return -EINVAL;
  }
  sk.ownRare().unicastIf = ifindex;
  sk.resetRoute();
  return 0;
}

/** `struct ip_mreq`, `struct ip_mreqn` from C; undefined: the value is none. */
function mreqnOf(value: OptionValue): Partial<GroupRequest> | undefined {
  if (!(value instanceof Uint8Array) || value.length < 4) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (value.length < 8) return { address: view.getInt32(0) };
  return {
    address: view.getInt32(4),
    ifindex: value.length < 12 ? 0 : view.getInt32(8, true),
  };
}

/** An address, or `struct ip_mreqn`. */
function setMulticastIf(sk: Sock, value: OptionValue): number {
  if (sk.type === SOCK_STREAM) return -EINVAL;
  const fields = toFields<GroupRequest>(value) ?? mreqnOf(value);
  const address = fields === undefined ? toInt(value) : (fields.address ?? 0);
  if (address === undefined) return -EINVAL;
  let ifindex = fields?.ifindex ?? 0;
  if (ifindex !== 0 || address !== 0) {
    const { net } = sk;
    const dev = ifindex === 0 ? deviceOf(net, address) : net.devs.findIndex(ifindex);
    if (dev === undefined) return -EADDRNOTAVAIL;
    ifindex = dev.ifindex;
    if (sk.boundDevIf !== 0 && sk.boundDevIf !== ifindex) return -EINVAL;
  }
  const rare = sk.ownRare();
  rare.mcIndex = ifindex;
  rare.mcAddr = address;
  sk.resetRoute();
  return 0;
}

/** Options for the headers of datagrams, as on the wire; padded with end-of-options. */
function setIpOptions(sk: Sock, value: OptionValue): number {
  if (sk.type === SOCK_STREAM) return -ENOPROTOOPT;
  const options = headerOptions(sk.net, value);
  if (typeof options === 'number') return options;
  sk.ownRare().ipOptions = options;
  return 0;
}

/** To have packets with a router alert that are on their way to others (`ip_ra_control`). */
function setRouterAlert(sk: Sock, on: boolean): number {
  if (!(sk instanceof RawSock) || sk.inet6 !== null || sk.protocol === IPPROTO_RAW) return -EINVAL;
  const list = sk.net.raw.routerAlert;
  const i = list.indexOf(sk);
  if (on && i >= 0) return -EADDRINUSE;
  if (!on && i < 0) return -ENOBUFS;
  if (on) list.push(sk);
  else list.splice(i, 1);
  return 0;
}

/** A value, or `-errno`; -1 is a value. */
export function getIpOption(sk: Sock, name: number): OptionValue {
  const flag = cmsgFlagOf(name);
  if (flag !== 0) return (sk.cmsgFlags & flag) === 0 ? 0 : 1;
  const bool = getBool(sk, name);
  if (bool !== undefined) return bool ? 1 : 0;
  switch (name) {
    case ip.IP_TOS:
      return sk.tos;
    case ip.IP_TTL:
      return sk.ttl < 0 ? sk.net.sysctl.ipDefaultTtl : sk.ttl;
    case ip.IP_MTU_DISCOVER:
      return sk.pmtudisc;
    case ip.IP_MTU:
      return sk.pathMtu();
    case ip.IP_MINTTL:
      return sk.rare.minTtl;
    case ip.IP_MULTICAST_TTL:
      return sk.rare.mcTtl;
    case ip.IP_MULTICAST_IF:
      return sk.rare.mcAddr;
    case ip.IP_UNICAST_IF:
      return sk.rare.unicastIf;
    case ip.IP_LOCAL_PORT_RANGE:
      return sk.localPortRange >>> 0;
    case ip.IP_PROTOCOL:
      // LINUX: `inet_num`, which is the port of those who have ports.
      return sk.sport;
    case ip.IP_OPTIONS:
      return sk.rare.ipOptions ?? new Uint8Array(0);
    default:
      return -ENOPROTOOPT;
  }
}

function getBool(sk: Sock, name: number): boolean | undefined {
  switch (name) {
    case ip.IP_RECVERR:
      return sk.recverr;
    case ip.IP_RECVERR_RFC4884:
      return sk.rare.recverrRfc4884;
    case ip.IP_FREEBIND:
      return sk.freebind;
    case ip.IP_TRANSPARENT:
      return sk.transparent;
    case ip.IP_BIND_ADDRESS_NO_PORT:
      return sk.bindAddressNoPort;
    case ip.IP_MULTICAST_LOOP:
      return sk.rare.mcLoop;
    case ip.IP_MULTICAST_ALL:
      return sk.rare.mcAll;
    case ip.IP_HDRINCL:
      return sk.rare.hdrIncl;
    case ip.IP_NODEFRAG:
      return sk.rare.noDefrag;
    case ip.IP_ROUTER_ALERT:
      return sk instanceof RawSock && sk.net.raw.routerAlert.includes(sk);
    default:
      return undefined;
  }
}
