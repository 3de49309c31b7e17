/**
 * veth: a wire with a device at each end, in the same or in two namespaces (Linux `drivers/net/veth.c`; E7).
 * What one end sends, the other receives; the carrier is there while both are up; they die together.
 *
 * RX 1/4. To: `link/input.ts`
 * TX 5/5. From: `link/output.ts`
 */
import { drop } from '../drop.ts';
import { EADDRNOTAVAIL, EBUSY, EEXIST, EINVAL } from '../errno.ts';
import {
  allocDeviceName,
  holdLinkWatch,
  isValidEtherAddr,
  mtuRefusal,
  registerDevice,
  runLinkWatch,
  setCarrier,
  unregisterDevice,
} from '../link/device-state.ts';
import {
  type DeviceOps,
  IFF_BROADCAST,
  IFF_MULTICAST,
  IFF_UP,
  NetDevice,
} from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { type Packet, scrubPacket } from '../packet.ts';
import { MAC_BROADCAST } from '../util/address.ts';
import { ARPHRD_ETHER } from '../wire/arp.ts';
import { frameLength } from '../wire/frame.ts';

/** One end of a pair that is to be made. */
export interface VethEnd {
  readonly net: NetNs;
  /** A name, or a pattern such as `veth%d`. */
  readonly name: string;
  /** 48-bit integer; chosen by the kernel when absent. */
  readonly mac?: number;
  /** Bytes; 1500 when absent. */
  readonly mtu?: number;
  /** Wanted index; the next free one when absent. */
  readonly ifindex?: number;
}

/** Linux ETH_DATA_LEN */
const DEFAULT_MTU = 1500;
/** Room for one VLAN tag beyond the MTU (Linux `is_skb_forwardable`). */
const VLAN_HLEN = 4;

/** The driver's own state: `NetDevice.priv`. */
class VethState {
  peer: NetDevice | null;

  constructor(peer: NetDevice | null) {
    this.peer = peer;
  }
}

const VETH_OPS: DeviceOps = {
  kind: 'veth',
  movable: true,
  xmit: vethXmit,
  open: vethOpen,
  stop: vethStop,
  dellink: vethDellink,
  iflink: vethPeer,
};

/**
 * Makes both ends, down (`veth_newlink`). `-EINVAL` (name, MTU), `-EEXIST`, `-EBUSY` (index),
 * `-EADDRNOTAVAIL` (MAC): nothing is made.
 */
export function vethAdd(a: VethEnd, b: VethEnd): [NetDevice, NetDevice] | number {
  const errno = checkEnd(a) || checkEnd(b);
  if (errno !== 0) return errno;
  if (a.net === b.net && a.name === b.name && !a.name.includes('%')) return -EEXIST;
  const { kernel } = a.net;
  const watch = holdLinkWatch(kernel);
  const pair = makePair(a, b);
  if (watch) runLinkWatch(kernel);
  return pair;
}

function makePair(a: VethEnd, b: VethEnd): [NetDevice, NetDevice] | number {
  // LINUX: the peer is registered first; in one namespace it has the smaller index.
  const second = make(b, null);
  if (typeof second === 'number') return second;
  const first = make(a, second);
  if (typeof first === 'number') {
    unregisterDevice(second);
    return first;
  }
  (second.priv as VethState).peer = first;
  return [first, second];
}

/** The other end; null when the device is no veth, or its peer is gone. */
export function vethPeer(dev: NetDevice): NetDevice | null {
  return dev.priv instanceof VethState ? dev.priv.peer : null;
}

function checkEnd(end: VethEnd): number {
  const name = allocDeviceName(end.net, end.name);
  if (typeof name === 'number') return name;
  if (end.mac !== undefined && !isValidEtherAddr(end.mac)) return -EADDRNOTAVAIL;
  if (end.ifindex !== undefined) {
    if (end.ifindex <= 0) return -EINVAL;
    if (end.net.devs.findIndex(end.ifindex) !== undefined) return -EBUSY;
  }
  return 0;
}

function make(end: VethEnd, peer: NetDevice | null): NetDevice | number {
  const net = end.net;
  const name = allocDeviceName(net, end.name);
  if (typeof name === 'number') return name;
  const dev = new NetDevice(net, VETH_OPS, name, end.ifindex ?? net.devs.nextIndex(), ARPHRD_ETHER);
  if (end.mtu !== undefined && mtuRefusal(dev, end.mtu) !== '') return -EINVAL;
  dev.flags = IFF_BROADCAST | IFF_MULTICAST;
  dev.mac = end.mac ?? net.kernel.nextMac();
  dev.macSet = end.mac !== undefined;
  dev.broadcast = MAC_BROADCAST;
  dev.mtu = end.mtu ?? DEFAULT_MTU;
  dev.priv = new VethState(peer);
  registerDevice(dev);
  // LINUX: counts as a change of the carrier.
  setCarrier(dev, false);
  return dev;
}

/**
 * Linux `veth_xmit`, `dev_forward_skb`: hands the packet over as it is. GSO packets pass whatever the
 * peer's MTU is.
 */
function vethXmit(pkt: Packet, dev: NetDevice): void {
  const peer = (dev.priv as VethState).peer;
  if (peer === null) {
    dev.stats.txDropped++;
    drop(dev.net, pkt, 'DEV_READY', dev.name);
    return;
  }
  const len = frameLength(pkt);
  const limit = peer.mtu + peer.hardHeaderLen + VLAN_HLEN;
  if ((peer.flags & IFF_UP) === 0 || (len > limit && pkt.gsoSize === 0)) {
    dev.stats.txDropped++;
    peer.stats.rxDropped++;
    drop(dev.net, pkt, len > limit ? 'PKT_TOO_BIG' : 'DEV_READY', dev.name);
    return;
  }
  if (peer.net !== dev.net) scrubPacket(pkt);
  else pkt.route = null;
  pkt.priority = 0;
  if (!dev.net.kernel.enqueue(pkt, peer)) {
    dev.stats.txDropped++;
    return;
  }
  const tx = dev.stats;
  tx.txPackets++;
  tx.txBytes += len;
  const rx = peer.stats;
  rx.rxPackets++;
  rx.rxBytes += len;
}

function vethOpen(dev: NetDevice): void {
  const peer = vethPeer(dev);
  if (peer === null || !peer.up) return;
  setCarrier(dev, true);
  setCarrier(peer, true);
}

function vethStop(dev: NetDevice): void {
  setCarrier(dev, false);
  const peer = vethPeer(dev);
  if (peer !== null) setCarrier(peer, false);
}

/** Linux `veth_dellink`: no end lives alone. */
function vethDellink(dev: NetDevice): readonly NetDevice[] {
  const state = dev.priv as VethState;
  const peer = state.peer;
  if (peer === null) return [];
  state.peer = null;
  (peer.priv as VethState).peer = null;
  return [peer];
}
