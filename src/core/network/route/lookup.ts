/**
 * Longest-prefix match through the tables of a namespace (Linux `fib_lookup`, `fib_table_lookup`). Policy
 * rules have their place here: without them the order is local, main, default.
 */

import { EAGAIN, ENETUNREACH } from '../../errno.ts';
import { l3Table } from '../../link/l3mdev.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN } from './fib.ts';
import type { FibQuery, FibResult } from './match.ts';
import { RTN_UNSPEC } from './route.ts';

/** The best route, or `-errno` of its type; `-ENETUNREACH` when there is none. */
export function fibLookup(net: NetNs, query: FibQuery): FibResult | number {
  const { l3Table: id } = query;
  if (id !== undefined && id !== 0) return l3Lookup(net, query, id);
  for (const table of net.ipv4.lookupOrder()) {
    const result = table.lookup(net, query);
    if (result !== -EAGAIN) return result;
  }
  return -ENETUNREACH;
}

/** Rule 1000, `from all lookup [l3mdev-table]`, stands between those of the tables local and main. */
function l3Lookup(net: NetNs, query: FibQuery, id: number): FibResult | number {
  for (const n of [RT_TABLE_LOCAL, id, RT_TABLE_MAIN, RT_TABLE_DEFAULT]) {
    const result = net.ipv4.findTable(n)?.lookup(net, query) ?? -EAGAIN;
    if (result !== -EAGAIN) return result;
  }
  return -ENETUNREACH;
}

/** The type of route that a packet received on `dev` would take; for ARP, which asks before there is one. */
export function routeInputType(dev: NetDevice, dst: number, _src: number): number {
  const result = fibLookup(dev.net, { dst, tos: 0, scope: 0, oif: 0, l3Table: l3Table(dev) });
  return typeof result === 'number' ? RTN_UNSPEC : result.info.type;
}
