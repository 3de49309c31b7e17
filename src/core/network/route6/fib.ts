/**
 * IPv6 routes and the tables that hold them (Linux `struct fib6_info`, `net/ipv6/ip6_fib.c`). Small tables: a map
 * for each prefix length in use, searched from the longest.
 */
import type { NetDevice } from '../../link/net-device.ts';
import { compareIp6, type Ip6Addr, prefixOf, samePrefix } from '../../util/ip6-addr.ts';
import { Ip6Map } from '../../util/ip6-map.ts';
import type { RouteMetrics } from '../route/fib-info.ts';

/** Metric of a route that does not say (`IP6_RT_PRIO_USER`), and of those of addresses. */
export const IP6_RT_PRIO_USER = 1024;
export const IP6_RT_PRIO_ADDRCONF = 256;

export const RTPROT_RA = 9;

/** One way of a route (Linux `struct fib6_nh`). */
export class FibNexthop6 {
  readonly dev: NetDevice;
  /** Null: the destination is on the link. */
  readonly gateway: Ip6Addr | null;
  readonly weight: number;
  /** `RTNH_F_*` */
  flags: number;

  constructor(dev: NetDevice, gateway: Ip6Addr | null, weight: number, flags: number) {
    this.dev = dev;
    this.gateway = gateway;
    this.weight = weight;
    this.flags = flags;
  }
}

/** One route (Linux `struct fib6_info` with its siblings). */
export class FibRoute6 {
  readonly table: number;
  readonly dst: Ip6Addr;
  readonly prefixLen: number;
  /** Smaller is better. */
  readonly metric: number;
  /** `RTN_*` */
  readonly type: number;
  readonly protocol: number;
  readonly prefsrc: Ip6Addr | null;
  readonly nexthops: readonly FibNexthop6[];
  readonly metrics: RouteMetrics;
  /** When it goes by itself, µs; Infinity: never. */
  readonly expiresUs: number;

  constructor(route: FibRoute6) {
    this.table = route.table;
    this.dst = route.dst;
    this.prefixLen = route.prefixLen;
    this.metric = route.metric;
    this.type = route.type;
    this.protocol = route.protocol;
    this.prefsrc = route.prefsrc;
    this.nexthops = route.nexthops;
    this.metrics = route.metrics;
    this.expiresUs = route.expiresUs;
  }
}

export class Fib6Table {
  readonly id: number;
  /** By prefix length: routes of each prefix, best first. */
  private byLength: readonly (readonly [length: number, map: Ip6Map<FibRoute6[]>])[] = [];
  /** Lengths in use, longest first. */
  private lengths: readonly number[] = [];

  constructor(id: number) {
    this.id = id;
  }

  private mapOf(prefixLen: number): Ip6Map<FibRoute6[]> | undefined {
    const { byLength } = this;
    for (let i = 0; i < byLength.length; i++) {
      const entry = byLength[i];
      if (entry !== undefined && entry[0] === prefixLen) return entry[1];
    }
    return undefined;
  }

  get isEmpty(): boolean {
    return this.lengths.length === 0;
  }

  /** Lengths in use, longest first: the order in which a look-up tries them. */
  get usedLengths(): readonly number[] {
    return this.lengths;
  }

  /** Routes of one prefix, best first. */
  at(dst: Ip6Addr, prefixLen: number): readonly FibRoute6[] {
    return this.mapOf(prefixLen)?.get(dst) ?? [];
  }

  /** The routes whose prefix of this length holds `addr`; undefined when there is none. */
  match(addr: Ip6Addr, prefixLen: number): readonly FibRoute6[] | undefined {
    return this.mapOf(prefixLen)?.get(prefixOf(addr, prefixLen));
  }

  /** Puts a route behind those of equal metric (`fib6_add_rt2node`). */
  insert(route: FibRoute6): void {
    let map = this.mapOf(route.prefixLen);
    if (map === undefined) {
      map = new Ip6Map();
      // `concat` makes arrays without room to grow, of which a namespace has many.
      this.byLength = this.byLength.concat([[route.prefixLen, map]]);
      this.lengths = this.lengths.concat(route.prefixLen).sort((a, b) => b - a);
    }
    const list = map.get(route.dst);
    if (list === undefined) {
      map.set(route.dst, [route]);
      return;
    }
    const i = list.findIndex((r) => r.metric > route.metric);
    list.splice(i < 0 ? list.length : i, 0, route);
  }

  /** Puts `route` in the place of `old`. */
  replace(old: FibRoute6, route: FibRoute6): void {
    const list = this.mapOf(old.prefixLen)?.get(old.dst);
    const i = list?.indexOf(old) ?? -1;
    if (list !== undefined && i >= 0) list[i] = route;
  }

  remove(route: FibRoute6): void {
    const map = this.mapOf(route.prefixLen);
    const list = map?.get(route.dst);
    const i = list?.indexOf(route) ?? -1;
    if (map === undefined || list === undefined || i < 0) return;
    list.splice(i, 1);
    if (list.length > 0) return;
    map.delete(route.dst);
    if (map.size > 0) return;
    this.byLength = this.byLength.filter(([n]) => n !== route.prefixLen);
    this.lengths = this.lengths.filter((n) => n !== route.prefixLen);
  }

  /** What is inside of a prefix comes before it: the order in which Linux walks its tree. */
  list(): FibRoute6[] {
    const all: FibRoute6[] = [];
    for (const [, map] of this.byLength) for (const list of map.values()) all.push(...list);
    return all.sort((a, b) =>
      samePrefix(a.dst, b.dst, Math.min(a.prefixLen, b.prefixLen))
        ? b.prefixLen - a.prefixLen || a.metric - b.metric
        : compareIp6(a.dst, b.dst),
    );
  }
}
