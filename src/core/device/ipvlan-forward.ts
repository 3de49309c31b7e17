/**
 * What ipvlans do with a packet (Linux `drivers/net/ipvlan/ipvlan_core.c`, `ipvlan_l3s.c`): its IP destination says
 * for whom it is. In mode l2 they share a wire; in l3 what is for nobody here is routed by the namespace of the device
 * below; in l3s that namespace sees what comes in as well.
 *
 * RX: from and to `link/input.ts`, in mode l3s `network/ipv4/input.ts`
 * TX: from and to `link/output.ts`, above layer 2 `network/ipv4/reroute.ts`
 */
import { drop } from '../drop.ts';
import { IFF_UP, type NetDevice } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import { type Packet, scrubPacket } from '../packet.ts';
import { isGroupMac } from '../util/address.ts';
import type { EthHeader } from '../wire/ethernet.ts';
import { frameLength } from '../wire/frame.ts';
import { type Ipvlan, type IpvlanPort, ipvlanPortOf } from './ipvlan-port.ts';
import { wantsGroup } from './macvlan-forward.ts';

/** Rx handler of the device below. True: the frame is dealt with; false: it goes on, as that of `pkt.dev`. */
export function ipvlanHandleFrame(pkt: Packet): boolean {
  const lower = pkt.dev as NetDevice;
  const port = lower.rxHandlerData as IpvlanPort;
  if (port.mode === 'l3s') return false;
  const { eth } = pkt;
  if (port.mode === 'l2' && eth !== null && isGroupMac(eth.dst)) {
    // The device below has its own; what came from one of ours they have had already.
    if (eth.src !== lower.mac || port.ownerOfSrc(pkt) === null) toGroup(pkt, port, null);
    return false;
  }
  const vlan = port.ownerOfDst(pkt);
  if (vlan === null) return false;
  countReceived(vlan.dev, pkt, false);
  cross(pkt, lower, vlan.dev);
  pkt.dev = vlan.dev;
  return false;
}

/** Mode l3s: IP of the device below asks whose a packet is; the device that it is, or was (`ipvlan_l3_rcv`). */
export function ipvlanReceiveL3s(pkt: Packet): NetDevice {
  const lower = pkt.dev as NetDevice;
  const vlan = ipvlanPortOf(lower)?.ownerOfDst(pkt) ?? null;
  if (vlan === null) return lower;
  countReceived(vlan.dev, pkt, false);
  cross(pkt, lower, vlan.dev);
  pkt.dev = vlan.dev;
  return vlan.dev;
}

/** Linux `ipvlan_start_xmit`. */
export function ipvlanXmit(pkt: Packet, dev: NetDevice): void {
  const vlan = dev.priv as Ipvlan;
  const len = frameLength(pkt);
  const sent = vlan.port.mode === 'l2' ? xmitL2(pkt, vlan) : xmitL3(pkt, vlan);
  if (!sent) {
    dev.stats.txDropped++;
    return;
  }
  dev.stats.txPackets++;
  dev.stats.txBytes += len;
}

/** Linux `ipvlan_xmit_mode_l2`: all here have one MAC, so that a frame for it is for one of us. */
function xmitL2(pkt: Packet, vlan: Ipvlan): boolean {
  const { port } = vlan;
  const eth = pkt.eth as EthHeader;
  if (port.flag !== 'vepa' && eth.dst === eth.src) {
    const other = port.ownerOfDst(pkt);
    if (other !== null) return toNeighbour(pkt, vlan, other);
    // For the device below itself.
    cross(pkt, vlan.dev, port.dev);
    port.dev.net.kernel.enqueue(pkt, port.dev);
    return true;
  }
  if (isGroupMac(eth.dst)) toGroup(pkt, port, vlan);
  cross(pkt, vlan.dev, port.dev);
  pkt.dev = port.dev;
  devQueueXmit(pkt);
  return true;
}

/** Linux `ipvlan_xmit_mode_l3`, `ipvlan_process_outbound`. */
function xmitL3(pkt: Packet, vlan: Ipvlan): boolean {
  const { port } = vlan;
  if (port.flag !== 'vepa') {
    const other = port.ownerOfDst(pkt);
    if (other !== null) return toNeighbour(pkt, vlan, other);
  }
  const isIp = pkt.ip !== null || pkt.ip6 !== null;
  if (!isIp || isGroupMac((pkt.eth as EthHeader).dst)) {
    drop(vlan.dev.net, pkt, 'NOT_SPECIFIED', vlan.dev.name);
    return false;
  }
  cross(pkt, vlan.dev, port.dev);
  pkt.eth = null;
  if (vlan.dev.net.kernel.protocols.routeOut(pkt, port.dev) >= 0) return true;
  vlan.dev.stats.txErrors++;
  return false;
}

/** To another on the same device, unless they are strangers (`ipvlan_rcv_frame`). */
function toNeighbour(pkt: Packet, from: Ipvlan, to: Ipvlan): boolean {
  if (from.port.flag === 'private') {
    drop(from.dev.net, pkt, 'NOT_SPECIFIED', 'private');
    return false;
  }
  const len = frameLength(pkt);
  cross(pkt, from.dev, to.dev);
  if (!to.dev.net.kernel.enqueue(pkt, to.dev)) {
    to.dev.stats.rxDropped++;
    return true;
  }
  to.dev.stats.rxPackets++;
  to.dev.stats.rxBytes += len;
  return true;
}

/** Copies for all that want this group, but for who sent it (`ipvlan_process_multicast`). */
function toGroup(pkt: Packet, port: IpvlanPort, from: Ipvlan | null): void {
  const { dst } = pkt.eth as EthHeader;
  for (let i = 0; i < port.vlans.length; i++) {
    const vlan = port.vlans[i] as Ipvlan;
    if (vlan === from || !wantsGroup(vlan.dev, dst)) continue;
    const copy = pkt.clone();
    cross(copy, from === null ? port.dev : from.dev, vlan.dev);
    countReceived(vlan.dev, copy, true);
    vlan.dev.net.kernel.enqueue(copy, vlan.dev);
  }
}

/** Linux `ipvlan_skb_crossing_ns`. */
function cross(pkt: Packet, from: NetDevice, to: NetDevice): void {
  if (from.net !== to.net) scrubPacket(pkt);
  pkt.route = null;
  pkt.route6 = null;
}

function countReceived(dev: NetDevice, pkt: Packet, multicast: boolean): void {
  if ((dev.flags & IFF_UP) === 0) return;
  dev.stats.rxPackets++;
  dev.stats.rxBytes += frameLength(pkt);
  if (multicast) dev.stats.multicast++;
}
