/** Which socket a family, a type and a protocol make (Linux `inet_create`, `inetsw_array`). */
import {
  EACCES,
  EAFNOSUPPORT,
  EINVAL,
  ENETDOWN,
  EPERM,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
} from '../errno.ts';
import type { NetNs } from '../net.ts';
import { PacketSock } from '../transport/packet/sock.ts';
import { PingSock } from '../transport/ping/sock.ts';
import { RawSock } from '../transport/raw/sock.ts';
import {
  AF_INET,
  AF_INET6,
  AF_PACKET,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  type Sock,
} from '../transport/sock.ts';
import { TcpSock } from '../transport/tcp/sock.ts';
import { UdpSock } from '../transport/udp/sock.ts';
import { IPPROTO_ICMP, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts';
import { IPPROTO_ICMPV6 } from '../wire/ipv6.ts';
import type { Credentials } from './credentials.ts';

/** First number that is not a type (`SOCK_MAX`), and not a protocol (`IPPROTO_MAX`). */
const SOCK_MAX = 11;
const IPPROTO_MAX = 263;
/** SOCK_NONBLOCK, SOCK_CLOEXEC and the like are no part of the type. */
const TYPE_MASK = 0xf;

/** A new socket, or `-errno`. */
export function createSock(
  net: NetNs,
  family: number,
  flaggedType: number,
  protocol: number,
  cred: Credentials,
): Sock | number {
  if (net.dead) return -ENETDOWN;
  const type = flaggedType > 0xff ? flaggedType & TYPE_MASK : flaggedType;
  if (type < 0 || type >= SOCK_MAX) return -EINVAL;
  if (family === AF_PACKET) return createPacket(net, type, protocol, cred);
  if (family !== AF_INET && family !== AF_INET6) return -EAFNOSUPPORT;
  if (protocol < 0 || protocol >= IPPROTO_MAX) return -EINVAL;
  const sk =
    family === AF_INET
      ? createInet(net, type, protocol, cred)
      : createInet6(net, type, protocol, cred);
  if (typeof sk !== 'number') sk.uid = cred.uid;
  return sk;
}

/** Linux `packet_create`; `protocol` is an EtherType in host order. */
function createPacket(
  net: NetNs,
  type: number,
  protocol: number,
  cred: Credentials,
): PacketSock | number {
  if (!cred.capNetRaw) return -EPERM;
  if (type !== SOCK_RAW && type !== SOCK_DGRAM) return -ESOCKTNOSUPPORT;
  const sk = new PacketSock(net, type, protocol & 0xffff);
  sk.uid = cred.uid;
  return sk;
}

function createInet(net: NetNs, type: number, protocol: number, cred: Credentials): Sock | number {
  switch (type) {
    case SOCK_STREAM:
      if (protocol !== IPPROTO_IP && protocol !== IPPROTO_TCP) return -EPROTONOSUPPORT;
      return new TcpSock(net, AF_INET);
    case SOCK_DGRAM:
      if (protocol === IPPROTO_IP || protocol === IPPROTO_UDP) return new UdpSock(net, AF_INET);
      if (protocol !== IPPROTO_ICMP) return -EPROTONOSUPPORT;
      return mayPing(net, cred) ? new PingSock(net, AF_INET) : -EACCES;
    case SOCK_RAW:
      if (protocol === IPPROTO_IP) return -EPROTONOSUPPORT;
      return cred.capNetRaw ? new RawSock(net, AF_INET, protocol) : -EPERM;
    default:
      return -ESOCKTNOSUPPORT;
  }
}

/** Linux `inet6_create` */
function createInet6(net: NetNs, type: number, protocol: number, cred: Credentials): Sock | number {
  switch (type) {
    case SOCK_STREAM:
      if (protocol !== IPPROTO_IP && protocol !== IPPROTO_TCP) return -EPROTONOSUPPORT;
      return new TcpSock(net, AF_INET6);
    case SOCK_RAW:
      if (protocol === IPPROTO_IP) return -EPROTONOSUPPORT;
      return cred.capNetRaw ? new RawSock(net, AF_INET6, protocol) : -EPERM;
    case SOCK_DGRAM:
      if (protocol === IPPROTO_IP || protocol === IPPROTO_UDP) return new UdpSock(net, AF_INET6);
      if (protocol !== IPPROTO_ICMPV6) return -EPROTONOSUPPORT;
      return mayPing(net, cred) ? new PingSock(net, AF_INET6) : -EACCES;
    default:
      return -ESOCKTNOSUPPORT;
  }
}

/** net.ipv4.ping_group_range; root is not excepted. */
function mayPing(net: NetNs, cred: Credentials): boolean {
  const [low, high] = net.sysctl.pingGroupRange;
  return low <= cred.gid && cred.gid <= high;
}
