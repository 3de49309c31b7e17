/**
 * A packet for somebody else (RFC 1812 §5.3; Linux `net/ipv4/ip_forward.c`): one hop less to live, a redirect
 * to who could have sent it better, an error to who sent it too large.
 */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import { ipLength, PACKET_HOST, type Packet } from '../../packet.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_EXC_TTL,
  ICMP_FRAG_NEEDED,
  ICMP_TIME_EXCEEDED,
} from '../../wire/icmp.ts';
import { IP_DF, type Ipv4Header } from '../../wire/ipv4.ts';
import type { Route } from '../route/route.ts';
import { icmpSend } from './icmp.ts';
import { findOption, forwardOptions, IPOPT_RA } from './options.ts';
import { ipForwardOutput } from './output.ts';
import { sendRedirect } from './redirect.ts';
import { specDst } from './spec-dst.ts';

/** Takes a packet whose `route` leads out through another device, or back through the same. */
export function ipForward(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  const ip = pkt.ip as Ipv4Header;
  const route = pkt.route as Route;
  if (pkt.pktType !== PACKET_HOST) {
    drop(net, pkt, 'OTHERHOST', dev.name);
    return;
  }
  if (ip.options !== null && findOption(ip.options, IPOPT_RA) >= 0)
    if (net.kernel.protocols.routerAlert(pkt)) return;
  if (ip.ttl <= 1) {
    net.mib[MIB.IpInHdrErrors]++;
    icmpSend(pkt, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
    drop(net, pkt, 'IP_INHDR', 'ttl');
    return;
  }
  net.mib[MIB.IpForwDatagrams]++;
  const mtu = forwardMtu(route, net.kernel.nowUs);
  if (exceeds(pkt, ip, mtu)) {
    net.mib[MIB.IpFragFails]++;
    icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    drop(net, pkt, 'PKT_TOO_BIG', route.dev.name);
    return;
  }
  ip.ttl -= 1;
  if (route.dev === dev && route.onLinkSource) sendRedirect(pkt, dev, route);
  if (ip.options !== null) forwardOptions(ip, route.dev, specDst(pkt, dev, ip));
  ipForwardOutput(pkt, net, mtu);
}

/** Is too large, and may not be cut (`ip_exceeds_mtu`); a GSO packet is as large as its segments. */
function exceeds(pkt: Packet, ip: Ipv4Header, mtu: number): boolean {
  const len = ipLength(pkt);
  if (len <= mtu || (ip.frag & IP_DF) === 0 || pkt.ignoreDf) return false;
  return pkt.gsoSize === 0 || len - pkt.len + pkt.gsoSize > mtu;
}

/** The MTU of the way itself; what path discovery learnt is for our own packets (ip_forward_use_pmtu 0). */
function forwardMtu(route: Route, nowUs: number): number {
  const locked = route.mtuLock || route.pmtuLocked;
  if (locked || route.dev.net.sysctl.ipForwardUsePmtu !== 0) return route.mtu(nowUs);
  return route.linkMtu();
}
