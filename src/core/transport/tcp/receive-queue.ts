/**
 * Received segments in order that were not read yet (`sk_receive_queue`), and those out of order
 * (`out_of_order_queue`), sorted by sequence number. They may overlap.
 */
import { seqGe, seqGt } from '../../util/seq.ts';
import type { RxSegment } from './segment.ts';

export class ReceiveQueue {
  private items: RxSegment[] = [];
  private head = 0;
  /** Out of order, ascending. */
  readonly ofo: RxSegment[] = [];

  get length(): number {
    return this.items.length - this.head;
  }

  first(): RxSegment | null {
    return this.items[this.head] ?? null;
  }

  last(): RxSegment | null {
    return this.length === 0 ? null : (this.items[this.items.length - 1] ?? null);
  }

  at(i: number): RxSegment | null {
    return this.items[this.head + i] ?? null;
  }

  push(seg: RxSegment): void {
    seg.queued = true;
    this.items.push(seg);
  }

  /** Everything in order, the oldest first. */
  toArray(): RxSegment[] {
    return this.items.slice(this.head);
  }

  /** The same bytes in other segments. */
  replace(items: RxSegment[]): void {
    this.items = items;
    this.head = 0;
  }

  shift(): void {
    this.items[this.head] = undefined as unknown as RxSegment;
    this.head++;
    if (this.head >= this.items.length) {
      this.items.length = 0;
      this.head = 0;
    } else if (this.head >= 256 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
  }

  /** Where a segment that begins at `seq` comes out of order: behind those that begin there or before. */
  findOfo(seq: number): number {
    const list = this.ofo;
    let low = 0;
    let high = list.length;
    // In-order arrival behind a hole appends: look at the end first.
    const last = list[high - 1];
    if (last !== undefined && seqGe(seq, last.seq)) return high;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (seqGt((list[mid] as RxSegment).seq, seq)) high = mid;
      else low = mid + 1;
    }
    return low;
  }

  clear(): void {
    this.items = [];
    this.head = 0;
    this.ofo.length = 0;
  }
}
