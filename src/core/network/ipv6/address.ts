/**
 * IPv6 addresses of devices: what is kept of one, and the questions that the rest of the stack asks about them
 * (Linux `struct inet6_ifaddr`, `ipv6_chk_addr`, `ipv6_get_ifaddr`).
 */
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import type { Timer } from '../../timer.ts';
import {
  IN6ADDR_INTERFACELOCAL_ALLNODES,
  IN6ADDR_LINKLOCAL_ALLNODES,
  type Ip6Addr,
  isLinkLocal6,
  isLoopback6,
  isMulticast6,
  isSiteLocal6,
} from '../../util/ip6-addr.ts';
import { IPV6_MIN_MTU } from '../../wire/ipv6.ts';
import { RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_SITE, RT_SCOPE_UNIVERSE } from '../route/fib.ts';
import { Ipv6Device } from './device.ts';

/** Flags of an address (`include/uapi/linux/if_addr.h`). */
export const IFA_F_TEMPORARY = 0x01;
export const IFA_F_NODAD = 0x02;
export const IFA_F_OPTIMISTIC = 0x04;
export const IFA_F_DADFAILED = 0x08;
export const IFA_F_HOMEADDRESS = 0x10;
export const IFA_F_DEPRECATED = 0x20;
export const IFA_F_TENTATIVE = 0x40;
export const IFA_F_PERMANENT = 0x80;
export const IFA_F_MANAGETEMPADDR = 0x100;
export const IFA_F_NOPREFIXROUTE = 0x200;
export const IFA_F_MCAUTOJOIN = 0x400;
export const IFA_F_STABLE_PRIVACY = 0x800;

/** A lifetime that never ends, seconds. */
export const INFINITE_LIFETIME6 = 0xffffffff;

/** What an address has that was made from a prefix, or from which temporary ones are made. */
export interface AutoAddress {
  /** When it came into being. */
  createdUs: number;
  /** The address of which it is the temporary one; null: of none. */
  publicAddr: Ipv6Address | null;
  /** Temporary addresses that were made from it without one that lasted, or of a temporary one: it has a successor. */
  regenCount: number;
  /** RFC 7217: how many identifiers before were duplicates. */
  stableRetry: number;
}

/** One address of a device. */
export interface Ipv6Address {
  readonly dev: NetDevice;
  readonly addr: Ip6Addr;
  /** The other end of a point-to-point link. */
  readonly peer: Ip6Addr | null;
  readonly prefixLen: number;
  /** `RT_SCOPE_*` */
  readonly scope: number;
  /** `IFA_F_*` */
  flags: number;
  /** Metric of the prefix route; 0: the usual one. */
  metric: number;
  /** Lifetimes in seconds as they were given, and when that was. */
  validLft: number;
  preferredLft: number;
  updatedUs: number;
  /** Probes for a duplicate that are still to be sent; -1: none is under way. */
  dadProbes: number;
  /** The nonce of our probes (RFC 7527); -1: none. */
  dadNonce: number;
  dadTimer: Timer | null;
  /** Its solicited-node group was joined. */
  joined: boolean;
  /** The local route is there: packets to it are ours. */
  installed: boolean;
  /** Null: somebody gave it to the device. */
  auto: AutoAddress | null;
}

/** The IPv6 side of a device, made if need be; null where there can be none. */
export function inet6Device(dev: NetDevice): Ipv6Device | null {
  if (dev.ipv6 === null && dev.mtu >= IPV6_MIN_MTU && !dev.dead) dev.ipv6 = new Ipv6Device(dev);
  return dev.ipv6;
}

/** The address of `dev`, tentative or not. */
export function findAddr6(dev: NetDevice, addr: Ip6Addr): Ipv6Address | null {
  const list = dev.ipv6?.addresses ?? [];
  for (let i = 0; i < list.length; i++) {
    const a = list[i] as Ipv6Address;
    if (a.addr.equals(addr)) return a;
  }
  return null;
}

/** May the address be used: neither tentative, unless optimistic, nor known to be another's? */
export function isUsable(a: Ipv6Address): boolean {
  return (a.flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) !== IFA_F_TENTATIVE;
}

/** The device that has `addr` (`ipv6_chk_addr`); `dev`: that one alone may. */
export function ownerOf(net: NetNs, addr: Ip6Addr, dev: NetDevice | null = null): NetDevice | null {
  for (const d of net.devs) {
    if (dev !== null && d !== dev) continue;
    const found = findAddr6(d, addr);
    if (found !== null && isUsable(found)) return d;
  }
  return null;
}

/** A link-local address of the device that has none of `banned` flags; null: none (`ipv6_get_lladdr`). */
export function linkLocalOf(dev: NetDevice, banned: number): Ip6Addr | null {
  for (const a of dev.ipv6?.addresses ?? [])
    if (a.scope === RT_SCOPE_LINK && (a.flags & banned) === 0) return a.addr;
  return null;
}

/** Scope as routing and `ip addr` have it (`rt_scope`). */
export function scopeOfAddr(x: Ip6Addr): number {
  if (isLoopback6(x)) return RT_SCOPE_HOST;
  if (isLinkLocal6(x)) return RT_SCOPE_LINK;
  return isSiteLocal6(x) ? RT_SCOPE_SITE : RT_SCOPE_UNIVERSE;
}

/** Scope of a source or destination, RFC 4291's four bits (`__ipv6_addr_src_scope`). */
export function addrScope(x: Ip6Addr): number {
  if (isMulticast6(x)) return (x.a >>> 16) & 15;
  if (isLinkLocal6(x) || isLoopback6(x)) return 2;
  return isSiteLocal6(x) ? 5 : 14;
}

/** Nothing more is asked: the address or the link goes. */
export function dadStop(a: Ipv6Address): void {
  a.dadTimer?.clear();
  a.dadTimer = null;
  a.dadNonce = -1;
  a.dadProbes = -1;
}

/** ff01::1 and ff02::1: every host is in these, and never reports it. */
function isAllNodes(group: Ip6Addr): boolean {
  return (
    group.d === 1 &&
    (group.equals(IN6ADDR_LINKLOCAL_ALLNODES) || group.equals(IN6ADDR_INTERFACELOCAL_ALLNODES))
  );
}

/** Does `dev` take what `src` sends to `group` (`ipv6_chk_mcast_addr`)? */
export function isMember6(dev: NetDevice, group: Ip6Addr, src: Ip6Addr): boolean {
  if (isAllNodes(group)) return true;
  const { ipv6 } = dev;
  if (ipv6 === null || !ipv6.groups.has(group)) return false;
  const filters = ipv6.mld === null ? null : ipv6.mld.filters;
  return filters === null || filters.get(group)?.allows(src) !== false;
}
