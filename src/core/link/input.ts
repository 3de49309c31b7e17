/**
 * A frame arrives: for whom it is, captures, policy and filters, VLAN devices, the device's rx handler, then the protocol (Linux
 * `__netif_receive_skb_core`, `eth_type_trans`). Drivers count what they received; here are counted only
 * the frames that no protocol wants.
 *
 * RX 2/4. From: `device/veth.ts` To: `network/ipv4/input.ts`
 */
import { drop } from '../drop.ts';
import {
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_LOOPBACK,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  type Packet,
} from '../packet.ts';
import { isGroupMac } from '../util/address.ts';
import type { NetDevice } from './net-device.ts';
import { policyAllows } from './port-policy.ts';
import { isTapped, runTaps } from './taps.ts';
import { tcIngress } from './tc.ts';
import { VLAN_DROPPED, VLAN_PASS, vlanReceive, vlanUnclaimed } from './vlan.ts';

/** Rounds of rx handlers: more devices than this are not stacked but a loop (`MAX_NEST_DEV`). */
const MAX_ROUNDS = 8;

/** Takes a packet that `pkt.dev` received. Called by `Kernel.run` alone. */
export function netifReceive(pkt: Packet): void {
  const bottom = pkt.dev as NetDevice;
  let dev = bottom;
  const kernel = dev.net.kernel;
  pkt.timeUs = kernel.nowUs;
  if (pkt.looped) pkt.pktType = PACKET_LOOPBACK;
  else {
    pkt.pktType = classify(pkt, dev);
    if (kernel.tracer !== null) kernel.tracer.receive(dev, pkt);
    if (isTapped(dev)) runTaps(pkt, dev, false);
    if (dev.policy !== null && !policyAllows(pkt, dev, dev.policy)) return;
    if (dev.tc !== null && !tcIngress(pkt, dev, dev.tc)) return;
    if (dev.rxHandler !== null || pkt.vlan !== null) {
      const upper = throughHandlers(pkt, dev);
      if (upper === null) return;
      dev = upper;
    }
  }
  if (dev.net.packetSocks !== null) dev.net.packetSocks.receive(pkt, dev, bottom);
  const handler = kernel.protocols.ether.get(pkt.proto);
  if (handler !== undefined) {
    handler(pkt);
    return;
  }
  // Who reads it from a packet socket has taken it.
  if (dev.net.packetSocks?.wants(pkt.proto, dev) === true) return;
  dev.stats.rxDropped++;
  drop(dev.net, pkt, 'UNHANDLED_PROTO', dev.name);
}

/**
 * Lets the VLAN devices and the rx handler of each device have the packet, from the bottom up. The device
 * whose namespace counts from here; null when it went another way.
 */
function throughHandlers(pkt: Packet, bottom: NetDevice): NetDevice | null {
  let dev = bottom;
  for (let round = 0; ; round++) {
    if (round === MAX_ROUNDS) {
      drop(dev.net, pkt, 'NOT_SPECIFIED', dev.name);
      return null;
    }
    const vlan = pkt.vlan === null ? VLAN_PASS : vlanReceive(pkt, dev);
    if (vlan === VLAN_DROPPED) return null;
    if (vlan === VLAN_PASS) {
      if (dev.rxHandler === null) break;
      if (dev.rxHandler(pkt)) return null;
    }
    const next = pkt.dev as NetDevice;
    if (next === dev) break;
    dev = next;
    if (!passesIngress(pkt, dev, bottom)) return null;
  }
  return pkt.vlan === null || tagIsLeft(pkt, dev) ? dev : null;
}

/** Who looks on sees it at this device, too, which it came to from `bottom`; false: its tc filters took it. */
function passesIngress(pkt: Packet, dev: NetDevice, bottom: NetDevice): boolean {
  const tracer = dev.net.kernel.tracer;
  if (tracer !== null) tracer.receive(dev, pkt);
  if (isTapped(dev)) runTaps(pkt, dev, false, bottom);
  return dev.tc === null || tcIngress(pkt, dev, dev.tc);
}

/** A tag that no VLAN device took: whether the packet may go on without it. */
function tagIsLeft(pkt: Packet, dev: NetDevice): boolean {
  vlanUnclaimed(pkt);
  if (pkt.vlan === null) return true;
  // What is left below the tag that was taken off is the type of another tag, which nobody takes.
  dev.stats.rxDropped++;
  drop(dev.net, pkt, 'UNHANDLED_PROTO', dev.name);
  return false;
}

/** Linux `eth_type_trans`; a device without link-layer addresses receives for itself. */
export function classify(pkt: Packet, dev: NetDevice): number {
  const eth = pkt.eth;
  if (eth === null || eth.dst === dev.mac) return PACKET_HOST;
  if (!isGroupMac(eth.dst)) return PACKET_OTHERHOST;
  return eth.dst === dev.broadcast ? PACKET_BROADCAST : PACKET_MULTICAST;
}
