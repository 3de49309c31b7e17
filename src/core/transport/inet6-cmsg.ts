/** Ancillary data of received datagrams on AF_INET6 sockets, and of sent ones (Linux `ip6_datagram_recv_specific_ctl`, `ip6_datagram_send_ctl`). */
import { EINVAL } from '../errno.ts';
import type { Packet } from '../packet.ts';
import { IN6ADDR_ANY, type Ip6Addr, mappedAddr, needsScope } from '../util/ip6-addr.ts';
import type { Inet6 } from './inet6-state.ts';
import { AF_INET6, type ControlMessage, type SockAddrIn } from './sock.ts';
import { IPV6_HOPLIMIT, IPV6_PKTINFO, IPV6_TCLASS, SOL_IPV6 } from './sockopt-names.ts';

/** `struct in6_pktinfo`, the value of IPV6_PKTINFO. */
export interface PacketInfo6 {
  readonly ifindex: number;
  readonly addr: Ip6Addr;
}

/** What the socket asked for about `pkt`. */
export function control6Of(v6: Inet6, pkt: Packet): ControlMessage[] {
  const out: ControlMessage[] = [];
  const { ip, ip6 } = pkt;
  const add = (type: number, value: unknown): void => {
    out.push({ level: SOL_IPV6, type, value });
  };
  if (v6.recvPktInfo) {
    const addr = ip6 !== null ? ip6.dst : mappedAddr(ip?.dst ?? 0);
    add(IPV6_PKTINFO, { ifindex: ifindexOf(pkt), addr });
  }
  if (v6.recvHopLimit) add(IPV6_HOPLIMIT, ip6 !== null ? ip6.hopLimit : (ip?.ttl ?? 0));
  if (v6.recvTclass) add(IPV6_TCLASS, ip6 !== null ? ip6.tclass : (ip?.tos ?? 0));
  return out;
}

/** By which device a packet came: for what lo brought, the one that has its address. */
export function ifindexOf(pkt: Packet): number {
  return (pkt.route6?.idev ?? pkt.dev)?.ifindex ?? 0;
}

/** The same for those who look for a socket: what came by a port of a layer-3 master is the master's (`inet6_iif`). */
export function receivedBy(pkt: Packet): number {
  return pkt.slave === null ? ifindexOf(pkt) : (pkt.dev?.ifindex ?? 0);
}

/** The sender of a packet as an AF_INET6 socket sees it. */
export function source6(pkt: Packet, port: number): SockAddrIn {
  const { ip, ip6 } = pkt;
  const addr6 = ip6 !== null ? ip6.src : mappedAddr(ip?.src ?? 0);
  return sockaddr6(addr6, port, needsScope(addr6) ? ifindexOf(pkt) : 0);
}

/** `struct sockaddr_in6` */
export function sockaddr6(addr6: Ip6Addr, port: number, scopeId: number): SockAddrIn {
  return { family: AF_INET6, addr: 0, port, addr6, scopeId };
}

/** What one message says about itself; -1, `::`, 0: nothing. */
export interface SendOptions6 {
  oif: number;
  src: Ip6Addr;
  hopLimit: number;
  tclass: number;
}

/** Reads the control messages of a send; a negative errno for one that makes no sense. */
export function readControl6(control: readonly ControlMessage[]): SendOptions6 | number {
  const out: SendOptions6 = { oif: 0, src: IN6ADDR_ANY, hopLimit: -1, tclass: -1 };
  for (const { level, type, value } of control) {
    if (level !== SOL_IPV6) continue;
    if (type === IPV6_PKTINFO) {
      if (typeof value !== 'object' || value === null) return -EINVAL;
      const info = value as Partial<PacketInfo6>;
      out.oif = info.ifindex ?? 0;
      out.src = info.addr ?? IN6ADDR_ANY;
    } else if (type === IPV6_HOPLIMIT || type === IPV6_TCLASS) {
      if (typeof value !== 'number' || value < -1 || value > 255) return -EINVAL;
      if (type === IPV6_HOPLIMIT) out.hopLimit = value;
      else out.tclass = value;
    } else return -EINVAL;
  }
  return out;
}
