/**
 * netkit: a pair like veth, made for containers (Linux `drivers/net/netkit.c`): in mode l3 without MACs and ARP,
 * and with a policy at each end of what leaves by it. The first end, the primary one, stays with the host and
 * decides; the peer may be in another namespace, whose owner cannot change anything (V5).
 *
 * RX 1/4. To: `link/input.ts`
 * TX 5/5. From: `link/output.ts`
 */
import { drop } from '../drop.ts';
import { EACCES, ENOTCONN, EOPNOTSUPP } from '../errno.ts';
import {
  holdLinkWatch,
  registerDevice,
  runLinkWatch,
  setCarrier,
  unregisterDevice,
} from '../link/device-state.ts';
import {
  type DeviceOps,
  IFF_BROADCAST,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_UP,
  type NetDevice,
} from '../link/net-device.ts';
import { type Packet, scrubPacket } from '../packet.ts';
import { frameLength } from '../wire/frame.ts';
import { type EtherSpec, makeEther } from './ether.ts';

/** Linux ETH_DATA_LEN */
const DEFAULT_MTU = 1500;

export type NetkitMode = 'l2' | 'l3';
/** What becomes of a packet that no program decides about. */
export type NetkitPolicy = 'forward' | 'blackhole';

export interface NetkitSpec {
  /** `'l3'` when absent. */
  readonly mode?: NetkitMode;
  /** `'forward'` when absent. */
  readonly policy?: NetkitPolicy;
  readonly peerPolicy?: NetkitPolicy;
}

/** The driver's own state: `NetDevice.priv`. */
export class Netkit {
  peer: NetDevice | null = null;
  readonly mode: NetkitMode;
  readonly primary: boolean;
  policy: NetkitPolicy;

  constructor(mode: NetkitMode, primary: boolean, policy: NetkitPolicy) {
    this.mode = mode;
    this.primary = primary;
    this.policy = policy;
  }
}

const NETKIT_OPS: DeviceOps = {
  kind: 'netkit',
  movable: true,
  xmit: netkitXmit,
  mayOpen: (dev) => (netkitPeer(dev) === null ? -ENOTCONN : 0),
  open: netkitOpen,
  stop: netkitStop,
  dellink: netkitDellink,
  iflink: netkitPeer,
  macErrno: (dev) => ((dev.priv as Netkit).mode === 'l2' ? 0 : -EOPNOTSUPP),
};

/** Makes both ends, down (`netkit_new_link`). `-EOPNOTSUPP`: a MAC in mode l3; and the errors of `makeEther`. */
export function netkitAdd(
  primary: EtherSpec,
  peer: EtherSpec,
  spec: NetkitSpec,
): [NetDevice, NetDevice] | number {
  const { mode = 'l3', policy = 'forward', peerPolicy = 'forward' } = spec;
  if (mode !== 'l2' && (primary.mac !== undefined || peer.mac !== undefined)) return -EOPNOTSUPP;
  const { kernel } = primary.net;
  const watch = holdLinkWatch(kernel);
  const second = makeEnd(peer, new Netkit(mode, false, peerPolicy));
  if (typeof second === 'number') return second;
  const first = makeEnd(primary, new Netkit(mode, true, policy), second);
  if (typeof first === 'number') unregisterDevice(second);
  else (second.priv as Netkit).peer = first;
  if (watch) runLinkWatch(kernel);
  return typeof first === 'number' ? first : [first, second];
}

function makeEnd(
  spec: EtherSpec,
  state: Netkit,
  peer: NetDevice | null = null,
): NetDevice | number {
  const dev = makeEther(spec, NETKIT_OPS, DEFAULT_MTU);
  if (typeof dev === 'number') return dev;
  dev.flags = IFF_BROADCAST | IFF_MULTICAST | (state.mode === 'l3' ? IFF_NOARP : 0);
  if (state.mode === 'l2' && spec.mac === undefined) dev.mac = spec.net.kernel.nextMac();
  state.peer = peer;
  dev.priv = state;
  registerDevice(dev);
  setCarrier(dev, false);
  return dev;
}

/** The driver's state; null when the device is no netkit. */
export function netkitOf(dev: NetDevice): Netkit | null {
  return dev.priv instanceof Netkit ? dev.priv : null;
}

function netkitPeer(dev: NetDevice): NetDevice | null {
  return (dev.priv as Netkit).peer;
}

/** New policies; `-EACCES`: the peer has no say (`netkit_change_link`). */
export function netkitChange(
  dev: NetDevice,
  policy: NetkitPolicy | undefined,
  peerPolicy: NetkitPolicy | undefined,
): number {
  const state = netkitOf(dev);
  if (state === null || !state.primary) return -EACCES;
  if (policy !== undefined) state.policy = policy;
  const other = state.peer === null ? null : netkitOf(state.peer);
  if (other !== null && peerPolicy !== undefined) other.policy = peerPolicy;
  return 0;
}

/** Linux `netkit_xmit`. */
function netkitXmit(pkt: Packet, dev: NetDevice): void {
  const { peer, policy } = dev.priv as Netkit;
  if (peer === null || (peer.flags & IFF_UP) === 0) {
    dev.stats.txDropped++;
    drop(dev.net, pkt, 'DEV_READY', dev.name);
    return;
  }
  if (policy === 'blackhole') {
    dev.stats.txDropped++;
    drop(dev.net, pkt, 'NOT_SPECIFIED', `${dev.name} policy`);
    return;
  }
  const len = frameLength(pkt);
  if (peer.net !== dev.net) {
    scrubPacket(pkt);
    pkt.priority = 0;
  } else pkt.route = null;
  if (!dev.net.kernel.enqueue(pkt, peer)) {
    dev.stats.txDropped++;
    return;
  }
  dev.stats.txPackets++;
  dev.stats.txBytes += len;
  peer.stats.rxPackets++;
  peer.stats.rxBytes += len;
}

function netkitOpen(dev: NetDevice): void {
  const peer = netkitPeer(dev);
  if (peer === null || !peer.up) return;
  setCarrier(dev, true);
  setCarrier(peer, true);
}

function netkitStop(dev: NetDevice): void {
  setCarrier(dev, false);
  const peer = netkitPeer(dev);
  if (peer !== null) setCarrier(peer, false);
}

/** Neither end lives alone. */
function netkitDellink(dev: NetDevice): readonly NetDevice[] {
  const state = dev.priv as Netkit;
  const { peer } = state;
  if (peer === null) return [];
  state.peer = null;
  (peer.priv as Netkit).peer = null;
  return [peer];
}
