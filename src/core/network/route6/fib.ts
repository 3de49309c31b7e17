/**
 * IPv6 routes and the tables that hold them (Linux `struct fib6_info`, `net/ipv6/ip6_fib.c`). Small tables are a
 * list, larger ones hash tables, and those with prefixes of many lengths a trie; which one it is, nobody sees.
 */
import type { NetDevice } from '../../link/net-device.ts';
import { compareIp6, type Ip6Addr, samePrefix } from '../../util/ip6-addr.ts';
import type { Nexthop } from '../nexthop/nexthop.ts';
import type { RouteMetrics } from '../route/fib-info.ts';
import { HashFib6 } from './hash-fib.ts';
import { SmallFib6 } from './small-fib.ts';
import { TrieFib6 } from './trie-fib.ts';

/** Metric of a route that does not say (`IP6_RT_PRIO_USER`), and of those of addresses. */
export const IP6_RT_PRIO_USER = 1024;
export const IP6_RT_PRIO_ADDRCONF = 256;

export const RTPROT_RA = 9;

/** What a router said (`include/uapi/linux/ipv6_route.h`): a default route, a prefix on the link, a route to a prefix. */
export const RTF_DEFAULT = 0x00010000;
export const RTF_ADDRCONF = 0x00040000;
export const RTF_PREFIX_RT = 0x00080000;
export const RTF_ROUTEINFO = 0x00800000;
/** Preference of a router (RFC 4191 §2.1): two bits, as on the wire; 0 medium, 1 high, 3 low. */
const RTF_PREF_SHIFT = 27;
export const RTF_PREF_MASK: number = 3 << RTF_PREF_SHIFT;

export function prefFlags(pref: number): number {
  return (pref & 3) << RTF_PREF_SHIFT;
}

/** The two bits of a route's preference. */
export function prefOf(flags: number): number {
  return (flags >>> RTF_PREF_SHIFT) & 3;
}

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
  metrics: RouteMetrics;
  /** When it goes by itself, µs; Infinity: never. */
  expiresUs: number;
  /** `RTF_*` of those above. */
  flags: number;
  /** The object whose ways these are; null: the route has its own. */
  readonly nh: Nexthop | null;

  constructor(
    route: Omit<FibRoute6, 'nh' | 'flags'> & {
      readonly nh?: Nexthop | null;
      readonly flags?: number;
    },
  ) {
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
    this.nh = route.nh ?? null;
    this.flags = route.flags ?? 0;
  }
}

/** More routes than this are in hash tables; they are a list again when there are fewer than half. */
const BIG = 64;
/** As many of more lengths than a look-up should try one by one are in a trie, until there are half as many. */
const HUGE = 1024;
const MANY_LENGTHS = 8;

export class Fib6Table {
  readonly id: number;
  private store: SmallFib6 | HashFib6 | TrieFib6 = new SmallFib6();
  /** Routes that prefer a source: an address that goes asks for them. */
  private withSource = 0;

  constructor(id: number) {
    this.id = id;
  }

  get isEmpty(): boolean {
    return this.store.size === 0;
  }

  /**
   * Of the prefixes that hold `dst` and are shorter than `below`, the routes of the longest, best first; null when
   * there is none.
   */
  match(dst: Ip6Addr, below: number): readonly FibRoute6[] | null {
    return this.store.match(dst, below);
  }

  /** Routes of one prefix, best first. */
  at(dst: Ip6Addr, prefixLen: number): readonly FibRoute6[] {
    return this.store.at(dst, prefixLen);
  }

  /** Puts a route behind those of equal metric (`fib6_add_rt2node`). */
  insert(route: FibRoute6): void {
    if (this.store.size === BIG && this.store instanceof SmallFib6)
      this.move(new HashFib6(), this.store.list());
    else if (this.store instanceof HashFib6 && isHuge(this.store))
      this.move(new TrieFib6(), this.store.list());
    this.store.insert(route);
    if (route.prefsrc !== null) this.withSource++;
  }

  /** Puts `route` in the place of `old`. */
  replace(old: FibRoute6, route: FibRoute6): void {
    this.store.replace(old, route);
    if (old.prefsrc !== null) this.withSource--;
    if (route.prefsrc !== null) this.withSource++;
  }

  remove(route: FibRoute6): void {
    this.store.remove(route);
    if (route.prefsrc !== null) this.withSource--;
    if (this.store.size === HUGE / 2 && this.store instanceof TrieFib6)
      this.move(new HashFib6(), this.store.list());
    if (this.store.size < BIG / 2 && this.store instanceof HashFib6)
      this.move(new SmallFib6(), this.store.list());
  }

  /** Routes that have a way through a device, in no particular order. */
  through(dev: NetDevice): readonly FibRoute6[] {
    return this.store.through(dev);
  }

  /** The same of one prefix, best first. */
  of(dev: NetDevice, dst: Ip6Addr, prefixLen: number): readonly FibRoute6[] {
    return this.store.of(dev, dst, prefixLen);
  }

  /** Routes that prefer `addr` as their source. */
  preferring(addr: Ip6Addr): readonly FibRoute6[] {
    if (this.withSource === 0) return [];
    return this.store.list().filter((r) => r.prefsrc?.equals(addr) === true);
  }

  /** What is inside of a prefix comes before it: the order in which Linux walks its tree. */
  list(): FibRoute6[] {
    return [...this.store.list()].sort((a, b) =>
      samePrefix(a.dst, b.dst, Math.min(a.prefixLen, b.prefixLen))
        ? b.prefixLen - a.prefixLen || a.metric - b.metric
        : compareIp6(a.dst, b.dst),
    );
  }

  private move(store: SmallFib6 | HashFib6 | TrieFib6, routes: readonly FibRoute6[]): void {
    for (const route of routes) store.insert(route);
    this.store = store;
  }
}

function isHuge(store: HashFib6): boolean {
  return store.size >= HUGE && store.lengthCount > MANY_LENGTHS;
}
