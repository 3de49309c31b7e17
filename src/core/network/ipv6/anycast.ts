/**
 * Anycast addresses of a device, and the groups of a router (RFC 4291 §2.6.1, §2.8; Linux `__ipv6_dev_ac_inc`,
 * `addrconf_join_anycast`, `dev_forward_change`).
 */
import { l3Table } from '../../link/l3mdev.ts';
import { IFF_MULTICAST, type NetDevice } from '../../link/net-device.ts';
import {
  IN6ADDR_INTERFACELOCAL_ALLROUTERS,
  IN6ADDR_LINKLOCAL_ALLROUTERS,
  IN6ADDR_SITELOCAL_ALLROUTERS,
  type Ip6Addr,
  isAny6,
  prefixOf,
  solicitedNode,
} from '../../util/ip6-addr.ts';
import { Ip6Map } from '../../util/ip6-map.ts';
import { RT_TABLE_LOCAL } from '../route/fib.ts';
import { RTN_ANYCAST } from '../route/route.ts';
import { kernelRoute6Add, kernelRoute6Del } from '../route6/change.ts';
import { IFA_F_TENTATIVE, type Ipv6Address } from './address.ts';
import type { Ipv6Device } from './device.ts';
import { joinGroup6, leaveGroup6 } from './group.ts';

const ALL_ROUTERS: readonly Ip6Addr[] = Object.freeze([
  IN6ADDR_LINKLOCAL_ALLROUTERS,
  IN6ADDR_INTERFACELOCAL_ALLROUTERS,
  IN6ADDR_SITELOCAL_ALLROUTERS,
]);

/** One more wants what is sent to `addr` (`__ipv6_dev_ac_inc`). */
export function addAnycast(ipv6: Ipv6Device, addr: Ip6Addr): void {
  const { dev } = ipv6;
  ipv6.anycasts ??= new Ip6Map();
  const n = ipv6.anycasts.get(addr) ?? 0;
  ipv6.anycasts.set(addr, n + 1);
  if (n > 0) return;
  kernelRoute6Add(dev, {
    table: l3Table(dev) || RT_TABLE_LOCAL,
    type: RTN_ANYCAST,
    dst: addr,
    prefixLen: 128,
    metric: 0,
  });
  joinGroup6(dev, solicitedNode(addr));
}

/** False: nobody wanted it. */
export function removeAnycast(ipv6: Ipv6Device, addr: Ip6Addr): boolean {
  const { dev, anycasts } = ipv6;
  const n = anycasts?.get(addr);
  if (anycasts == null || n === undefined) return false;
  if (n > 1) {
    anycasts.set(addr, n - 1);
    return true;
  }
  anycasts.delete(addr);
  if (anycasts.size === 0) ipv6.anycasts = null;
  leaveGroup6(dev, solicitedNode(addr));
  kernelRoute6Del(dev, l3Table(dev) || RT_TABLE_LOCAL, RTN_ANYCAST, addr, 128);
  return true;
}

/** Does the device have the anycast address (`ipv6_chk_acast_dev`)? */
export function isAnycast(dev: NetDevice, addr: Ip6Addr): boolean {
  return dev.ipv6?.anycasts?.has(addr) === true;
}

/** RFC 4291 §2.6.1: the first address of a subnet is that of all its routers; null: there is none. */
function subnetRouters(a: Ipv6Address): Ip6Addr | null {
  if (a.prefixLen >= 127) return null;
  const addr = prefixOf(a.addr, a.prefixLen);
  return isAny6(addr) ? null : addr;
}

/** A router takes what is sent to the routers of the address's subnet (`addrconf_join_anycast`). */
export function joinSubnetRouters(a: Ipv6Address): void {
  const addr = subnetRouters(a);
  if (addr !== null && a.dev.ipv6 !== null) addAnycast(a.dev.ipv6, addr);
}

/** The address goes (`addrconf_leave_anycast`). */
export function leaveSubnetRouters(a: Ipv6Address): void {
  const { ipv6 } = a.dev;
  const addr = a.installed && ipv6?.conf.forwarding !== 0 ? subnetRouters(a) : null;
  if (addr !== null && ipv6 !== null) removeAnycast(ipv6, addr);
}

/** The device forwards now, or no longer. */
export function forwardChange(ipv6: Ipv6Device): void {
  const { dev } = ipv6;
  const on = ipv6.conf.forwarding !== 0;
  if ((dev.flags & IFF_MULTICAST) !== 0)
    for (const group of ALL_ROUTERS) {
      if (on) joinGroup6(dev, group);
      else leaveGroup6(dev, group);
    }
  for (const a of ipv6.addresses) {
    if ((a.flags & IFA_F_TENTATIVE) !== 0) continue;
    const addr = subnetRouters(a);
    if (addr === null) continue;
    if (on) addAnycast(ipv6, addr);
    else removeAnycast(ipv6, addr);
  }
}
