/**
 * veth: a wire with a device at each end, in the same or in two namespaces (Linux `drivers/net/veth.c`; E7).
 * What one end sends, the other receives; the carrier is there while both are up; they die together.
 *
 * RX 1/4. To: `link/input.ts`
 * TX 5/5. From: `link/output.ts`
 */
import { drop } from '../drop.ts';
import { EEXIST, EINVAL } from '../errno.ts';
import { registerDevice, setCarrier, unregisterDevice } from '../link/device-state.ts';
import { isValidDeviceName } from '../link/device-list.ts';
import {
  type DeviceOps,
  IFF_BROADCAST,
  IFF_MULTICAST,
  IFF_UP,
  NetDevice,
} from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { ipLength, type Packet, scrubPacket } from '../packet.ts';
import { MAC_BROADCAST } from '../util/address.ts';
import { ARP_LEN, ARPHRD_ETHER } from '../wire/arp.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';

/** One end of a pair that is to be made. */
export interface VethEnd {
  readonly net: NetNs;
  /** A name, or a pattern such as `veth%d`. */
  readonly name: string;
  /** 48-bit integer; chosen by the kernel when absent. */
  readonly mac?: number;
  readonly mtu?: number;
  /** Wanted index; the next free one when absent. */
  readonly ifindex?: number;
}

/** Room for one VLAN tag beyond the MTU (Linux `is_skb_forwardable`). */
const VLAN_HLEN = 4;

class Veth {
  peer: NetDevice | null = null;
}

const VETH_OPS: DeviceOps = {
  kind: 'veth',
  movable: true,
  xmit: vethXmit,
  open: updateCarrier,
  stop: updateCarrier,
  uninit: vethUninit,
  iflink: vethPeer,
};

/** Makes both ends, down; `-EEXIST`, `-EINVAL` and nothing is made. */
export function vethAdd(a: VethEnd, b: VethEnd): [NetDevice, NetDevice] | number {
  for (const end of [a, b]) {
    if (!isValidDeviceName(end.name)) return -EINVAL;
    if (end.net.devs.find(end.name) !== undefined) return -EEXIST;
    if (end.ifindex !== undefined && end.net.devs.findIndex(end.ifindex) !== undefined) return -EEXIST;
  }
  if (a.net === b.net && a.name === b.name && !a.name.includes('%d')) return -EEXIST;
  // Linux registers the peer first: in one namespace it has the smaller index.
  const second = make(b);
  const first = make(a);
  (first.priv as Veth).peer = second;
  (second.priv as Veth).peer = first;
  return [first, second];
}

/** The other end; null when the device is no veth. */
export function vethPeer(dev: NetDevice): NetDevice | null {
  return dev.priv instanceof Veth ? dev.priv.peer : null;
}

function make(end: VethEnd): NetDevice {
  const { net } = end;
  const name = end.name.includes('%d') ? net.devs.freeName(end.name) : end.name;
  const dev = new NetDevice(net, VETH_OPS, name, end.ifindex ?? net.devs.nextIndex(), ARPHRD_ETHER);
  dev.flags = IFF_BROADCAST | IFF_MULTICAST;
  dev.mac = end.mac ?? net.kernel.nextMac();
  dev.broadcast = MAC_BROADCAST;
  dev.mtu = end.mtu ?? 1500;
  dev.carrier = false;
  dev.priv = new Veth();
  registerDevice(dev);
  return dev;
}

function vethXmit(pkt: Packet, dev: NetDevice): void {
  const peer = (dev.priv as Veth).peer;
  if (peer === null || (peer.flags & IFF_UP) === 0) {
    dev.stats.txDropped++;
    drop(dev.net, pkt, 'DEV_READY', dev.name);
    return;
  }
  const len = frameLen(pkt);
  if (pkt.gsoSize === 0 && len > peer.mtu + ETH_HLEN + VLAN_HLEN) {
    dev.stats.txDropped++;
    drop(dev.net, pkt, 'PKT_TOO_BIG', peer.name);
    return;
  }
  dev.stats.txPackets++;
  dev.stats.txBytes += len;
  peer.stats.rxPackets++;
  peer.stats.rxBytes += len;
  scrubPacket(pkt);
  dev.net.kernel.enqueue(pkt, peer);
}

/** Bytes of the frame with its Ethernet header. */
function frameLen(pkt: Packet): number {
  if (pkt.ip !== null) return ETH_HLEN + ipLength(pkt);
  return pkt.arp !== null ? ETH_HLEN + ARP_LEN : ETH_HLEN + pkt.len;
}

function updateCarrier(dev: NetDevice): void {
  const peer = vethPeer(dev);
  if (peer === null) return;
  const on = dev.up && peer.up;
  setCarrier(dev, on);
  setCarrier(peer, on);
}

function vethUninit(dev: NetDevice): void {
  const state = dev.priv as Veth;
  const { peer } = state;
  state.peer = null;
  if (peer === null) return;
  (peer.priv as Veth).peer = null;
  unregisterDevice(peer);
}
