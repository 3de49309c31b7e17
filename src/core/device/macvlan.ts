/**
 * macvlan: several devices with MACs of their own on one (Linux `drivers/net/macvlan.c`), "a single driver
 * that creates multiple network interfaces simply by looking at the destination mac address". They may be in
 * other namespaces than the device below. Life and settings; the frames are in `macvlan-forward.ts`.
 */
import { EADDRINUSE, EBUSY, EINVAL } from '../errno.ts';
import {
  changeMac,
  devSetMtu,
  fireLinkWatch,
  registerDevice,
  setCarrier,
} from '../link/device-state.ts';
import type { DeviceOps, NetDevice } from '../link/net-device.ts';
import type { NetdevEvent } from '../protocols.ts';
import { ARPHRD_ETHER } from '../wire/arp.ts';
import { type EtherSpec, linkUpper, makeEther, unlinkUpper } from './ether.ts';
import { macvlanHandleFrame, macvlanXmit } from './macvlan-forward.ts';
import {
  Macvlan,
  type MacvlanMode,
  MacvlanPort,
  MODE_PASSTHRU,
  MODE_SOURCE,
  MODES,
  macvlanOf,
  macvlanPortOf,
} from './macvlan-port.ts';

export interface MacvlanSpec extends EtherSpec {
  /** An Ethernet device; of a macvlan the one below is taken. */
  readonly lower: NetDevice;
  /** `'vepa'` when absent. */
  readonly mode?: MacvlanMode;
}

export const MACVLAN_OPS: DeviceOps = {
  kind: 'macvlan',
  movable: true,
  xmit: macvlanXmit,
  mayOpen: macvlanMayOpen,
  open: macvlanOpen,
  stop: macvlanStop,
  uninit: macvlanUninit,
  iflink: lowerOf,
  mtuErrno: (dev, mtu) => (mtu > lowerOf(dev).mtu ? -EINVAL : 0),
  macErrno: macvlanMacErrno,
};

/**
 * Makes one, down. `-EINVAL` (no Ethernet below; passthru shares with nobody; MTU), `-EBUSY` (the device
 * below is somebody else's), and the errors of `makeEther`.
 */
export function macvlanAdd(spec: MacvlanSpec, ops: DeviceOps = MACVLAN_OPS): NetDevice | number {
  const lower = macvlanOf(spec.lower)?.port.dev ?? spec.lower;
  const mode = MODES[spec.mode ?? 'vepa'];
  if (lower.dead || lower.type !== ARPHRD_ETHER) return -EINVAL;
  const existing = macvlanPortOf(lower);
  if (existing === null && (lower.rxHandler !== null || lower.master !== null)) return -EBUSY;
  if (existing?.passthru === true) return -EINVAL;
  if (mode === MODE_PASSTHRU && existing !== null) return -EINVAL;
  if (spec.mtu !== undefined && spec.mtu > lower.mtu) return -EINVAL;
  const dev = makeEther(spec, ops, lower.mtu);
  if (typeof dev === 'number') return dev;
  if (mode === MODE_PASSTHRU) dev.mac = lower.mac;
  else if (spec.mac === undefined) dev.mac = lower.net.kernel.nextMac();
  dev.carrier = lower.carrier;
  dev.gsoMaxSize = lower.gsoMaxSize;
  const port = existing ?? takeLower(lower);
  if (mode === MODE_PASSTHRU) port.passthru = true;
  if (mode === MODE_SOURCE) port.sourceCount++;
  const vlan = new Macvlan(dev, port, mode);
  dev.priv = vlan;
  port.vlans.push(vlan);
  linkUpper(lower, dev);
  registerDevice(dev);
  fireLinkWatch(dev);
  return dev;
}

function takeLower(lower: NetDevice): MacvlanPort {
  const port = new MacvlanPort(lower);
  lower.rxHandlerData = port;
  lower.rxHandler = macvlanHandleFrame;
  return port;
}

/** `ip link set DEV type macvlan mode M`. `-EINVAL`: passthru is for life (`macvlan_changelink`). */
export function macvlanSetMode(dev: NetDevice, mode: MacvlanMode): number {
  const vlan = macvlanOf(dev);
  if (vlan === null) return -EINVAL;
  const wanted = MODES[mode];
  if ((wanted === MODE_PASSTHRU) !== (vlan.mode === MODE_PASSTHRU)) return -EINVAL;
  if (vlan.mode === MODE_SOURCE && wanted !== MODE_SOURCE) vlan.sources = new Set();
  vlan.port.sourceCount += Number(wanted === MODE_SOURCE) - Number(vlan.mode === MODE_SOURCE);
  vlan.mode = wanted;
  return 0;
}

/** `macaddr set …`: the senders to which a macvlan in mode source listens. `-EINVAL` in another mode. */
export function macvlanSetSources(dev: NetDevice, sources: Iterable<number>): number {
  const vlan = macvlanOf(dev);
  if (vlan === null || vlan.mode !== MODE_SOURCE) return -EINVAL;
  vlan.sources = new Set(sources);
  return 0;
}

function lowerOf(dev: NetDevice): NetDevice {
  return (dev.priv as Macvlan).port.dev;
}

/** Somebody who is up has it, or the device below (`macvlan_addr_busy`). */
function isBusy(port: MacvlanPort, mac: number): boolean {
  if (!port.passthru && port.dev.mac === mac) return true;
  return port.byMac.has(mac);
}

function macvlanMayOpen(dev: NetDevice): number {
  const { port } = dev.priv as Macvlan;
  return !port.passthru && isBusy(port, dev.mac) ? -EADDRINUSE : 0;
}

function macvlanMacErrno(dev: NetDevice, mac: number): number {
  const { port } = dev.priv as Macvlan;
  if (mac === dev.mac || port.passthru) return 0;
  return isBusy(port, mac) ? -EADDRINUSE : 0;
}

function macvlanOpen(dev: NetDevice): void {
  const vlan = dev.priv as Macvlan;
  vlan.port.byMac.set(dev.mac, vlan);
}

function macvlanStop(dev: NetDevice): void {
  forgetMac(dev.priv as Macvlan);
}

function forgetMac(vlan: Macvlan): void {
  for (const [mac, other] of vlan.port.byMac) if (other === vlan) vlan.port.byMac.delete(mac);
}

/** The last one gives the device below back (`macvlan_port_destroy`). */
export function macvlanUninit(dev: NetDevice): void {
  const vlan = dev.priv as Macvlan;
  const { port } = vlan;
  forgetMac(vlan);
  port.vlans.splice(port.vlans.indexOf(vlan), 1);
  if (vlan.mode === MODE_SOURCE) port.sourceCount--;
  unlinkUpper(port.dev, dev);
  if (port.vlans.length > 0) return;
  port.dev.rxHandler = null;
  port.dev.rxHandlerData = null;
}

/** What happens to the device below, or to a macvlan's own MAC (`macvlan_device_event`). */
export function macvlanEvent(event: NetdevEvent, dev: NetDevice): void {
  if (event === 'changeAddr') macChanged(dev);
  const port = macvlanPortOf(dev);
  if (port === null) return;
  for (const vlan of [...port.vlans]) {
    if (event === 'up' || event === 'down' || event === 'change') setCarrier(vlan.dev, dev.carrier);
    else if (event === 'changeMtu' && vlan.dev.mtu > dev.mtu) devSetMtu(vlan.dev, dev.mtu);
    else if (event === 'changeAddr' && port.passthru) changeMac(vlan.dev, dev.mac);
  }
}

function macChanged(dev: NetDevice): void {
  const vlan = macvlanOf(dev);
  if (vlan === null) return;
  if (dev.up) {
    forgetMac(vlan);
    vlan.port.byMac.set(dev.mac, vlan);
  }
  if (vlan.port.passthru) changeMac(vlan.port.dev, dev.mac);
}
