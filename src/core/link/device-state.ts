/**
 * The life of a device: registration, up and down, carrier, MTU, address, name, and its end (Linux
 * `net/core/dev.c`, `net/sched/sch_generic.c`). Each change is told to the notifiers of
 * `protocols.netdev`, then to whoever watches the namespace.
 */
import { drop } from '../drop.ts';
import { EADDRNOTAVAIL, EBUSY, EEXIST, EINVAL, EOPNOTSUPP } from '../errno.ts';
import type { NetNs } from '../net.ts';
import type { Packet } from '../packet.ts';
import type { NetdevEvent } from '../protocols.ts';
import { isGroupMac, MAC_ZERO } from '../util/address.ts';
import { ARPHRD_ETHER } from '../wire/arp.ts';
import { isValidDeviceName } from './device-list.ts';
import { IFF_LOOPBACK, IFF_LOWER_UP, IFF_RUNNING, IFF_UP, type NetDevice } from './net-device.ts';

/** RFC 2863 §3.1.14, as `ip link` prints it. */
export type OperState = 'UNKNOWN' | 'DOWN' | 'LOWERLAYERDOWN' | 'UP';

const DEFAULT_MIN_MTU = 68;
const DEFAULT_MAX_MTU = 65_535;

/** Puts a device that a driver made into its namespace's list. */
export function registerDevice(dev: NetDevice): void {
  dev.net.devs.add(dev);
  notify('register', dev);
  dev.net.events.emit('newlink', dev);
}

/** Takes a device out of existence: down, off its master, empty queues, off the list. */
export function unregisterDevice(dev: NetDevice): void {
  if (dev.dead) return;
  devClose(dev);
  notify('unregister', dev);
  dev.dead = true;
  dev.qdisc?.reset();
  dev.qdisc = null;
  dropBacklog(dev);
  dev.rxHandler = null;
  dev.master = null;
  dev.taps = null;
  dev.net.devs.remove(dev);
  dev.ops.uninit?.(dev);
  dev.net.events.emit('dellink', dev);
}

/** Removes every device of a namespace that dies: pairs go with their peers, lo goes last. */
export function destroyDevices(net: NetNs): void {
  for (const dev of [...net.devs].reverse()) if (dev !== net.loopback) unregisterDevice(dev);
  unregisterDevice(net.loopback);
}

/** `ip link set DEV up`. */
export function devOpen(dev: NetDevice): number {
  if (dev.up) return 0;
  dev.flags |= IFF_UP;
  dev.everUp = true;
  dev.ops.open?.(dev);
  deriveFlags(dev);
  notify('up', dev);
  dev.net.events.emit('newlink', dev);
  return 0;
}

/** `ip link set DEV down`. */
export function devClose(dev: NetDevice): void {
  if (!dev.up) return;
  notify('goingDown', dev);
  dev.flags &= ~IFF_UP;
  dev.qdisc?.reset();
  dropBacklog(dev);
  dev.ops.stop?.(dev);
  deriveFlags(dev);
  notify('down', dev);
  dev.net.events.emit('newlink', dev);
}

/** The cable is there, or not. Drivers call it; a device that is down only remembers. */
export function setCarrier(dev: NetDevice, on: boolean): void {
  if (dev.carrier === on || dev.dead) return;
  dev.carrier = on;
  dev.carrierChanges++;
  deriveFlags(dev);
  if (!dev.up) return;
  notify('change', dev);
  dev.net.events.emit('newlink', dev);
}

/** EINVAL outside of what the kind of device allows (`dev_set_mtu_ext`). */
export function devSetMtu(dev: NetDevice, mtu: number): number {
  if (mtu === dev.mtu) return 0;
  if (mtu < minMtu(dev) || mtu > maxMtu(dev)) return -EINVAL;
  dev.mtu = mtu;
  notify('changeMtu', dev);
  dev.net.events.emit('newlink', dev);
  return 0;
}

/** Smallest MTU of this kind of device; 0 on lo. */
export function minMtu(dev: NetDevice): number {
  return dev.ops.minMtu ?? ((dev.flags & IFF_LOOPBACK) === 0 ? DEFAULT_MIN_MTU : 0);
}

export function maxMtu(dev: NetDevice): number {
  return dev.ops.maxMtu ?? DEFAULT_MAX_MTU;
}

/** EADDRNOTAVAIL for a group address or none; EOPNOTSUPP where there are no addresses. */
export function devSetMac(dev: NetDevice, mac: number): number {
  if (dev.type !== ARPHRD_ETHER) return -EOPNOTSUPP;
  if (isGroupMac(mac) || mac === MAC_ZERO) return -EADDRNOTAVAIL;
  if (dev.mac === mac) return 0;
  dev.mac = mac;
  notify('changeAddr', dev);
  dev.net.events.emit('newlink', dev);
  return 0;
}

/** Allowed while up, as Linux does since 6.2. */
export function devRename(dev: NetDevice, name: string): number {
  if (!isValidDeviceName(name)) return -EINVAL;
  const free = name.includes('%d') ? dev.net.devs.freeName(name) : name;
  if (free === dev.name) return 0;
  if (dev.net.devs.find(free) !== undefined) return -EEXIST;
  dev.net.devs.rename(dev, free);
  notify('changeName', dev);
  dev.net.events.emit('newlink', dev);
  return 0;
}

/** Another queue in front of the driver; what the old one held is dropped. */
export function devSetQdisc(dev: NetDevice, qdisc: NetDevice['qdisc']): number {
  if (dev.dead) return -EBUSY;
  dev.qdisc?.reset();
  dev.qdisc = qdisc;
  return 0;
}

/** What `ip link` prints behind `state`. */
export function operState(dev: NetDevice): OperState {
  if ((dev.flags & IFF_LOOPBACK) !== 0) return dev.up ? 'UNKNOWN' : 'DOWN';
  if (!dev.up) return 'DOWN';
  if (dev.carrier) return dev.ops.kind === 'tun' && dev.hardHeaderLen === 0 ? 'UNKNOWN' : 'UP';
  const lower = dev.ops.iflink?.(dev) ?? null;
  return lower !== null && lower !== dev ? 'LOWERLAYERDOWN' : 'DOWN';
}

function deriveFlags(dev: NetDevice): void {
  if (dev.up && dev.carrier) dev.flags |= IFF_RUNNING | IFF_LOWER_UP;
  else dev.flags &= ~(IFF_RUNNING | IFF_LOWER_UP);
}

function notify(event: NetdevEvent, dev: NetDevice): void {
  for (const notifier of dev.net.kernel.protocols.netdev) notifier(event, dev);
}

function dropBacklog(dev: NetDevice): void {
  while (dev.backlogHead < dev.backlog.length) {
    drop(dev.net, dev.backlog[dev.backlogHead] as Packet, 'DEV_READY', dev.name);
    dev.backlogHead++;
    dev.net.kernel.backlogLength--;
  }
}
