/**
 * A table of routes (Linux `struct fib_table`; `fib_trie.c`). Small tables are a sorted list, large ones a trie of
 * typed arrays; which one it is, nobody sees. What is refused gives `-errno`, and the kernel's sentence in
 * `net.ipv4.extack`.
 */
import type { NetNs } from '../../net.ts';
import { BigFib } from './big-fib.ts';
import type { FibInfos } from './fib-info.ts';
import type { FibRoute } from './fib-route.ts';
import type { FibQuery, FibResult } from './match.ts';
import { SmallFib } from './small-fib.ts';

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

/** More routes than this are a trie; it is a list again when there are fewer than half. */
const BIG = 1024;

export class FibTable {
  readonly id: number;
  private readonly infos: FibInfos;
  private store: SmallFib | BigFib = new SmallFib();

  constructor(id: number, infos: FibInfos) {
    this.id = id;
    this.infos = infos;
  }

  get size(): number {
    return this.store.size;
  }

  get isEmpty(): boolean {
    return this.store.size === 0;
  }

  /** Longest prefix first; `-EAGAIN`: nothing here answers the question. */
  lookup(net: NetNs, query: FibQuery): FibResult | number {
    return this.store.lookup(net, this.id, query);
  }

  /** Routes of one prefix, best first. */
  at(dst: number, prefixLen: number): readonly FibRoute[] {
    return this.store.at(dst, prefixLen);
  }

  /** Puts a route before or behind those of equal preference. */
  insert(route: FibRoute, append: boolean): void {
    if (this.store.size === BIG && this.store instanceof SmallFib)
      this.move(new BigFib(this.id), this.store.list());
    this.infos.hold(route.info);
    this.store.insert(route, append);
  }

  /** Puts `route` in the place of `old`. */
  replace(old: FibRoute, route: FibRoute): void {
    this.infos.hold(route.info);
    this.store.replace(old, route);
    this.infos.release(old.info);
  }

  remove(route: FibRoute): void {
    if (!this.store.remove(route)) return;
    this.infos.release(route.info);
    if (this.store.size < BIG / 2 && this.store instanceof BigFib)
      this.move(new SmallFib(), this.store.list());
  }

  /** By prefix, then length, then preference: the order of `ip route`. */
  list(): FibRoute[] {
    // What is equal stays in the order of preference that it has.
    return [...this.store.list()].sort(
      (a, b) => (a.dst >>> 0) - (b.dst >>> 0) || a.prefixLen - b.prefixLen,
    );
  }

  private move(store: SmallFib | BigFib, routes: readonly FibRoute[]): void {
    for (const route of routes) store.insert(route, true);
    this.store = store;
  }
}
