/** The routes of a large IPv6 table with prefixes of many lengths: by the number that a trie gives each prefix. */
import type { NetDevice } from '../../link/net-device.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import { DeviceIndex6 } from './device-index.ts';
import type { FibRoute6 } from './fib.ts';
import { PrefixTrie6 } from './prefix-trie6.ts';

const NONE: readonly FibRoute6[] = Object.freeze([]);

export class TrieFib6 {
  size = 0;
  private readonly trie: PrefixTrie6 = new PrefixTrie6();
  /** By number of the prefix. */
  private readonly routes: (FibRoute6[] | null)[] = [null];
  private readonly devices: DeviceIndex6 = new DeviceIndex6();

  /** Of the prefixes that hold `dst` and are shorter than `below`, the routes of the longest. */
  match(dst: Ip6Addr, below: number): readonly FibRoute6[] | null {
    const { trie } = this;
    let p = trie.find(dst);
    while (p !== 0 && trie.lengthOf(p) >= below) p = trie.shorter(p);
    return this.routes[p] as FibRoute6[] | null;
  }

  /** Routes of one prefix, best first. */
  at(dst: Ip6Addr, prefixLen: number): readonly FibRoute6[] {
    return this.routes[this.trie.get(dst, prefixLen)] ?? NONE;
  }

  /** Puts a route behind those of equal metric. */
  insert(route: FibRoute6): void {
    this.size++;
    this.devices.add(route);
    const known = this.trie.get(route.dst, route.prefixLen);
    if (known === 0) {
      this.routes[this.trie.add(route.dst, route.prefixLen)] = [route];
      return;
    }
    const list = this.routes[known] as FibRoute6[];
    let i = list.length;
    while (i > 0 && (list[i - 1] as FibRoute6).metric > route.metric) i--;
    list.splice(i, 0, route);
  }

  /** Puts `route` in the place of `old`. */
  replace(old: FibRoute6, route: FibRoute6): void {
    const list = this.routes[this.trie.get(old.dst, old.prefixLen)] ?? null;
    const i = list?.indexOf(old) ?? -1;
    if (list === null || i < 0) return;
    list[i] = route;
    this.devices.remove(old);
    this.devices.add(route);
  }

  remove(route: FibRoute6): void {
    const p = this.trie.get(route.dst, route.prefixLen);
    const list = this.routes[p] ?? null;
    const i = list?.indexOf(route) ?? -1;
    if (list === null || i < 0) return;
    this.size--;
    this.devices.remove(route);
    list.splice(i, 1);
    if (list.length > 0) return;
    this.routes[p] = null;
    this.trie.remove(p, route.dst);
  }

  list(): readonly FibRoute6[] {
    return this.routes.flatMap((list) => list ?? NONE);
  }

  /** Routes that have a way through a device. */
  through(dev: NetDevice): readonly FibRoute6[] {
    return this.devices.through(dev);
  }

  /** The same of one prefix, best first. */
  of(dev: NetDevice, dst: Ip6Addr, prefixLen: number): readonly FibRoute6[] {
    return this.devices.of(dev, dst, prefixLen);
  }
}
