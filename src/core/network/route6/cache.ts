/** A small direct-mapped table of IPv6 routing decisions (as `network/route/cache.ts`). */
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import type { Route6 } from './route.ts';

/** Entries; a power of two. */
const SIZE = 256;

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
  private entries: (Entry | undefined)[] | null = null;
  private readonly key: number;

  constructor(key: number) {
    this.key = key;
  }

  /** Null when it is not there or `generation` is past. */
  find(dst: Ip6Addr, src: Ip6Addr, ifindex: number, generation: number): Route6 | null {
    if (this.entries === null) return null;
    const e = this.entries[this.slot(dst, src)];
    if (e === undefined || e.ifindex !== ifindex || e.route.generation !== generation) return null;
    return e.dst.equals(dst) && e.src.equals(src) ? e.route : null;
  }

  add(dst: Ip6Addr, src: Ip6Addr, ifindex: number, route: Route6): void {
    this.entries ??= [];
    this.entries[this.slot(dst, src)] = new Entry(dst, src, ifindex, route);
  }

  private slot(dst: Ip6Addr, src: Ip6Addr): number {
    return dst.hash(src.d ^ this.key) & (SIZE - 1);
  }
}
