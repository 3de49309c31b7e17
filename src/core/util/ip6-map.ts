/** A map by IPv6 address: buckets by a keyed hash, so that nobody outside can make one of them long. */
import type { Ip6Addr } from './ip6-addr.ts';

class Entry<V> {
  readonly addr: Ip6Addr;
  value: V;
  next: Entry<V> | null;

  constructor(addr: Ip6Addr, value: V, next: Entry<V> | null) {
    this.addr = addr;
    this.value = value;
    this.next = next;
  }
}

export class Ip6Map<V> {
  size = 0;
  private readonly buckets: Map<number, Entry<V>> = new Map();
  private readonly key: number;

  constructor(key = 0) {
    this.key = key;
  }

  get(addr: Ip6Addr): V | undefined {
    if (this.size === 0) return undefined;
    let e = this.buckets.get(addr.hash(this.key)) ?? null;
    while (e !== null && !e.addr.equals(addr)) e = e.next;
    return e === null ? undefined : e.value;
  }

  has(addr: Ip6Addr): boolean {
    return this.get(addr) !== undefined;
  }

  set(addr: Ip6Addr, value: V): void {
    const hash = addr.hash(this.key);
    const first = this.buckets.get(hash) ?? null;
    for (let e = first; e !== null; e = e.next) {
      if (!e.addr.equals(addr)) continue;
      e.value = value;
      return;
    }
    this.buckets.set(hash, new Entry(addr, value, first));
    this.size++;
  }

  delete(addr: Ip6Addr): boolean {
    const hash = addr.hash(this.key);
    const first = this.buckets.get(hash);
    let before: Entry<V> | null = null;
    for (let e = first ?? null; e !== null; before = e, e = e.next) {
      if (!e.addr.equals(addr)) continue;
      if (before !== null) before.next = e.next;
      else if (e.next === null) this.buckets.delete(hash);
      else this.buckets.set(hash, e.next);
      this.size--;
      return true;
    }
    return false;
  }

  clear(): void {
    this.buckets.clear();
    this.size = 0;
  }

  /** In the order in which their buckets were first used. */
  *values(): IterableIterator<V> {
    for (const first of this.buckets.values())
      for (let e: Entry<V> | null = first; e !== null; e = e.next) yield e.value;
  }

  *keys(): IterableIterator<Ip6Addr> {
    for (const first of this.buckets.values())
      for (let e: Entry<V> | null = first; e !== null; e = e.next) yield e.addr;
  }
}
