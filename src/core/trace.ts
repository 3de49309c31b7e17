/**
 * Tracepoints: what a packet met on its way. One tracer per kernel at most; null costs one comparison.
 */
import type { DropReason } from './drop.ts';
import type { NetDevice } from './link/net-device.ts';
import type { NetNs } from './net.ts';
import type { Packet } from './packet.ts';

/** Called synchronously; must neither keep nor change the packet (clone it to keep it). */
export interface Tracer {
  /** A device handed the packet to the stack (Linux `net:netif_receive_skb`). */
  receive(dev: NetDevice, pkt: Packet): void;
  /** The stack handed the packet to a driver (Linux `net:net_dev_start_xmit`). */
  transmit(dev: NetDevice, pkt: Packet): void;
  /** The packet died (Linux `skb:kfree_skb`); `by` names the rule or table that decided. */
  drop(net: NetNs, pkt: Packet, reason: DropReason, by: string): void;
}
