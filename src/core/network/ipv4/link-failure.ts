/** A next hop does not answer: the sender hears "host unreachable" (Linux `ipv4_link_failure`; RFC 1812 §5.2.7.1). */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Packet } from '../../packet.ts';
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP_HOST_UNREACH } from '../../wire/icmp.ts';
import { icmpSend } from './icmp.ts';

/** Takes the packet that could not be sent; `pkt.dev` is the device on which it should have left. */
export function ipLinkFailure(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  if (pkt.ip !== null) icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
  drop(dev.net, pkt, 'NEIGH_FAILED', dev.name);
}

/** A packet with DF does not fit: its sender hears of the MTU (`ip_fragment`). The packet stays the caller's. */
export function ipTooBig(pkt: Packet, mtu: number): void {
  icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
}
