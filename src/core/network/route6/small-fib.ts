/** The routes of a small IPv6 table: one list, longest prefixes first. It takes nothing when there is none. */
import type { NetDevice } from '../../link/net-device.ts';
import { compareIp6, type Ip6Addr, samePrefix } from '../../util/ip6-addr.ts';
import type { FibRoute6 } from './fib.ts';

export class SmallFib6 {
  /** By length, the longest first; then by prefix; then by metric. */
  private routes: readonly FibRoute6[] = [];

  get size(): number {
    return this.routes.length;
  }

  /** Of the prefixes that hold `dst` and are shorter than `below`, the routes of the longest. */
  match(dst: Ip6Addr, below: number): readonly FibRoute6[] | null {
    const { routes } = this;
    for (let i = 0; i < routes.length; i++) {
      const r = routes[i] as FibRoute6;
      if (r.prefixLen >= below || !samePrefix(r.dst, dst, r.prefixLen)) continue;
      let end = i + 1;
      while (this.isOf(end, r.dst, r.prefixLen)) end++;
      return routes.slice(i, end);
    }
    return null;
  }

  /** Routes of one prefix, best first. */
  at(dst: Ip6Addr, prefixLen: number): readonly FibRoute6[] {
    return this.routes.filter((_, i) => this.isOf(i, dst, prefixLen));
  }

  /** Puts a route behind those of equal metric. */
  insert(route: FibRoute6): void {
    const { routes } = this;
    let i = routes.findIndex((r) => order(route, r) < 0);
    if (i < 0) i = routes.length;
    // Arrays without room to grow, of which a namespace has many.
    this.routes = routes.slice(0, i).concat(route, routes.slice(i));
  }

  /** Puts `route` in the place of `old`. */
  replace(old: FibRoute6, route: FibRoute6): void {
    this.routes = this.routes.map((r) => (r === old ? route : r));
  }

  remove(route: FibRoute6): void {
    this.routes = this.routes.filter((r) => r !== route);
  }

  list(): readonly FibRoute6[] {
    return this.routes;
  }

  /** Routes that have a way through a device. */
  through(dev: NetDevice): readonly FibRoute6[] {
    return this.routes.filter((r) => r.nexthops.some((n) => n.dev === dev));
  }

  /** The same of one prefix, best first. */
  of(dev: NetDevice, dst: Ip6Addr, prefixLen: number): readonly FibRoute6[] {
    return this.at(dst, prefixLen).filter((r) => r.nexthops.some((n) => n.dev === dev));
  }

  private isOf(i: number, dst: Ip6Addr, prefixLen: number): boolean {
    const r = this.routes[i];
    return r !== undefined && r.prefixLen === prefixLen && r.dst.equals(dst);
  }
}

function order(a: FibRoute6, b: FibRoute6): number {
  return b.prefixLen - a.prefixLen || compareIp6(a.dst, b.dst) || a.metric - b.metric;
}
