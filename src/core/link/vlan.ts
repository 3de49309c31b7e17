/**
 * A tagged frame finds the VLAN device that it is for (Linux `net/8021q/vlan_core.c`, `vlan_do_receive`).
 *
 * RX: from and to `link/input.ts`
 */
import { drop } from '../drop.ts';
import {
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  type Packet,
  scrubPacket,
} from '../packet.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';
import { frameLength } from '../wire/frame.ts';
import { VLAN_VID_MASK, type VlanTag } from '../wire/vlan.ts';
import { IFF_UP, type NetDevice } from './net-device.ts';

/** Under which number `NetDevice.vlans` has a VLAN device. */
export function vlanKey(proto: number, id: number): number {
  return proto * 0x1000 + id;
}

/** What became of a tagged frame. */
export const VLAN_PASS = 0;
/** `pkt.dev` is the VLAN device now, and the tag is gone. */
export const VLAN_TAKEN = 1;
export const VLAN_DROPPED = 2;

/** Gives a tagged frame to the VLAN device on `pkt.dev`, if there is one for it. */
export function vlanReceive(pkt: Packet, dev: NetDevice): number {
  const tag = pkt.vlan as VlanTag;
  const upper = dev.vlans?.get(vlanKey(tag.proto, tag.tci & VLAN_VID_MASK));
  if (upper === undefined) return VLAN_PASS;
  if ((upper.flags & IFF_UP) === 0) {
    drop(upper.net, pkt, 'DEV_READY', upper.name);
    return VLAN_DROPPED;
  }
  if (upper.net !== dev.net) scrubPacket(pkt);
  pkt.dev = upper;
  pkt.vlan = tag.inner;
  pkt.priority = 0;
  const { eth } = pkt;
  // The VLAN may have a MAC of its own.
  if (pkt.pktType === PACKET_OTHERHOST && eth !== null && eth.dst === upper.mac)
    pkt.pktType = PACKET_HOST;
  const { stats } = upper;
  stats.rxPackets++;
  stats.rxBytes += frameLength(pkt) - ETH_HLEN;
  if (pkt.pktType === PACKET_MULTICAST) stats.multicast++;
  return VLAN_TAKEN;
}

/**
 * No VLAN device wanted the frame: a tag with an id makes it somebody else's, one without is only a
 * priority, and is taken off.
 */
export function vlanUnclaimed(pkt: Packet): void {
  for (let tag = pkt.vlan; tag !== null; tag = tag.inner) {
    pkt.vlan = tag.inner;
    if ((tag.tci & VLAN_VID_MASK) === 0) continue;
    pkt.pktType = PACKET_OTHERHOST;
    return;
  }
}
