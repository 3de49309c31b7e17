/**
 * A queue of segments in sequence order: push behind, take from the front, find by sequence number in
 * logarithmic time (Linux keeps a list for what is unsent and a red-black tree for what is not
 * acknowledged; an array with a moving head serves as both).
 */
import { seqGt } from '../../util/seq.ts';
import type { TxSegment } from './segment.ts';

export class SegmentQueue {
  private items: TxSegment[] = [];
  private head = 0;

  get length(): number {
    return this.items.length - this.head;
  }

  get empty(): boolean {
    return this.items.length === this.head;
  }

  /** The segment at `i` from the front; null beyond either end. */
  at(i: number): TxSegment | null {
    return i < 0 ? null : (this.items[this.head + i] ?? null);
  }

  first(): TxSegment | null {
    return this.items[this.head] ?? null;
  }

  last(): TxSegment | null {
    return this.empty ? null : (this.items[this.items.length - 1] ?? null);
  }

  push(seg: TxSegment): void {
    this.items.push(seg);
  }

  shift(): TxSegment | null {
    const seg = this.first();
    if (seg === null) return null;
    this.items[this.head] = undefined as unknown as TxSegment;
    this.head++;
    if (this.head === this.items.length) {
      this.items.length = 0;
      this.head = 0;
    } else if (this.head >= 256 && this.head * 2 >= this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return seg;
  }

  unshift(seg: TxSegment): void {
    if (this.head > 0) {
      this.head--;
      this.items[this.head] = seg;
    } else this.items.unshift(seg);
  }

  pop(): TxSegment | null {
    if (this.empty) return null;
    const seg = this.items.pop() ?? null;
    if (this.empty) this.clear();
    return seg;
  }

  /** Index of the first segment that ends after `seq`: the one that holds it, if any does. */
  find(seq: number): number {
    let low = this.head;
    let high = this.items.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (seqGt((this.items[mid] as TxSegment).endSeq, seq)) high = mid;
      else low = mid + 1;
    }
    return low - this.head;
  }

  /** Where `seg` is; -1 if it is not here. */
  indexOf(seg: TxSegment): number {
    const i = this.find(seg.seq);
    return this.at(i) === seg ? i : -1;
  }

  insertAt(i: number, seg: TxSegment): void {
    if (i === 1 && this.head > 0) {
      // Splitting the first segment is the common case: move it one slot back instead of all others.
      this.items[this.head - 1] = this.items[this.head] as TxSegment;
      this.items[this.head] = seg;
      this.head--;
      return;
    }
    this.items.splice(this.head + i, 0, seg);
  }

  removeAt(i: number): void {
    if (i === 0) this.shift();
    else this.items.splice(this.head + i, 1);
  }

  clear(): void {
    this.items = [];
    this.head = 0;
  }
}
