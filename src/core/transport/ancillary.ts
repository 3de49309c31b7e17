/** Ancillary data of received datagrams (Linux `ip_cmsg_recv_offset`, `sock_recv_cmsgs`). */

import { l3OifOf } from '../link/l3mdev.ts';
import { returnOptions } from '../network/ipv4/options.ts';
import { routeOutput } from '../network/route/output.ts';
import { PACKET_HOST, type Packet } from '../packet.ts';
import { control6Of } from './inet6-cmsg.ts';
import { AF_INET, type ControlMessage, type Sock } from './sock.ts';
import {
  IP_PKTINFO,
  IP_RECVOPTS,
  IP_RECVORIGDSTADDR,
  IP_RETOPTS,
  IP_TOS,
  IP_TTL,
  SO_TIMESTAMP,
  SO_TIMESTAMPING,
  SO_TIMESTAMPNS,
  SOL_IP,
  SOL_SOCKET,
} from './sockopt-names.ts';

/** Bits of `Sock.cmsgFlags`. */
export const CMSG_PKTINFO = 0x01;
export const CMSG_TTL = 0x02;
export const CMSG_TOS = 0x04;
export const CMSG_RECVOPTS = 0x08;
export const CMSG_RETOPTS = 0x10;
export const CMSG_ORIGDST = 0x40;
/** Told back only: no checksum is left for the reader here. */
export const CMSG_CHECKSUM = 0x80;
export const CMSG_TIMESTAMP = 0x1000;
export const CMSG_TIMESTAMPNS = 0x2000;
/** `SOF_TIMESTAMPING_RX_SOFTWARE`, `SOF_TIMESTAMPING_SOFTWARE` */
const SOF_RX_SOFTWARE = 1 << 3;
const SOF_SOFTWARE = 1 << 4;

export const NO_CONTROL: readonly ControlMessage[] = Object.freeze([]);

/** `struct in_pktinfo`, the value of IP_PKTINFO; addresses are signed 32-bit integers. */
export interface PacketInfo {
  readonly ifindex: number;
  /** The local address to answer from. */
  readonly specDst: number;
  /** Destination in the packet's header. */
  readonly addr: number;
}

/** SO_TIMESTAMP, SO_TIMESTAMPNS, or SO_TIMESTAMPING for what arrives. */
export function wantsReceiveTime(sk: Sock): boolean {
  return (sk.cmsgFlags & (CMSG_TIMESTAMP | CMSG_TIMESTAMPNS)) !== 0 || wantsStamping(sk);
}

function wantsStamping(sk: Sock): boolean {
  const flags = sk.rareMaybe === null ? 0 : sk.rareMaybe.tsFlags;
  return (flags & SOF_RX_SOFTWARE) !== 0 && (flags & SOF_SOFTWARE) !== 0;
}

/** The times that were asked for. @param timeUs arrival, the kernel's clock */
export function receiveTimes(sk: Sock, timeUs: number): ControlMessage[] {
  const us = sk.net.kernel.env.epochUs + timeUs;
  const out: ControlMessage[] = [];
  if ((sk.cmsgFlags & CMSG_TIMESTAMPNS) !== 0)
    out.push({ level: SOL_SOCKET, type: SO_TIMESTAMPNS, value: us * 1000 });
  else if ((sk.cmsgFlags & CMSG_TIMESTAMP) !== 0)
    out.push({ level: SOL_SOCKET, type: SO_TIMESTAMP, value: us });
  if (wantsStamping(sk)) out.push({ level: SOL_SOCKET, type: SO_TIMESTAMPING, value: us });
  return out;
}

/** What `sk` asked for about `pkt`. */
export function controlOf(sk: Sock, pkt: Packet): readonly ControlMessage[] {
  const flags = sk.cmsgFlags;
  const { inet6 } = sk;
  if (flags === 0 && inet6 === null && !wantsStamping(sk)) return NO_CONTROL;
  const out: ControlMessage[] = inet6 === null ? [] : control6Of(inet6, pkt);
  if (wantsReceiveTime(sk))
    out.push(...receiveTimes(sk, pkt.timeUs === 0 ? sk.net.kernel.nowUs : pkt.timeUs));
  const { ip } = pkt;
  if (ip === null) return out;
  const add = (type: number, value: unknown): void => {
    out.push({ level: SOL_IP, type, value });
  };
  if ((flags & CMSG_PKTINFO) !== 0) add(IP_PKTINFO, packetInfo(sk, pkt));
  if ((flags & CMSG_TTL) !== 0) add(IP_TTL, ip.ttl);
  if ((flags & CMSG_TOS) !== 0) add(IP_TOS, ip.tos);
  if ((flags & CMSG_RECVOPTS) !== 0 && ip.options !== null) add(IP_RECVOPTS, ip.options);
  if ((flags & CMSG_RETOPTS) !== 0 && ip.options !== null)
    add(IP_RETOPTS, returnOptions(ip.options));
  if ((flags & CMSG_ORIGDST) !== 0) {
    const port = pkt.udp === null ? 0 : pkt.udp.dport;
    add(IP_RECVORIGDSTADDR, { family: AF_INET, addr: ip.dst, port });
  }
  return out;
}

function packetInfo(sk: Sock, pkt: Packet): PacketInfo {
  const { ip, dev } = pkt;
  const addr = ip === null ? 0 : ip.dst;
  let specDst = addr;
  if (ip !== null && pkt.pktType !== PACKET_HOST) {
    // Broadcast and multicast: the address that an answer would have (`fib_compute_spec_dst`).
    const back = routeOutput(sk.net, ip.src, 0, l3OifOf(sk.net, pkt.dev?.ifindex ?? 0), 0);
    specDst = typeof back === 'number' ? 0 : back.src;
  }
  return { ifindex: dev === null ? 0 : dev.ifindex, specDst, addr };
}
