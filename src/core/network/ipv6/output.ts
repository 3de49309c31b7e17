/**
 * An IPv6 packet leaves (Linux `net/ipv6/ip6_output.c`): size, the copy for our own group members, the next hop's
 * neighbour entry.
 *
 * TX 2/4. From: `network/ipv6/icmp.ts` To: `link/neighbour.ts`
 */
import { drop } from '../../drop.ts';
import { EMSGSIZE, ENOBUFS } from '../../errno.ts';
import { segment } from '../../link/gso.ts';
import { IFF_LOOPBACK } from '../../link/net-device.ts';
import { devQueueXmit } from '../../link/output.ts';
import { MIB6 } from '../../mib6.ts';
import type { NetNs } from '../../net.ts';
import { ipLength, type Packet } from '../../packet.ts';
import { isInterfaceLocalMulticast, isMulticast6 } from '../../util/ip6-addr.ts';
import type { Ipv6Header } from '../../wire/ipv6.ts';
import { IP6_MAX_MTU, type Route6 } from '../route6/route.ts';
import { isMember6 } from './address.ts';
import { fragment6 } from './fragment.ts';

/** Sends a packet of our own; `pkt.ip6` is complete, `pkt.route6` is set. Takes ownership. 0 or `-errno`. */
export function ip6LocalOut(net: NetNs, pkt: Packet): number {
  net.ipv6.mib[MIB6.Ip6OutRequests]++;
  return ip6Output(pkt, net);
}

/** From here on our own packets and forwarded ones are nearly alike (`ip6_output`, `ip6_finish_output`). */
export function ip6Output(pkt: Packet, net: NetNs): number {
  const route = pkt.route6 as Route6;
  const len = ipLength(pkt);
  const { mib } = net.ipv6;
  pkt.dev = route.dev;
  if (route.dev.ipv6?.conf.disableIpv6 === 1) {
    mib[MIB6.Ip6OutDiscards]++;
    drop(net, pkt, 'IPV6DISABLED', route.dev.name);
    return 0;
  }
  const mtu = pkt.linkMtu ? Math.min(route.dev.mtu, IP6_MAX_MTU) : route.mtu(net.kernel.nowUs);
  if (len <= mtu) return transmit(pkt, route, net);
  return outputLarge(pkt, route, net, mtu);
}

/** A forwarded packet leaves; `mtu` is what `forward.ts` found to hold for it. */
export function ip6ForwardOutput(pkt: Packet, net: NetNs, mtu: number): void {
  const route = pkt.route6 as Route6;
  const len = ipLength(pkt);
  pkt.dev = route.dev;
  if (len <= mtu) transmit(pkt, route, net);
  else outputLarge(pkt, route, net, mtu);
}

function outputLarge(pkt: Packet, route: Route6, net: NetNs, mtu: number): number {
  if (pkt.gsoSize === 0) return outputSized(pkt, route, net, mtu);
  if (ipLength(pkt) - pkt.len + pkt.gsoSize <= mtu) return transmit(pkt, route, net);
  let result = 0;
  for (const part of segment(pkt)) {
    part.dev = route.dev;
    result = outputSized(part, route, net, mtu) || result;
  }
  return result;
}

/** Linux `ip6_fragment`: only who sent it may cut a packet, and only if it said so. */
function outputSized(pkt: Packet, route: Route6, net: NetNs, mtu: number): number {
  if (ipLength(pkt) <= mtu) return transmit(pkt, route, net);
  const { mib } = net.ipv6;
  const parts = pkt.ignoreDf ? fragment6(pkt, mtu, net) : null;
  if (parts === null) {
    mib[MIB6.Ip6FragFails]++;
    net.kernel.protocols.tooBig(pkt, mtu);
    drop(net, pkt, 'PKT_TOO_BIG', route.dev.name);
    return -EMSGSIZE;
  }
  mib[MIB6.Ip6FragOKs]++;
  let result = 0;
  for (const part of parts) {
    mib[MIB6.Ip6FragCreates]++;
    result = transmit(part, route, net) || result;
  }
  return result;
}

/** To the neighbour that is the next hop (`ip6_finish_output2`). */
function transmit(pkt: Packet, route: Route6, net: NetNs): number {
  const { dev } = route;
  const ip = pkt.ip6 as Ipv6Header;
  const { mib } = net.ipv6;
  mib[MIB6.Ip6OutTransmits]++;
  mib[MIB6.Ip6OutOctets] += ipLength(pkt);
  if (isMulticast6(ip.dst) && !toGroup(pkt, route, net, ip)) return 0;
  if (dev.hardHeaderLen === 0 || (dev.flags & IFF_LOOPBACK) !== 0) {
    pkt.eth = null;
    return devQueueXmit(pkt);
  }
  const nextHop = route.gateway ?? ip.dst;
  let { neigh } = route;
  if (neigh === null || neigh.dead || !neigh.addr.equals(nextHop)) {
    neigh = net.ipv6.ndisc.entry(dev, nextHop);
    if (neigh === null) {
      drop(net, pkt, 'NEIGH_CREATEFAIL', dev.name);
      return -ENOBUFS;
    }
    route.neigh = neigh;
  }
  return neigh.output(pkt);
}

/** Our own members get a copy; false: nobody else is to have it. */
function toGroup(pkt: Packet, route: Route6, net: NetNs, ip: Ipv6Header): boolean {
  const { dev } = route;
  const { mib } = net.ipv6;
  const onLo = (dev.flags & IFF_LOOPBACK) !== 0;
  mib[MIB6.Ip6OutMcastPkts]++;
  mib[MIB6.Ip6OutMcastOctets] += ipLength(pkt);
  if (!onLo && !pkt.noLoop && isMember6(dev, ip.dst, ip.src)) {
    const copy = pkt.clone();
    copy.looped = true;
    copy.eth = null;
    net.kernel.enqueue(copy, dev);
    if (ip.hopLimit === 0) {
      mib[MIB6.Ip6OutDiscards]++;
      drop(net, pkt, 'NOT_SPECIFIED', 'hop limit');
      return false;
    }
  }
  if (!isInterfaceLocalMulticast(ip.dst) || onLo) return true;
  drop(net, pkt, 'NOT_SPECIFIED', 'interface-local');
  return false;
}
