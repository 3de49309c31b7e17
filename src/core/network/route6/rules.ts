/** Policy rules of IPv6 (Linux `net/ipv6/fib6_rules.c`). */
import type { NetNs } from '../../net.ts';
import { type Ip6Addr, samePrefix } from '../../util/ip6-addr.ts';
import { RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../route/fib.ts';
import { FR_ACT_TO_TBL, type RuleSpec } from '../rule/fib-rule.ts';
import { FibRules, type RuleFamily } from '../rule/fib-rules.ts';

export const RULES6: RuleFamily<Ip6Addr> = {
  name: 'inet6',
  covers: (prefix, len, addr) => samePrefix(prefix, addr, len),
  equal: (a, b) => a.equals(b),
  // Without its ECN bits.
  sameTos: (rule, flow) => rule === (flow & ~3),
  defaults: [
    [0, RT_TABLE_LOCAL],
    [32_766, RT_TABLE_MAIN],
  ],
  refusal(spec: RuleSpec<Ip6Addr>): string {
    if ((spec.tos & 3) !== 0) return 'Invalid dsfield (tos): ECN bits must be 0';
    const needsTable = spec.action === FR_ACT_TO_TBL && !spec.l3mdev;
    return needsTable && spec.table === 0 ? 'Invalid table' : '';
  },
  changed: (net) => net.ipv6.changed(),
};

/** The rules of a namespace, made when the first one is asked about or changed. */
export function ownRules6(net: NetNs): FibRules<Ip6Addr> {
  net.ipv6.rules ??= new FibRules(net, RULES6);
  return net.ipv6.rules;
}
