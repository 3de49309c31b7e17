/** Addresses end: somebody deletes them, or their lifetime is over (Linux `ipv6_del_addr`, `addrconf_verify_rtnl`). */
import { l3Table } from '../../link/l3mdev.ts';
import { samePrefix, solicitedNode } from '../../util/ip6-addr.ts';
import { RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../route/fib.ts';
import { RTN_LOCAL, RTN_UNICAST } from '../route/route.ts';
import { fib6ForgetSource, kernelRoute6Del } from '../route6/change.ts';
import {
  dadStop,
  IFA_F_DEPRECATED,
  IFA_F_NOPREFIXROUTE,
  INFINITE_LIFETIME6,
  type Ipv6Address,
} from './address.ts';
import { delPrefixRoute } from './address-routes.ts';
import type { Ipv6Device } from './device.ts';
import { leaveGroup6 } from './group.ts';

/** Takes an address away (`ipv6_del_addr`). */
export function deleteAddress(address: Ipv6Address): void {
  const { dev } = address;
  const ipv6 = dev.ipv6 as Ipv6Device;
  if (!ipv6.addresses.includes(address)) return;
  dadStop(address);
  ipv6.addresses = ipv6.addresses.filter((a) => a !== address);
  dev.ops.addrChanged?.(dev, address.addr, false);
  if (address.joined) leaveGroup6(dev, solicitedNode(address.addr));
  if (address.installed)
    kernelRoute6Del(dev, l3Table(dev) || RT_TABLE_LOCAL, RTN_LOCAL, address.addr, 128);
  if (!ipv6.addresses.some((a) => needsSameRoute(a, address))) delPrefixRoute(address);
  if (address.peer !== null)
    kernelRoute6Del(dev, l3Table(dev) || RT_TABLE_MAIN, RTN_UNICAST, address.peer, 128);
  fib6ForgetSource(dev.net, address.addr);
  armLifetimes(ipv6);
  dev.net.ipv6.changed();
  dev.net.events.emit('deladdr', { dev, address });
}

/** Another permanent address keeps the prefix's route (`check_cleanup_prefix_route`). */
function needsSameRoute(a: Ipv6Address, gone: Ipv6Address): boolean {
  if ((a.flags & IFA_F_NOPREFIXROUTE) !== 0 || a.prefixLen !== gone.prefixLen) return false;
  return samePrefix(a.addr, gone.addr, gone.prefixLen);
}

/** Lifetimes that are over: deprecated first, then gone (`addrconf_verify_rtnl`). */
function verify(ipv6: Ipv6Device): void {
  const { net } = ipv6.dev;
  const { nowUs } = net.kernel;
  for (const a of [...ipv6.addresses]) {
    if (a.validLft !== INFINITE_LIFETIME6 && a.updatedUs + a.validLft * 1e6 <= nowUs)
      deleteAddress(a);
    else if (isOver(a, nowUs) && (a.flags & IFA_F_DEPRECATED) === 0) {
      a.flags |= IFA_F_DEPRECATED;
      net.ipv6.changed();
      net.events.emit('newaddr', { dev: ipv6.dev, address: a });
    }
  }
  armLifetimes(ipv6);
}

function isOver(a: Ipv6Address, nowUs: number): boolean {
  return a.preferredLft !== INFINITE_LIFETIME6 && a.updatedUs + a.preferredLft * 1e6 <= nowUs;
}

export function armLifetimes(ipv6: Ipv6Device): void {
  let nextUs = Number.POSITIVE_INFINITY;
  for (const a of ipv6.addresses) {
    if (a.validLft !== INFINITE_LIFETIME6)
      nextUs = Math.min(nextUs, a.updatedUs + a.validLft * 1e6);
    if (a.preferredLft !== INFINITE_LIFETIME6 && (a.flags & IFA_F_DEPRECATED) === 0)
      nextUs = Math.min(nextUs, a.updatedUs + a.preferredLft * 1e6);
  }
  if (nextUs === Number.POSITIVE_INFINITY) {
    ipv6.lifetimeTimer?.clear();
    return;
  }
  ipv6.lifetimeTimer ??= ipv6.dev.net.kernel.timer(() => verify(ipv6));
  ipv6.lifetimeTimer.set(nextUs);
}
