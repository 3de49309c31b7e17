/**
 * The IPv4 side of a device: its addresses, and the routes that come and go with them and with the
 * device (Linux `in_device`; `net/ipv4/devinet.c`, `fib_frontend.c`).
 */

import { EADDRINUSE, EADDRNOTAVAIL, EEXIST, EINVAL, ENOBUFS } from '../../errno.ts';
import { l3Table } from '../../link/l3mdev.ts';
import { IFF_LOOPBACK, IFNAMSIZ, type NetDevice } from '../../link/net-device.ts';
import type { NetdevEvent } from '../../protocols.ts';
import type { Ipv4Conf, NeighConf } from '../../sysctl.ts';
import type { Timer } from '../../timer.ts';
import { INADDR_LOOPBACK, isZeronet, maskOf } from '../../util/address.ts';
import {
  fibSyncDownAddr,
  fibSyncDownDev,
  fibSyncLinkDown,
  fibSyncUp,
  kernelRouteAdd,
  kernelRouteDel,
} from '../route/change.ts';
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
} from '../route/fib.ts';
import { RTN_BROADCAST, RTN_LOCAL, RTN_UNICAST } from '../route/route.ts';
import { arpAnnounce, arpNotify } from './arp.ts';
import type { IgmpDevice, IgmpGroup } from './igmp.ts';

/** Smallest MTU that carries IPv4 (RFC 791 §3.2). */
const IPV4_MIN_MTU = 68;
/** A lifetime that never ends, seconds (`INFINITY_LIFE_TIME`). */
export const INFINITE_LIFETIME = 0xffffffff;

/** One address of a device (Linux `struct in_ifaddr`). */
export interface Ipv4Address {
  /** Our address. */
  readonly local: number;
  /** The other end of a point-to-point link; otherwise `local`. */
  readonly address: number;
  readonly prefixLen: number;
  /** 0: none. */
  readonly broadcast: number;
  readonly scope: number;
  label: string;
  /** Metric of the prefix route. */
  readonly metric: number;
  /** Another address has this subnet's routes. */
  secondary: boolean;
  readonly noPrefixRoute: boolean;
  /** Lifetimes in seconds as they were given, and when that was. */
  validLft: number;
  preferredLft: number;
  updatedUs: number;
}

/** What `inetAddrAdd` takes; absent: what Linux fills in. */
export interface AddressSpec {
  readonly local: number;
  readonly prefixLen: number;
  readonly peer?: number;
  readonly broadcast?: number;
  readonly scope?: number;
  readonly label?: string;
  readonly metric?: number;
  readonly noPrefixRoute?: boolean;
  readonly validLft?: number;
  readonly preferredLft?: number;
}

export class Ipv4Device {
  readonly dev: NetDevice;
  /** Replaced by each change. */
  addresses: readonly Ipv4Address[] = [];
  conf: Readonly<Ipv4Conf>;
  neighConf: Readonly<NeighConf>;
  /** Multicast groups that sockets joined here (`mc_list`); null: none. */
  groups: Map<number, IgmpGroup> | null = null;
  /** How routers are told of them; null: nothing was ever to be told. */
  igmp: IgmpDevice | null = null;
  /** Fires when the next lifetime ends; null while none does. */
  lifetimeTimer: Timer | null = null;

  constructor(dev: NetDevice) {
    this.dev = dev;
    this.conf = dev.net.ipv4ConfDefault;
    this.neighConf = dev.net.neighConfDefault;
  }
}

/** Adds an address (`inet_rtm_newaddr`); `-EEXIST`, `-EINVAL`, with the sentence in `net.ipv4.extack`. */
export function inetAddrAdd(dev: NetDevice, spec: AddressSpec): number {
  const { net } = dev;
  net.ipv4.extack = '';
  const { ipv4 } = dev;
  if (ipv4 === null) return -ENOBUFS;
  if (spec.prefixLen < 0 || spec.prefixLen > 32)
    return refuse(dev, EINVAL, 'ipv4: Invalid prefix length');
  const address = makeAddress(dev, spec);
  const mask = maskOf(spec.prefixLen);
  for (const other of ipv4.addresses) {
    if (
      other.prefixLen !== address.prefixLen ||
      (other.address & mask) !== (address.address & mask)
    )
      continue;
    if (other.local === address.local) return refuse(dev, EEXIST, 'ipv4: Address already assigned');
    if (other.scope !== address.scope) return refuse(dev, EINVAL, 'ipv4: Invalid scope value');
    address.secondary = true;
  }
  const refusal = dev.ops.addrRefusal?.(dev, address.local) ?? '';
  if (refusal !== '') return refuse(dev, EADDRINUSE, refusal);
  insertAddress(ipv4, address);
  dev.ops.addrChanged?.(dev, address.local, true);
  armLifetimes(ipv4);
  net.events.emit('newaddr', { dev, address });
  addRoutes(dev, address);
  // Ways that died with the device's last address live again (`fib_inetaddr_event`).
  if (ipv4.addresses.length === 1) fibSyncUp(dev);
  net.ipv4.changed();
  return 0;
}

/** Removes an address; `prefixLen` -1: whichever. `-EADDRNOTAVAIL` when it is not there. */
export function inetAddrDel(dev: NetDevice, local: number, prefixLen = -1): number {
  dev.net.ipv4.extack = '';
  const address = dev.ipv4?.addresses.find(
    (a) => a.local === local && (prefixLen < 0 || a.prefixLen === prefixLen),
  );
  if (address === undefined) return refuse(dev, EADDRNOTAVAIL, 'ipv4: Address not found');
  deleteAddress(dev, address);
  return 0;
}

/** New lifetimes and metric for an address that is there (`ip addr change`); false when it is not. */
export function inetAddrChange(dev: NetDevice, spec: AddressSpec): boolean {
  const { ipv4 } = dev;
  const i =
    ipv4?.addresses.findIndex((a) => a.local === spec.local && a.prefixLen === spec.prefixLen) ??
    -1;
  if (ipv4 === null || i < 0) return false;
  const address = ipv4.addresses[i] as Ipv4Address;
  address.validLft = spec.validLft ?? INFINITE_LIFETIME;
  address.preferredLft = spec.preferredLft ?? INFINITE_LIFETIME;
  address.updatedUs = dev.net.kernel.nowUs;
  armLifetimes(ipv4);
  dev.net.events.emit('newaddr', { dev, address });
  return true;
}

/** Device events (`inetdev_event`, `fib_netdev_event`). */
export function inetdevEvent(event: NetdevEvent, dev: NetDevice): void {
  switch (event) {
    case 'register':
      if (dev.mtu >= IPV4_MIN_MTU) dev.ipv4 = new Ipv4Device(dev);
      break;
    case 'up':
      if (dev.ipv4 === null) break;
      addLoopbackAddress(dev, dev.ipv4);
      for (const a of dev.ipv4.addresses) addRoutes(dev, a);
      fibSyncUp(dev);
      arpNotify(dev);
      dev.ipv4.igmp?.up();
      break;
    case 'changeAddr':
      arpNotify(dev);
      break;
    case 'down':
      dev.ipv4?.igmp?.down();
      fibSyncDownDev(dev, 'down');
      break;
    case 'change':
      if (dev.carrier) fibSyncUp(dev);
      else fibSyncLinkDown(dev);
      break;
    case 'changeMtu':
      if (dev.mtu < IPV4_MIN_MTU) dropInetDevice(dev);
      else if (dev.ipv4 === null) dev.ipv4 = new Ipv4Device(dev);
      break;
    case 'changeUpper':
      // It gets, or loses, a master with a table of its own.
      fibSyncDownDev(dev, 'gone');
      dev.net.arpMaybe?.deviceDown(dev, true);
      break;
    case 'notifyPeers':
      arpAnnounce(dev);
      return;
    case 'changeName':
      relabel(dev);
      break;
    case 'unregister':
      dropInetDevice(dev);
      break;
    default:
      return;
  }
  dev.net.ipv4.changed();
}

/** The first label is the device's new name; others are it, a colon and what they had, or a number (`inetdev_changename`). */
function relabel(dev: NetDevice): void {
  let named = 0;
  for (const a of dev.ipv4?.addresses ?? []) {
    const colon = a.label.indexOf(':');
    named++;
    if (named === 1) a.label = dev.name;
    else {
      const rest = colon < 0 ? `:${named}` : a.label.slice(colon);
      a.label = dev.name.slice(0, IFNAMSIZ - 1 - rest.length) + rest;
    }
    dev.net.events.emit('newaddr', { dev, address: a });
  }
}

/** Addresses whose time is over go (`check_lifetime`). */
function expire(ipv4: Ipv4Device): void {
  const { nowUs } = ipv4.dev.net.kernel;
  for (const a of [...ipv4.addresses])
    if (a.validLft !== INFINITE_LIFETIME && a.updatedUs + a.validLft * 1e6 <= nowUs)
      deleteAddress(ipv4.dev, a);
  armLifetimes(ipv4);
}

function armLifetimes(ipv4: Ipv4Device): void {
  let nextUs = Number.POSITIVE_INFINITY;
  for (const a of ipv4.addresses)
    if (a.validLft !== INFINITE_LIFETIME) nextUs = Math.min(nextUs, a.updatedUs + a.validLft * 1e6);
  if (nextUs === Number.POSITIVE_INFINITY) {
    ipv4.lifetimeTimer?.clear();
    return;
  }
  ipv4.lifetimeTimer ??= ipv4.dev.net.kernel.timer(() => expire(ipv4));
  ipv4.lifetimeTimer.set(nextUs);
}

function dropInetDevice(dev: NetDevice): void {
  const { ipv4 } = dev;
  if (ipv4 === null) return;
  // LINUX: no other address inherits the subnet of one that goes with its device (`in_dev->dead`).
  for (const a of [...ipv4.addresses]) remove(dev, ipv4, a, true);
  ipv4.lifetimeTimer?.clear();
  ipv4.igmp?.down();
  fibSyncDownDev(dev, 'gone');
  if (!dev.dead) dev.ipv4 = null;
}

function makeAddress(dev: NetDevice, spec: AddressSpec): Ipv4Address {
  return {
    local: spec.local,
    address: spec.peer ?? spec.local,
    prefixLen: spec.prefixLen,
    broadcast: spec.broadcast ?? 0,
    scope: spec.scope ?? RT_SCOPE_UNIVERSE,
    label: spec.label ?? dev.name,
    metric: spec.metric ?? 0,
    secondary: false,
    noPrefixRoute: spec.noPrefixRoute ?? false,
    validLft: spec.validLft ?? INFINITE_LIFETIME,
    preferredLft: spec.preferredLft ?? INFINITE_LIFETIME,
    updatedUs: dev.net.kernel.nowUs,
  };
}

/** Primary addresses by scope, before the secondary ones (`__inet_insert_ifa`). */
function insertAddress(ipv4: Ipv4Device, address: Ipv4Address): void {
  const list = ipv4.addresses;
  let i = address.secondary ? list.length : 0;
  if (!address.secondary)
    list.forEach((a, n) => {
      if (!a.secondary && address.scope <= a.scope) i = n + 1;
    });
  ipv4.addresses = list.slice(0, i).concat(address, list.slice(i));
}

function deleteAddress(dev: NetDevice, address: Ipv4Address): void {
  const ipv4 = dev.ipv4 as Ipv4Device;
  const mask = maskOf(address.prefixLen);
  const dependants = address.secondary
    ? []
    : ipv4.addresses.filter(
        (a) =>
          a.secondary &&
          a.prefixLen === address.prefixLen &&
          (a.address & mask) === (address.address & mask),
      );
  const promote =
    ipv4.conf.promoteSecondaries !== 0 || dev.net.ipv4ConfAll.promoteSecondaries !== 0;
  if (!promote) for (const a of dependants) remove(dev, ipv4, a);
  remove(dev, ipv4, address);
  if (!promote || dependants.length === 0) return;
  const [heir, ...rest] = dependants;
  if (heir === undefined) return;
  for (const a of dependants) {
    ipv4.addresses = ipv4.addresses.filter((other) => other !== a);
    delRoutes(dev, a);
  }
  heir.secondary = false;
  for (const a of [heir, ...rest]) {
    insertAddress(ipv4, a);
    addRoutes(dev, a);
  }
  dev.net.events.emit('newaddr', { dev, address: heir });
}

/** `gone`: with its device; the routes of a secondary address then go unseen (`fib_del_ifaddr`). */
function remove(dev: NetDevice, ipv4: Ipv4Device, address: Ipv4Address, gone = false): void {
  if (!ipv4.addresses.includes(address)) return;
  ipv4.addresses = ipv4.addresses.filter((a) => a !== address);
  dev.ops.addrChanged?.(dev, address.local, false);
  dev.net.events.emit('deladdr', { dev, address });
  if (!gone || !address.secondary) delRoutes(dev, address);
  dev.net.ipv4.changed();
  if (ipv4.addresses.length > 0) return;
  // Without an address the device has no IP (`fib_disable_ip`).
  fibSyncDownDev(dev, 'disabled');
  dev.net.arpMaybe?.deviceDown(dev, true);
}

function addLoopbackAddress(dev: NetDevice, ipv4: Ipv4Device): void {
  if ((dev.flags & IFF_LOOPBACK) === 0 || ipv4.addresses.length > 0) return;
  const address = makeAddress(dev, { local: INADDR_LOOPBACK, prefixLen: 8, scope: RT_SCOPE_HOST });
  ipv4.addresses = [address];
  dev.net.events.emit('newaddr', { dev, address });
}

/** Linux `fib_add_ifaddr`. */
function addRoutes(dev: NetDevice, a: Ipv4Address): void {
  const mask = maskOf(a.prefixLen);
  const prefix = a.address & mask;
  const source = a.secondary ? (primaryOf(dev, prefix, a.prefixLen) ?? a).local : a.local;
  addKernelRoute(dev, spec(RT_TABLE_LOCAL, RTN_LOCAL, a.local, 32, source));
  if (!dev.up) return;
  if (a.broadcast !== 0 && a.broadcast !== -1)
    addKernelRoute(dev, spec(RT_TABLE_LOCAL, RTN_BROADCAST, a.broadcast, 32, source));
  if (isZeronet(prefix) || a.secondary || (prefix === a.local && a.prefixLen === 32)) return;
  if (!a.noPrefixRoute) {
    const loopback = (dev.flags & IFF_LOOPBACK) !== 0;
    const [table, type] = loopback ? [RT_TABLE_LOCAL, RTN_LOCAL] : [RT_TABLE_MAIN, RTN_UNICAST];
    addKernelRoute(dev, { ...spec(table, type, prefix, a.prefixLen, source), priority: a.metric });
  }
  if (a.prefixLen < 31)
    addKernelRoute(dev, spec(RT_TABLE_LOCAL, RTN_BROADCAST, prefix | ~mask, 32, source));
}

/** Linux `fib_del_ifaddr`: what no other address of the device still needs. */
function delRoutes(dev: NetDevice, a: Ipv4Address): void {
  const mask = maskOf(a.prefixLen);
  const prefix = a.address & mask;
  const rest = dev.ipv4?.addresses ?? [];
  const sharesSubnet = rest.some(
    (x) => !x.secondary && x.prefixLen === a.prefixLen && (x.address & mask) === prefix,
  );
  if (!a.secondary && !sharesSubnet) {
    const loopback = (dev.flags & IFF_LOOPBACK) !== 0;
    const [table, type] = loopback ? [RT_TABLE_LOCAL, RTN_LOCAL] : [RT_TABLE_MAIN, RTN_UNICAST];
    delKernelRoute(dev, spec(table, type, prefix, a.prefixLen, a.local));
    if (a.prefixLen < 31)
      delKernelRoute(dev, spec(RT_TABLE_LOCAL, RTN_BROADCAST, prefix | ~mask, 32, a.local));
  }
  if (
    a.broadcast !== 0 &&
    a.broadcast !== (prefix | ~mask) &&
    !rest.some((x) => x.broadcast === a.broadcast)
  )
    delKernelRoute(dev, spec(RT_TABLE_LOCAL, RTN_BROADCAST, a.broadcast, 32, a.local));
  if (rest.some((x) => x.local === a.local)) return;
  delKernelRoute(dev, spec(RT_TABLE_LOCAL, RTN_LOCAL, a.local, 32, a.local));
  const elsewhere = [...dev.net.devs].some((d) =>
    d.ipv4?.addresses.some((x) => x.local === a.local),
  );
  if (!elsewhere) fibSyncDownAddr(dev.net, a.local);
}

function primaryOf(dev: NetDevice, prefix: number, prefixLen: number): Ipv4Address | undefined {
  return dev.ipv4?.addresses.find(
    (a) => !a.secondary && a.prefixLen === prefixLen && (a.address & maskOf(prefixLen)) === prefix,
  );
}

/** In the table of its master, if it has one (`fib_magic`). */
function addKernelRoute(dev: NetDevice, route: KernelRoute): void {
  const table = l3Table(dev);
  kernelRouteAdd(dev, table === 0 ? route : { ...route, table });
}

function delKernelRoute(dev: NetDevice, route: KernelRoute): void {
  const table = l3Table(dev);
  kernelRouteDel(dev, table === 0 ? route : { ...route, table });
}

/** A route of the kernel's own for an address. */
function spec(
  table: number,
  type: number,
  dst: number,
  prefixLen: number,
  prefsrc: number,
): KernelRoute {
  return {
    table,
    type,
    dst,
    prefixLen,
    prefsrc,
    scope: type === RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK,
    priority: 0,
  };
}

/** What the kernel says of a route that follows from an address. */
export interface KernelRoute {
  readonly table: number;
  readonly type: number;
  readonly dst: number;
  readonly prefixLen: number;
  readonly prefsrc: number;
  readonly scope: number;
  readonly priority: number;
}

function refuse(dev: NetDevice, errno: number, detail: string): number {
  dev.net.ipv4.extack = detail;
  return -errno;
}
