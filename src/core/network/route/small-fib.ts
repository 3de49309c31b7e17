/**
 * The routes of a small table: one sorted list, longest prefixes first, among which each length is searched by
 * halves. It takes eight bytes for each route besides the route itself, and nothing when there is none.
 */
import { EAGAIN } from '../../errno.ts';
import type { NetNs } from '../../net.ts';
import { maskOf } from '../../util/address.ts';
import { compareRoutes, type FibRoute } from './fib-route.ts';
import { type FibQuery, type FibResult, matchInfo } from './match.ts';

/** Up to as many, looking at each is quicker than halving. */
const LINEAR = 16;

export class SmallFib {
  /** By length, the longest first; then by prefix, unsigned; then by preference. */
  private routes: FibRoute[] = [];

  get size(): number {
    return this.routes.length;
  }

  lookup(net: NetNs, table: number, query: FibQuery): FibResult | number {
    const { routes } = this;
    for (let i = this.find(query.dst, 0); i >= 0; i = this.after(query.dst, i)) {
      const { info, tos, prefixLen } = routes[i] as FibRoute;
      const way = matchInfo(net, info, tos, query);
      if (way === 0) continue;
      return typeof way === 'number' ? way : { table, prefixLen, tos, info, nexthop: way };
    }
    return -EAGAIN;
  }

  /** Routes of one prefix, best first. */
  at(dst: number, prefixLen: number): readonly FibRoute[] {
    const start = this.lowerBound(dst, prefixLen, 0, this.routes.length);
    let end = start;
    while (this.isAt(end, dst, prefixLen)) end++;
    return this.routes.slice(start, end);
  }

  /** Puts a route before or behind those of equal preference. */
  insert(route: FibRoute, append: boolean): void {
    const { routes } = this;
    let i = this.lowerBound(route.dst, route.prefixLen, 0, routes.length);
    for (; this.isAt(i, route.dst, route.prefixLen); i++) {
      const order = compareRoutes(route, routes[i] as FibRoute);
      if (order < 0 || (order === 0 && !append)) break;
    }
    // Arrays without room to grow, of which a namespace has many.
    if (routes.length < LINEAR) this.routes = routes.slice(0, i).concat(route, routes.slice(i));
    else routes.splice(i, 0, route);
  }

  /** Puts `route` in the place of `old`. */
  replace(old: FibRoute, route: FibRoute): void {
    const i = this.routes.indexOf(old);
    if (i >= 0) this.routes[i] = route;
  }

  /** False: it is not there. */
  remove(route: FibRoute): boolean {
    const i = this.routes.indexOf(route);
    if (i < 0) return false;
    this.routes = this.routes.filter((_, n) => n !== i);
    return true;
  }

  list(): readonly FibRoute[] {
    return this.routes;
  }

  /** From `i` on, the first route whose prefix holds `dst`; -1: none. */
  private find(dst: number, from: number): number {
    const { routes } = this;
    const n = routes.length;
    if (n <= LINEAR) {
      for (let i = from; i < n; i++) {
        const r = routes[i] as FibRoute;
        if ((dst & maskOf(r.prefixLen)) === r.dst) return i;
      }
      return -1;
    }
    for (let i = from; i < n; ) {
      const { prefixLen } = routes[i] as FibRoute;
      const end = this.endOf(prefixLen, i);
      const key = dst & maskOf(prefixLen);
      const at = this.lowerBound(key, prefixLen, i, end);
      if (at < end && (routes[at] as FibRoute).dst === key) return at;
      i = end;
    }
    return -1;
  }

  /** The next route whose prefix holds `dst`, behind the one at `i`. */
  private after(dst: number, i: number): number {
    const r = this.routes[i] as FibRoute;
    if (this.isAt(i + 1, r.dst, r.prefixLen)) return i + 1;
    const next = this.routes.length <= LINEAR ? i + 1 : this.endOf(r.prefixLen, i);
    return this.find(dst, next);
  }

  private isAt(i: number, dst: number, prefixLen: number): boolean {
    const r = this.routes[i];
    return r !== undefined && r.dst === dst && r.prefixLen === prefixLen;
  }

  /** Where the routes of a length end. */
  private endOf(prefixLen: number, from: number): number {
    let low = from;
    let high = this.routes.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if ((this.routes[mid] as FibRoute).prefixLen >= prefixLen) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** Where the routes of a prefix are, or would be. */
  private lowerBound(dst: number, prefixLen: number, from: number, to: number): number {
    let low = from;
    let high = to;
    while (low < high) {
      const mid = (low + high) >>> 1;
      const r = this.routes[mid] as FibRoute;
      const before =
        r.prefixLen > prefixLen || (r.prefixLen === prefixLen && r.dst >>> 0 < dst >>> 0);
      if (before) low = mid + 1;
      else high = mid;
    }
    return low;
  }
}
