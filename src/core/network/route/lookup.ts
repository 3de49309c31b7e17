/**
 * Longest-prefix match through the tables of a namespace (Linux `fib_lookup`, `fib_table_lookup`): by its rules, or,
 * while it never changed them, in the order local, main, default.
 */

import { EAGAIN, ENETUNREACH } from '../../errno.ts';
import { l3Table } from '../../link/l3mdev.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import type { FibRules } from '../rule/fib-rules.ts';
import type { FibQuery, FibResult } from './match.ts';
import { RTN_UNSPEC } from './route.ts';

/** The best route, or `-errno` of its type; `-ENETUNREACH` when there is none. */
export function fibLookup(net: NetNs, query: FibQuery): FibResult | number {
  const { rules } = net.ipv4;
  if (rules !== null) return rulesLookup(net, rules, query);
  for (const table of net.ipv4.lookupOrder()) {
    const result = table.lookup(net, query);
    if (result !== -EAGAIN) return result;
  }
  return -ENETUNREACH;
}

/** Linux `fib_rules_lookup`, `fib4_rule_action` */
function rulesLookup(net: NetNs, rules: FibRules<number>, query: FibQuery): FibResult | number {
  const { dst, src = 0 } = query;
  for (let i = rules.match(0, query, dst, src); i >= 0; i = rules.match(i + 1, query, dst, src)) {
    const rule = rules.at(i);
    const { errno } = rule;
    if (errno !== 0) return errno;
    const result = net.ipv4.findTable(rule.tableFor(query))?.lookup(net, query) ?? -EAGAIN;
    if (result === -EAGAIN) continue;
    if (typeof result === 'number' || !rule.suppresses(result.prefixLen, result.nexthop.dev))
      return result;
  }
  return -ENETUNREACH;
}

/** The type of route that a packet received on `dev` would take; for ARP, which asks before there is one. */
export function routeInputType(dev: NetDevice, dst: number, _src: number): number {
  const result = fibLookup(dev.net, { dst, tos: 0, scope: 0, oif: 0, l3Table: l3Table(dev) });
  return typeof result === 'number' ? RTN_UNSPEC : result.info.type;
}
