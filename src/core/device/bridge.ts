/**
 * bridge: a switch whose ports are devices of its namespace (IEEE 802.1D; Linux `net/bridge`). Its life, its
 * ports, and how its carrier, MAC and MTU follow them.
 */
import { EADDRNOTAVAIL, EBUSY, EINVAL, ELOOP, EXFULL } from '../errno.ts';
import {
  allocDeviceName,
  changeMac,
  devSetMtu,
  isOperUp,
  isValidEtherAddr,
  mtuRefusal,
  registerDevice,
} from '../link/device-state.ts';
import {
  type DeviceOps,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_MULTICAST,
  NetDevice,
} from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import type { NetdevEvent } from '../protocols.ts';
import { MAC_BROADCAST } from '../util/address.ts';
import { ARPHRD_ETHER } from '../wire/arp.ts';
import { bridgeHandleFrame, bridgeXmit } from './bridge-forward.ts';
import {
  BR_STATE_DISABLED,
  Bridge,
  BridgePort,
  bridgeOf,
  bridgePortOf,
  isBridge,
} from './bridge-port.ts';
import { querySoon } from './bridge-querier.ts';
import {
  stpChangeId,
  stpDisableBridge,
  stpDisablePort,
  stpEnableBridge,
  stpEnablePort,
} from './bridge-stp-admin.ts';

/** Linux `BR_MAX_PORTS` */
const MAX_PORTS = 1024;
/** Of a bridge without ports (Linux ETH_DATA_LEN). */
const DEFAULT_MTU = 1500;

export interface BridgeOptions {
  /** 48-bit integer; otherwise one of the kernel's, until there is a port. */
  readonly mac?: number;
  /** Bytes; does not keep the bridge from following its ports. */
  readonly mtu?: number;
  /** Wanted index; the next free one when absent. */
  readonly ifindex?: number;
  /** Microseconds; 300 s when absent. */
  readonly ageingUs?: number;
}

const BRIDGE_OPS: DeviceOps = {
  kind: 'bridge',
  movable: false,
  xmit: bridgeXmit,
  open: bridgeOpen,
  stop: bridgeStop,
  uninit: bridgeUninit,
};

/**
 * Makes a bridge, down, without ports. `-EINVAL` (name, MTU), `-EEXIST`, `-EBUSY` (index),
 * `-EADDRNOTAVAIL` (MAC).
 */
export function bridgeAdd(net: NetNs, name: string, options: BridgeOptions): NetDevice | number {
  const free = allocDeviceName(net, name);
  if (typeof free === 'number') return free;
  const { mac, mtu, ifindex, ageingUs } = options;
  if (mac !== undefined && !isValidEtherAddr(mac)) return -EADDRNOTAVAIL;
  if (ifindex !== undefined && net.devs.findIndex(ifindex) !== undefined) return -EBUSY;
  const dev = new NetDevice(net, BRIDGE_OPS, free, ifindex ?? net.devs.nextIndex(), ARPHRD_ETHER);
  if (mtu !== undefined && mtuRefusal(dev, mtu) !== '') return -EINVAL;
  dev.flags = IFF_BROADCAST | IFF_MULTICAST;
  dev.mac = mac ?? net.kernel.nextMac();
  dev.macSet = mac !== undefined;
  dev.broadcast = MAC_BROADCAST;
  dev.mtu = mtu ?? DEFAULT_MTU;
  const bridge = new Bridge(dev);
  if (ageingUs !== undefined) bridge.fdb.ageingUs = ageingUs;
  dev.priv = bridge;
  registerDevice(dev);
  if (mac !== undefined) followMac(bridge);
  return dev;
}

/**
 * `ip link set DEV master BRIDGE` (`br_add_if`). `-EINVAL` (no Ethernet), `-ELOOP` (a bridge), `-EBUSY` (has
 * a master), `-EXFULL`.
 */
export function bridgeAddPort(bridgeDev: NetDevice, dev: NetDevice): number {
  const bridge = bridgeOf(bridgeDev);
  if (bridge === null || bridgeDev.dead || dev.dead || dev.net !== bridgeDev.net) return -EINVAL;
  const isEther = (dev.flags & IFF_LOOPBACK) === 0 && dev.type === ARPHRD_ETHER;
  if (!isEther || !isValidEtherAddr(dev.mac)) return -EINVAL;
  if (isBridge(dev)) return -ELOOP;
  if (dev.master !== null || dev.rxHandler !== null) return -EBUSY;
  const portNo = freePortNo(bridge);
  if (portNo === MAX_PORTS) return -EXFULL;
  const port = new BridgePort(bridge, dev, portNo);
  bridge.ports.push(port);
  dev.master = bridgeDev;
  dev.rxHandlerData = port;
  dev.rxHandler = bridgeHandleFrame;
  bridge.fdb.addLocal(dev.mac, dev);
  recalculateMac(bridge);
  if (bridgeDev.up && isOperUp(dev)) stpEnablePort(port);
  adjustMtu(bridge);
  dev.net.events.emit('newlink', dev);
  return 0;
}

/** `ip link set DEV nomaster` (`br_del_if`). `-EINVAL`: it is no port. */
export function bridgeDelPort(dev: NetDevice): number {
  const port = bridgePortOf(dev);
  if (port === null) return -EINVAL;
  const bridge = port.bridge;
  if (port.state !== BR_STATE_DISABLED) stpDisablePort(port);
  bridge.ports.splice(bridge.ports.indexOf(port), 1);
  for (const other of bridge.ports) if (other.backup === port) other.backup = null;
  bridge.mcast?.flushPort(port, true);
  for (const entry of bridge.fdb.list()) {
    if (entry.dev !== dev) continue;
    if (entry.local) dropLocal(bridge, dev, entry.mac);
    else bridge.fdb.remove(entry.mac, entry.vid);
  }
  updateSuppress(bridge);
  dev.master = null;
  dev.rxHandlerData = null;
  dev.rxHandler = null;
  if (!bridge.dev.dead) {
    adjustMtu(bridge);
    recalculateMac(bridge);
  }
  if (!dev.dead) dev.net.events.emit('newlink', dev);
  return 0;
}

/** What happens to a port's device, or to a bridge, changes the bridge (`br_device_event`). */
export function bridgeEvent(event: NetdevEvent, dev: NetDevice): void {
  const port = bridgePortOf(dev);
  if (port !== null) portEvent(event, port);
  const bridge = bridgeOf(dev);
  if (bridge === null) return;
  if (event === 'changeAddr') followMac(bridge);
  else if (event === 'changeMtu' && !bridge.adjustingMtu) bridge.mtuSetByUser = true;
}

function portEvent(event: NetdevEvent, port: BridgePort): void {
  const bridge = port.bridge;
  switch (event) {
    case 'up':
    case 'down':
    case 'change':
      checkCarrier(port);
      break;
    case 'changeMtu':
      adjustMtu(bridge);
      break;
    case 'changeAddr':
      for (const entry of bridge.fdb.list())
        if (entry.dev === port.dev && entry.local && !entry.byUser)
          dropLocal(bridge, port.dev, entry.mac);
      bridge.fdb.addLocal(port.dev.mac, port.dev);
      recalculateMac(bridge);
      break;
    case 'unregister':
      bridgeDelPort(port.dev);
      break;
    default:
      break;
  }
}

/** A port takes part while it and its bridge are up and it has carrier (`br_port_carrier_check`). */
function checkCarrier(port: BridgePort): void {
  if (!port.bridge.dev.up) return;
  if (!isOperUp(port.dev)) {
    if (port.state !== BR_STATE_DISABLED) stpDisablePort(port);
  } else if (port.state === BR_STATE_DISABLED) stpEnablePort(port);
}

function bridgeOpen(dev: NetDevice): void {
  const bridge = dev.priv as Bridge;
  stpEnableBridge(bridge);
  if (bridge.mcast?.settings.querier === true) querySoon(bridge, true);
}

function bridgeStop(dev: NetDevice): void {
  const bridge = dev.priv as Bridge;
  stpDisableBridge(bridge);
  bridge.mcast?.queryTimer?.clear();
}

function bridgeUninit(dev: NetDevice): void {
  const bridge = dev.priv as Bridge;
  for (const port of [...bridge.ports]) bridgeDelPort(port.dev);
  bridge.timers?.clear();
  bridge.mcast?.destroy();
  bridge.fdb.destroy();
}

/** Some port has neigh_suppress, or answers by proxy: frames have to be looked at. */
export function updateSuppress(bridge: Bridge): void {
  bridge.suppresses = bridge.ports.some((p) => p.neighSuppress || p.proxyArp || p.proxyArpWifi);
}

/** The lowest MAC of the ports, zeros without any, unless one was set (`br_stp_recalculate_bridge_id`). */
function recalculateMac(bridge: Bridge): void {
  if (bridge.dev.macSet) return;
  let lowest = 0;
  for (const port of bridge.ports) if (lowest === 0 || port.dev.mac < lowest) lowest = port.dev.mac;
  if (lowest === bridge.id.mac) return;
  if (lowest !== bridge.dev.mac) changeMac(bridge.dev, lowest);
  else followMac(bridge);
}

/** The device's MAC becomes that of the bridge id (`br_stp_change_bridge_id`). */
function followMac(bridge: Bridge): void {
  const old = bridge.fdb.find(bridge.id.mac);
  if (old?.local === true && !old.byUser && old.dev === bridge.dev)
    dropLocal(bridge, bridge.dev, old.mac);
  bridge.fdb.addLocal(bridge.dev.mac, bridge.dev);
  // LINUX: a new bridge has carrier until its id is first chosen: only then are the ports looked at.
  stpChangeId(bridge, bridge.id.prio, bridge.dev.mac);
}

/** `dev` gives up a local address; another port, or the bridge, may have the same (`fdb_delete_local`). */
function dropLocal(bridge: Bridge, dev: NetDevice, mac: number): void {
  const other = bridge.ports.find((p) => p.dev !== dev && p.dev.mac === mac);
  bridge.fdb.remove(mac);
  if (other !== undefined) bridge.fdb.addLocal(mac, other.dev);
  else if (dev !== bridge.dev && bridge.dev.mac === mac) bridge.fdb.addLocal(mac, bridge.dev);
}

/** The smallest MTU of the ports (`br_mtu_auto_adjust`). */
function adjustMtu(bridge: Bridge): void {
  if (bridge.mtuSetByUser) return;
  let smallest = 0;
  for (const port of bridge.ports)
    if (smallest === 0 || port.dev.mtu < smallest) smallest = port.dev.mtu;
  bridge.adjustingMtu = true;
  devSetMtu(bridge.dev, smallest === 0 ? DEFAULT_MTU : smallest);
  bridge.adjustingMtu = false;
}

function freePortNo(bridge: Bridge): number {
  const used = new Uint8Array(MAX_PORTS);
  for (const port of bridge.ports) used[port.portNo] = 1;
  const free = used.indexOf(0, 1);
  return free < 0 ? MAX_PORTS : free;
}
