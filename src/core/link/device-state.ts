/**
 * The life of a device: registration, up and down, carrier, MTU, address, name, and its end (Linux
 * `net/core/dev.c`, `net/core/link_watch.c`). Each change is told to the notifiers of
 * `protocols.netdev`, then to whoever watches the namespace.
 */
import { drop } from '../drop.ts';
import { EADDRNOTAVAIL, EEXIST, EINVAL, EOPNOTSUPP, ERANGE } from '../errno.ts';
import type { Kernel } from '../kernel.ts';
import type { NetNs } from '../net.ts';
import type { Packet } from '../packet.ts';
import type { NetdevEvent } from '../protocols.ts';
import { isGroupMac, MAC_ZERO } from '../util/address.ts';
import { isValidDeviceName } from './device-list.ts';
import {
  IFF_ALLMULTI,
  IFF_LOWER_UP,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_RUNNING,
  IFF_UP,
  type NetDevice,
  type OperState,
} from './net-device.ts';
import type { Qdisc } from './qdisc.ts';

/** Smallest and largest MTU of a kind that does not say (Linux ETH_MIN_MTU, ETH_MAX_MTU). */
const DEFAULT_MIN_MTU = 68;
const DEFAULT_MAX_MTU = 65_535;
/** The flags that `devChangeFlags` may change; IFF_UP has functions of its own. */
const CHANGEABLE: number = IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI | IFF_MULTICAST;

/** Puts a device that a driver made, down, into its namespace's list (`register_netdevice`). */
export function registerDevice(dev: NetDevice): void {
  // LINUX: a device that always had carrier has no known state (`linkwatch_init_dev`).
  if (!dev.carrier) dev.operState = defaultOperState(dev);
  dev.net.devs.add(dev);
  notifyDevice('register', dev);
  changed(dev);
}

/**
 * Takes a device out of existence: down, out of its master, off the list, with all that waits in its
 * queues (`unregister_netdevice`). A veth takes its peer with it.
 */
export function unregisterDevice(dev: NetDevice): void {
  if (!dev.dead) unregisterDevices([dev]);
}

/** First all go down, with those that go with them; then one after the other goes (`unregister_netdevice_many`). */
export function unregisterDevices(list: readonly NetDevice[]): void {
  const all = new Set<NetDevice>();
  for (const dev of list) gather(dev, all);
  const [first] = all;
  if (first === undefined) return;
  const watch = holdLinkWatch(first.net.kernel);
  for (const dev of all) devClose(dev);
  for (const dev of all) retire(dev);
  if (watch) runLinkWatch(first.net.kernel);
}

/** A device and what cannot be without it. */
function gather(dev: NetDevice, all: Set<NetDevice>): void {
  if (dev.dead || all.has(dev)) return;
  all.add(dev);
  for (const other of dev.ops.dellink?.(dev) ?? []) gather(other, all);
}

function retire(dev: NetDevice): void {
  if (dev.dead) return;
  notifyDevice('unregister', dev);
  // What stands on it falls with it (`vlan_device_event`, `macvlan_device_event`).
  if (dev.uppers !== null) unregisterDevices([...dev.uppers]);
  dev.dead = true;
  dev.qdisc?.reset();
  dev.qdisc = null;
  dev.everUp = false;
  dropBacklog(dev);
  dev.ops.uninit?.(dev);
  dev.rxHandler = null;
  dev.rxHandlerData = null;
  dev.l3Receive = null;
  dev.master = null;
  dev.taps = null;
  dev.net.devs.remove(dev);
  dev.net.events.emit('dellink', dev);
}

/** `ip link set DEV up` (`dev_open`); `-errno` of the device: one below is down, its address is taken. */
export function devOpen(dev: NetDevice): number {
  if (dev.up) return 0;
  const errno = dev.ops.mayOpen?.(dev) ?? 0;
  if (errno !== 0) return errno;
  const { kernel } = dev.net;
  const watch = holdLinkWatch(kernel);
  dev.flags |= IFF_UP;
  dev.everUp = true;
  dev.ops.open?.(dev);
  deriveFlags(dev);
  changed(dev);
  notifyDevice('up', dev);
  if (watch) runLinkWatch(kernel);
  return 0;
}

/** `ip link set DEV down` (`dev_close`). What the egress queue holds is dropped. */
export function devClose(dev: NetDevice): void {
  if (!dev.up) return;
  const { kernel } = dev.net;
  const watch = holdLinkWatch(kernel);
  notifyDevice('goingDown', dev);
  dev.flags &= ~IFF_UP;
  dev.qdisc?.reset();
  dev.ops.stop?.(dev);
  deriveFlags(dev);
  changed(dev);
  notifyDevice('down', dev);
  if (watch) runLinkWatch(kernel);
}

/**
 * The cable is there, or not (`netif_carrier_on`, `netif_carrier_off`). Drivers call it; a device that is
 * down only remembers.
 */
export function setCarrier(dev: NetDevice, on: boolean): void {
  if (dev.carrier === on || dev.dead) return;
  dev.carrier = on;
  dev.carrierChanges++;
  deriveFlags(dev);
  fireLinkWatch(dev);
}

/** The operational state is to be worked out again (`linkwatch_fire_event`). */
export function fireLinkWatch(dev: NetDevice): void {
  const { kernel } = dev.net;
  if (kernel.linkWatch === null) linkWatchEvent(dev);
  else if (!kernel.linkWatch.includes(dev)) kernel.linkWatch.push(dev);
}

/**
 * LINUX: what a change of the carrier means is worked out later (`linkwatch_event`): here when the device
 * that goes up or down has done so. True: the caller has to call `runLinkWatch`.
 */
export function holdLinkWatch(kernel: Kernel): boolean {
  if (kernel.linkWatch !== null) return false;
  kernel.linkWatch = [];
  return true;
}

/** What `holdLinkWatch` held back. */
export function runLinkWatch(kernel: Kernel): void {
  const list = kernel.linkWatch ?? [];
  kernel.linkWatch = null;
  for (const dev of list) linkWatchEvent(dev);
}

/** Linux `linkwatch_do_dev`. */
function linkWatchEvent(dev: NetDevice): void {
  if (dev.dead) return;
  dev.operState = defaultOperState(dev);
  deriveFlags(dev);
  if (!dev.up) return;
  notifyDevice('change', dev);
  changed(dev);
}

/** `-EINVAL` outside of what the kind of device allows (`dev_set_mtu`); `mtuRefusal` has the sentence. */
export function devSetMtu(dev: NetDevice, mtu: number): number {
  if (mtu === dev.mtu) return 0;
  if (mtuRefusal(dev, mtu) !== '') return -EINVAL;
  const errno = dev.ops.mtuErrno?.(dev, mtu) ?? 0;
  if (errno !== 0) return errno;
  dev.mtu = mtu;
  changed(dev);
  notifyDevice('changeMtu', dev);
  return 0;
}

/** The kernel's sentence about an MTU that a device cannot have; '' if it can (`dev_validate_mtu`). */
export function mtuRefusal(dev: NetDevice, mtu: number): string {
  if (mtu < minMtu(dev)) return 'mtu less than device minimum';
  return mtu > maxMtu(dev) ? 'mtu greater than device maximum' : '';
}

/** Smallest MTU of this kind of device. */
export function minMtu(dev: NetDevice): number {
  return dev.ops.minMtu ?? DEFAULT_MIN_MTU;
}

export function maxMtu(dev: NetDevice): number {
  return dev.ops.maxMtu ?? DEFAULT_MAX_MTU;
}

/**
 * `-EADDRNOTAVAIL` for a group address or none, `-EOPNOTSUPP` where there are no addresses
 * (`dev_set_mac_address`). Allowed while up (IFF_LIVE_ADDR_CHANGE).
 */
export function devSetMac(dev: NetDevice, mac: number): number {
  const errno = macRefusal(dev, mac);
  if (errno !== 0) return errno;
  dev.macSet = true;
  changeMac(dev, mac);
  return 0;
}

/** What `devSetMac` would say; 0: the device can have this address. */
export function macRefusal(dev: NetDevice, mac: number): number {
  if (dev.hardHeaderLen === 0) return -EOPNOTSUPP;
  if (!isValidEtherAddr(mac)) return -EADDRNOTAVAIL;
  return dev.ops.macErrno?.(dev, mac) ?? 0;
}

/** A driver gives a device another address, unasked: a bridge that follows its ports. */
export function changeMac(dev: NetDevice, mac: number): void {
  if (dev.mac === mac) return;
  dev.mac = mac;
  changed(dev);
  notifyDevice('changeAddr', dev);
}

/** Neither a group address nor all zeros (`is_valid_ether_addr`). */
export function isValidEtherAddr(mac: number): boolean {
  return mac !== MAC_ZERO && !isGroupMac(mac);
}

/** `-EINVAL`, `-EEXIST` (`dev_change_name`). Allowed while up. `name` may be a pattern. */
export function devRename(dev: NetDevice, name: string): number {
  if (name === dev.name) return 0;
  const free = allocDeviceName(dev.net, name);
  if (typeof free === 'number') return free;
  dev.net.devs.rename(dev, free);
  changed(dev);
  notifyDevice('changeName', dev);
  return 0;
}

/**
 * The name that a new device gets (`dev_get_valid_name`): `name` itself, or the first free one of a
 * pattern such as `veth%d`. `-EINVAL` when it is no name, `-EEXIST` when it is taken.
 */
export function allocDeviceName(net: NetNs, name: string): string | number {
  if (!isValidDeviceName(name)) return -EINVAL;
  const percent = name.indexOf('%');
  if (percent >= 0) {
    if (name[percent + 1] !== 'd' || name.includes('%', percent + 2)) return -EINVAL;
    return net.devs.freeName(name);
  }
  return net.devs.find(name) === undefined ? name : -EEXIST;
}

/** `ip link set DEV arp|promisc|allmulticast|multicast on|off`: gives `mask`'s bits the values of `flags`. */
export function devChangeFlags(dev: NetDevice, flags: number, mask: number): number {
  const old = dev.flags;
  const bits = mask & CHANGEABLE;
  dev.flags = (old & ~bits) | (flags & bits);
  const difference = dev.flags ^ old;
  if (difference === 0) return 0;
  // What was resolved with ARP is not what would be used without it, and the reverse.
  if ((difference & IFF_NOARP) !== 0) dev.net.arpMaybe?.flush(dev, true);
  if (dev.up) notifyDevice('change', dev);
  changed(dev);
  return 0;
}

/** `ip link set DEV txqueuelen N`; `-ERANGE` for what is no 32-bit unsigned number. */
export function devSetTxQueueLen(dev: NetDevice, packets: number): number {
  if (packets < 0 || packets > 0xffffffff) return -ERANGE;
  if (dev.txQueueLen === packets) return 0;
  dev.txQueueLen = packets;
  changed(dev);
  return 0;
}

/** Another queue in front of the driver, or none; what the old one held is dropped. */
export function devSetQdisc(dev: NetDevice, qdisc: Qdisc | null): void {
  dev.qdisc?.reset();
  dev.qdisc = qdisc;
}

/** What `ip link` prints behind `state`. */
export function operState(dev: NetDevice): OperState {
  return dev.up ? dev.operState : 'DOWN';
}

/** Linux `default_operstate`. */
function defaultOperState(dev: NetDevice): OperState {
  if (dev.carrier) return 'UP';
  const { iflink } = dev.ops;
  const lower = iflink === undefined ? dev : iflink(dev);
  if (lower === null || lower.ifindex === dev.ifindex) return 'DOWN';
  // LINUX: the index is looked up in this device's own namespace, wherever the other end is.
  const found = dev.net.devs.findIndex(lower.ifindex);
  return found === undefined || found.carrier ? 'DOWN' : 'LOWERLAYERDOWN';
}

/** `netif_oper_up`: the operational state is UP or UNKNOWN, and the device is up. */
export function isOperUp(dev: NetDevice): boolean {
  return dev.up && (dev.operState === 'UP' || dev.operState === 'UNKNOWN');
}

/** Linux `netif_get_flags`. */
function deriveFlags(dev: NetDevice): void {
  dev.flags &= ~(IFF_RUNNING | IFF_LOWER_UP);
  if (!dev.up) return;
  if (isOperUp(dev)) dev.flags |= IFF_RUNNING;
  if (dev.carrier) dev.flags |= IFF_LOWER_UP;
}

/** Tells the notifiers of `protocols.netdev` (`call_netdevice_notifiers`). */
export function notifyDevice(event: NetdevEvent, dev: NetDevice): void {
  const notifiers = dev.net.kernel.protocols.netdev;
  for (let i = 0; i < notifiers.length; i++) notifiers[i]?.(event, dev);
}

/** RTM_NEWLINK to whoever listens; a device that is being deleted says no more than that. */
function changed(dev: NetDevice): void {
  if (!dev.dead) dev.net.events.emit('newlink', dev);
}

/** Linux `flush_backlog`: received packets that nobody will take any more. */
// DEVIATION: on Linux what waits when a device moves may still arrive, in the new namespace; here nothing
// that was received in one namespace is ever seen in another.
export function dropBacklog(dev: NetDevice): void {
  const kernel = dev.net.kernel;
  while (dev.backlogHead < dev.backlog.length) {
    const pkt = dev.backlog[dev.backlogHead] as Packet;
    dev.backlogHead++;
    kernel.backlogLength--;
    drop(dev.net, pkt, 'DEV_READY', dev.name);
  }
  // The poll list may hold the device: it finds an empty queue and lets go.
  dev.backlog.length = 0;
  dev.backlogHead = 0;
}
