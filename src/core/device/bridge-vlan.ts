/**
 * VLAN filtering (IEEE 802.1Q §8; Linux `net/bridge/br_vlan.c`): to which VLAN a frame belongs when it
 * comes in, whether it may leave by a port, and whether it leaves with its tag.
 */
import { drop } from '../drop.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { Packet } from '../packet.ts';
import { VLAN_VID_MASK, VlanTag } from '../wire/vlan.ts';
import {
  BR_STATE_FORWARDING,
  BR_STATE_LEARNING,
  type Bridge,
  type BridgePort,
  type FrameState,
} from './bridge-port.ts';

/** One VLAN of a port or of a bridge. */
export class BridgeVlan {
  readonly vid: number;
  /** Frames leave without their tag (`BRIDGE_VLAN_INFO_UNTAGGED`). */
  untagged: boolean;
  /** `BR_STATE_*` in this VLAN. */
  state: number = BR_STATE_FORWARDING;
  rxPackets = 0;
  rxBytes = 0;
  txPackets = 0;
  txBytes = 0;

  constructor(vid: number, untagged: boolean) {
    this.vid = vid;
    this.untagged = untagged;
  }
}

/** The VLANs of a port, or of the bridge itself (`struct net_bridge_vlan_group`). */
export class VlanGroup {
  /** To which untagged frames belong; 0: they are dropped. */
  pvid = 0;
  readonly vlans: Map<number, BridgeVlan> = new Map();

  add(vid: number, untagged: boolean): BridgeVlan {
    const vlan = new BridgeVlan(vid, untagged);
    this.vlans.set(vid, vlan);
    return vlan;
  }

  list(): BridgeVlan[] {
    return [...this.vlans.values()].sort((a, b) => a.vid - b.vid);
  }
}

/** The VLANs of `owner`, made from the bridge's default when they were never changed. */
export function vlanGroup(bridge: Bridge, owner: Bridge | BridgePort): VlanGroup {
  if (owner.vlans !== null) return owner.vlans;
  const group = new VlanGroup();
  const pvid = bridge.defaultPvid;
  if (pvid !== 0) {
    group.pvid = pvid;
    group.add(pvid, true);
  }
  owner.vlans = group;
  return group;
}

/**
 * Linux `__allowed_ingress`: finds the frame's VLAN, and puts the tag on that it has inside the bridge. The
 * state that the port has for this frame; negative: the frame is dropped already.
 */
export function vlanIngress(
  pkt: Packet,
  bridge: Bridge,
  owner: Bridge | BridgePort,
  portState: number,
  frame: FrameState,
): number {
  frame.vlanFiltered = true;
  const group = vlanGroup(bridge, owner);
  const { vlan: tag } = pkt;
  // A tag of the other protocol is content: the frame is an untagged one.
  const own = tag !== null && tag.proto === bridge.vlanProto ? tag : null;
  let vid = own === null ? 0 : own.tci & VLAN_VID_MASK;
  if (vid === 0) {
    vid = group.pvid;
    if (vid === 0) return refuse(pkt, owner.dev);
    // A tag that says a priority only keeps it.
    pkt.vlan =
      own === null
        ? new VlanTag(bridge.vlanProto, vid, tag)
        : new VlanTag(own.proto, own.tci | vid, own.inner);
  }
  const vlan = group.vlans.get(vid);
  if (vlan === undefined) return refuse(pkt, owner.dev);
  frame.vid = vid;
  vlan.rxPackets++;
  vlan.rxBytes += pkt.len;
  if (portState !== BR_STATE_FORWARDING) return portState;
  const { state } = vlan;
  return state === BR_STATE_FORWARDING || state === BR_STATE_LEARNING
    ? state
    : refuse(pkt, owner.dev);
}

function refuse(pkt: Packet, dev: NetDevice): number {
  drop(dev.net, pkt, 'NOT_SPECIFIED', `${dev.name} vlan`);
  return -1;
}

/** May a frame of this VLAN leave here (`br_allowed_egress`)? */
export function vlanMayLeave(bridge: Bridge, owner: Bridge | BridgePort, vid: number): boolean {
  return vlanGroup(bridge, owner).vlans.get(vid)?.state === BR_STATE_FORWARDING;
}

/** The frame leaves: with its tag, or without (`br_handle_vlan`). It is the caller's own. */
export function vlanEgress(
  pkt: Packet,
  bridge: Bridge,
  owner: Bridge | BridgePort,
  vid: number,
): void {
  const vlan = vlanGroup(bridge, owner).vlans.get(vid);
  if (vlan === undefined) return;
  vlan.txPackets++;
  vlan.txBytes += pkt.len;
  if (vlan.untagged && pkt.vlan !== null) pkt.vlan = pkt.vlan.inner;
}
