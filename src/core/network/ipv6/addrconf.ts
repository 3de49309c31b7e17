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
import { ARPHRD_ETHER, ARPHRD_IPGRE, ARPHRD_SIT } from '../../wire/arp.ts';
import { IPV6_MIN_MTU } from '../../wire/ipv6.ts';
import { NA_OVERRIDE } from '../../wire/ndisc.ts';
import { fib6SyncCarrier, fib6SyncDown } from '../route6/change.ts';
import {
  addrScope,
  dadStop,
  findAddr6,
  IFA_F_DEPRECATED,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_OPTIMISTIC,
  IFA_F_PERMANENT,
  IFA_F_TENTATIVE,
  INFINITE_LIFETIME6,
  type Ipv6Address,
  inet6Device,
  scopeOfAddr,
} from './address.ts';
import {
  addMulticastRoute,
  addPrefixRoute,
  delPrefixRoute,
  installLocal,
} from './address-routes.ts';
import { dadStart } from './dad.ts';
import {
  IN6_ADDR_GEN_MODE_EUI64,
  IN6_ADDR_GEN_MODE_NONE,
  IN6_ADDR_GEN_MODE_RANDOM,
  type Ipv6Device,
  maxConf6,
} from './device.ts';
import { armLifetimes, deleteAddress } from './lifetime.ts';
import { mldReportAll } from './mld.ts';
import { sendAdvertisement } from './ndisc-send.ts';

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
  const refusal = dev.ops.addrRefusal?.(dev, spec.addr) ?? '';
  if (refusal !== '') return refuse(dev, EADDRINUSE, refusal);
  addMulticastRoute(dev);
  addAddress(ipv6, spec);
  return 0;
}

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

/** Linux `ipv6_add_addr` and what follows it. */
function addAddress(ipv6: Ipv6Device, spec: AddressSpec6): Ipv6Address {
  const { dev } = ipv6;
  const validLft = spec.validLft ?? INFINITE_LIFETIME6;
  const preferredLft = spec.preferredLft ?? INFINITE_LIFETIME6;
  let flags = (spec.flags ?? 0) | IFA_F_TENTATIVE;
  if (validLft === INFINITE_LIFETIME6) flags |= IFA_F_PERMANENT;
  if (preferredLft === 0) flags |= IFA_F_DEPRECATED;
  const address: Ipv6Address = {
    dev,
    addr: spec.addr,
    peer: spec.peer ?? null,
    prefixLen: spec.prefixLen,
    scope: scopeOfAddr(spec.addr),
    flags,
    metric: spec.metric ?? 0,
    validLft,
    preferredLft,
    updatedUs: dev.net.kernel.nowUs,
    dadProbes: -1,
    dadNonce: -1,
    dadTimer: null,
    joined: false,
    installed: false,
  };
  insertAddress(ipv6, address);
  dev.ops.addrChanged?.(dev, address.addr, true);
  armLifetimes(ipv6);
  addPrefixRoute(address);
  dev.net.ipv6.changed();
  dev.net.events.emit('newaddr', { dev, address });
  dadStart(address);
  return address;
}

/** Removes an address; `-EADDRNOTAVAIL` when it is not there. */
export function inet6AddrDel(dev: NetDevice, addr: Ip6Addr, prefixLen = -1): number {
  dev.net.ipv6.extack = '';
  const address = findAddr6(dev, addr);
  if (address === null || (prefixLen >= 0 && prefixLen !== address.prefixLen))
    return refuse(dev, EADDRNOTAVAIL, 'ipv6: address not found');
  deleteAddress(address);
  return 0;
}

/** New lifetimes, flags and metric for an address that is there (`inet6_addr_modify`); false when it is not. */
export function inet6AddrChange(dev: NetDevice, spec: AddressSpec6): boolean {
  const address = findAddr6(dev, spec.addr);
  if (address === null || dev.ipv6 === null) return false;
  const hadRoute = (address.flags & IFA_F_NOPREFIXROUTE) === 0;
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
  armLifetimes(dev.ipv6);
  dev.net.ipv6.changed();
  dev.net.events.emit('newaddr', { dev, address });
  return true;
}

function insertAddress(ipv6: Ipv6Device, address: Ipv6Address): void {
  const scope = addrScope(address.addr);
  const i = ipv6.addresses.findIndex((a) => scope >= addrScope(a.addr));
  const at = i < 0 ? ipv6.addresses.length : i;
  ipv6.addresses = ipv6.addresses.slice(0, at).concat(address, ipv6.addresses.slice(at));
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
function addLinkLocal(ipv6: Ipv6Device): void {
  const { dev, conf } = ipv6;
  addMulticastRoute(dev);
  if (conf.addrGenMode === IN6_ADDR_GEN_MODE_NONE) return;
  if (ipv6.addresses.some((a) => isLinkLocal6(a.addr))) return;
  const addr = linkLocalAddr(ipv6);
  if (addr === null) return;
  const optimistic = maxConf6(ipv6, 'optimisticDad') !== 0 && dev.net.ipv6.confAll.forwarding === 0;
  addAddress(ipv6, { addr, prefixLen: 64, flags: optimistic ? IFA_F_OPTIMISTIC : 0 });
}

/** From the IPv4 address of its near end (RFC 4213 §3.7; RFC 5214 §6.1 for GRE); null: it has none. */
function tunnelLinkLocal(dev: NetDevice): Ip6Addr | null {
  const local = dev.ops.tunnelEnds?.(dev).local ?? 0;
  if (local === 0) return null;
  const isatap = isPrivate(local) ? 0x5efe : 0x02005efe;
  return new Ip6Addr(0xfe800000 | 0, 0, dev.type === ARPHRD_SIT ? 0 : isatap, local);
}

/** Addresses that are not unique (`__ipv6_isatap_ifid`). */
function isPrivate(addr: number): boolean {
  const [a, b] = [addr >>> 24, (addr >>> 16) & 255];
  return (
    a === 0 ||
    a === 10 ||
    a === 127 ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254)
  );
}

/** fe80:: with an EUI-64 interface identifier (RFC 4291 appendix A), or a random one (RFC 7217). */
function linkLocalAddr(ipv6: Ipv6Device): Ip6Addr | null {
  const { dev, conf } = ipv6;
  if (conf.addrGenMode === IN6_ADDR_GEN_MODE_RANDOM) {
    const random = dev.net.kernel.random(`ipv6-stable:${dev.net.id}:${dev.name}`);
    return new Ip6Addr(0xfe800000 | 0, 0, random.i32(), random.i32());
  }
  if (conf.addrGenMode !== IN6_ADDR_GEN_MODE_EUI64) return null;
  if (dev.type === ARPHRD_SIT || dev.type === ARPHRD_IPGRE) return tunnelLinkLocal(dev);
  if (dev.type !== ARPHRD_ETHER) return null;
  const high = Math.floor(dev.mac / 2 ** 24);
  const low = dev.mac % 2 ** 24;
  // Several devices have this MAC: their number stands in the middle, where ff:fe would.
  const id = dev.ops.devId?.(dev) ?? 0;
  if (id !== 0)
    return new Ip6Addr(0xfe800000 | 0, 0, (high << 8) | (id >>> 8), ((id & 255) << 24) | low);
  return new Ip6Addr(0xfe800000 | 0, 0, ((high ^ 0x020000) << 8) | 0xff, 0xfe000000 | low);
}

/** The device went down, or loses IPv6 (`unregister`; Linux `addrconf_ifdown`). */
export function ifdown(dev: NetDevice, ipv6: Ipv6Device, unregister: boolean): void {
  const keep = !unregister && keepsAddresses(ipv6) && ipv6.conf.disableIpv6 === 0;
  ipv6.ready = false;
  for (const a of [...ipv6.addresses]) {
    dadStop(a);
    if (keep && (a.flags & IFA_F_PERMANENT) !== 0 && !isLinkLocal6(a.addr)) {
      if ((a.flags & IFA_F_NODAD) === 0) a.flags |= IFA_F_TENTATIVE;
      a.installed = false;
    } else deleteAddress(a);
  }
  fib6SyncDown(dev, unregister);
  dev.net.ipv6.ndiscMaybe?.deviceDown(dev, true);
  ipv6.mld?.stop();
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
