/** Routes that follow from addresses and devices (Linux `addrconf_prefix_route`, `addrconf_add_mroute`). */
import { l3Table } from '../../link/l3mdev.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../link/net-device.ts';
import { Ip6Addr, isLoopback6, prefixOf } from '../../util/ip6-addr.ts';
import { RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../route/fib.ts';
import { RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from '../route/route.ts';
import { kernelRoute6Add, kernelRoute6Del } from '../route6/change.ts';
import { IP6_RT_PRIO_ADDRCONF, RTF_DEFAULT } from '../route6/fib.ts';
import { IFA_F_NOPREFIXROUTE, INFINITE_LIFETIME6, type Ipv6Address } from './address.ts';
import { joinSubnetRouters } from './anycast.ts';

/** To the neighbours of its prefix; refused, without a word, while the device is down. */
export function addPrefixRoute(a: Ipv6Address): void {
  if ((a.flags & IFA_F_NOPREFIXROUTE) !== 0 || !a.dev.up || isLoopback6(a.addr)) return;
  const expiring = a.validLft !== INFINITE_LIFETIME6;
  kernelRoute6Add(a.dev, {
    table: l3Table(a.dev) || RT_TABLE_MAIN,
    type: RTN_UNICAST,
    dst: a.addr,
    prefixLen: a.peer === null ? a.prefixLen : 128,
    metric: a.metric === 0 ? IP6_RT_PRIO_ADDRCONF : a.metric,
    ...(expiring && a.peer === null ? { expiresUs: a.updatedUs + a.validLft * 1e6 } : {}),
  });
}

export function delPrefixRoute(a: Ipv6Address): void {
  if ((a.flags & IFA_F_NOPREFIXROUTE) !== 0) return;
  const length = a.peer === null ? a.prefixLen : 128;
  kernelRoute6Del(a.dev, l3Table(a.dev) || RT_TABLE_MAIN, RTN_UNICAST, a.addr, length);
}

/** The prefix's route ends at `expiresUs`, unless it ends already (`cleanup_prefix_route`). */
export function expirePrefixRoute(a: Ipv6Address, expiresUs: number): void {
  const table = a.dev.net.ipv6.findTable(l3Table(a.dev) || RT_TABLE_MAIN);
  const route = table
    ?.at(prefixOf(a.addr, a.prefixLen), a.prefixLen)
    .find((r) => r.nexthops[0]?.dev === a.dev && (r.flags & RTF_DEFAULT) === 0);
  if (route === undefined || route.expiresUs !== Number.POSITIVE_INFINITY) return;
  route.expiresUs = expiresUs;
  a.dev.net.ipv6.extra.watchExpiry(route);
}

/** Linux `addrconf_add_mroute`. */
export function addMulticastRoute(dev: NetDevice): void {
  if ((dev.flags & IFF_LOOPBACK) !== 0 || !dev.up) return;
  kernelRoute6Add(dev, {
    table: l3Table(dev) || RT_TABLE_LOCAL,
    type: RTN_MULTICAST,
    dst: new Ip6Addr(0xff000000 | 0, 0, 0, 0),
    prefixLen: 8,
    metric: IP6_RT_PRIO_ADDRCONF,
  });
}

/** Packets to the address are ours from now on. */
export function installLocal(a: Ipv6Address): void {
  if (!a.installed && a.dev.ipv6 !== null && a.dev.ipv6.conf.forwarding !== 0) joinSubnetRouters(a);
  a.installed = true;
  kernelRoute6Add(a.dev, {
    table: l3Table(a.dev) || RT_TABLE_LOCAL,
    type: RTN_LOCAL,
    dst: a.addr,
    prefixLen: 128,
    metric: 0,
  });
  if (a.peer === null || !a.dev.up) return;
  kernelRoute6Add(a.dev, {
    table: l3Table(a.dev) || RT_TABLE_MAIN,
    type: RTN_UNICAST,
    dst: a.peer,
    prefixLen: 128,
    metric: a.metric === 0 ? IP6_RT_PRIO_ADDRCONF : a.metric,
  });
}
