/** A packet with no way: an ICMP error to its sender, if we are a router, or a counter (Linux `ip_error`). */
import { type DropReason, drop } from '../../drop.ts';
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
import type { Route } from '../route/route.ts';
import { icmpSend } from './icmp.ts';

/** `route` is a refusing one: its errno is in `mtuMetric`, 0 when we do not forward. */
export function ipError(pkt: Packet, dev: NetDevice, route: Route): void {
  const { net } = dev;
  let reason: DropReason = 'IP_INNOROUTES';
  switch (route.mtuMetric) {
    case 0:
      net.mib[MIB.IpInAddrErrors]++;
      reason = 'IP_INADDRERRORS';
      break;
    case ENETUNREACH:
      net.mib[MIB.IpExtInNoRoutes]++;
      icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_NET_UNREACH, 0);
      break;
    case EHOSTUNREACH:
      icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
      break;
    case EACCES:
      icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, 0);
      break;
    default:
      break;
  }
  drop(net, pkt, reason, dev.name);
}
