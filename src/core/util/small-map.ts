/**
 * `Map` and `Set` for the many collections of a namespace that hold nothing, or very little: a chain while they are
 * short, a table of the language once they are not. An empty `Map` alone takes 180 bytes. Both keep the order of
 * insertion, and what is deleted while somebody walks through them is not met again.
 */

/** As many are searched one by one. */
const FEW = 8;

class Entry<K, V> {
  readonly key: K;
  value: V;
  next: Entry<K, V> | null = null;
  /** No longer in the map: a walk that stands on it goes on from there. */
  gone = false;

  constructor(key: K, value: V) {
    this.key = key;
    this.value = value;
  }
}

export class SmallMap<K, V> {
  private few: Entry<K, V> | null = null;
  private table: Map<K, V> | null = null;
  private fewSize = 0;

  get size(): number {
    return this.table === null ? this.fewSize : this.table.size;
  }

  get(key: K): V | undefined {
    if (this.table !== null) return this.table.get(key);
    for (let e = this.few; e !== null; e = e.next) if (e.key === key) return e.value;
    return undefined;
  }

  has(key: K): boolean {
    if (this.table !== null) return this.table.has(key);
    for (let e = this.few; e !== null; e = e.next) if (e.key === key) return true;
    return false;
  }

  set(key: K, value: V): void {
    if (this.table !== null) {
      this.table.set(key, value);
      return;
    }
    let last: Entry<K, V> | null = null;
    for (let e = this.few; e !== null; last = e, e = e.next) {
      if (e.key !== key) continue;
      e.value = value;
      return;
    }
    if (this.fewSize === FEW) {
      this.spread().set(key, value);
      return;
    }
    this.fewSize++;
    const entry = new Entry(key, value);
    if (last === null) this.few = entry;
    else last.next = entry;
  }

  delete(key: K): boolean {
    if (this.table !== null) return this.table.delete(key);
    let before: Entry<K, V> | null = null;
    for (let e = this.few; e !== null; before = e, e = e.next) {
      if (e.key !== key) continue;
      if (before === null) this.few = e.next;
      else before.next = e.next;
      e.gone = true;
      this.fewSize--;
      return true;
    }
    return false;
  }

  clear(): void {
    for (let e = this.few; e !== null; e = e.next) e.gone = true;
    this.few = null;
    this.fewSize = 0;
    this.table = null;
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  *keys(): IterableIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *entries(): IterableIterator<[K, V]> {
    if (this.table !== null) {
      yield* this.table;
      return;
    }
    for (let e = this.few; e !== null; e = e.next) if (!e.gone) yield [e.key, e.value];
  }

  /** There are many now. */
  private spread(): Map<K, V> {
    const table = new Map<K, V>();
    for (let e = this.few; e !== null; e = e.next) table.set(e.key, e.value);
    this.few = null;
    this.fewSize = 0;
    this.table = table;
    return table;
  }
}

/** A map of each value to itself: an object less than a set that has one. */
export class SmallSet<T> extends SmallMap<T, T> {
  add(value: T): void {
    this.set(value, value);
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.keys();
  }
}
