/**
 * A map by IPv6 address: a list while there are few, then buckets by a keyed hash, so that nobody outside can make one
 * of them long. Most of these maps hold one or two addresses, and a namespace has many of them.
 */
import type { Ip6Addr } from './ip6-addr.ts';

/** As many are searched one by one. */
const FEW = 8;

class Entry<V> {
  readonly addr: Ip6Addr;
  value: V;
  next: Entry<V> | null = null;

  constructor(addr: Ip6Addr, value: V) {
    this.addr = addr;
    this.value = value;
  }
}

export class Ip6Map<V> {
  size = 0;
  /** All entries, while there are few. */
  private few: Entry<V> | null = null;
  private buckets: Map<number, Entry<V>> | null = null;
  private readonly key: number;

  constructor(key = 0) {
    this.key = key;
  }

  get(addr: Ip6Addr): V | undefined {
    let e = this.chain(addr);
    while (e !== null && !e.addr.equals(addr)) e = e.next;
    return e === null ? undefined : e.value;
  }

  has(addr: Ip6Addr): boolean {
    return this.get(addr) !== undefined;
  }

  set(addr: Ip6Addr, value: V): void {
    let last: Entry<V> | null = null;
    for (let e = this.chain(addr); e !== null; last = e, e = e.next) {
      if (!e.addr.equals(addr)) continue;
      e.value = value;
      return;
    }
    this.size++;
    const entry = new Entry(addr, value);
    if (last !== null) last.next = entry;
    else if (this.buckets === null) this.few = entry;
    else this.buckets.set(addr.hash(this.key), entry);
    if (this.buckets === null && this.size > FEW) this.spread();
  }

  delete(addr: Ip6Addr): boolean {
    let before: Entry<V> | null = null;
    for (let e = this.chain(addr); e !== null; before = e, e = e.next) {
      if (!e.addr.equals(addr)) continue;
      if (before !== null) before.next = e.next;
      else if (this.buckets === null) this.few = e.next;
      else if (e.next === null) this.buckets.delete(addr.hash(this.key));
      else this.buckets.set(addr.hash(this.key), e.next);
      this.size--;
      return true;
    }
    return false;
  }

  clear(): void {
    this.few = null;
    this.buckets = null;
    this.size = 0;
  }

  /** In the order of insertion while there are few. */
  *values(): IterableIterator<V> {
    for (const e of this.entries()) yield e.value;
  }

  *keys(): IterableIterator<Ip6Addr> {
    for (const e of this.entries()) yield e.addr;
  }

  private *entries(): IterableIterator<Entry<V>> {
    const heads = this.buckets === null ? [this.few] : this.buckets.values();
    for (const head of heads) for (let e = head; e !== null; e = e.next) yield e;
  }

  private chain(addr: Ip6Addr): Entry<V> | null {
    if (this.buckets === null) return this.few;
    return this.buckets.get(addr.hash(this.key)) ?? null;
  }

  /** There are many now. */
  private spread(): void {
    const buckets = new Map<number, Entry<V>>();
    let e = this.few;
    this.few = null;
    this.buckets = buckets;
    while (e !== null) {
      const { next } = e;
      const hash = e.addr.hash(this.key);
      e.next = buckets.get(hash) ?? null;
      buckets.set(hash, e);
      e = next;
    }
  }
}
