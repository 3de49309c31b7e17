/** What devices mean to rules (Linux `fib_rules_event`, `vrf_add_fib_rules`). */
import { isL3Master } from '../../link/l3mdev.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import type { NetdevEvent } from '../../protocols.ts';
import { ownRules } from '../route/rules.ts';
import { ownRules6 } from '../route6/rules.ts';
import type { FibRule } from './fib-rule.ts';
import type { FibRules } from './fib-rules.ts';

/** A rule, with the list that it is in: the subject of `newrule` and `delrule`. */
export interface RuleSubject<A> {
  readonly rules: FibRules<A>;
  readonly rule: FibRule<A>;
}

export function rulesEvent(event: NetdevEvent, dev: NetDevice): void {
  if (event !== 'register' && event !== 'changeName' && event !== 'unregister') return;
  const { net } = dev;
  net.ipv4.rules?.devicesChanged();
  net.ipv6Maybe?.rules?.devicesChanged();
  if (event === 'register' && isL3Master(dev)) addL3Rules(net);
}

/** With the first layer-3 master comes the rule that sends its packets to its table. It stays. */
function addL3Rules(net: NetNs): void {
  if (net.l3mdevs > 1) return;
  addL3Rule(net, ownRules(net));
  addL3Rule(net, ownRules6(net));
}

function addL3Rule<A>(net: NetNs, rules: FibRules<A>): void {
  const rule = rules.addL3mdev();
  if (rule !== null) tellRule(net, 'newrule', rules, rule);
}

/** Tells whoever listens (`notify_rule_change`). */
export function tellRule<A>(
  net: NetNs,
  kind: 'newrule' | 'delrule',
  rules: FibRules<A>,
  rule: FibRule<A>,
): void {
  const subject: RuleSubject<A> = { rules, rule };
  net.events.emit(kind, subject);
}
