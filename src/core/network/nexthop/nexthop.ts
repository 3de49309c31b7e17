/**
 * Next hops as objects of their own, which routes name by a number (Linux `struct nexthop`, `struct nh_group`,
 * `net/ipv4/nexthop.c`): a way, a refusal, or a group of ways.
 */
import type { NetDevice } from '../../link/net-device.ts';
import type { FibNexthop } from '../route/fib-info.ts';
import type { FibNexthop6 } from '../route6/fib.ts';
import type { Buckets } from './buckets.ts';

export const NEXTHOP_GRP_TYPE_MPATH = 0;
export const NEXTHOP_GRP_TYPE_RES = 1;

/** A nexthop in a group. */
export interface GroupEntry {
  readonly nh: Nexthop;
  readonly weight: number;
}

export interface NhGroup {
  readonly entries: readonly GroupEntry[];
  /** Of a resilient group; null: flows are shared out by their hash alone. */
  readonly buckets: Buckets | null;
}

/** What a nexthop says; replaced as a whole. */
export interface NexthopConfig {
  /** Of a group `'unspec'`. */
  readonly family: 'inet' | 'inet6' | 'unspec';
  readonly protocol: number;
  /** A way, which its family made; null: a group, or of the other family. */
  readonly way4: FibNexthop | null;
  readonly way6: FibNexthop6 | null;
  readonly blackhole: boolean;
  readonly group: NhGroup | null;
}

export class Nexthop {
  readonly id: number;
  config: NexthopConfig;
  /** What routes take of it; those of a group in its order. */
  ways4: readonly FibNexthop[] = [];
  ways6: readonly FibNexthop6[] = [];

  constructor(id: number, config: NexthopConfig) {
    this.id = id;
    this.config = config;
  }

  get isGroup(): boolean {
    return this.config.group !== null;
  }

  /** Its device, or that of a group's first; null: it has none. */
  get dev(): NetDevice | null {
    const { way4, way6 } = this.config;
    return way4?.dev ?? way6?.dev ?? null;
  }

  get buckets(): Buckets | null {
    return this.config.group?.buckets ?? null;
  }

  /** Packets that take it are refused (`nexthop_is_blackhole`). */
  get isBlackhole(): boolean {
    const { blackhole, group } = this.config;
    return blackhole || group?.entries.some((e) => e.nh.config.blackhole) === true;
  }

  /** Does it, or a member of it, belong to IPv4, which routes of IPv6 cannot use (`fib6_check_nexthop`)? */
  get hasIpv4(): boolean {
    const { family, group } = this.config;
    return family === 'inet' || group?.entries.some((e) => e.nh.config.family === 'inet') === true;
  }

  get hasIpv6(): boolean {
    const { family, group } = this.config;
    return (
      family === 'inet6' || group?.entries.some((e) => e.nh.config.family === 'inet6') === true
    );
  }

  has(member: Nexthop): boolean {
    return this.config.group?.entries.some((e) => e.nh === member) === true;
  }
}
