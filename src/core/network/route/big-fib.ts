/**
 * The routes of a large table: a trie of few, wide levels in typed arrays, whose slots hold the longest prefix that
 * covers them (controlled prefix expansion; Srinivasan and Varghese, ACM TOCS 1999). A look-up is two or three loads.
 * Each prefix knows the next shorter one that covers it, which is what a look-up falls back to, and what takes its
 * slots when it goes. docs/notes/fib.md has the figures, and what else was tried.
 */
import { EAGAIN } from '../../errno.ts';
import type { NetNs } from '../../net.ts';
import type { FibInfo } from './fib-info.ts';
import { compareRoutes, FibRoute } from './fib-route.ts';
import { type FibQuery, type FibResult, matchInfo } from './match.ts';
import { PrefixTrie } from './prefix-trie.ts';

/** In `what`: several routes of one prefix, or one with a TOS, are in `lists`. */
const IN_LISTS = 0;

export class BigFib {
  /** Routes. */
  size = 0;
  private readonly table: number;
  private readonly trie: PrefixTrie = new PrefixTrie();
  /** By prefix of the trie: which info its only route has; or `IN_LISTS`. */
  private what: Uint16Array | Uint32Array = new Uint16Array(1024);
  private readonly lists: Map<number, readonly FibRoute[]> = new Map();
  private readonly infos: InfoIndex = new InfoIndex();

  constructor(table: number) {
    this.table = table;
  }

  lookup(net: NetNs, table: number, query: FibQuery): FibResult | number {
    const { trie } = this;
    for (let p = trie.find(query.dst); p !== 0; p = trie.shorter(p)) {
      const what = this.what[p] as number;
      const prefixLen = trie.lengthOf(p);
      if (what === IN_LISTS) {
        for (const { info, tos } of this.lists.get(p) ?? []) {
          const way = matchInfo(net, info, tos, query);
          if (way === 0) continue;
          return typeof way === 'number' ? way : { table, prefixLen, tos, info, nexthop: way };
        }
        continue;
      }
      const info = this.infos.at(what);
      const way = matchInfo(net, info, 0, query);
      if (way === 0) continue;
      return typeof way === 'number' ? way : { table, prefixLen, tos: 0, info, nexthop: way };
    }
    return -EAGAIN;
  }

  /** Routes of one prefix, best first. */
  at(dst: number, prefixLen: number): readonly FibRoute[] {
    const p = this.trie.get(dst, prefixLen);
    return p === 0 ? [] : this.routesOf(p, dst);
  }

  /** Puts a route before or behind those of equal preference. */
  insert(route: FibRoute, append: boolean): void {
    const known = this.trie.get(route.dst, route.prefixLen);
    this.size++;
    if (known !== 0) {
      const list = this.routesOf(known, route.dst);
      let i = list.findIndex((r) => {
        const order = compareRoutes(route, r);
        return order < 0 || (order === 0 && !append);
      });
      if (i < 0) i = list.length;
      this.put(known, list.slice(0, i).concat(route, list.slice(i)));
      return;
    }
    const p = this.trie.add(route.dst, route.prefixLen);
    if (p >= this.what.length) this.resize();
    this.set(p, [route]);
  }

  /** Puts `route` in the place of `old`. */
  replace(old: FibRoute, route: FibRoute): void {
    const p = this.trie.get(old.dst, old.prefixLen);
    if (p !== 0)
      this.put(
        p,
        this.routesOf(p, old.dst).map((r) => (isSame(r, old) ? route : r)),
      );
  }

  /** False: it is not there. */
  remove(route: FibRoute): boolean {
    const p = this.trie.get(route.dst, route.prefixLen);
    if (p === 0) return false;
    const list = this.routesOf(p, route.dst);
    const i = list.findIndex((r) => isSame(r, route));
    if (i < 0) return false;
    this.size--;
    this.put(
      p,
      list.filter((_, n) => n !== i),
    );
    if (list.length === 1) this.trie.remove(p, route.dst);
    return true;
  }

  /** By address; the shorter prefix first, and the routes of one prefix by preference. */
  list(): readonly FibRoute[] {
    const all: FibRoute[] = [];
    for (const [p, addr] of this.trie.prefixes())
      if (this.what[p] === IN_LISTS) all.push(...this.routesOf(p, addr));
      else all.push(this.onlyRoute(p, addr));
    return all;
  }

  private routesOf(p: number, addr: number): readonly FibRoute[] {
    if (this.what[p] !== IN_LISTS) return [this.onlyRoute(p, addr)];
    return this.lists.get(p) ?? [];
  }

  private onlyRoute(p: number, addr: number): FibRoute {
    const info = this.infos.at(this.what[p] as number);
    return new FibRoute(this.table, addr, this.trie.lengthOf(p), 0, info);
  }

  /** As many numbers as the trie has, and as wide as those of infos have to be. */
  private resize(): void {
    const size = this.trie.capacity;
    const what = this.infos.count < 0x10000 ? new Uint16Array(size) : new Uint32Array(size);
    what.set(this.what);
    this.what = what;
  }

  private put(p: number, routes: readonly FibRoute[]): void {
    if (this.what[p] !== IN_LISTS) this.infos.release(this.what[p] as number);
    this.lists.delete(p);
    this.set(p, routes);
  }

  private set(p: number, routes: readonly FibRoute[]): void {
    const [only] = routes;
    if (only !== undefined && routes.length === 1 && only.tos === 0) {
      const n = this.infos.hold(only.info);
      if (n === 0x10000) this.resize();
      this.what[p] = n;
      return;
    }
    this.what[p] = IN_LISTS;
    if (only !== undefined) this.lists.set(p, routes);
  }
}

/** Routes are made anew each time they are asked for: these are the same. */
function isSame(a: FibRoute, b: FibRoute): boolean {
  return a.tos === b.tos && a.info === b.info;
}

/** Numbers for infos, from 1 on. */
class InfoIndex {
  private readonly list: (FibInfo | null)[] = [null];
  private readonly uses: number[] = [0];
  private readonly numbers: Map<FibInfo, number> = new Map();
  private readonly free: number[] = [];

  /** Numbers are smaller than this. */
  get count(): number {
    return this.list.length;
  }

  at(n: number): FibInfo {
    return this.list[n] as FibInfo;
  }

  hold(info: FibInfo): number {
    const known = this.numbers.get(info);
    if (known !== undefined) {
      this.uses[known] = (this.uses[known] as number) + 1;
      return known;
    }
    const n = this.free.pop() ?? this.list.length;
    this.list[n] = info;
    this.uses[n] = 1;
    this.numbers.set(info, n);
    return n;
  }

  release(n: number): void {
    const left = (this.uses[n] as number) - 1;
    this.uses[n] = left;
    if (left > 0) return;
    this.numbers.delete(this.at(n));
    this.list[n] = null;
    this.free.push(n);
  }
}
