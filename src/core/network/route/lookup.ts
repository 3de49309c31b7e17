/**
 * Longest-prefix match through the tables of a namespace (Linux `fib_lookup`, `fib_table_lookup`). Policy
 * rules have their place here: without them the order is local, main, default.
 */
import { EAGAIN, ENETUNREACH } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import type { FibQuery, FibResult } from './match.ts';
import { RTN_UNSPEC } from './route.ts';

/** The best route, or `-errno` of its type; `-ENETUNREACH` when there is none. */
export function fibLookup(net: NetNs, query: FibQuery): FibResult | number {
  for (const table of net.ipv4.lookupOrder()) {
    const result = table.lookup(net, query);
    if (result !== -EAGAIN) return result;
  }
  return -ENETUNREACH;
}

/** The type of route that a packet received on `dev` would take; for ARP, which asks before there is one. */
export function routeInputType(dev: NetDevice, dst: number, _src: number): number {
  const result = fibLookup(dev.net, { dst, tos: 0, scope: 0, oif: 0 });
  return typeof result === 'number' ? RTN_UNSPEC : result.info.type;
}
