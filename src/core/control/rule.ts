/** The policy rules of a namespace: `ip rule` (Linux `fib_newrule`, `fib_delrule`), of one family. */
import { EINVAL, NetError } from '../errno.ts';
import type { NetNs } from '../net.ts';
import { ownRules, RULES4, withTable } from '../network/route/rules.ts';
import { ownRules6, RULES6 } from '../network/route6/rules.ts';
import { tellRule } from '../network/rule/event.ts';
import {
  type FibRule,
  FR_ACT_BLACKHOLE,
  FR_ACT_GOTO,
  FR_ACT_NOP,
  FR_ACT_PROHIBIT,
  FR_ACT_TO_TBL,
  FR_ACT_UNREACHABLE,
  type PortRange,
  plainRule,
  type RuleSpec as StackRule,
} from '../network/rule/fib-rule.ts';
import { FibRules, type RuleMatch } from '../network/rule/fib-rules.ts';
import { formatIpv4, parseIpv4 } from '../util/address.ts';
import { formatIpv6, type Ip6Addr, parseIpv6 } from '../util/ip6-addr.ts';
import { protocolName, protocolNumber } from './names.ts';

/** What a rule does with the flows that it is about; `'table'`: looks there. */
export type RuleAction = 'table' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit';

/** Ports from `start` to `end`; with `mask`, those whose bits there are those of `start`. */
export interface PortRangeSpec {
  readonly start: number;
  readonly end: number;
  readonly mask?: number;
}

/** What `ip rule add` takes. Absent: anything. */
export interface RuleSpec {
  /** One less than the second rule's when absent. */
  readonly priority?: number;
  /** `'table'` when absent, `'goto'` with `goto`. */
  readonly action?: RuleAction;
  /** Main when absent. */
  readonly table?: number;
  /** Priority of the rule to go on with. */
  readonly goto?: number;
  readonly protocol?: string;
  /** The rule is about the flows that it does not describe. */
  readonly not?: boolean;
  /** `'10.0.0.0/8'`, `'fd00::1'` */
  readonly from?: string;
  readonly to?: string;
  readonly tos?: number;
  readonly fwmark?: number;
  readonly fwmask?: number;
  readonly iif?: string;
  readonly oif?: string;
  /** Looks in the table of the flow's vrf. */
  readonly l3mdev?: boolean;
  readonly ipproto?: number;
  readonly sport?: PortRangeSpec;
  readonly dport?: PortRangeSpec;
  readonly suppressPrefixlength?: number;
  readonly suppressIfgroup?: number;
}

/** One rule, as `ip rule show` tells it. */
export interface RuleInfo {
  readonly family: 'inet' | 'inet6';
  readonly priority: number;
  readonly not: boolean;
  /** Null: all. */
  readonly src: string | null;
  readonly srcLen: number;
  readonly dst: string | null;
  readonly dstLen: number;
  readonly tos: number;
  readonly fwmark: number;
  readonly fwmask: number;
  readonly iif: string | null;
  /** There is no such device now. */
  readonly iifDetached: boolean;
  readonly oif: string | null;
  readonly oifDetached: boolean;
  readonly l3mdev: boolean;
  readonly ipproto: number;
  readonly sport: PortRange | null;
  readonly dport: PortRange | null;
  readonly action: RuleAction;
  readonly table: number;
  readonly goto: number;
  /** Where it goes to is not there. */
  readonly unresolved: boolean;
  /** -1: none. */
  readonly suppressPrefixlength: number;
  readonly suppressIfgroup: number;
  readonly protocol: string;
}

const ACTIONS: readonly (readonly [RuleAction, number])[] = [
  ['table', FR_ACT_TO_TBL],
  ['goto', FR_ACT_GOTO],
  ['nop', FR_ACT_NOP],
  ['blackhole', FR_ACT_BLACKHOLE],
  ['unreachable', FR_ACT_UNREACHABLE],
  ['prohibit', FR_ACT_PROHIBIT],
];

const MAIN = 254;

/** How addresses of a family are written. */
interface Writing<A> {
  parse(text: string): A | undefined;
  readonly bits: number;
}

const WRITING4: Writing<number> = { parse: parseIpv4, bits: 32 };
const WRITING6: Writing<Ip6Addr> = { parse: parseIpv6, bits: 128 };

/** Rules of one family; `Namespace.rule` and `Namespace.rule6`. */
export class RuleControl {
  private readonly net: NetNs;
  private readonly family: 'inet' | 'inet6';

  constructor(net: NetNs, family: 'inet' | 'inet6') {
    this.net = net;
    this.family = family;
  }

  /** EEXIST: there is one that says the same; EINVAL. */
  add(spec: RuleSpec): void {
    if (this.family === 'inet') {
      const rule = withTable(this.net, stackRule(spec, WRITING4));
      addTo(this.net, ownRules(this.net), rule, spec);
    } else addTo(this.net, ownRules6(this.net), stackRule(spec, WRITING6), spec);
  }

  /** The first that fits everything that `spec` says. ENOENT: there is none. */
  del(spec: RuleSpec): void {
    if (this.family === 'inet') delFrom(this.net, ownRules(this.net), ruleMatch(spec, WRITING4));
    else delFrom(this.net, ownRules6(this.net), ruleMatch(spec, WRITING6));
  }

  /** In the order in which they are asked. */
  list(): RuleInfo[] {
    if (this.family === 'inet') {
      const rules = this.net.ipv4.rules ?? new FibRules(this.net, RULES4);
      return rules.list.map((r) => ruleInfo(rules, r));
    }
    const rules = this.net.ipv6.rules ?? new FibRules(this.net, RULES6);
    return rules.list.map((r) => ruleInfo(rules, r));
  }

  /** Deletes all for which `filter` is true; returns how many. */
  flush(filter: (rule: RuleInfo) => boolean): number {
    const { net } = this;
    if (!this.list().some(filter)) return 0;
    return this.family === 'inet'
      ? flushFrom(net, ownRules(net), filter)
      : flushFrom(net, ownRules6(net), filter);
  }
}

function addTo<A>(net: NetNs, rules: FibRules<A>, rule: StackRule<A>, spec: RuleSpec): void {
  const made = rules.add(rule, spec.priority !== undefined, true);
  if (typeof made === 'number') throw new NetError(made, 'rtnetlink', rules.extack);
  tellRule(net, 'newrule', rules, made);
}

function delFrom<A>(net: NetNs, rules: FibRules<A>, match: RuleMatch<A>): void {
  const gone = rules.del(match);
  if (typeof gone === 'number') throw new NetError(gone, 'rtnetlink');
  tellRule(net, 'delrule', rules, gone);
}

function flushFrom<A>(net: NetNs, rules: FibRules<A>, filter: (rule: RuleInfo) => boolean): number {
  const wanted = rules.list.filter((r) => filter(ruleInfo(rules, r)));
  for (const rule of wanted) {
    rules.remove(rule);
    tellRule(net, 'delrule', rules, rule);
  }
  return wanted.length;
}

function stackRule<A>(spec: RuleSpec, writing: Writing<A>): StackRule<A> {
  const action = spec.action ?? (spec.goto === undefined ? 'table' : 'goto');
  const whole = { ...plainRule<A>(0, 0), ...ruleMatch({ ...spec, action }, writing) };
  const toTable = action === 'table' && spec.l3mdev !== true;
  return {
    ...whole,
    table: spec.table ?? (toTable ? MAIN : 0),
    protocol: whole.protocol === 2 && spec.protocol === undefined ? 0 : whole.protocol,
    markMask: spec.fwmask ?? ((spec.fwmark ?? 0) === 0 ? 0 : -1),
  };
}

function ruleMatch<A>(spec: RuleSpec, writing: Writing<A>): RuleMatch<A> {
  const src = prefixOf(spec.from, writing, 'source');
  const dst = prefixOf(spec.to, writing, 'dst');
  const action = ACTIONS.find(([name]) => name === spec.action)?.[1];
  return {
    ...(spec.priority === undefined ? {} : { priority: spec.priority }),
    ...(action === undefined ? {} : { action }),
    ...(spec.table === undefined ? {} : { table: spec.table }),
    ...(spec.goto === undefined ? {} : { target: spec.goto }),
    ...(spec.protocol === undefined ? {} : { protocol: protocolOf(spec.protocol) }),
    invert: spec.not === true,
    src: src === null ? null : src.addr,
    srcLen: src === null ? 0 : src.len,
    dst: dst === null ? null : dst.addr,
    dstLen: dst === null ? 0 : dst.len,
    tos: spec.tos ?? 0,
    mark: (spec.fwmark ?? 0) | 0,
    ...(spec.fwmark === undefined && spec.fwmask === undefined
      ? {}
      : { markMask: (spec.fwmask ?? -1) | 0 }),
    iif: spec.iif ?? '',
    oif: spec.oif ?? '',
    l3mdev: spec.l3mdev === true,
    ipProto: spec.ipproto ?? 0,
    sport: portsOf(spec.sport),
    dport: portsOf(spec.dport),
    suppressPrefixLen: spec.suppressPrefixlength ?? -1,
    suppressIfGroup: spec.suppressIfgroup ?? -1,
  };
}

function portsOf(range: PortRangeSpec | undefined): PortRange | null {
  if (range === undefined) return null;
  return { start: range.start, end: range.end, mask: range.mask ?? 0xffff };
}

function protocolOf(name: string): number {
  const n = protocolNumber(name);
  if (n === undefined) throw new NetError(EINVAL, 'rtnetlink', `"${name}" is not known`);
  return n;
}

/** Null: any. The host's bits may be set: they do not count. */
function prefixOf<A>(
  text: string | undefined,
  { parse, bits }: Writing<A>,
  which: string,
): { readonly addr: A; readonly len: number } | null {
  if (text === undefined) return null;
  const [address = '', length] = text.split('/');
  const addr = parse(address);
  const len = length === undefined ? bits : Number(length);
  if (addr === undefined || !(len >= 0 && len <= bits))
    throw new NetError(EINVAL, 'rtnetlink', `Invalid ${which} address`);
  return len === 0 ? null : { addr, len };
}

/** A rule as `ip rule show` tells it. */
export function ruleInfo<A>(rules: FibRules<A>, rule: FibRule<A>): RuleInfo {
  const { spec } = rule;
  const { name: family } = rules.family;
  const text = (addr: A | null): string | null => (addr === null ? null : formatOf(addr));
  return {
    family,
    priority: spec.priority,
    not: spec.invert,
    src: text(spec.src),
    srcLen: spec.srcLen,
    dst: text(spec.dst),
    dstLen: spec.dstLen,
    tos: spec.tos,
    fwmark: spec.mark >>> 0,
    fwmask: spec.markMask >>> 0,
    iif: spec.iif === '' ? null : spec.iif,
    iifDetached: spec.iif !== '' && rule.iifIndex === 0,
    oif: spec.oif === '' ? null : spec.oif,
    oifDetached: spec.oif !== '' && rule.oifIndex === 0,
    l3mdev: spec.l3mdev,
    ipproto: spec.ipProto,
    sport: spec.sport,
    dport: spec.dport,
    action: ACTIONS.find(([, n]) => n === spec.action)?.[0] ?? 'table',
    table: spec.table,
    goto: spec.target,
    unresolved: rules.isUnresolved(rule),
    suppressPrefixlength: spec.suppressPrefixLen,
    suppressIfgroup: spec.suppressIfGroup,
    protocol: protocolName(spec.protocol),
  };
}

function formatOf(addr: unknown): string {
  return typeof addr === 'number' ? formatIpv4(addr) : formatIpv6(addr as Ip6Addr);
}
