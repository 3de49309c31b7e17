/**
 * vlan: one of the networks that share a wire by tags (IEEE 802.1Q, 802.1ad; Linux `net/8021q`). What it
 * sends leaves by the device below with its tag; what that receives with the tag is this device's. The two
 * may be in different namespaces.
 *
 * RX: `link/vlan.ts`
 * TX: from and to `link/output.ts`
 */
import { EEXIST, EINVAL, ENETDOWN, EOPNOTSUPP, ERANGE } from '../errno.ts';
import {
  changeMac,
  devClose,
  devOpen,
  devSetMtu,
  fireLinkWatch,
  registerDevice,
  setCarrier,
} from '../link/device-state.ts';
import {
  type DeviceOps,
  IFF_ALLMULTI,
  IFF_LOWER_UP,
  IFF_MASTER,
  IFF_PROMISC,
  IFF_RUNNING,
  IFF_SLAVE,
  IFF_UP,
  type NetDevice,
} from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import { vlanKey } from '../link/vlan.ts';
import { type Packet, scrubPacket } from '../packet.ts';
import type { NetdevEvent } from '../protocols.ts';
import { ETH_P_8021Q } from '../wire/ethernet.ts';
import { frameLength } from '../wire/frame.ts';
import { isVlanType, VLAN_VID_MASK, VlanTag } from '../wire/vlan.ts';
import { type EtherSpec, linkUpper, makeEther, unlinkUpper } from './ether.ts';

/** Flags of the device below that a VLAN device does not have by itself. */
const OWN_FLAGS: number =
  IFF_UP | IFF_RUNNING | IFF_LOWER_UP | IFF_PROMISC | IFF_ALLMULTI | IFF_MASTER | IFF_SLAVE;

export interface VlanSpec extends EtherSpec {
  readonly lower: NetDevice;
  /** 0 to 4094. */
  readonly id: number;
  /** ETH_P_8021Q when absent, or ETH_P_8021AD. */
  readonly proto?: number;
  /** Does not go up and down with the device below (VLAN_FLAG_LOOSE_BINDING). */
  readonly looseBinding?: boolean;
}

/** The driver's own state: `NetDevice.priv`. */
export class VlanState {
  readonly lower: NetDevice;
  readonly proto: number;
  readonly id: number;
  looseBinding: boolean;

  constructor(lower: NetDevice, proto: number, id: number, looseBinding: boolean) {
    this.lower = lower;
    this.proto = proto;
    this.id = id;
    this.looseBinding = looseBinding;
  }
}

const VLAN_OPS: DeviceOps = {
  kind: 'vlan',
  movable: true,
  xmit: vlanXmit,
  mayOpen: vlanMayOpen,
  uninit: vlanUninit,
  iflink: vlanLower,
  mtuErrno: (dev, mtu) => (mtu > vlanLower(dev).mtu ? -ERANGE : 0),
  minMtu: 0,
};

/**
 * Makes one, down, with the MAC and MTU of the device below. `-ERANGE` (id), `-EOPNOTSUPP` (no Ethernet
 * below), `-EEXIST` (this VLAN is there), `-EINVAL` (MTU, protocol), and the errors of `makeEther`.
 */
export function vlanAdd(spec: VlanSpec): NetDevice | number {
  const { lower, id, proto = ETH_P_8021Q } = spec;
  if (!(id >= 0 && id < VLAN_VID_MASK)) return -ERANGE;
  if (!isVlanType(proto) || lower.dead) return -EINVAL;
  if (lower.hardHeaderLen === 0 || lower === lower.net.loopback) return -EOPNOTSUPP;
  const key = vlanKey(proto, id);
  if (lower.vlans?.has(key) === true) return -EEXIST;
  if (spec.mtu !== undefined && spec.mtu > lower.mtu) return -EINVAL;
  const dev = makeEther(spec, VLAN_OPS, lower.mtu);
  if (typeof dev === 'number') return dev;
  dev.flags = lower.flags & ~OWN_FLAGS;
  if (spec.mac === undefined) dev.mac = lower.mac;
  dev.broadcast = lower.broadcast;
  dev.carrier = lower.carrier;
  dev.gsoMaxSize = lower.gsoMaxSize;
  dev.priv = new VlanState(lower, proto, id, spec.looseBinding ?? false);
  lower.vlans ??= new Map();
  lower.vlans.set(key, dev);
  linkUpper(lower, dev);
  registerDevice(dev);
  fireLinkWatch(dev);
  return dev;
}

/** The driver's state; null when the device is no VLAN. */
export function vlanOf(dev: NetDevice): VlanState | null {
  return dev.priv instanceof VlanState ? dev.priv : null;
}

function vlanLower(dev: NetDevice): NetDevice {
  return (dev.priv as VlanState).lower;
}

/** Linux `vlan_dev_open`. */
function vlanMayOpen(dev: NetDevice): number {
  const { lower, looseBinding } = dev.priv as VlanState;
  return lower.up || looseBinding ? 0 : -ENETDOWN;
}

/** Linux `vlan_dev_hard_start_xmit`. */
function vlanXmit(pkt: Packet, dev: NetDevice): void {
  const { lower, proto, id } = dev.priv as VlanState;
  dev.stats.txPackets++;
  dev.stats.txBytes += frameLength(pkt);
  if (lower.net !== dev.net) scrubPacket(pkt);
  pkt.vlan = new VlanTag(proto, id, pkt.vlan);
  pkt.dev = lower;
  devQueueXmit(pkt);
}

function vlanUninit(dev: NetDevice): void {
  const { lower, proto, id } = dev.priv as VlanState;
  const { vlans } = lower;
  vlans?.delete(vlanKey(proto, id));
  if (vlans?.size === 0) lower.vlans = null;
  unlinkUpper(lower, dev);
}

/** What happens to the device below happens to its VLANs (`vlan_device_event`). */
export function vlanEvent(event: NetdevEvent, lower: NetDevice): void {
  if (lower.vlans === null) return;
  for (const dev of [...lower.vlans.values()]) follow(event, lower, dev, dev.priv as VlanState);
}

function follow(event: NetdevEvent, lower: NetDevice, dev: NetDevice, state: VlanState): void {
  switch (event) {
    case 'up':
      if (!state.looseBinding) devOpen(dev);
      setCarrier(dev, lower.carrier);
      break;
    case 'down':
      if (!state.looseBinding) devClose(dev);
      setCarrier(dev, lower.carrier);
      break;
    case 'change':
      setCarrier(dev, lower.carrier);
      break;
    case 'changeMtu':
      if (dev.mtu > lower.mtu) devSetMtu(dev, lower.mtu);
      break;
    case 'changeAddr':
      if (!dev.macSet) changeMac(dev, lower.mac);
      break;
    default:
      break;
  }
}
