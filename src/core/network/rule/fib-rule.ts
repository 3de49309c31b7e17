/**
 * One rule of policy routing (Linux `struct fib_rule`, `include/net/fib_rules.h`): which flows it is about, and what
 * becomes of them. `A`: an address of its family.
 */
import { EACCES, EINVAL, ENETUNREACH } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';

export const FR_ACT_TO_TBL = 1;
export const FR_ACT_GOTO = 2;
export const FR_ACT_NOP = 3;
export const FR_ACT_BLACKHOLE = 6;
export const FR_ACT_UNREACHABLE = 7;
export const FR_ACT_PROHIBIT = 8;

/** Numbers of ports, with both ends; `mask` 0xffff unless the rule compares some bits alone. */
export interface PortRange {
  readonly start: number;
  readonly end: number;
  readonly mask: number;
}

/** What a rule says; the fields are those of `FRA_*`. */
export interface RuleSpec<A> {
  readonly priority: number;
  /** `FR_ACT_*` */
  readonly action: number;
  readonly table: number;
  readonly target: number;
  /** `RTPROT_*`: who added it. */
  readonly protocol: number;
  /** Holds for the flows that it does not describe (`FIB_RULE_INVERT`). */
  readonly invert: boolean;
  /** Null with length 0: any. */
  readonly src: A | null;
  readonly srcLen: number;
  readonly dst: A | null;
  readonly dstLen: number;
  readonly tos: number;
  readonly mark: number;
  readonly markMask: number;
  /** Names, which may be those of devices that are not there yet; '': any. */
  readonly iif: string;
  readonly oif: string;
  /** The table is that of the flow's layer-3 master. */
  readonly l3mdev: boolean;
  /** 0: any. */
  readonly ipProto: number;
  readonly sport: PortRange | null;
  readonly dport: PortRange | null;
  /** Results with prefixes of this length, or shorter, do not count; -1: all do. */
  readonly suppressPrefixLen: number;
  /** Results through devices of this group do not count; -1: all do. */
  readonly suppressIfGroup: number;
}

/** What of a flow rules look at, besides its addresses (`struct flowi`). Absent: 0. */
export interface RuleFlow {
  /** By which device it came; absent: it is ours, which rules call lo. */
  readonly iif?: number;
  readonly oif: number;
  readonly mark?: number;
  readonly tos?: number;
  readonly proto?: number;
  readonly sport?: number;
  readonly dport?: number;
  /** Table of the layer-3 master to which the flow belongs; absent or 0: it has none. */
  readonly l3Table?: number;
  /** Index of that master. */
  readonly l3Index?: number;
}

/** What sockets and packets say of their flow to routing; a socket is one. */
export interface FlowKeys {
  readonly mark: number;
  readonly protocol: number;
  readonly sport: number;
  readonly dport: number;
}

export class FibRule<A> {
  readonly spec: RuleSpec<A>;
  /** Devices that `iif` and `oif` name now; 0: there is none, and the rule rests. */
  iifIndex = 0;
  oifIndex = 0;

  constructor(spec: RuleSpec<A>) {
    this.spec = spec;
  }

  /** `-errno` of an action that refuses, or 0. */
  get errno(): number {
    switch (this.spec.action) {
      case FR_ACT_UNREACHABLE:
        return -ENETUNREACH;
      case FR_ACT_PROHIBIT:
        return -EACCES;
      case FR_ACT_BLACKHOLE:
        return -EINVAL;
      default:
        return 0;
    }
  }

  /** It looks at what decisions are not kept by: mark, protocol, ports. */
  get isDeep(): boolean {
    const { spec } = this;
    return (
      spec.markMask !== 0 ||
      spec.mark !== 0 ||
      spec.ipProto !== 0 ||
      spec.sport !== null ||
      spec.dport !== null
    );
  }

  /** The table where a flow looks (`fib_rule_get_table`). */
  tableFor(flow: RuleFlow): number {
    return this.spec.l3mdev ? (flow.l3Table ?? 0) : this.spec.table;
  }

  /** Does the rule pass over a result like this (`fib4_rule_suppress`, `fib6_rule_suppress`)? */
  suppresses(prefixLen: number, dev: NetDevice | null): boolean {
    const { suppressPrefixLen, suppressIfGroup } = this.spec;
    if (prefixLen <= suppressPrefixLen) return true;
    return suppressIfGroup !== -1 && dev !== null && dev.group === suppressIfGroup;
  }
}

/** A rule that says nothing but where to look. */
export function plainRule<A>(priority: number, table: number, l3mdev = false): RuleSpec<A> {
  return {
    priority,
    action: FR_ACT_TO_TBL,
    table,
    target: 0,
    // RTPROT_KERNEL
    protocol: 2,
    invert: false,
    src: null,
    srcLen: 0,
    dst: null,
    dstLen: 0,
    tos: 0,
    mark: 0,
    markMask: 0,
    iif: '',
    oif: '',
    l3mdev,
    ipProto: 0,
    sport: null,
    dport: null,
    suppressPrefixLen: -1,
    suppressIfGroup: -1,
  };
}
