/** A small direct-mapped table of routing decisions: one look at it replaces the walk through the tables. */
import { mix32 } from '../../util/random.ts';
import type { Route } from './route.ts';

/** Entries; a power of two. */
const SIZE = 256;

class Entry {
  readonly dst: number;
  readonly src: number;
  readonly ifindex: number;
  readonly tos: number;
  readonly route: Route;

  constructor(dst: number, src: number, ifindex: number, tos: number, route: Route) {
    this.dst = dst;
    this.src = src;
    this.ifindex = ifindex;
    this.tos = tos;
    this.route = route;
  }
}

export class RouteCache {
  private entries: (Entry | undefined)[] | null = null;

  /** Null when it is not there or `generation` is past. */
  find(dst: number, src: number, ifindex: number, tos: number, generation: number): Route | null {
    if (this.entries === null) return null;
    const e = this.entries[mix32(dst, src) & (SIZE - 1)];
    if (e === undefined || e.dst !== dst || e.src !== src) return null;
    if (e.ifindex !== ifindex || e.tos !== tos || e.route.generation !== generation) return null;
    return e.route;
  }

  add(dst: number, src: number, ifindex: number, tos: number, route: Route): void {
    this.entries ??= [];
    this.entries[mix32(dst, src) & (SIZE - 1)] = new Entry(dst, src, ifindex, tos, route);
  }
}
