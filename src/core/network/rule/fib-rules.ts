/**
 * The rules of one family in a namespace (Linux `struct fib_rules_ops`, `net/core/fib_rules.c`): an ordered list. A
 * namespace that never changed its rules has none of this and takes the tables in their usual order.
 */
import { EEXIST, EINVAL, ENOENT } from '../../errno.ts';
import type { NetNs } from '../../net.ts';
import {
  FibRule,
  FR_ACT_GOTO,
  FR_ACT_NOP,
  type PortRange,
  plainRule,
  type RuleFlow,
  type RuleSpec,
} from './fib-rule.ts';

/** Where the rule of layer-3 masters stands (`FIB_RULE_PREF` of `drivers/net/vrf.c`). */
const L3MDEV_PRIORITY = 1000;

/** What the families differ in. */
export interface RuleFamily<A> {
  readonly name: 'inet' | 'inet6';
  covers(prefix: A, len: number, addr: A): boolean;
  equal(a: A, b: A): boolean;
  /** Does a rule's TOS hold for one of a packet? */
  sameTos(rule: number, flow: number): boolean;
  /** Tables of the rules that every namespace begins with. */
  readonly defaults: readonly (readonly [number, number])[];
  /** What this family refuses (`fib4_rule_configure`, `fib6_rule_configure`): the sentence, or ''. */
  refusal(spec: RuleSpec<A>): string;
  /** Any decision might be another now. */
  changed(net: NetNs): void;
}

/** Which rule to delete: absent fields match anything (`rule_find`). */
export type RuleMatch<A> = { readonly [K in keyof RuleSpec<A>]?: RuleSpec<A>[K] };

export class FibRules<A> {
  readonly family: RuleFamily<A>;
  private readonly net: NetNs;
  private rules: readonly FibRule<A>[];
  /** A rule looks at what decisions are not kept by: each is made anew. */
  deep = false;
  /** The kernel's sentence about the last refused change; '' when it has none. */
  extack = '';

  constructor(net: NetNs, family: RuleFamily<A>) {
    this.net = net;
    this.family = family;
    this.rules = family.defaults.map(
      ([priority, table]) => new FibRule<A>(plainRule(priority, table)),
    );
  }

  get list(): readonly FibRule<A>[] {
    return this.rules;
  }

  at(i: number): FibRule<A> {
    return this.rules[i] as FibRule<A>;
  }

  /**
   * Number of the next rule, from `from` on, that says where to look or refuses (`fib_rules_lookup`); -1: none. `src`
   * null: the flow has no source yet.
   */
  match(from: number, flow: RuleFlow, dst: A, src: A | null): number {
    const { rules } = this;
    for (let i = from; i < rules.length; ) {
      const rule = rules[i] as FibRule<A>;
      const { action, target } = rule.spec;
      if (!this.matches(rule, flow, dst, src) || action === FR_ACT_NOP) i++;
      else if (action === FR_ACT_GOTO) {
        const to = rules.findIndex((r) => r.spec.priority === target);
        i = to < 0 ? i + 1 : to;
      } else return i;
    }
    return -1;
  }

  /** Linux `fib_rule_match`, `fib4_rule_match`, `fib6_rule_match` */
  private matches(rule: FibRule<A>, flow: RuleFlow, dst: A, src: A | null): boolean {
    return this.describes(rule, flow, dst, src) !== rule.spec.invert;
  }

  private describes(rule: FibRule<A>, flow: RuleFlow, dst: A, src: A | null): boolean {
    const { spec } = rule;
    const { family } = this;
    if (spec.iif !== '' && !this.isDevice(rule.iifIndex, flow.iif ?? 1, flow)) return false;
    // What came by a device leaves by none that is known yet.
    const oif = flow.iif === undefined ? flow.oif : 0;
    if (spec.oif !== '' && !this.isDevice(rule.oifIndex, oif, flow)) return false;
    if ((((flow.mark ?? 0) ^ spec.mark) & spec.markMask) !== 0) return false;
    if (spec.l3mdev && (flow.l3Table ?? 0) === 0) return false;
    if (spec.dst !== null && !family.covers(spec.dst, spec.dstLen, dst)) return false;
    if (spec.src !== null && (src === null || !family.covers(spec.src, spec.srcLen, src)))
      return false;
    if (spec.tos !== 0 && !family.sameTos(spec.tos, flow.tos ?? 0)) return false;
    if (spec.ipProto !== 0 && spec.ipProto !== flow.proto) return false;
    return inRange(spec.sport, flow.sport ?? 0) && inRange(spec.dport, flow.dport ?? 0);
  }

  /** A rule about a layer-3 master is about the devices that belong to it too. */
  private isDevice(index: number, of: number, flow: RuleFlow): boolean {
    return index !== 0 && (index === of || index === flow.l3Index);
  }

  /** `ip rule add` (`fib_newrule`). @param asked it says its priority @param exclusive NLM_F_EXCL */
  add(spec: RuleSpec<A>, asked: boolean, exclusive: boolean): FibRule<A> | number {
    const whole = asked ? spec : { ...spec, priority: this.defaultPriority() };
    this.extack = ruleRefusal(whole) || this.family.refusal(whole);
    if (this.extack !== '') return -EINVAL;
    if (exclusive && this.rules.some((r) => this.isSame(r.spec, whole))) return -EEXIST;
    const rule = new FibRule(whole);
    this.resolve(rule);
    let i = this.rules.findIndex((r) => r.spec.priority > whole.priority);
    if (i < 0) i = this.rules.length;
    this.set(this.rules.slice(0, i).concat(rule, this.rules.slice(i)));
    return rule;
  }

  /** `ip rule del` (`fib_delrule`): the first that fits. */
  del(match: RuleMatch<A>): FibRule<A> | number {
    this.extack = '';
    const rule = this.rules.find((r) => this.fits(r.spec, match));
    if (rule === undefined) return -ENOENT;
    this.remove(rule);
    return rule;
  }

  /** Takes one out that is known (`ip rule flush`). */
  remove(rule: FibRule<A>): void {
    this.set(this.rules.filter((r) => r !== rule));
  }

  /** With the first layer-3 master comes the rule that sends its packets to its table (`vrf_add_fib_rules`). */
  addL3mdev(): FibRule<A> | null {
    if (this.rules.some((r) => r.spec.l3mdev && r.spec.priority === L3MDEV_PRIORITY)) return null;
    const rule = this.add(plainRule(L3MDEV_PRIORITY, 0, true), true, false);
    return typeof rule === 'number' ? null : rule;
  }

  /** Linux `FIB_RULE_UNRESOLVED`: where it goes to is not there. */
  isUnresolved(rule: FibRule<A>): boolean {
    const { action, target } = rule.spec;
    return action === FR_ACT_GOTO && !this.rules.some((r) => r.spec.priority === target);
  }

  /** A device came, went or changed its name (`fib_rules_event`). */
  devicesChanged(): void {
    for (const rule of this.rules) this.resolve(rule);
    this.family.changed(this.net);
  }

  private resolve(rule: FibRule<A>): void {
    const { iif, oif } = rule.spec;
    rule.iifIndex = iif === '' ? 0 : (this.net.devs.find(iif)?.ifindex ?? 0);
    rule.oifIndex = oif === '' ? 0 : (this.net.devs.find(oif)?.ifindex ?? 0);
  }

  private set(rules: readonly FibRule<A>[]): void {
    this.rules = rules;
    this.deep = rules.some((r) => r.isDeep || (r.spec.tos !== 0 && this.family.name === 'inet6'));
    this.family.changed(this.net);
  }

  /** One less than the second rule's (`fib_default_rule_pref`). */
  private defaultPriority(): number {
    const second = this.rules[1]?.spec.priority ?? 0;
    return second === 0 ? 0 : second - 1;
  }

  /** Linux `rule_exists`: what it compares does not include where a rule goes to, nor `not`. */
  private isSame(a: RuleSpec<A>, b: RuleSpec<A>): boolean {
    return (
      a.action === b.action &&
      a.table === b.table &&
      a.priority === b.priority &&
      a.iif === b.iif &&
      a.oif === b.oif &&
      a.mark === b.mark &&
      a.markMask === b.markMask &&
      a.l3mdev === b.l3mdev &&
      a.suppressIfGroup === b.suppressIfGroup &&
      a.suppressPrefixLen === b.suppressPrefixLen &&
      a.protocol === b.protocol &&
      a.ipProto === b.ipProto &&
      samePorts(a.sport, b.sport) &&
      samePorts(a.dport, b.dport) &&
      this.sameSelector(a, b)
    );
  }

  /** Linux `fib4_rule_compare`: what the second does not say matches anything. */
  private sameSelector(a: RuleSpec<A>, b: RuleMatch<A>): boolean {
    const { equal } = this.family;
    const { src = null, dst = null, tos = 0 } = b;
    if (src !== null && (a.src === null || a.srcLen !== b.srcLen || !equal(a.src, src)))
      return false;
    if (dst !== null && (a.dst === null || a.dstLen !== b.dstLen || !equal(a.dst, dst)))
      return false;
    return tos === 0 || a.tos === tos;
  }

  private fits(a: RuleSpec<A>, m: RuleMatch<A>): boolean {
    const same = <K extends keyof RuleSpec<A>>(key: K, none: RuleSpec<A>[K]): boolean => {
      const want = m[key];
      return want === undefined || want === none || want === a[key];
    };
    return (
      (m.priority === undefined || m.priority === a.priority) &&
      same('action', 0) &&
      same('table', 0) &&
      same('iif', '') &&
      same('oif', '') &&
      same('mark', 0) &&
      same('markMask', 0) &&
      same('suppressIfGroup', -1) &&
      same('suppressPrefixLen', -1) &&
      same('l3mdev', false) &&
      same('ipProto', 0) &&
      same('protocol', 0) &&
      (m.sport === undefined || m.sport === null || samePorts(a.sport, m.sport)) &&
      (m.dport === undefined || m.dport === null || samePorts(a.dport, m.dport)) &&
      this.sameSelector(a, m)
    );
  }
}

/** Linux `fib_nl2rule`: what is refused whatever the family; the sentence, or ''. */
function ruleRefusal<A>(spec: RuleSpec<A>): string {
  if (spec.l3mdev && spec.table !== 0) return 'l3mdev and table are mutually exclusive';
  if (spec.action === FR_ACT_GOTO && spec.target === 0)
    return 'Missing goto target for action goto';
  if (spec.action === FR_ACT_GOTO && spec.target <= spec.priority)
    return 'Backward goto not supported';
  if (!isValidRange(spec.sport)) return 'Invalid sport range';
  return isValidRange(spec.dport) ? '' : 'Invalid dport range';
}

function isValidRange(r: PortRange | null): boolean {
  return r === null || (r.start !== 0 && r.end !== 0 && r.end < 0xffff && r.start <= r.end);
}

function inRange(r: PortRange | null, port: number): boolean {
  if (r === null) return true;
  if (r.mask !== 0xffff) return (port & r.mask) === (r.start & r.mask);
  return port >= r.start && port <= r.end;
}

function samePorts(a: PortRange | null, b: PortRange | null): boolean {
  if (a === null || b === null) return a === b;
  return a.start === b.start && a.end === b.end && a.mask === b.mask;
}
