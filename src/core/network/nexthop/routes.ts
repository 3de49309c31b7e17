/** What changes of a nexthop do to the routes that name it (Linux `nh_rt_cache_flush`, `__remove_nexthop_fib`). */
import type { NetNs } from '../../net.ts';
import { nexthopRefusal } from '../route/change.ts';
import type { FibRoute } from '../route/fib-route.ts';
import { FibRoute6 } from '../route6/fib.ts';
import type { Nexthop } from './nexthop.ts';

/** Routes of IPv4 that say `nh`. */
function routesBy(net: NetNs, nh: Nexthop): FibRoute[] {
  const infos = new Set([...net.ipv4.fibInfos].filter((info) => info.nh === nh));
  if (infos.size === 0) return [];
  return [...net.ipv4.allTables()].flatMap((t) => t.list().filter((r) => infos.has(r.info)));
}

function routes6By(net: NetNs, nh: Nexthop): FibRoute6[] {
  const { ipv6Maybe } = net;
  if (ipv6Maybe === null) return [];
  return [...ipv6Maybe.allTables()].flatMap((t) => t.list().filter((r) => r.nh === nh));
}

/** They take the ways that it has now. @param told who listens hears of each */
export function renewRoutes(net: NetNs, changed: readonly Nexthop[], told = true): void {
  for (const nh of changed) {
    for (const info of net.ipv4.fibInfos) if (info.nh === nh) info.nexthops = nh.ways4;
    if (told) for (const route of routesBy(net, nh)) net.events.emit('newroute', route);
    for (const route of routes6By(net, nh)) {
      const renewed = new FibRoute6({ ...route, nexthops: nh.ways6 });
      net.ipv6.table(route.table).replace(route, renewed);
      if (told) net.events.emit('newroute', renewed);
    }
  }
  net.ipv4.changed();
  net.ipv6Maybe?.changed();
}

/** They go with it. LINUX: of those of IPv4 nobody is told. */
export function dropRoutes(net: NetNs, nh: Nexthop): void {
  for (const route of routesBy(net, nh)) net.ipv4.findTable(route.table)?.remove(route);
  for (const route of routes6By(net, nh)) {
    net.ipv6.table(route.table).remove(route);
    net.events.emit('delroute', route);
  }
  net.ipv4.changed();
  net.ipv6Maybe?.changed();
}

/** Why routes by `old` cannot take `made` instead; '' when they can (`fib_check_nh_list`, `fib6_check_nh_list`). */
export function checkRoutes(net: NetNs, old: Nexthop, made: Nexthop): string {
  for (const info of net.ipv4.fibInfos) {
    if (info.nh === null || (info.nh !== old && !info.nh.has(old))) continue;
    if (made.hasIpv6) return 'IPv4 routes by IPv6 nexthops are not implemented';
    if (info.nh !== old) continue;
    const sentence = nexthopRefusal(made, info.scope);
    if (sentence !== '') return sentence;
  }
  if (!made.hasIpv4) return '';
  const groups = net.nexthops?.list().filter((nh) => nh.has(old)) ?? [];
  const isFree = [old, ...groups].every((nh) => routes6By(net, nh).length === 0);
  return isFree ? '' : 'IPv6 routes can not use an IPv4 nexthop';
}
