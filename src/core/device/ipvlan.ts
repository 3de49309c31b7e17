/**
 * ipvlan: several devices with IP addresses of their own on one, with its MAC (Linux `drivers/net/ipvlan`):
 * views of a shared device, of which each may be in a namespace of its own (L1). Life and settings; the packets
 * are in `ipvlan-forward.ts`.
 */
import { EBUSY, EINVAL, EOPNOTSUPP } from '../errno.ts';
import {
  changeMac,
  devChangeFlags,
  devSetMtu,
  fireLinkWatch,
  registerDevice,
  setCarrier,
} from '../link/device-state.ts';
import { type DeviceOps, IFF_LOOPBACK, IFF_NOARP, type NetDevice } from '../link/net-device.ts';
import type { NetdevEvent } from '../protocols.ts';
import type { Ip6Addr } from '../util/ip6-addr.ts';
import { ARPHRD_ETHER } from '../wire/arp.ts';
import { type EtherSpec, linkUpper, makeEther, unlinkUpper } from './ether.ts';
import { ipvlanHandleFrame, ipvlanReceiveL3s, ipvlanXmit } from './ipvlan-forward.ts';
import {
  Ipvlan,
  type IpvlanFlag,
  type IpvlanMode,
  IpvlanPort,
  ipvlanOf,
  ipvlanPortOf,
} from './ipvlan-port.ts';

export interface IpvlanSpec extends EtherSpec {
  /** An Ethernet device; of an ipvlan the one below is taken. */
  readonly lower: NetDevice;
  /** `'l3'` when absent; holds for all on the device below. */
  readonly mode?: IpvlanMode;
  /** As before when absent; `'bridge'` at first. */
  readonly flag?: IpvlanFlag;
}

const IPVLAN_OPS: DeviceOps = {
  kind: 'ipvlan',
  movable: true,
  xmit: ipvlanXmit,
  open: ipvlanOpen,
  stop: ipvlanStop,
  uninit: ipvlanUninit,
  iflink: lowerOf,
  macErrno: () => -EOPNOTSUPP,
  addrRefusal: (dev, addr) =>
    (dev.priv as Ipvlan).port.isTaken(addr) ? 'Address already assigned to an ipvlan device' : '',
  addrChanged: ipvlanAddrChanged,
  devId: (dev) => (dev.priv as Ipvlan).id,
};

/**
 * Makes one, down (`ipvlan_link_new`). `-EINVAL` (lo, or no Ethernet below), `-EBUSY` (the device below is somebody
 * else's), and the errors of `makeEther`.
 */
export function ipvlanAdd(spec: IpvlanSpec): NetDevice | number {
  const lower = ipvlanOf(spec.lower)?.port.dev ?? spec.lower;
  const isEther = lower.type === ARPHRD_ETHER && (lower.flags & IFF_LOOPBACK) === 0;
  if (lower.dead || !isEther) return -EINVAL;
  const existing = ipvlanPortOf(lower);
  if (existing === null && (lower.rxHandler !== null || lower.master !== null)) return -EBUSY;
  const dev = makeEther(spec, IPVLAN_OPS, lower.mtu);
  if (typeof dev === 'number') return dev;
  // LINUX: a MAC that was asked for is passed over: all have that of the device below.
  dev.mac = lower.mac;
  dev.macSet = false;
  dev.carrier = lower.carrier;
  dev.gsoMaxSize = lower.gsoMaxSize;
  const port = existing ?? new IpvlanPort(lower);
  if (existing === null) {
    lower.rxHandlerData = port;
    lower.rxHandler = ipvlanHandleFrame;
  }
  const vlan = new Ipvlan(dev, port, port.nextId());
  dev.priv = vlan;
  registerDevice(dev);
  linkUpper(lower, dev);
  if (spec.flag !== undefined) port.flag = spec.flag;
  port.vlans.push(vlan);
  // LINUX: who says nothing sets them all to l3 again.
  setMode(port, spec.mode ?? 'l3');
  fireLinkWatch(dev);
  return dev;
}

/** `ip link set DEV type ipvlan …`: for all that share the device below. `-EINVAL`: it is no ipvlan. */
export function ipvlanChange(dev: NetDevice, mode?: IpvlanMode, flag?: IpvlanFlag): number {
  const vlan = ipvlanOf(dev);
  if (vlan === null) return -EINVAL;
  if (mode !== undefined) setMode(vlan.port, mode);
  if (flag !== undefined) vlan.port.flag = flag;
  return 0;
}

/** Linux `ipvlan_set_port_mode`: above layer 2 there is no ARP. */
function setMode(port: IpvlanPort, mode: IpvlanMode): void {
  port.mode = mode;
  for (const { dev } of port.vlans) devChangeFlags(dev, mode === 'l2' ? 0 : IFF_NOARP, IFF_NOARP);
  port.dev.l3Receive = mode === 'l3s' ? ipvlanReceiveL3s : null;
}

function lowerOf(dev: NetDevice): NetDevice {
  return (dev.priv as Ipvlan).port.dev;
}

function ipvlanOpen(dev: NetDevice): void {
  const vlan = dev.priv as Ipvlan;
  for (const a of dev.ipv4?.addresses ?? []) vlan.port.addAddress(a.local, vlan);
  for (const a of dev.ipv6?.addresses ?? []) vlan.port.addAddress(a.addr, vlan);
}

function ipvlanStop(dev: NetDevice): void {
  const vlan = dev.priv as Ipvlan;
  for (const a of dev.ipv4?.addresses ?? []) vlan.port.delAddress(a.local, vlan);
  for (const a of dev.ipv6?.addresses ?? []) vlan.port.delAddress(a.addr, vlan);
}

function ipvlanAddrChanged(dev: NetDevice, addr: number | Ip6Addr, added: boolean): void {
  const vlan = dev.priv as Ipvlan;
  if (!added) vlan.port.delAddress(addr, vlan);
  else if (dev.up) vlan.port.addAddress(addr, vlan);
}

/** The last one gives the device below back (`ipvlan_port_destroy`). */
function ipvlanUninit(dev: NetDevice): void {
  const { port } = dev.priv as Ipvlan;
  port.vlans.splice(port.vlans.indexOf(dev.priv as Ipvlan), 1);
  unlinkUpper(port.dev, dev);
  if (port.vlans.length > 0) return;
  port.dev.rxHandler = null;
  port.dev.rxHandlerData = null;
  port.dev.l3Receive = null;
}

/** What happens to the device below happens to its ipvlans (`ipvlan_device_event`). */
export function ipvlanEvent(event: NetdevEvent, dev: NetDevice): void {
  const port = ipvlanPortOf(dev);
  if (port === null) return;
  for (const vlan of [...port.vlans]) {
    if (event === 'up' || event === 'down' || event === 'change') setCarrier(vlan.dev, dev.carrier);
    else if (event === 'changeMtu') devSetMtu(vlan.dev, dev.mtu);
    else if (event === 'changeAddr') changeMac(vlan.dev, dev.mac);
  }
}
