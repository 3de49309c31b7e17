/**
 * ICMPv6 messages that one link is told (RFC 4861 §4, RFC 3810 §5; Linux `ndisc_send_skb`, `mld_sendpack`): they leave
 * by a device that is known, whatever the routes say.
 */
import type { NetDevice } from '../../link/net-device.ts';
import { MIB6 } from '../../mib6.ts';
import { type Ip6Addr, isMulticast6 } from '../../util/ip6-addr.ts';
import { ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { IcmpHeader } from '../../wire/icmp.ts';
import { IPPROTO_HOPOPTS, IPPROTO_ICMPV6, Ipv6Header } from '../../wire/ipv6.ts';
import { RTN_MULTICAST, RTN_UNICAST } from '../route/route.ts';
import { Route6 } from '../route6/route.ts';
import { ip6Output } from './output.ts';

/** Hop-by-hop options of MLD: router alert (RFC 2711) and padding. */
const ROUTER_ALERT: Readonly<Uint8Array> = Uint8Array.of(58, 0, 5, 2, 0, 0, 1, 0); // tidy: constant

export interface LinkMessage {
  readonly src: Ip6Addr;
  readonly dst: Ip6Addr;
  readonly type: number;
  /** The header's second word. */
  readonly rest: number;
  readonly body: Uint8Array;
  readonly hopLimit: number;
  readonly routerAlert: boolean;
  readonly tclass: number;
}

/** Sends one message out of `dev`. */
export function sendOnLink(dev: NetDevice, m: LinkMessage): void {
  const { net } = dev;
  const { mib } = net.ipv6;
  const pkt = net.kernel.newPacket(ETH_P_IPV6, dev);
  const ip = new Ipv6Header(m.src, m.dst, IPPROTO_ICMPV6, m.hopLimit, m.tclass);
  if (m.routerAlert) {
    ip.ext = ROUTER_ALERT as Uint8Array;
    ip.extFirst = IPPROTO_HOPOPTS;
  }
  pkt.ip6 = ip;
  pkt.icmp = new IcmpHeader(m.type, 0, m.rest);
  if (m.body.length > 0) pkt.data = [m.body];
  pkt.len = m.body.length;
  pkt.noLoop = true;
  pkt.route6 = new Route6({
    type: isMulticast6(m.dst) ? RTN_MULTICAST : RTN_UNICAST,
    dev,
    idev: dev,
    gateway: null,
    prefsrc: null,
    prefixLen: 128,
    generation: net.ipv6.generation,
    errno: 0,
  });
  mib[MIB6.Icmp6OutMsgs]++;
  net.ipv6.icmpTypes.count(m.type, true);
  mib[MIB6.Ip6OutRequests]++;
  ip6Output(pkt, net);
}
