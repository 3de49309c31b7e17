/** A small direct-mapped table of IPv6 routing decisions (as `network/route/cache.ts`). */
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import type { Route6 } from './route.ts';

/** Entries at first, and at most; powers of two. */
const FIRST_SIZE = 4;
const LAST_SIZE = 256;

class Entry {
  readonly dst: Ip6Addr;
  readonly src: Ip6Addr;
  readonly ifindex: number;
  readonly route: Route6;

  constructor(dst: Ip6Addr, src: Ip6Addr, ifindex: number, route: Route6) {
    this.dst = dst;
    this.src = src;
    this.ifindex = ifindex;
    this.route = route;
  }
}

export class Route6Cache {
  /** Null before the first one. */
  private entries: (Entry | null)[] | null = null;
  private readonly key: number;

  constructor(key: number) {
    this.key = key;
  }

  /** Null when it is not there or `generation` is past. */
  find(dst: Ip6Addr, src: Ip6Addr, ifindex: number, generation: number): Route6 | null {
    const { entries } = this;
    if (entries === null) return null;
    const e = entries[this.slot(dst, src, entries.length)] as Entry | null;
    if (e === null || e.ifindex !== ifindex || e.route.generation !== generation) return null;
    return e.dst.equals(dst) && e.src.equals(src) ? e.route : null;
  }

  add(dst: Ip6Addr, src: Ip6Addr, ifindex: number, route: Route6): void {
    let entries = this.entries ?? this.grow(FIRST_SIZE);
    const old = entries[this.slot(dst, src, entries.length)] as Entry | null;
    const crowded = old !== null && !(old.dst.equals(dst) && old.src.equals(src));
    if (crowded && entries.length < LAST_SIZE) entries = this.grow(entries.length * 4);
    entries[this.slot(dst, src, entries.length)] = new Entry(dst, src, ifindex, route);
  }

  private grow(size: number): (Entry | null)[] {
    const entries = new Array<Entry | null>(size).fill(null);
    for (const e of this.entries ?? []) if (e !== null) entries[this.slot(e.dst, e.src, size)] = e;
    this.entries = entries;
    return entries;
  }

  private slot(dst: Ip6Addr, src: Ip6Addr, size: number): number {
    return dst.hash(src.d ^ this.key) & (size - 1);
  }
}
