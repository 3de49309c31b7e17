/**
 * Routes and the tables that hold them (Linux `fib_semantics.c`, `fib_trie.c`). Small tables: a map for
 * each prefix length in use, searched from the longest. What is refused gives `-errno`, and the kernel's
 * sentence in `net.ipv4.extack`.
 */
import type { NetDevice } from '../../link/net-device.ts';
import { maskOf } from '../../util/address.ts';
import { SmallMap } from '../../util/small-map.ts';
import type { Route } from './route.ts';

export const RT_TABLE_UNSPEC = 0;
export const RT_TABLE_DEFAULT = 253;
export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;

export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_SITE = 200;
export const RT_SCOPE_LINK = 253;
export const RT_SCOPE_HOST = 254;
export const RT_SCOPE_NOWHERE = 255;

export const RTPROT_UNSPEC = 0;
export const RTPROT_REDIRECT = 1;
export const RTPROT_KERNEL = 2;
export const RTPROT_BOOT = 3;
export const RTPROT_STATIC = 4;

export const RTNH_F_DEAD = 1;
export const RTNH_F_ONLINK = 4;
export const RTNH_F_LINKDOWN = 16;

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
  /** The MTU was given with `lock`: path MTU discovery does not change it. */
  readonly mtuLock: boolean;
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
  mtuLock: false,
});

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

/** One route (Linux `struct fib_alias` with its `fib_info`). */
export class FibRoute {
  readonly table: number;
  /** Prefix and its length. */
  readonly dst: number;
  readonly prefixLen: number;
  readonly tos: number;
  /** Metric: smaller is better. */
  readonly priority: number;
  /** `RTN_*` */
  readonly type: number;
  readonly scope: number;
  readonly protocol: number;
  readonly prefsrc: number;
  readonly nexthops: readonly FibNexthop[];
  readonly metrics: RouteMetrics;

  constructor(route: Omit<FibRoute, 'isDead'>) {
    this.table = route.table;
    this.dst = route.dst;
    this.prefixLen = route.prefixLen;
    this.tos = route.tos;
    this.priority = route.priority;
    this.type = route.type;
    this.scope = route.scope;
    this.protocol = route.protocol;
    this.prefsrc = route.prefsrc;
    this.nexthops = route.nexthops;
    this.metrics = route.metrics;
  }

  /** No way is left. */
  isDead(): boolean {
    return this.nexthops.length > 0 && this.nexthops.every((n) => (n.flags & RTNH_F_DEAD) !== 0);
  }
}

/** The routes of one prefix length. */
export class FibLevel {
  readonly length: number;
  readonly mask: number;
  /** By prefix: routes in order of preference. */
  readonly routes: SmallMap<number, FibRoute[]> = new SmallMap();

  constructor(length: number) {
    this.length = length;
    this.mask = maskOf(length);
  }
}

export class FibTable {
  readonly id: number;
  /** Lengths in use, longest first: the order in which a look-up tries them. */
  levels: readonly FibLevel[] = [];

  constructor(id: number) {
    this.id = id;
  }

  get isEmpty(): boolean {
    return this.levels.length === 0;
  }

  /** Routes of one prefix, best first. */
  at(dst: number, prefixLen: number): readonly FibRoute[] {
    return this.level(prefixLen)?.routes.get(dst) ?? [];
  }

  /** Puts a route before or behind those of equal preference. */
  insert(route: FibRoute, append: boolean): void {
    let level = this.level(route.prefixLen);
    if (level === undefined) {
      level = new FibLevel(route.prefixLen);
      // `concat` makes arrays without room to grow, of which a namespace has many.
      this.levels = this.levels.concat(level).sort((a, b) => b.length - a.length);
    }
    const list = level.routes.get(route.dst);
    if (list === undefined) {
      level.routes.set(route.dst, [route]);
      return;
    }
    let i = list.findIndex((r) => compare(route, r) < 0 || (!append && compare(route, r) === 0));
    if (i < 0) i = list.length;
    list.splice(i, 0, route);
  }

  /** Puts `route` in the place of `old`. */
  replace(old: FibRoute, route: FibRoute): void {
    const list = this.level(old.prefixLen)?.routes.get(old.dst);
    const i = list?.indexOf(old) ?? -1;
    if (list !== undefined && i >= 0) list[i] = route;
  }

  remove(route: FibRoute): void {
    const level = this.level(route.prefixLen);
    const list = level?.routes.get(route.dst);
    const i = list?.indexOf(route) ?? -1;
    if (level === undefined || list === undefined || i < 0) return;
    list.splice(i, 1);
    if (list.length > 0) return;
    level.routes.delete(route.dst);
    if (level.routes.size === 0) this.levels = this.levels.filter((l) => l !== level);
  }

  /** By prefix, then length, then preference: the order of `ip route`. */
  list(): FibRoute[] {
    const all: FibRoute[] = [];
    for (const level of this.levels) for (const list of level.routes.values()) all.push(...list);
    return all.sort(
      (a, b) => (a.dst >>> 0) - (b.dst >>> 0) || a.prefixLen - b.prefixLen || compare(a, b),
    );
  }

  private level(prefixLen: number): FibLevel | undefined {
    return this.levels.find((l) => l.length === prefixLen);
  }
}

/** What a look-up found: the route and the way to take. */
export interface FibResult {
  readonly route: FibRoute;
  readonly nexthop: FibNexthop | null;
}

/** Larger TOS first, then smaller metric (`fib_find_alias`). */
function compare(a: FibRoute, b: FibRoute): number {
  return b.tos - a.tos || a.priority - b.priority;
}

/** A cached decision with the question that it answers. */
export interface CachedRoute {
  readonly dst: number;
  readonly src: number;
  readonly ifindex: number;
  readonly tos: number;
  readonly route: Route;
}
