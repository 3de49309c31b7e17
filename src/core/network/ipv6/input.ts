/**
 * An IPv6 packet arrives (RFC 8200 §3, §4; Linux `net/ipv6/ip6_input.c`): is it sound, for whom is it, and which
 * protocol takes it.
 *
 * RX 3/4. From: `link/input.ts` To: `network/ipv6/icmp-input.ts`
 */
import { drop } from '../../drop.ts';
import { EACCES, EINVAL } from '../../errno.ts';
import { segmentCount } from '../../link/gso.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../link/net-device.ts';
import { MIB6, type Mib6 } from '../../mib6.ts';
import type { NetNs } from '../../net.ts';
import {
  ipLength,
  PACKET_BROADCAST,
  PACKET_LOOPBACK,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  type Packet,
} from '../../packet.ts';
import { isAny6, isLoopback6, isMulticast6 } from '../../util/ip6-addr.ts';
import { flatten } from '../../wire/frame.ts';
import {
  ICMPV6_ADM_PROHIBITED,
  ICMPV6_DEST_UNREACH,
  ICMPV6_NOROUTE,
  ICMPV6_PARAMPROB,
  ICMPV6_UNK_NEXTHDR,
} from '../../wire/icmpv6.ts';
import {
  IPPROTO_HOPOPTS,
  IPPROTO_NONE,
  IPV6_HLEN,
  type Ipv6Header,
  isExtension,
  nextHeaderOffset,
} from '../../wire/ipv6.ts';
import { RTN_ANYCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from '../route/route.ts';
import { routeInput6 } from '../route6/input.ts';
import { isDeep6 } from '../route6/output.ts';
import type { Route6 } from '../route6/route.ts';
import { flowOf } from '../rule/flow.ts';
import { inet6Device, isMember6 } from './address.ts';
import { parseExtensions, parseHopByHop } from './exthdrs.ts';
import { ip6Forward } from './forward.ts';
import { icmp6Send } from './icmp.ts';

/** Takes a packet that `pkt.dev` received (`ipv6_rcv`). */
export function ip6Input(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  if (pkt.pktType === PACKET_OTHERHOST) {
    drop(net, pkt, 'OTHERHOST', dev.name);
    return;
  }
  const { mib } = net.ipv6;
  mib[MIB6.Ip6InReceives]++;
  const ipv6 = inet6Device(dev);
  if (ipv6 === null || ipv6.conf.disableIpv6 !== 0) {
    mib[MIB6.Ip6InDiscards]++;
    drop(net, pkt, 'IPV6DISABLED', dev.name);
    return;
  }
  const ip = pkt.ip6;
  if (ip === null) {
    badHeader(pkt, net);
    return;
  }
  countInput(mib, pkt, ip);
  if (!isSound(pkt, dev, ip) || !parseHopByHop(pkt, dev, ip)) return;
  if (dev.l3Receive === null) received(pkt, dev, ip);
  else received(pkt, dev.l3Receive(pkt), ip);
}

/** The namespace of `dev` looks where a sound packet goes (`ip6_rcv_finish`). */
function received(pkt: Packet, dev: NetDevice, ip: Ipv6Header): void {
  // What lo gives back still has the route by which it left.
  const looped = pkt.route6 !== null && (dev.flags & IFF_LOOPBACK) !== 0;
  const route = looped ? (pkt.route6 as Route6) : routed(pkt, dev, ip);
  pkt.route6 = route;
  dispatch(pkt, dev, ip, route);
}

function routed(pkt: Packet, dev: NetDevice, ip: Ipv6Header): Route6 {
  if (!isDeep6(dev.net)) return routeInput6(dev, ip.dst, ip.src);
  return routeInput6(dev, ip.dst, ip.src, flowOf(pkt), ip.tclass);
}

function dispatch(pkt: Packet, dev: NetDevice, ip: Ipv6Header, route: Route6): void {
  const { net } = dev;
  if (isMulticast6(ip.dst)) {
    net.ipv6.mib[MIB6.Ip6InMcastPkts]++;
    net.ipv6.mib[MIB6.Ip6InMcastOctets] += ipLength(pkt);
    if (route.type === RTN_MULTICAST && isMember6(dev, ip.dst, ip.src)) ip6LocalDeliver(pkt);
    else drop(net, pkt, 'NOT_SPECIFIED', 'no member');
    return;
  }
  switch (route.type) {
    case RTN_LOCAL:
    case RTN_ANYCAST:
      ip6LocalDeliver(pkt);
      return;
    case RTN_UNICAST:
      ip6Forward(pkt);
      return;
    default:
      refuse(pkt, dev, ip, route);
  }
}

function countInput(mib: Mib6, pkt: Packet, ip: Ipv6Header): void {
  mib[MIB6.Ip6InOctets] += ipLength(pkt);
  const counter = MIB6.Ip6InNoECTPkts + (ip.tclass & 3);
  mib[counter] = (mib[counter] ?? 0) + segmentCount(pkt);
}

/** The header did not parse: told apart as `ip6_rcv_core` does. */
function badHeader(pkt: Packet, net: NetNs): void {
  const { mib } = net.ipv6;
  mib[MIB6.Ip6InOctets] += pkt.len;
  const bytes = flatten(pkt.data, pkt.len);
  if (bytes.length >= IPV6_HLEN && (bytes[0] as number) >>> 4 === 6) {
    mib[MIB6.Ip6InTruncatedPkts]++;
    drop(net, pkt, 'PKT_TOO_SMALL');
    return;
  }
  mib[MIB6.Ip6InHdrErrors]++;
  drop(net, pkt, 'IP_INHDR');
}

/** Addresses that no packet from outside may have (RFC 4291 §2.5.3, §2.7). */
function isSound(pkt: Packet, dev: NetDevice, ip: Ipv6Header): boolean {
  const { net } = dev;
  const onLo = (dev.flags & IFF_LOOPBACK) !== 0;
  const inside = onLo || pkt.pktType === PACKET_LOOPBACK;
  const scope = isMulticast6(ip.dst) ? (ip.dst.a >>> 16) & 15 : -1;
  const wrong =
    (!onLo && (isLoopback6(ip.src) || isLoopback6(ip.dst))) ||
    scope === 0 ||
    (scope === 1 && !inside) ||
    isMulticast6(ip.src);
  if (wrong) {
    net.ipv6.mib[MIB6.Ip6InHdrErrors]++;
    drop(net, pkt, 'IP_INHDR', 'address');
    return false;
  }
  const toMany = pkt.pktType === PACKET_BROADCAST || pkt.pktType === PACKET_MULTICAST;
  if (scope >= 0 || !toMany) return true;
  const own = dev.ipv6?.conf.dropUnicastInL2Multicast ?? 0;
  if (own === 0 && net.ipv6.confAll.dropUnicastInL2Multicast === 0) return true;
  net.ipv6.mib[MIB6.Ip6InHdrErrors]++;
  drop(net, pkt, 'UNICAST_IN_L2_MULTICAST', dev.name);
  return false;
}

/** Fragments are put together; then the protocol takes the packet (`ip6_input_finish`). */
export function ip6LocalDeliver(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  let whole: Packet | null = pkt;
  if ((pkt.ip6 as Ipv6Header).isFragment()) {
    whole = net.ipv6.reassembly.add(pkt);
    if (whole === null) return;
  }
  const ip = whole.ip6 as Ipv6Header;
  if (parseExtensions(whole, dev, ip)) deliver(whole, net, ip);
}

/** Linux `ip6_protocol_deliver_rcu`. */
function deliver(pkt: Packet, net: NetNs, ip: Ipv6Header): void {
  const { protocols } = net.kernel;
  const { mib } = net.ipv6;
  const taken = protocols.raw6(pkt);
  const handler = protocols.inet6[ip.protocol];
  if (handler !== undefined) {
    mib[MIB6.Ip6InDelivers]++;
    handler(pkt);
    return;
  }
  if (isExtension(ip.protocol) && ip.protocol !== IPPROTO_HOPOPTS) {
    mib[MIB6.Ip6InHdrErrors]++;
    drop(net, pkt, 'IPV6_BAD_EXTHDR', String(ip.protocol));
    return;
  }
  // RFC 8200 §4.7: nothing follows, and nothing is said.
  if (taken || ip.protocol === IPPROTO_NONE) {
    mib[MIB6.Ip6InDelivers]++;
    return;
  }
  mib[MIB6.Ip6InUnknownProtos]++;
  icmp6Send(pkt, ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR, nextHeaderOffset(ip));
  drop(net, pkt, 'IP_NOPROTO', String(ip.protocol));
}

/** A packet with no way: its sender is told (`ip6_pkt_discard`, `ip6_pkt_prohibit`). */
function refuse(pkt: Packet, dev: NetDevice, ip: Ipv6Header, route: Route6): void {
  const { net } = dev;
  if (route.errno === EINVAL) {
    drop(net, pkt, 'NOT_SPECIFIED', 'blackhole');
    return;
  }
  if (isAny6(ip.dst)) net.ipv6.mib[MIB6.Ip6InAddrErrors]++;
  else net.ipv6.mib[MIB6.Ip6InNoRoutes]++;
  icmp6Send(pkt, ICMPV6_DEST_UNREACH, codeOf(route.errno), 0);
  drop(net, pkt, 'IP_INNOROUTES', dev.name);
}

/** LINUX: an `unreachable` route is told as no route at all (`ip6_rt_init_dst_reject`). */
function codeOf(errno: number): number {
  return errno === EACCES ? ICMPV6_ADM_PROHIBITED : ICMPV6_NOROUTE;
}
