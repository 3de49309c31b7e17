/** Which address of ours a received packet was meant for (RFC 1122 §3.2.1.3; Linux `fib_compute_spec_dst`). */
import { l3Oif } from '../../link/l3mdev.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Packet } from '../../packet.ts';
import { isZeronet } from '../../util/address.ts';
import type { Ipv4Header } from '../../wire/ipv4.ts';
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from '../route/fib.ts';
import { routeOutput } from '../route/output.ts';
import { RTN_LOCAL } from '../route/route.ts';
import { inetSelectAddr } from './select-addr.ts';

/** Its destination when that is ours alone; otherwise the address that an answer would come from. */
export function specDst(pkt: Packet, dev: NetDevice, ip: Ipv4Header): number {
  if (pkt.route?.type === RTN_LOCAL) return ip.dst;
  if (isZeronet(ip.src)) return inetSelectAddr(dev, ip.src, RT_SCOPE_LINK);
  const route = routeOutput(dev.net, ip.src, 0, l3Oif(dev), 0);
  return typeof route === 'number' ? inetSelectAddr(dev, ip.src, RT_SCOPE_UNIVERSE) : route.src;
}
