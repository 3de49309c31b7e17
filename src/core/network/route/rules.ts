/** Policy rules of IPv4 (Linux `net/ipv4/fib_rules.c`). */
import type { NetNs } from '../../net.ts';
import { maskOf } from '../../util/address.ts';
import { FR_ACT_TO_TBL, type RuleSpec } from '../rule/fib-rule.ts';
import { FibRules, type RuleFamily } from '../rule/fib-rules.ts';
import { RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN } from './fib.ts';

/** IPTOS_TOS_MASK: the bits that IPv4 routing compares. */
const TOS_MASK = 0x1e;

export const RULES4: RuleFamily<number> = {
  name: 'inet',
  covers: (prefix, len, addr) => ((prefix ^ addr) & maskOf(len)) === 0,
  equal: (a, b) => a === b,
  sameTos: (rule, flow) => rule === (flow & TOS_MASK),
  defaults: [
    [0, RT_TABLE_LOCAL],
    [32_766, RT_TABLE_MAIN],
    [32_767, RT_TABLE_DEFAULT],
  ],
  refusal(spec: RuleSpec<number>): string {
    if ((spec.tos & 3) !== 0) return 'Invalid dsfield (tos): ECN bits must be 0';
    return (spec.tos & ~TOS_MASK) === 0 ? '' : 'Invalid tos';
  },
  changed: (net) => net.ipv4.changed(),
};

/** The rules of a namespace, made when the first one is asked about or changed. */
export function ownRules(net: NetNs): FibRules<number> {
  net.ipv4.rules ??= new FibRules(net, RULES4);
  return net.ipv4.rules;
}

/** A rule without a table gets one that nobody uses (`fib_empty_table`). */
export function withTable(net: NetNs, spec: RuleSpec<number>): RuleSpec<number> {
  if (spec.table !== 0 || spec.l3mdev || spec.action !== FR_ACT_TO_TBL) return spec;
  for (let id = 1; id <= 0xffff; id++)
    if (net.ipv4.findTable(id) === undefined) return { ...spec, table: id };
  return spec;
}
