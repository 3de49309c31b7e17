/**
 * Addresses come and go, and their routes with them and with the device (Linux `net/ipv6/addrconf.c`). Looking for
 * duplicates is in `dad.ts`.
 */
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, EEXIST, EINVAL, ENOBUFS } from '../../errno.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../link/net-device.ts';
import type { NetdevEvent } from '../../protocols.ts';
import {
  IN6ADDR_LINKLOCAL_ALLNODES,
  IN6ADDR_LOOPBACK,
  Ip6Addr,
  isAny6,
  isLinkLocal6,
  isLoopback6,
  isMulticast6,
} from '../../util/ip6-addr.ts';
import { IPV6_MIN_MTU } from '../../wire/ipv6.ts';
import { NA_OVERRIDE } from '../../wire/ndisc.ts';
import { fib6SyncCarrier, fib6SyncDown } from '../route6/change.ts';
import { newAddress } from './add-address.ts';
import {
  dadStop,
  findAddr6,
  IFA_F_DEPRECATED,
  IFA_F_MANAGETEMPADDR,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_OPTIMISTIC,
  IFA_F_PERMANENT,
  IFA_F_STABLE_PRIVACY,
  IFA_F_TENTATIVE,
  INFINITE_LIFETIME6,
  type Ipv6Address,
  inet6Device,
} from './address.ts';
import {
  addMulticastRoute,
  addPrefixRoute,
  delPrefixRoute,
  installLocal,
} from './address-routes.ts';
import { leaveSubnetRouters } from './anycast.ts';
import { dadStart } from './dad.ts';
import {
  IN6_ADDR_GEN_MODE_EUI64,
  IN6_ADDR_GEN_MODE_NONE,
  type Ipv6Device,
  maxConf6,
} from './device.ts';
import { eui64, type MadeAddress, stableAddress } from './interface-id.ts';
import { deleteAddress, verifyLifetimes } from './lifetime.ts';
import { mldReportAll } from './mld.ts';
import { sendAdvertisement } from './ndisc-send.ts';
import { stopSolicitations } from './router-solicit.ts';
import { manageTempAddrs } from './temp-addr.ts';

/** What `inet6AddrAdd` takes; absent: what Linux fills in. */
export interface AddressSpec6 {
  readonly addr: Ip6Addr;
  readonly prefixLen: number;
  readonly peer?: Ip6Addr;
  /** `IFA_F_*` that may be asked for. */
  readonly flags?: number;
  readonly metric?: number;
  readonly validLft?: number;
  readonly preferredLft?: number;
}

/** Adds an address (`inet6_addr_add`); `-errno`, with the sentence in `net.ipv6.extack`. */
export function inet6AddrAdd(dev: NetDevice, spec: AddressSpec6): number {
  const { net } = dev;
  net.ipv6.extack = '';
  if (spec.prefixLen > 128) return refuse(dev, EINVAL, 'ipv6: Invalid prefix length');
  const valid = spec.validLft ?? INFINITE_LIFETIME6;
  const preferred = spec.preferredLft ?? INFINITE_LIFETIME6;
  if (valid === 0 || preferred > valid)
    return refuse(dev, EINVAL, 'ipv6: address lifetime invalid');
  const ipv6 = inet6Device(dev);
  if (ipv6 === null) return refuse(dev, ENOBUFS, 'ipv6: No buffer space available');
  if (ipv6.conf.disableIpv6 !== 0)
    return refuse(dev, EACCES, 'ipv6: IPv6 is disabled on this device');
  const errno = addressErrno(dev, spec.addr);
  if (errno !== 0) return errno;
  if (findAddr6(dev, spec.addr) !== null)
    return refuse(dev, EEXIST, 'ipv6: address already assigned');
  if (((spec.flags ?? 0) & IFA_F_MANAGETEMPADDR) !== 0 && spec.prefixLen !== 64)
    return refuse(dev, EINVAL, MANAGED_LENGTH);
  const refusal = dev.ops.addrRefusal?.(dev, spec.addr) ?? '';
  if (refusal !== '') return refuse(dev, EADDRINUSE, refusal);
  addMulticastRoute(dev);
  addAddress(ipv6, spec);
  return 0;
}

const MANAGED_LENGTH = 'ipv6: address with "mngtmpaddr" flag must have a prefix length of 64';

function addressErrno(dev: NetDevice, addr: Ip6Addr): number {
  if (isAny6(addr)) return refuse(dev, EADDRNOTAVAIL, 'ipv6: Invalid address');
  if (isMulticast6(addr))
    return refuse(
      dev,
      EADDRNOTAVAIL,
      'ipv6: Cannot assign multicast address without "IFA_F_MCAUTOJOIN" flag',
    );
  if (isLoopback6(addr) && (dev.flags & IFF_LOOPBACK) === 0)
    return refuse(dev, EADDRNOTAVAIL, 'ipv6: Cannot assign loopback address on this device');
  return 0;
}

/** Linux `inet6_addr_add`, behind its checks. */
function addAddress(ipv6: Ipv6Device, spec: AddressSpec6): Ipv6Address {
  const { dev } = ipv6;
  const validLft = spec.validLft ?? INFINITE_LIFETIME6;
  const preferredLft = spec.preferredLft ?? INFINITE_LIFETIME6;
  let flags = spec.flags ?? 0;
  if (validLft === INFINITE_LIFETIME6) flags |= IFA_F_PERMANENT;
  if (preferredLft === 0) flags |= IFA_F_DEPRECATED;
  const address = newAddress(ipv6, { ...spec, flags, validLft, preferredLft });
  addPrefixRoute(address);
  dev.net.ipv6.changed();
  dev.net.events.emit('newaddr', { dev, address });
  dadStart(address);
  if ((flags & IFA_F_MANAGETEMPADDR) !== 0) {
    manageTempAddrs(ipv6, address, validLft, preferredLft, true);
    verifyLifetimes(ipv6);
  }
  return address;
}

/** Removes an address; `-EADDRNOTAVAIL` when it is not there. */
export function inet6AddrDel(dev: NetDevice, addr: Ip6Addr, prefixLen = -1): number {
  dev.net.ipv6.extack = '';
  const address = findAddr6(dev, addr);
  if (address === null || (prefixLen >= 0 && prefixLen !== address.prefixLen))
    return refuse(dev, EADDRNOTAVAIL, 'ipv6: address not found');
  const ipv6 = dev.ipv6 as Ipv6Device;
  deleteAddress(address);
  if ((address.flags & IFA_F_MANAGETEMPADDR) !== 0) {
    manageTempAddrs(ipv6, address, 0, 0, false);
    verifyLifetimes(ipv6);
  }
  return 0;
}

/** New lifetimes, flags and metric for an address that is there (`inet6_addr_modify`); false when it is not. */
export function inet6AddrChange(dev: NetDevice, spec: AddressSpec6): boolean {
  const address = findAddr6(dev, spec.addr);
  if (address === null || dev.ipv6 === null) return false;
  const hadRoute = (address.flags & IFA_F_NOPREFIXROUTE) === 0;
  const managed = (address.flags & IFA_F_MANAGETEMPADDR) !== 0;
  address.validLft = spec.validLft ?? INFINITE_LIFETIME6;
  address.preferredLft = spec.preferredLft ?? INFINITE_LIFETIME6;
  address.updatedUs = dev.net.kernel.nowUs;
  const kept = IFA_F_TENTATIVE | IFA_F_OPTIMISTIC;
  address.flags = (address.flags & kept) | ((spec.flags ?? 0) & ~kept);
  if (address.validLft === INFINITE_LIFETIME6) address.flags |= IFA_F_PERMANENT;
  if (address.preferredLft === 0) address.flags |= IFA_F_DEPRECATED;
  const metric = spec.metric ?? address.metric;
  const hasRoute = (address.flags & IFA_F_NOPREFIXROUTE) === 0;
  if (hadRoute && (!hasRoute || metric !== address.metric)) delPrefixRoute(address);
  address.metric = metric;
  if (hasRoute) addPrefixRoute(address);
  const manages = (address.flags & IFA_F_MANAGETEMPADDR) !== 0;
  if (managed || manages) {
    const { validLft, preferredLft } = address;
    // LINUX: an address that is no longer to be followed takes its followers' time away.
    if (manages) manageTempAddrs(dev.ipv6, address, validLft, preferredLft, !managed);
    else manageTempAddrs(dev.ipv6, address, 0, 0, false);
  }
  verifyLifetimes(dev.ipv6);
  dev.net.ipv6.changed();
  dev.net.events.emit('newaddr', { dev, address });
  return true;
}

/** Device events (`addrconf_notify`). */
export function inet6devEvent(event: NetdevEvent, dev: NetDevice): void {
  switch (event) {
    case 'up':
      onUp(dev);
      break;
    case 'change':
      onChange(dev);
      break;
    case 'changeMtu':
      onMtu(dev);
      break;
    case 'notifyPeers':
      // Linux `ndisc_send_unsol_na`
      for (const a of dev.ipv6?.addresses ?? [])
        if ((a.flags & IFA_F_TENTATIVE) === 0)
          sendAdvertisement(dev, IN6ADDR_LINKLOCAL_ALLNODES, a.addr, NA_OVERRIDE, true);
      break;
    case 'changeUpper':
      if (dev.ipv6 !== null) ifdown(dev, dev.ipv6, false);
      break;
    case 'down':
      if (dev.ipv6 !== null) ifdown(dev, dev.ipv6, false);
      break;
    case 'unregister':
      if (dev.ipv6 !== null) ifdown(dev, dev.ipv6, true);
      break;
    default:
      break;
  }
}

function onUp(dev: NetDevice): void {
  const ipv6 = inet6Device(dev);
  if (ipv6 === null || ipv6.conf.disableIpv6 !== 0) return;
  fib6SyncCarrier(dev);
  restorePermanent(ipv6);
  mldReportAll(ipv6);
  if (dev.carrier) linkReady(ipv6);
}

function onChange(dev: NetDevice): void {
  const { ipv6 } = dev;
  if (ipv6 === null || !dev.up || ipv6.conf.disableIpv6 !== 0) return;
  fib6SyncCarrier(dev);
  if (!dev.carrier) {
    const evict = ipv6.conf.ndiscEvictNocarrier !== 0;
    if (evict && dev.net.ipv6.confAll.ndiscEvictNocarrier !== 0)
      dev.net.ipv6.ndiscMaybe?.deviceDown(dev, false);
  } else if (ipv6.ready) mldReportAll(ipv6);
  else linkReady(ipv6);
}

function onMtu(dev: NetDevice): void {
  if (dev.mtu < IPV6_MIN_MTU) {
    if (dev.ipv6 !== null) ifdown(dev, dev.ipv6, (dev.flags & IFF_LOOPBACK) === 0);
    return;
  }
  if (dev.ipv6 === null) {
    if (dev.up) onUp(dev);
    return;
  }
  dev.ipv6.mtu = dev.mtu;
  dev.net.ipv6.changed();
}

/** The link works: addresses can be configured now (`addrconf_init_auto_addrs`, `addrconf_dad_run`). */
function linkReady(ipv6: Ipv6Device): void {
  const { dev } = ipv6;
  ipv6.ready = true;
  if ((dev.flags & IFF_LOOPBACK) !== 0) {
    if (findAddr6(dev, IN6ADDR_LOOPBACK) === null)
      addAddress(ipv6, { addr: IN6ADDR_LOOPBACK, prefixLen: 128, flags: IFA_F_NOPREFIXROUTE });
  } else addLinkLocal(ipv6);
  for (const a of [...ipv6.addresses])
    if ((a.flags & IFA_F_TENTATIVE) !== 0 && a.dadProbes < 0) dadStart(a);
}

/** Addresses that were there before the device came up get their routes (`addrconf_permanent_addr`). */
function restorePermanent(ipv6: Ipv6Device): void {
  if (ipv6.addresses.length > 0) addMulticastRoute(ipv6.dev);
  for (const a of ipv6.addresses) {
    addPrefixRoute(a);
    if (a.installed) installLocal(a);
  }
}

/** Linux `addrconf_addr_gen`. */
export function addLinkLocal(ipv6: Ipv6Device): void {
  const { dev, conf } = ipv6;
  addMulticastRoute(dev);
  if (conf.addrGenMode === IN6_ADDR_GEN_MODE_NONE) return;
  const made = linkLocalAddr(ipv6);
  if (made === null || findAddr6(dev, made.addr) !== null) return;
  if (conf.addrGenMode === IN6_ADDR_GEN_MODE_EUI64 && ipv6.addresses.some(isOwnLinkLocal)) return;
  const optimistic = maxConf6(ipv6, 'optimisticDad') !== 0 && dev.net.ipv6.confAll.forwarding === 0;
  const flags = made.flags | (optimistic ? IFA_F_OPTIMISTIC : 0);
  addAddress(ipv6, { addr: made.addr, prefixLen: 64, flags });
}

function isOwnLinkLocal(a: Ipv6Address): boolean {
  return isLinkLocal6(a.addr);
}

/** fe80:: with an identifier of the device (`addrconf_addr_gen`). */
function linkLocalAddr(ipv6: Ipv6Device): MadeAddress | null {
  const prefix = new Ip6Addr(0xfe800000 | 0, 0, 0, 0);
  if (ipv6.conf.addrGenMode !== IN6_ADDR_GEN_MODE_EUI64) {
    const addr = stableAddress(ipv6, prefix, 0);
    return addr === null ? null : { addr, flags: IFA_F_STABLE_PRIVACY };
  }
  const own = eui64(ipv6.dev);
  return own === null ? null : { addr: new Ip6Addr(prefix.a, 0, own[0], own[1]), flags: 0 };
}

/** The device went down, or loses IPv6 (`unregister`; Linux `addrconf_ifdown`). */
export function ifdown(dev: NetDevice, ipv6: Ipv6Device, unregister: boolean): void {
  const keep = !unregister && keepsAddresses(ipv6) && ipv6.conf.disableIpv6 === 0;
  ipv6.ready = false;
  for (const a of [...ipv6.addresses]) {
    dadStop(a);
    if (keep && (a.flags & IFA_F_PERMANENT) !== 0 && !isLinkLocal6(a.addr)) {
      if ((a.flags & IFA_F_NODAD) === 0) a.flags |= IFA_F_TENTATIVE;
      leaveSubnetRouters(a);
      a.installed = false;
    } else deleteAddress(a);
  }
  fib6SyncDown(dev, unregister);
  dev.net.ipv6.ndiscMaybe?.deviceDown(dev, true);
  ipv6.mld?.stop();
  stopSolicitations(ipv6);
  if (!unregister) return;
  ipv6.lifetimeTimer?.clear();
  if (!dev.dead) dev.ipv6 = null;
}

/** net.ipv6.conf.*.keep_addr_on_down: the device's own setting comes first, 0 asks `all`. */
function keepsAddresses(ipv6: Ipv6Device): boolean {
  const own = ipv6.conf.keepAddrOnDown;
  return (own === 0 ? ipv6.dev.net.ipv6.confAll.keepAddrOnDown : own) > 0;
}

/** net.ipv6.conf.*.disable_ipv6 changed (`addrconf_disable_change`, `dev_disable_change`). */
export function disableChange(dev: NetDevice, ipv6: Ipv6Device): void {
  if (!dev.up) return;
  if (ipv6.conf.disableIpv6 !== 0) ifdown(dev, ipv6, false);
  else onUp(dev);
}

function refuse(dev: NetDevice, errno: number, detail: string): number {
  dev.net.ipv6.extack = detail;
  return -errno;
}
