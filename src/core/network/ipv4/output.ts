/**
 * An IPv4 packet leaves (Linux `net/ipv4/ip_output.c`): identification, size, the next hop's neighbour entry.
 *
 * TX 2/4. From: `transport/tcp/output.ts` To: `link/neighbour.ts`
 */
import { drop } from '../../drop.ts';
import { EMSGSIZE, ENOBUFS } from '../../errno.ts';
import { segment, segmentCount } from '../../link/gso.ts';
import type { Neighbour } from '../../link/neighbour.ts';
import { IFF_LOOPBACK } from '../../link/net-device.ts';
import { devQueueXmit } from '../../link/output.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { ipLength, type Packet } from '../../packet.ts';
import { IP_DF, IP_MAX_MTU, type Ipv4Header } from '../../wire/ipv4.ts';
import { type Route, RTN_BROADCAST, RTN_MULTICAST, RTN_UNICAST } from '../route/route.ts';
import { fragment } from './fragment.ts';
import { wantsFrom } from './membership.ts';

/**
 * Sends a packet of our own. `pkt.ip` is complete but for the identification, `pkt.route` is set. Takes
 * ownership. Returns 0 or `-errno`.
 */
export function ipLocalOut(net: NetNs, pkt: Packet): number {
  const ip = pkt.ip as Ipv4Header;
  if (ip.id === 0) net.ipv4.ident.select(ip, pkt.ignoreDf, segmentCount(pkt));
  net.mib[MIB.IpOutRequests]++;
  return ipOutput(pkt, net);
}

/** From here on our own packets and forwarded ones are nearly alike (`ip_output`, `ip_finish_output`). */
function ipOutput(pkt: Packet, net: NetNs): number {
  const route = pkt.route as Route;
  const len = ipLength(pkt);
  pkt.dev = route.dev;
  if (route.type === RTN_MULTICAST) {
    if (!pkt.noLoop && isMember(pkt, route)) loopBack(pkt, route, net);
    // Multicasts with TTL 0 stay on the host; those of `lo` do anyway.
    const isLo = (route.dev.flags & IFF_LOOPBACK) !== 0;
    if ((pkt.ip as Ipv4Header).ttl === 0 && !isLo && isMember(pkt, route)) {
      drop(net, pkt, 'NOT_SPECIFIED', 'ttl');
      return 0;
    }
  } else if (route.type === RTN_BROADCAST) loopBack(pkt, route, net);
  if (len <= route.dev.mtu && route.mtuMetric === 0 && route.pmtu === 0)
    return transmit(pkt, route, net);
  return outputLarge(pkt, route, net, pathMtu(pkt, route, net));
}

/** A forwarded packet leaves; `mtu` is what `forward.ts` found to hold for it. */
export function ipForwardOutput(pkt: Packet, net: NetNs, mtu: number): void {
  const route = pkt.route as Route;
  const len = ipLength(pkt);
  pkt.dev = route.dev;
  if (len <= mtu) transmit(pkt, route, net);
  else outputLarge(pkt, route, net, mtu);
}

/** What was learnt of the path does not hold for a sender that probes it: it may use the link's (`ip_skb_dst_mtu`). */
function pathMtu(pkt: Packet, route: Route, net: NetNs): number {
  return pkt.linkMtu ? Math.min(route.dev.mtu, IP_MAX_MTU) : route.mtu(net.kernel.nowUs);
}

/** Perhaps larger than the device, or the path has a limit of its own. */
function outputLarge(pkt: Packet, route: Route, net: NetNs, mtu: number): number {
  const len = ipLength(pkt);
  if (pkt.gsoSize > 0) {
    if (len - pkt.len + pkt.gsoSize <= mtu) return transmit(pkt, route, net);
    let result = 0;
    for (const part of segment(pkt)) {
      part.dev = route.dev;
      result = outputSized(part, route, net, mtu) || result;
    }
    return result;
  }
  return outputSized(pkt, route, net, mtu);
}

function outputSized(pkt: Packet, route: Route, net: NetNs, mtu: number): number {
  if (ipLength(pkt) <= mtu) return transmit(pkt, route, net);
  const ip = pkt.ip as Ipv4Header;
  if ((ip.frag & IP_DF) !== 0 && !pkt.ignoreDf) {
    net.mib[MIB.IpFragFails]++;
    net.kernel.protocols.tooBig(pkt, mtu);
    drop(net, pkt, 'PKT_TOO_BIG', route.dev.name);
    return -EMSGSIZE;
  }
  const parts = fragment(pkt, mtu);
  if (parts === null) {
    net.mib[MIB.IpFragFails]++;
    drop(net, pkt, 'PKT_TOO_BIG', route.dev.name);
    return -EMSGSIZE;
  }
  net.mib[MIB.IpFragOKs]++;
  let result = 0;
  for (const part of parts) {
    net.mib[MIB.IpFragCreates]++;
    result = transmit(part, route, net) || result;
  }
  return result;
}

/** To the neighbour that is the next hop (`ip_finish_output2`). */
function transmit(pkt: Packet, route: Route, net: NetNs): number {
  const { dev } = route;
  const { mib } = net;
  const len = ipLength(pkt);
  mib[MIB.IpOutTransmits]++;
  mib[MIB.IpExtOutOctets] += len;
  if (route.type !== RTN_UNICAST) countGroup(net, route, len);
  if (dev.hardHeaderLen === 0 || (dev.flags & IFF_LOOPBACK) !== 0) {
    pkt.eth = null;
    return devQueueXmit(pkt);
  }
  let neigh = route.neigh;
  const nextHop = route.gateway !== 0 ? route.gateway : (pkt.ip as Ipv4Header).dst;
  if (neigh === null || neigh.dead || neigh.addr !== nextHop) {
    neigh = net.arp.entry(dev, nextHop) as Neighbour | null;
    if (neigh === null) {
      drop(net, pkt, 'NEIGH_CREATEFAIL', dev.name);
      return -ENOBUFS;
    }
    route.neigh = neigh;
  }
  return neigh.output(pkt);
}

function countGroup(net: NetNs, route: Route, len: number): void {
  const { mib } = net;
  if (route.type === RTN_MULTICAST) {
    mib[MIB.IpExtOutMcastPkts]++;
    mib[MIB.IpExtOutMcastOctets] += len;
  } else if (route.type === RTN_BROADCAST) {
    mib[MIB.IpExtOutBcastPkts]++;
    mib[MIB.IpExtOutBcastOctets] += len;
  }
}

/** Does a socket of ours want this group's packets of that device (`RTCF_LOCAL`)? */
function isMember(pkt: Packet, route: Route): boolean {
  const { src, dst } = pkt.ip as Ipv4Header;
  return wantsFrom(route.dev, dst, src);
}

/** Our own receivers of a group or broadcast get a copy, as from the wire (`ip_mc_output`). */
function loopBack(pkt: Packet, route: Route, net: NetNs): void {
  if ((route.dev.flags & IFF_LOOPBACK) !== 0) return;
  // The clone keeps its route, as in Linux: a look-up would refuse our own address as a source.
  const copy = pkt.clone();
  copy.looped = true;
  net.kernel.enqueue(copy, route.dev);
}
