/** A next hop does not answer: the sender hears "address unreachable" (Linux `ip6_link_failure`; RFC 4861 §7.2.2). */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Packet } from '../../packet.ts';
import { ICMPV6_ADDR_UNREACH, ICMPV6_DEST_UNREACH, ICMPV6_PKT_TOOBIG } from '../../wire/icmpv6.ts';
import { icmp6Send } from './icmp.ts';

/** Takes the packet that could not be sent; `pkt.dev` is the device on which it should have left. */
export function ip6LinkFailure(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  icmp6Send(pkt, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH, 0);
  drop(dev.net, pkt, 'NEIGH_FAILED', dev.name);
}

/** A packet does not fit and may not be cut: its sender hears of the MTU. The packet stays the caller's. */
export function ip6TooBig(pkt: Packet, mtu: number): void {
  icmp6Send(pkt, ICMPV6_PKT_TOOBIG, 0, mtu);
}
