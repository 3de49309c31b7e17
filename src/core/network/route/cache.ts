/** A small direct-mapped table of routing decisions: one look at it replaces the walk through the tables. */
import { mix32 } from '../../util/random.ts';
import type { Route } from './route.ts';

/** Entries at first, and at most; powers of two. */
const FIRST_SIZE = 4;
const LAST_SIZE = 256;

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
  /** Null before the first one. */
  private entries: (Entry | null)[] | null = null;

  /** Null when it is not there or `generation` is past. */
  find(dst: number, src: number, ifindex: number, tos: number, generation: number): Route | null {
    const { entries } = this;
    if (entries === null) return null;
    const e = entries[mix32(dst, src) & (entries.length - 1)] as Entry | null;
    if (e === null || e.dst !== dst || e.src !== src) return null;
    if (e.ifindex !== ifindex || e.tos !== tos || e.route.generation !== generation) return null;
    return e.route;
  }

  add(dst: number, src: number, ifindex: number, tos: number, route: Route): void {
    let entries = this.entries ?? this.grow(FIRST_SIZE);
    const old = entries[mix32(dst, src) & (entries.length - 1)] as Entry | null;
    // Two that are wanted and do not fit: the next size, up to the last.
    if (old !== null && (old.dst !== dst || old.src !== src) && entries.length < LAST_SIZE)
      entries = this.grow(entries.length * 4);
    entries[mix32(dst, src) & (entries.length - 1)] = new Entry(dst, src, ifindex, tos, route);
  }

  private grow(size: number): (Entry | null)[] {
    const entries = new Array<Entry | null>(size).fill(null);
    for (const e of this.entries ?? [])
      if (e !== null) entries[mix32(e.dst, e.src) & (size - 1)] = e;
    this.entries = entries;
    return entries;
  }
}
