/** Addresses end: somebody deletes them, or their lifetime is over (Linux `ipv6_del_addr`, `addrconf_verify_rtnl`). */
import { l3Table } from '../../link/l3mdev.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { samePrefix, solicitedNode } from '../../util/ip6-addr.ts';
import { RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../route/fib.ts';
import { RTN_LOCAL, RTN_UNICAST } from '../route/route.ts';
import { fib6ForgetSource, kernelRoute6Del } from '../route6/change.ts';
import {
  dadStop,
  IFA_F_DEPRECATED,
  IFA_F_NOPREFIXROUTE,
  IFA_F_PERMANENT,
  IFA_F_TEMPORARY,
  INFINITE_LIFETIME6,
  type Ipv6Address,
} from './address.ts';
import { delPrefixRoute, expirePrefixRoute } from './address-routes.ts';
import { leaveSubnetRouters } from './anycast.ts';
import type { Ipv6Device } from './device.ts';
import { leaveGroup6 } from './group.ts';
import { armLifetimes, endUs, isTaken, lasts, regenUs } from './lifetime-timer.ts';
import { createTempAddr } from './temp-addr.ts';

/** Takes an address away (`ipv6_del_addr`). */
export function deleteAddress(address: Ipv6Address): void {
  const { dev } = address;
  const ipv6 = dev.ipv6 as Ipv6Device;
  if (!ipv6.addresses.includes(address)) return;
  dadStop(address);
  ipv6.addresses = ipv6.addresses.filter((a) => a !== address);
  dev.ops.addrChanged?.(dev, address.addr, false);
  if (address.joined) leaveGroup6(dev, solicitedNode(address.addr));
  leaveSubnetRouters(address);
  if (address.installed)
    kernelRoute6Del(dev, l3Table(dev) || RT_TABLE_LOCAL, RTN_LOCAL, address.addr, 128);
  if ((address.flags & IFA_F_PERMANENT) !== 0) cleanPrefixRoute(ipv6, address);
  if (address.peer !== null)
    kernelRoute6Del(dev, l3Table(dev) || RT_TABLE_MAIN, RTN_UNICAST, address.peer, 128);
  // LINUX: routes still prefer an address that went because its device went down (`addrconf_ifdown`).
  if (ipv6.ready) fib6ForgetSource(dev.net, address.addr);
  armLifetimes(ipv6);
  dev.net.ipv6.changed();
  dev.net.events.emit('deladdr', { dev, address });
}

/**
 * The prefix's route goes with the last address that needs it; addresses that end let it end with them
 * (`check_cleanup_prefix_route`).
 */
function cleanPrefixRoute(ipv6: Ipv6Device, gone: Ipv6Address): void {
  if ((gone.flags & IFA_F_NOPREFIXROUTE) !== 0) return;
  let expiresUs = 0;
  for (const a of ipv6.addresses) {
    if (a.prefixLen !== gone.prefixLen || !samePrefix(a.addr, gone.addr, gone.prefixLen)) continue;
    if ((a.flags & (IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE)) !== 0) return;
    const never = a.validLft === INFINITE_LIFETIME6;
    expiresUs = Math.max(expiresUs, never ? Number.POSITIVE_INFINITY : endUs(a, a.validLft));
  }
  if (expiresUs === 0) delPrefixRoute(gone);
  else if (expiresUs !== Number.POSITIVE_INFINITY) expirePrefixRoute(gone, expiresUs);
}

/** Lifetimes that are over: replaced first, deprecated, then gone (`addrconf_verify_rtnl`). */
export function verifyLifetimes(ipv6: Ipv6Device): void {
  const { net } = ipv6.dev;
  const { nowUs } = net.kernel;
  for (const a of [...ipv6.addresses]) {
    if (lasts(a)) continue;
    if (isTaken(a)) {
      replaceTaken(ipv6, a);
      continue;
    }
    if (regenUs(ipv6, a) <= nowUs) regenerate(ipv6, a);
    if (a.validLft !== INFINITE_LIFETIME6 && endUs(a, a.validLft) <= nowUs) deleteAddress(a);
    else if (isOver(a, nowUs) && (a.flags & IFA_F_DEPRECATED) === 0) {
      a.flags |= IFA_F_DEPRECATED;
      net.ipv6.changed();
      net.events.emit('newaddr', { dev: ipv6.dev, address: a });
    }
  }
  armLifetimes(ipv6);
}

/** What the timer of a device's addresses calls. */
export function addressesDue6(dev: NetDevice): void {
  if (dev.ipv6 !== null) verifyLifetimes(dev.ipv6);
}

/** A temporary address that was another's gets a successor at once (RFC 8981 §3.4); any that was made goes. */
function replaceTaken(ipv6: Ipv6Device, a: Ipv6Address): void {
  const of = a.auto?.publicAddr ?? null;
  if ((a.flags & IFA_F_TEMPORARY) !== 0 && of !== null && ipv6.addresses.includes(of))
    createTempAddr(ipv6, of);
  deleteAddress(a);
}

function regenerate(ipv6: Ipv6Device, a: Ipv6Address): void {
  const { auto } = a;
  if (auto === null || auto.publicAddr === null) return;
  auto.regenCount++;
  const of = auto.publicAddr;
  if (of.auto !== null) of.auto.regenCount = 0;
  // An address that is gone gets no other.
  if (ipv6.addresses.includes(of)) createTempAddr(ipv6, of);
}

function isOver(a: Ipv6Address, nowUs: number): boolean {
  return a.preferredLft !== INFINITE_LIFETIME6 && endUs(a, a.preferredLft) <= nowUs;
}
