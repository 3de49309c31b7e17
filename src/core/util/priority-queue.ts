/** A binary heap of items by a number; equal numbers come out in the order in which they went in. */

export class PriorityQueue<T> {
  private readonly keys: number[] = [];
  private readonly orders: number[] = [];
  private readonly items: T[] = [];
  private nextOrder = 0;

  get size(): number {
    return this.items.length;
  }

  /** The smallest key; Infinity when empty. */
  minKey(): number {
    return this.keys[0] ?? Number.POSITIVE_INFINITY;
  }

  push(key: number, item: T): void {
    const order = this.nextOrder++;
    let i = this.items.length;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      // A parent with an equal key came earlier.
      if ((this.keys[parent] as number) <= key) break;
      this.move(parent, i);
      i = parent;
    }
    this.put(i, key, order, item);
  }

  /** Removes the item with the smallest key; undefined when empty. */
  pop(): T | undefined {
    const first = this.items[0];
    const key = this.keys.pop();
    const order = this.orders.pop();
    const item = this.items.pop();
    if (this.items.length > 0) this.sink(key as number, order as number, item as T);
    return first;
  }

  /** Removes all items, in no order. */
  clear(): T[] {
    this.keys.length = 0;
    this.orders.length = 0;
    return this.items.splice(0);
  }

  /** Puts an item where the root was. */
  private sink(key: number, order: number, item: T): void {
    const n = this.items.length;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      if (child + 1 < n && this.isBefore(child + 1, child)) child++;
      const childKey = this.keys[child] as number;
      if (childKey > key || (childKey === key && (this.orders[child] as number) > order)) break;
      this.move(child, i);
      i = child;
    }
    this.put(i, key, order, item);
  }

  private isBefore(a: number, b: number): boolean {
    const ka = this.keys[a] as number;
    const kb = this.keys[b] as number;
    return ka < kb || (ka === kb && (this.orders[a] as number) < (this.orders[b] as number));
  }

  private move(from: number, to: number): void {
    this.put(to, this.keys[from] as number, this.orders[from] as number, this.items[from] as T);
  }

  private put(i: number, key: number, order: number, item: T): void {
    this.keys[i] = key;
    this.orders[i] = order;
    this.items[i] = item;
  }
}
