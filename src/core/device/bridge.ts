/**
 * bridge: a switch whose ports are devices of its namespace (IEEE 802.1D §7; Linux `net/bridge`). Learns
 * sources, sends to the port of the destination or, when it knows none, to all others. Without spanning tree:
 * a port forwards while it is up with carrier.
 */
import { drop } from '../drop.ts';
import { EBUSY, EEXIST, EINVAL, ELOOP } from '../errno.ts';
import { registerDevice, setCarrier } from '../link/device-state.ts';
import { isValidDeviceName } from '../link/device-list.ts';
import {
  type DeviceOps,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_MULTICAST,
  IFF_UP,
  NetDevice,
} from '../link/net-device.ts';
import { classify } from '../link/input.ts';
import { devQueueXmit } from '../link/output.ts';
import type { NetNs } from '../net.ts';
import { ipLength, type Packet, PACKET_HOST } from '../packet.ts';
import type { NetdevEvent } from '../protocols.ts';
import { isGroupMac, MAC_BROADCAST } from '../util/address.ts';
import { ARP_LEN, ARPHRD_ETHER } from '../wire/arp.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';
import { Fdb } from './bridge-fdb.ts';

/** States of a port as `bridge link` prints them (`BR_STATE_*`). */
export const BR_STATE_DISABLED = 0;
export const BR_STATE_FORWARDING = 3;

/** 01:80:c2:00:00:00 to 0f: for the link itself, never forwarded (IEEE 802.1D §7.12.6). */
const RESERVED_GROUP = 0x0180c2000000;
const DEFAULT_PATH_COST = 2;

export interface BridgeOptions {
  /** 48-bit integer; otherwise the lowest of the ports'. */
  readonly mac?: number;
  readonly mtu?: number;
  readonly ifindex?: number;
  readonly ageingUs?: number;
}

/** A bridge's own state: `dev.priv`. */
export class Bridge {
  readonly dev: NetDevice;
  readonly fdb: Fdb;
  readonly ports: BridgePort[] = [];
  /** The MAC was set by somebody: ports do not change it. */
  macFixed: boolean;
  /** The MTU was set by somebody. */
  mtuFixed: boolean;

  constructor(dev: NetDevice, options: BridgeOptions) {
    this.dev = dev;
    this.fdb = new Fdb(dev.net.kernel);
    this.macFixed = options.mac !== undefined;
    this.mtuFixed = options.mtu !== undefined;
    if (options.ageingUs !== undefined) this.fdb.ageingUs = options.ageingUs;
  }
}

/** One port: `dev.rxHandlerData`. */
export class BridgePort {
  readonly bridge: Bridge;
  readonly dev: NetDevice;
  readonly portNo: number;
  state: number = BR_STATE_DISABLED;
  cost: number = DEFAULT_PATH_COST;
  priority = 32;
  /** Frames may leave by the port on which they came. */
  hairpin = false;
  learning = true;
  /** Unknown unicast, multicast and broadcast frames leave by this port. */
  flood = true;
  mcastFlood = true;
  bcastFlood = true;
  /** Frames do not pass from one isolated port to another. */
  isolated = false;

  constructor(bridge: Bridge, dev: NetDevice, portNo: number) {
    this.bridge = bridge;
    this.dev = dev;
    this.portNo = portNo;
  }
}

const BRIDGE_OPS: DeviceOps = {
  kind: 'bridge',
  movable: false,
  xmit: bridgeXmit,
  open: updateBridge,
  stop: updateBridge,
  uninit: bridgeUninit,
};

/** Makes a bridge, down, without ports; `-EEXIST`, `-EINVAL`. */
export function bridgeAdd(net: NetNs, name: string, options: BridgeOptions): NetDevice | number {
  if (!isValidDeviceName(name)) return -EINVAL;
  if (net.devs.find(name) !== undefined) return -EEXIST;
  const free = name.includes('%d') ? net.devs.freeName(name) : name;
  const dev = new NetDevice(net, BRIDGE_OPS, free, options.ifindex ?? net.devs.nextIndex(), ARPHRD_ETHER);
  dev.flags = IFF_BROADCAST | IFF_MULTICAST;
  dev.mac = options.mac ?? net.kernel.nextMac();
  dev.broadcast = MAC_BROADCAST;
  if (options.mtu !== undefined) dev.mtu = options.mtu;
  dev.carrier = false;
  const bridge = new Bridge(dev, options);
  dev.priv = bridge;
  bridge.fdb.add(dev.mac, dev, true);
  registerDevice(dev);
  return dev;
}

export function isBridge(dev: NetDevice): boolean {
  return dev.priv instanceof Bridge;
}

/** The bridge's state; null when the device is none. */
export function bridgeOf(dev: NetDevice): Bridge | null {
  return dev.priv instanceof Bridge ? dev.priv : null;
}

/** The port's state; null when the device is no port of a bridge. */
export function bridgePortOf(dev: NetDevice): BridgePort | null {
  return dev.rxHandlerData instanceof BridgePort ? dev.rxHandlerData : null;
}

/** `ip link set DEV master BRIDGE` (`br_add_if`). */
export function bridgeAddPort(bridgeDev: NetDevice, dev: NetDevice): number {
  const bridge = bridgeOf(bridgeDev);
  if (bridge === null) return -EINVAL;
  if ((dev.flags & IFF_LOOPBACK) !== 0 || dev.type !== ARPHRD_ETHER || dev.net !== bridgeDev.net) return -EINVAL;
  if (isBridge(dev)) return -ELOOP;
  if (dev.rxHandler !== null) return -EBUSY;
  const port = new BridgePort(bridge, dev, nextPortNo(bridge));
  bridge.ports.push(port);
  dev.master = bridgeDev;
  dev.rxHandlerData = port;
  dev.rxHandler = bridgeHandleFrame;
  bridge.fdb.add(dev.mac, dev, true);
  updatePort(port);
  updateBridge(bridgeDev);
  dev.net.events.emit('newlink', dev);
  return 0;
}

/** `ip link set DEV nomaster` (`br_del_if`). */
export function bridgeDelPort(dev: NetDevice): number {
  const port = bridgePortOf(dev);
  if (port === null) return -EINVAL;
  const { bridge } = port;
  bridge.ports.splice(bridge.ports.indexOf(port), 1);
  bridge.fdb.flush(dev, true);
  dev.master = null;
  dev.rxHandlerData = null;
  dev.rxHandler = null;
  updateBridge(bridge.dev);
  if (!dev.dead) dev.net.events.emit('newlink', dev);
  return 0;
}

/** What ports' devices do changes the port and its bridge (`br_device_event`). */
export function bridgeEvent(event: NetdevEvent, dev: NetDevice): void {
  const port = bridgePortOf(dev);
  if (port !== null) {
    if (event === 'unregister') {
      bridgeDelPort(dev);
      return;
    }
    if (event === 'changeAddr') {
      for (const e of port.bridge.fdb.list()) if (e.local && e.dev === dev) port.bridge.fdb.remove(e.mac);
      port.bridge.fdb.add(dev.mac, dev, true);
    }
    updatePort(port);
    updateBridge(port.bridge.dev);
  }
  const bridge = bridgeOf(dev);
  if (bridge !== null && event === 'changeAddr') {
    bridge.macFixed = true;
    bridge.fdb.add(dev.mac, dev, true);
  }
  if (bridge !== null && event === 'changeMtu') bridge.mtuFixed = true;
}

/** A frame came in on a port (`br_handle_frame`). True: it is dealt with; false: it is the bridge's own now. */
function bridgeHandleFrame(pkt: Packet): boolean {
  const dev = pkt.dev as NetDevice;
  const port = dev.rxHandlerData as BridgePort;
  const { bridge } = port;
  const eth = pkt.eth;
  if (eth === null || eth.src === 0 || isGroupMac(eth.src)) {
    drop(dev.net, pkt, 'MAC_INVALID_SOURCE', dev.name);
    return true;
  }
  if (Math.floor(eth.dst / 16) * 16 === RESERVED_GROUP) return false;
  if (port.state !== BR_STATE_FORWARDING || (bridge.dev.flags & IFF_UP) === 0) {
    drop(dev.net, pkt, 'BRIDGE_INGRESS_STP_STATE', dev.name);
    return true;
  }
  if (port.learning) bridge.fdb.learn(eth.src, dev);
  return route(pkt, bridge, port, eth.dst);
}

function route(pkt: Packet, bridge: Bridge, from: BridgePort, dst: number): boolean {
  if (isGroupMac(dst)) {
    flood(bridge, pkt, from, dst === MAC_BROADCAST ? 'broadcast' : 'multicast');
    return passUp(pkt, bridge);
  }
  const entry = bridge.fdb.find(dst);
  if (entry === undefined) {
    floodOwned(bridge, pkt, from);
    return true;
  }
  if (entry.local) return passUp(pkt, bridge);
  entry.usedUs = bridge.dev.net.kernel.nowUs;
  const to = bridgePortOf(entry.dev);
  if (to === null || !mayPass(from, to)) drop(bridge.dev.net, pkt, 'NOT_SPECIFIED', entry.dev.name);
  else forwardTo(pkt, to);
  return true;
}

/** The bridge itself receives: the packet goes on with the bridge as its device. */
function passUp(pkt: Packet, bridge: Bridge): boolean {
  const { dev } = bridge;
  pkt.dev = dev;
  pkt.pktType = pkt.eth !== null && bridge.fdb.find(pkt.eth.dst)?.local === true ? PACKET_HOST : classify(pkt, dev);
  dev.stats.rxPackets++;
  dev.stats.rxBytes += frameLen(pkt) - ETH_HLEN;
  if (pkt.eth !== null && isGroupMac(pkt.eth.dst)) dev.stats.multicast++;
  return false;
}

/** The bridge's namespace sends (`br_dev_xmit`). */
function bridgeXmit(pkt: Packet, dev: NetDevice): void {
  const bridge = dev.priv as Bridge;
  dev.stats.txPackets++;
  dev.stats.txBytes += frameLen(pkt);
  const dst = pkt.eth?.dst ?? 0;
  if (!isGroupMac(dst)) {
    const entry = bridge.fdb.find(dst);
    const to = entry === undefined ? null : bridgePortOf(entry.dev);
    if (entry !== undefined) {
      if (to !== null && to.state === BR_STATE_FORWARDING && !entry.local) forwardTo(pkt, to);
      else drop(dev.net, pkt, 'NOT_SPECIFIED', entry.dev.name);
      return;
    }
  }
  floodOwned(bridge, pkt, null);
}

/** Clones to every port that may have it; the packet itself stays with the caller. */
function flood(
  bridge: Bridge,
  pkt: Packet,
  from: BridgePort | null,
  kind: 'unicast' | 'multicast' | 'broadcast',
): void {
  for (const to of bridge.ports) {
    if (!wants(to, kind) || !mayPass(from, to)) continue;
    forwardTo(pkt.clone(), to);
  }
}

/** The same for a packet that nobody else wants: the last port gets the packet itself. */
function floodOwned(bridge: Bridge, pkt: Packet, from: BridgePort | null): void {
  const dst = pkt.eth?.dst ?? 0;
  const kind = !isGroupMac(dst) ? 'unicast' : dst === MAC_BROADCAST ? 'broadcast' : 'multicast';
  let last: BridgePort | null = null;
  for (const to of bridge.ports) {
    if (!wants(to, kind) || !mayPass(from, to)) continue;
    if (last !== null) forwardTo(pkt.clone(), last);
    last = to;
  }
  if (last !== null) forwardTo(pkt, last);
  else drop(bridge.dev.net, pkt, 'NOT_SPECIFIED', bridge.dev.name);
}

function wants(port: BridgePort, kind: 'unicast' | 'multicast' | 'broadcast'): boolean {
  if (kind === 'unicast') return port.flood;
  return kind === 'multicast' ? port.mcastFlood : port.bcastFlood;
}

function mayPass(from: BridgePort | null, to: BridgePort): boolean {
  if (to.state !== BR_STATE_FORWARDING) return false;
  if (from === null) return true;
  if (from === to) return to.hairpin;
  return !(from.isolated && to.isolated);
}

/** Out through a port; frames larger than its MTU die here (`br_dev_queue_push_xmit`). */
function forwardTo(pkt: Packet, port: BridgePort): void {
  const { dev } = port;
  if (pkt.gsoSize === 0 && frameLen(pkt) > dev.mtu + ETH_HLEN) {
    drop(dev.net, pkt, 'PKT_TOO_BIG', dev.name);
    return;
  }
  pkt.dev = dev;
  pkt.route = null;
  devQueueXmit(pkt);
}

function frameLen(pkt: Packet): number {
  if (pkt.ip !== null) return ETH_HLEN + ipLength(pkt);
  return pkt.arp !== null ? ETH_HLEN + ARP_LEN : ETH_HLEN + pkt.len;
}

function updatePort(port: BridgePort): void {
  const forwarding = port.dev.operational && port.bridge.dev.up;
  const state = forwarding ? BR_STATE_FORWARDING : BR_STATE_DISABLED;
  if (port.state === state) return;
  port.state = state;
  if (state === BR_STATE_DISABLED) port.bridge.fdb.flush(port.dev, false);
}

/** Carrier, MAC and MTU of a bridge follow its ports. */
function updateBridge(dev: NetDevice): void {
  const bridge = dev.priv as Bridge;
  for (const port of bridge.ports) updatePort(port);
  if (!bridge.macFixed && bridge.ports.length > 0) {
    const lowest = Math.min(...bridge.ports.map((p) => p.dev.mac));
    if (lowest !== dev.mac) {
      bridge.fdb.remove(dev.mac);
      dev.mac = lowest;
      if (bridge.fdb.find(lowest) === undefined) bridge.fdb.add(lowest, dev, true);
      dev.net.arp.flush(dev, false);
      dev.net.events.emit('newlink', dev);
    }
  }
  if (!bridge.mtuFixed && bridge.ports.length > 0)
    dev.mtu = Math.min(...bridge.ports.map((p) => p.dev.mtu));
  setCarrier(dev, bridge.ports.some((p) => p.state === BR_STATE_FORWARDING));
}

function nextPortNo(bridge: Bridge): number {
  let n = 1;
  while (bridge.ports.some((p) => p.portNo === n)) n++;
  return n;
}

function bridgeUninit(dev: NetDevice): void {
  const bridge = dev.priv as Bridge;
  for (const port of [...bridge.ports]) bridgeDelPort(port.dev);
  bridge.fdb.destroy();
}
