/**
 * What routes say beyond their prefix, shared by all that say the same (Linux `struct fib_info`, `fib_find_info`):
 * a table of a million routes has a few hundred of these.
 */
import type { NetDevice } from '../../link/net-device.ts';
import { mix32 } from '../../util/random.ts';
import type { Nexthop } from '../nexthop/nexthop.ts';

/** Metrics of a route (`RTAX_*`); 0: not set. */
export interface RouteMetrics {
  readonly mtu: number;
  readonly advmss: number;
  readonly initcwnd: number;
  readonly initrwnd: number;
  readonly window: number;
  readonly hoplimit: number;
  readonly rtoMin: number;
  readonly quickack: number;
  /** Milliseconds. */
  readonly rtt: number;
  readonly rttvar: number;
  readonly ssthresh: number;
  readonly cwnd: number;
  readonly reordering: number;
  /** `RTAX_FEATURE_*`: 1: ECN. */
  readonly features: number;
  readonly fastopenNoCookie: number;
  /** Name of the congestion control; '': that of the sysctl. */
  readonly cc: string;
  /** The MTU was given with `lock`: path MTU discovery does not change it. */
  readonly mtuLock: boolean;
  /** `1 << RTAX_*`: given with `lock`, so that nothing learnt changes them. */
  readonly locks: number;
}

export const NO_METRICS: RouteMetrics = Object.freeze({
  mtu: 0,
  advmss: 0,
  initcwnd: 0,
  initrwnd: 0,
  window: 0,
  hoplimit: 0,
  rtoMin: 0,
  quickack: 0,
  rtt: 0,
  rttvar: 0,
  ssthresh: 0,
  cwnd: 0,
  reordering: 0,
  features: 0,
  fastopenNoCookie: 0,
  cc: '',
  mtuLock: false,
  locks: 0,
});

const METRIC_KEYS = Object.freeze(Object.keys(NO_METRICS)) as readonly (keyof RouteMetrics)[];

/** Does a route have every metric that `wanted` says (`fib_metrics_match`)? */
export function metricsMatch(m: RouteMetrics, wanted: RouteMetrics): boolean {
  if (wanted === NO_METRICS) return true;
  return METRIC_KEYS.every((key) => {
    if (key === 'mtuLock' || key === 'locks') return true;
    const value = wanted[key];
    return value === 0 || value === '' || value === m[key];
  });
}

export const RTNH_F_DEAD = 1;
export const RTNH_F_ONLINK = 4;
export const RTNH_F_LINKDOWN = 16;

/** One way of a route (Linux `struct fib_nh`). */
export class FibNexthop {
  readonly dev: NetDevice;
  /** 0: the destination is on the link. */
  readonly gateway: number;
  readonly weight: number;
  /** Scope of the next hop itself: `RT_SCOPE_NOWHERE` behind a local route. */
  readonly scope: number;
  /** `RTNH_F_*` */
  flags: number;

  constructor(dev: NetDevice, gateway: number, weight: number, scope: number, flags: number) {
    this.dev = dev;
    this.gateway = gateway;
    this.weight = weight;
    this.scope = scope;
    this.flags = flags;
  }
}

/** The fields that make two of them the same. */
export interface FibInfoSpec {
  /** `RTN_*` */
  readonly type: number;
  readonly scope: number;
  readonly protocol: number;
  readonly prefsrc: number;
  /** Metric: smaller is better. */
  readonly priority: number;
  readonly nexthops: readonly FibNexthop[];
  readonly metrics: RouteMetrics;
  /** The object whose ways these are; absent: the route has its own. */
  readonly nh?: Nexthop | null;
}

export class FibInfo implements FibInfoSpec {
  readonly type: number;
  readonly scope: number;
  readonly protocol: number;
  readonly prefsrc: number;
  readonly priority: number;
  nexthops: readonly FibNexthop[];
  readonly metrics: RouteMetrics;
  readonly nh: Nexthop | null;
  /** Routes that say this. */
  routes = 0;

  constructor(spec: FibInfoSpec) {
    this.type = spec.type;
    this.scope = spec.scope;
    this.protocol = spec.protocol;
    this.prefsrc = spec.prefsrc;
    this.priority = spec.priority;
    this.nexthops = spec.nexthops;
    this.metrics = spec.metrics;
    this.nh = spec.nh ?? null;
  }

  /** No way is left. */
  isDead(): boolean {
    return this.nexthops.length > 0 && this.nexthops.every((n) => (n.flags & RTNH_F_DEAD) !== 0);
  }
}

/** As many are searched one by one; more are found by a hash. */
const FEW = 16;

/** All of one namespace. */
export class FibInfos {
  private list: readonly FibInfo[] = [];
  private buckets: Map<number, FibInfo[]> | null = null;

  /** The one that says this; a new one if there is none. It counts once a route holds it. */
  intern(spec: FibInfoSpec): FibInfo {
    const among = this.buckets === null ? this.list : (this.buckets.get(hashOf(spec)) ?? []);
    return among.find((info) => sameInfo(info, spec)) ?? new FibInfo(spec);
  }

  /** A route says this from now on. */
  hold(info: FibInfo): void {
    if (info.routes++ > 0) return;
    if (this.buckets !== null) {
      add(this.buckets, info);
      return;
    }
    // `concat` makes arrays without room to grow, of which a namespace has many.
    this.list = this.list.concat(info);
    if (this.list.length <= FEW) return;
    this.buckets = new Map();
    for (const one of this.list) add(this.buckets, one);
    this.list = [];
  }

  /** A route that said this is gone. */
  release(info: FibInfo): void {
    if (--info.routes > 0) return;
    if (this.buckets === null) {
      this.list = this.list.filter((one) => one !== info);
      return;
    }
    const hash = hashOf(info);
    const left = (this.buckets.get(hash) ?? []).filter((one) => one !== info);
    if (left.length === 0) this.buckets.delete(hash);
    else this.buckets.set(hash, left);
  }

  *[Symbol.iterator](): IterableIterator<FibInfo> {
    yield* this.list;
    for (const some of this.buckets?.values() ?? []) yield* some;
  }

  /** The way straight to a device's link, as one that is there has it. */
  direct(dev: NetDevice, scope: number, flags: number): readonly FibNexthop[] {
    for (const { nexthops, nh } of this.list) {
      const [way] = nexthops;
      if (nh !== null || nexthops.length !== 1 || way === undefined || way.dev !== dev) continue;
      if (way.gateway === 0 && way.scope === scope && way.flags === flags && way.weight === 1)
        return nexthops;
    }
    return [new FibNexthop(dev, 0, 1, scope, flags)];
  }
}

function add(buckets: Map<number, FibInfo[]>, info: FibInfo): void {
  const hash = hashOf(info);
  const some = buckets.get(hash);
  if (some === undefined) buckets.set(hash, [info]);
  else some.push(info);
}

function hashOf(spec: FibInfoSpec): number {
  let hash = mix32(spec.prefsrc ^ spec.type, (spec.priority << 8) ^ spec.protocol);
  // The ways of an object change while the routes by it stay.
  if (spec.nh != null) return mix32(hash, spec.nh.id);
  for (const n of spec.nexthops) hash = mix32(hash ^ n.gateway, n.dev.ifindex);
  return hash;
}

function sameInfo(a: FibInfo, b: FibInfoSpec): boolean {
  return (
    a.type === b.type &&
    a.scope === b.scope &&
    a.prefsrc === b.prefsrc &&
    a.protocol === b.protocol &&
    a.priority === b.priority &&
    a.nh === (b.nh ?? null) &&
    (a.nh !== null || sameWays(a.nexthops, b.nexthops)) &&
    METRIC_KEYS.every((key) => a.metrics[key] === b.metrics[key])
  );
}

function sameWays(a: readonly FibNexthop[], b: readonly FibNexthop[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  return a.every((n, i) => {
    const o = b[i];
    return (
      n.dev === o?.dev &&
      n.gateway === o.gateway &&
      n.weight === o.weight &&
      (n.flags & RTNH_F_ONLINK) === (o.flags & RTNH_F_ONLINK)
    );
  });
}
