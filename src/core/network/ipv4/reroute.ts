/**
 * A packet that is complete but for its way is routed as if this namespace had made it (Linux
 * `ipvlan_process_v4_outbound`, `vrf_process_v4_outbound`).
 *
 * TX. From: `device/ipvlan-forward.ts` To: `network/ipv4/output.ts`
 */
import { drop } from '../../drop.ts';
import { EINVAL } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Packet } from '../../packet.ts';
import type { Ipv4Header } from '../../wire/ipv4.ts';
import { routeOutput } from '../route/output.ts';
import { RTN_LOCAL, RTN_UNICAST } from '../route/route.ts';
import { ipLocalOut } from './output.ts';

/** Sends it by way of `via`, in whose namespace it is routed. Takes ownership. 0 or `-errno`. */
export function ipRouteOut(pkt: Packet, via: NetDevice): number {
  const { net } = via;
  const { dst, tos } = pkt.ip as Ipv4Header;
  // Whose the source address is, is not asked (FLOWI_FLAG_ANYSRC).
  const route = routeOutput(net, dst, 0, via.ifindex, tos & 0x1c);
  if (typeof route === 'number') {
    drop(net, pkt, 'IP_OUTNOROUTES', via.name);
    return route;
  }
  if (route.type !== RTN_UNICAST && route.type !== RTN_LOCAL) {
    drop(net, pkt, 'IP_OUTNOROUTES', via.name);
    return -EINVAL;
  }
  pkt.route = route;
  return ipLocalOut(net, pkt);
}
