/**
 * A packet for somebody else (RFC 8200 §3; Linux `ip6_forward`): one hop less to live, a redirect to who could have
 * sent it better, an error to who sent it too large: routers do not cut IPv6 packets.
 */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB6 } from '../../mib6.ts';
import { ipLength, PACKET_HOST, type Packet } from '../../packet.ts';
import { isAny6, isLinkLocal6, isLoopback6 } from '../../util/ip6-addr.ts';
import {
  ICMPV6_DEST_UNREACH,
  ICMPV6_EXC_HOPLIMIT,
  ICMPV6_PKT_TOOBIG,
  ICMPV6_TIME_EXCEED,
} from '../../wire/icmpv6.ts';
import { IPV6_MIN_MTU, type Ipv6Header } from '../../wire/ipv6.ts';
import type { Route6 } from '../route6/route.ts';
import { icmp6Send } from './icmp.ts';
import { ip6ForwardOutput } from './output.ts';
import { sendRedirect6 } from './redirect.ts';

/** RFC 4443 §3.1: beyond the scope of the source address. */
const ICMPV6_NOT_NEIGHBOUR = 2;

/** Takes a packet whose `route6` leads out through another device, or back through the same. */
export function ip6Forward(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  const { mib } = net.ipv6;
  const ip = pkt.ip6 as Ipv6Header;
  const route = pkt.route6 as Route6;
  const forced = dev.ipv6?.conf.forceForwarding ?? 0;
  if ((net.ipv6.confAll.forwarding === 0 && forced === 0) || pkt.pktType !== PACKET_HOST) {
    mib[MIB6.Ip6InAddrErrors]++;
    drop(net, pkt, pkt.pktType === PACKET_HOST ? 'IP_INADDRERRORS' : 'OTHERHOST', dev.name);
    return;
  }
  if (ip.hopLimit <= 1) {
    icmp6Send(pkt, ICMPV6_TIME_EXCEED, ICMPV6_EXC_HOPLIMIT, 0);
    mib[MIB6.Ip6InHdrErrors]++;
    drop(net, pkt, 'IP_INHDR', 'hop limit');
    return;
  }
  if (route.dev === dev) sendRedirect6(pkt, dev, route);
  else if (!mayPass(pkt, ip)) {
    mib[MIB6.Ip6InAddrErrors]++;
    drop(net, pkt, 'IP_INADDRERRORS', 'source');
    return;
  }
  const mtu = Math.max(route.linkMtu(), IPV6_MIN_MTU);
  if (exceeds(pkt, mtu)) {
    icmp6Send(pkt, ICMPV6_PKT_TOOBIG, 0, mtu);
    mib[MIB6.Ip6InTooBigErrors]++;
    mib[MIB6.Ip6FragFails]++;
    drop(net, pkt, 'PKT_TOO_BIG', route.dev.name);
    return;
  }
  ip.hopLimit -= 1;
  mib[MIB6.Ip6OutForwDatagrams]++;
  ip6ForwardOutput(pkt, net, mtu);
}

/** A GSO packet is as large as its segments. */
function exceeds(pkt: Packet, mtu: number): boolean {
  const len = ipLength(pkt);
  if (len <= mtu) return false;
  return pkt.gsoSize === 0 || len - pkt.len + pkt.gsoSize > mtu;
}

/** An address of the link means nothing beyond it (RFC 4291 §2.5.6). */
function mayPass(pkt: Packet, ip: Ipv6Header): boolean {
  if (isAny6(ip.src) || isLoopback6(ip.src)) return false;
  if (!isLinkLocal6(ip.src)) return true;
  icmp6Send(pkt, ICMPV6_DEST_UNREACH, ICMPV6_NOT_NEIGHBOUR, 0);
  return false;
}
