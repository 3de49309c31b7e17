/**
 * What macvlans do with a frame (Linux `macvlan_handle_frame`, `macvlan_queue_xmit`): by its destination MAC
 * it finds the one it is for; group frames go to all that may hear each other.
 *
 * RX: from and to `link/input.ts`
 * TX: from and to `link/output.ts`
 */
import { drop } from '../drop.ts';
import { hearsAllGroups } from '../link/listening.ts';
import { IFF_UP, type NetDevice } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import { PACKET_HOST, type Packet, scrubPacket } from '../packet.ts';
import { isGroupMac, MAC_BROADCAST } from '../util/address.ts';
import type { EthHeader } from '../wire/ethernet.ts';
import { frameLength } from '../wire/frame.ts';
import { VLAN_HLEN } from '../wire/vlan.ts';
import {
  type Macvlan,
  type MacvlanPort,
  MODE_BRIDGE,
  MODE_PASSTHRU,
  MODE_PRIVATE,
  MODE_SOURCE,
  MODE_VEPA,
} from './macvlan-port.ts';

/** The MAC of 224.0.0.1, to which every host listens. */
const MAC_ALL_HOSTS = 0x01005e000001;
/** 33:33:xx:xx:xx:xx; the first is that of all nodes. */
const MAC_IPV6_GROUPS = 0x333300000000;

/** Rx handler of the device below. True: the frame is dealt with; false: it goes on, as that of `pkt.dev`. */
export function macvlanHandleFrame(pkt: Packet): boolean {
  const lower = pkt.dev as NetDevice;
  const port = lower.rxHandlerData as MacvlanPort;
  const { eth } = pkt;
  if (eth === null) return false;
  if (port.sourceCount > 0) forwardBySource(pkt, port, eth.src);
  if (isGroupMac(eth.dst)) return receiveGroup(pkt, port, eth);
  const vlan = port.passthru ? port.vlans[0] : port.byMac.get(eth.dst);
  if (vlan === undefined || vlan.mode === MODE_SOURCE) return false;
  if ((vlan.dev.flags & IFF_UP) === 0) {
    drop(vlan.dev.net, pkt, 'DEV_READY', vlan.dev.name);
    return true;
  }
  countReceived(vlan.dev, pkt, false);
  if (vlan.dev.net !== lower.net) scrubPacket(pkt);
  pkt.dev = vlan.dev;
  pkt.pktType = PACKET_HOST;
  return false;
}

/** A group frame from outside, or from a macvlan whose frames come back from the switch. */
function receiveGroup(pkt: Packet, port: MacvlanPort, eth: EthHeader): boolean {
  const src = port.byMac.get(eth.src);
  if (src === undefined)
    broadcast(pkt, port, null, MODE_PRIVATE | MODE_VEPA | MODE_PASSTHRU | MODE_BRIDGE);
  else if (src.mode === MODE_VEPA) broadcast(pkt, port, src, MODE_VEPA | MODE_BRIDGE);
  else if (src.mode === MODE_BRIDGE) broadcast(pkt, port, src, MODE_VEPA);
  else {
    // Its own: one that talks to none of the others hears itself alone.
    deliver(pkt.clone(), port.dev, src);
    return true;
  }
  return false;
}

/** Copies to those in `modes` that want this group (`macvlan_broadcast`). */
function broadcast(pkt: Packet, port: MacvlanPort, src: Macvlan | null, modes: number): void {
  const { dst } = pkt.eth as EthHeader;
  for (let i = 0; i < port.vlans.length; i++) {
    const vlan = port.vlans[i] as Macvlan;
    if (vlan === src || (vlan.mode & modes) === 0 || !wantsGroup(vlan.dev, dst)) continue;
    deliver(pkt.clone(), port.dev, vlan);
  }
}

/** Linux `macvlan_broadcast_one`, `netif_rx`. */
function deliver(copy: Packet, lower: NetDevice, vlan: Macvlan): void {
  const { dev } = vlan;
  if (dev.net !== lower.net) scrubPacket(copy);
  copy.route = null;
  copy.priority = 0;
  countReceived(dev, copy, true);
  dev.net.kernel.enqueue(copy, dev);
}

/** The group filter of a device that is up (`macvlan_set_mac_lists`). */
export function wantsGroup(dev: NetDevice, mac: number): boolean {
  if ((dev.flags & IFF_UP) === 0) return false;
  if (mac === MAC_BROADCAST || mac === MAC_ALL_HOSTS) return true;
  if (hearsAllGroups(dev)) return true;
  return dev.multicastMacs?.has(mac) === true || wantsGroup6(dev, mac);
}

/** The same of the groups of IPv6, whose MAC ends with their last four bytes (RFC 2464 §7). */
function wantsGroup6(dev: NetDevice, mac: number): boolean {
  if (dev.ipv6 === null || mac < MAC_IPV6_GROUPS || mac > MAC_IPV6_GROUPS + 0xffffffff)
    return false;
  if (mac === MAC_IPV6_GROUPS + 1) return true;
  for (const group of dev.ipv6.groups.keys())
    if (mac === MAC_IPV6_GROUPS + (group.d >>> 0)) return true;
  return false;
}

/** Mode source: a copy for each that listens to this sender (`macvlan_forward_source`). */
function forwardBySource(pkt: Packet, port: MacvlanPort, src: number): void {
  for (let i = 0; i < port.vlans.length; i++) {
    const vlan = port.vlans[i] as Macvlan;
    if (vlan.mode !== MODE_SOURCE || !vlan.sources.has(src)) continue;
    if ((vlan.dev.flags & IFF_UP) === 0) continue;
    const copy = pkt.clone();
    if (vlan.dev.net !== port.dev.net) scrubPacket(copy);
    copy.priority = 0;
    countReceived(vlan.dev, copy, false);
    vlan.dev.net.kernel.enqueue(copy, vlan.dev);
  }
}

function countReceived(dev: NetDevice, pkt: Packet, multicast: boolean): void {
  dev.stats.rxPackets++;
  dev.stats.rxBytes += frameLength(pkt);
  if (multicast) dev.stats.multicast++;
}

/** Linux `macvlan_start_xmit`. */
export function macvlanXmit(pkt: Packet, dev: NetDevice): void {
  const vlan = dev.priv as Macvlan;
  const { port } = vlan;
  const lower = port.dev;
  const { dst } = pkt.eth as EthHeader;
  dev.stats.txPackets++;
  dev.stats.txBytes += frameLength(pkt);
  if (lower.net !== dev.net) scrubPacket(pkt);
  if (vlan.mode === MODE_BRIDGE) {
    if (isGroupMac(dst)) broadcast(pkt, port, vlan, MODE_BRIDGE);
    else if (port.byMac.get(dst)?.mode === MODE_BRIDGE) {
      forwardToLower(pkt, lower);
      return;
    }
  }
  pkt.dev = lower;
  devQueueXmit(pkt);
}

/** For a neighbour on the same device: that receives it, so that captures see it (`dev_forward_skb`). */
function forwardToLower(pkt: Packet, lower: NetDevice): void {
  const limit = lower.mtu + lower.hardHeaderLen + VLAN_HLEN;
  if (pkt.gsoSize === 0 && frameLength(pkt) > limit) {
    drop(lower.net, pkt, 'PKT_TOO_BIG', lower.name);
    return;
  }
  scrubPacket(pkt);
  pkt.priority = 0;
  lower.net.kernel.enqueue(pkt, lower);
}
