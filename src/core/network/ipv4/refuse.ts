/** A packet with no way: an ICMP error to its sender, if we are a router, or a counter (Linux `ip_error`). */
import { drop } from '../../drop.ts';
import { EACCES, EHOSTUNREACH, ENETUNREACH } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import type { Packet } from '../../packet.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH,
  ICMP_PKT_FILTERED,
} from '../../wire/icmp.ts';
import type { Ipv4Header } from '../../wire/ipv4.ts';
import type { Route } from '../route/route.ts';
import { icmpSend } from './icmp.ts';

/** `route` is a refusing one: its errno is in `mtuMetric`. */
export function ipError(pkt: Packet, dev: NetDevice, route: Route): void {
  const { net } = dev;
  if ((dev.ipv4?.conf.forwarding ?? 0) === 0) {
    if (route.mtuMetric === EHOSTUNREACH) {
      net.mib[MIB.IpInAddrErrors]++;
      drop(net, pkt, 'IP_INADDRERRORS', dev.name);
      return;
    }
    if (route.mtuMetric === ENETUNREACH) net.mib[MIB.IpExtInNoRoutes]++;
    drop(net, pkt, 'IP_INNOROUTES', dev.name);
    return;
  }
  const code = codeOf(route.mtuMetric);
  if (code === ICMP_NET_UNREACH) net.mib[MIB.IpExtInNoRoutes]++;
  if (code >= 0 && net.ipv4.peers.allowRefused((pkt.ip as Ipv4Header).src))
    icmpSend(pkt, ICMP_DEST_UNREACH, code, 0);
  drop(net, pkt, code === ICMP_NET_UNREACH ? 'IP_INNOROUTES' : 'NOT_SPECIFIED', dev.name);
}

/** -1: nothing is said, as of a blackhole. */
function codeOf(errno: number): number {
  switch (errno) {
    case ENETUNREACH:
      return ICMP_NET_UNREACH;
    case EHOSTUNREACH:
      return ICMP_HOST_UNREACH;
    case EACCES:
      return ICMP_PKT_FILTERED;
    default:
      return -1;
  }
}
