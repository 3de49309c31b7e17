/**
 * A packet that is complete but for its way is routed as if this namespace had made it (Linux
 * `ipvlan_process_v6_outbound`, `vrf_process_v6_outbound`).
 *
 * TX. From: `device/ipvlan-forward.ts` To: `network/ipv6/output.ts`
 */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Packet } from '../../packet.ts';
import type { Ipv6Header } from '../../wire/ipv6.ts';
import { routeOutput6 } from '../route6/output.ts';
import { ip6LocalOut } from './output.ts';

/** Sends it by way of `via`, in whose namespace it is routed. Takes ownership. 0 or `-errno`. */
export function ip6RouteOut(pkt: Packet, via: NetDevice): number {
  const { net } = via;
  const { dst, src } = pkt.ip6 as Ipv6Header;
  const route = routeOutput6(net, dst, src, via.ifindex);
  if (typeof route === 'number') {
    drop(net, pkt, 'IP_OUTNOROUTES', via.name);
    return route;
  }
  pkt.route6 = route;
  return ip6LocalOut(net, pkt);
}
