/**
 * A set of IPv4 prefixes that tells the longest one that covers an address. Prefixes have numbers from 1 on; 0 is
 * none. The first level has a slot for each value of the first bits, 16 or, when there are many prefixes, 20; where
 * longer prefixes are, a slot leads to a block of the second level (up to bit 24), and from there to the third.
 */
import { maskOf } from '../../util/address.ts';

/** Prefixes from which on the first level has 20 bits: 4 MiB that save four times as much below. */
const MANY = 50_000;

export class PrefixTrie {
  /** Prefixes. */
  size = 0;
  /** Bits of the first level. */
  private rootBits = 16;
  /** Slots: a prefix's number, or the complement of a block's. */
  private root: Int32Array = new Int32Array(1 << 16);
  private second: Blocks = new Blocks(8);
  private third: Blocks = new Blocks(8);
  // By number of the prefix.
  private length: Int8Array = new Int8Array(1024).fill(-1);
  /** The next shorter prefix that covers this one. Of a free number: the next free one. */
  private parent: Int32Array = new Int32Array(1024);
  private used = 1;
  private free = 0;

  /** Numbers are smaller than this. */
  get capacity(): number {
    return this.length.length;
  }

  /** Bytes. */
  get bytes(): number {
    const own = this.root.byteLength + this.parent.byteLength + this.length.byteLength;
    return own + this.second.bytes + this.third.bytes;
  }

  /** The longest prefix that covers `addr`. */
  find(addr: number): number {
    let x = this.root[addr >>> (32 - this.rootBits)] as number;
    if (x >= 0) return x;
    x = this.second.slots[(~x << (24 - this.rootBits)) + this.secondIndex(addr)] as number;
    return x >= 0 ? x : (this.third.slots[(~x << 8) + (addr & 255)] as number);
  }

  /** The next shorter prefix that covers this one. */
  shorter(p: number): number {
    return this.parent[p] as number;
  }

  lengthOf(p: number): number {
    return this.length[p] as number;
  }

  /** The number of a prefix; 0: it is not there. */
  get(addr: number, length: number): number {
    const p = this.atMost(addr, length);
    // What covers the first address of a prefix and is as long is that prefix.
    return this.length[p] === length ? p : 0;
  }

  /** Puts in a prefix that is not there. */
  add(addr: number, length: number): number {
    if (this.size === MANY && this.rootBits === 16) this.rebuild();
    const parent = this.atMost(addr, length);
    const p = this.number();
    this.length[p] = length;
    this.parent[p] = parent;
    this.size++;
    this.cover(addr, { length, from: parent, to: p });
    return p;
  }

  /** Takes out the prefix `p`, whose address is `addr`. */
  remove(p: number, addr: number): void {
    const length = this.length[p] as number;
    this.cover(addr, { length, from: p, to: this.parent[p] as number });
    this.size--;
    this.length[p] = -1;
    this.parent[p] = this.free;
    this.free = p;
    if (length > this.rootBits) this.collapse(addr);
  }

  /** Every prefix with its address, by address, among equals the shortest first. */
  *prefixes(): IterableIterator<readonly [p: number, addr: number]> {
    const seen = new Uint8Array(this.used);
    for (let i = 0; i < this.root.length; i++) {
      const first = i << (32 - this.rootBits);
      yield* this.walk(this.root[i] as number, first, this.second, seen);
    }
  }

  private *walk(
    slot: number,
    addr: number,
    below: Blocks,
    seen: Uint8Array,
  ): IterableIterator<readonly [p: number, addr: number]> {
    if (slot < 0) {
      const start = ~slot << below.bits;
      const step = below === this.second ? 256 : 1;
      for (let i = 0; i < 1 << below.bits; i++)
        yield* this.walk(below.slots[start + i] as number, addr + i * step, this.third, seen);
      return;
    }
    const fresh: number[] = [];
    for (let p = slot; p !== 0 && seen[p] === 0; p = this.parent[p] as number) fresh.push(p);
    for (const p of fresh.reverse()) {
      seen[p] = 1;
      yield [p, (addr & maskOf(this.length[p] as number)) | 0];
    }
  }

  private secondIndex(addr: number): number {
    return (addr >>> 8) & ((1 << (24 - this.rootBits)) - 1);
  }

  /** The longest prefix that covers `addr` and is no longer than `length`. */
  private atMost(addr: number, length: number): number {
    let p = this.find(addr);
    while ((this.length[p] as number) > length) p = this.parent[p] as number;
    return p;
  }

  /**
   * In the range of a prefix: what was `from`'s is `to`'s now, slots and shorter neighbours alike. One of both is
   * the prefix of the range, the other its parent.
   */
  private cover(addr: number, change: Change): void {
    const { root, second, third, rootBits } = this;
    const { length } = change;
    if (length <= rootBits) {
      const first = addr >>> (32 - rootBits);
      this.coverSlots(root, first, 1 << (rootBits - length), change);
      return;
    }
    const slot = addr >>> (32 - rootBits);
    if ((root[slot] as number) >= 0) root[slot] = ~second.add(root[slot] as number);
    const block = ~(root[slot] as number) << second.bits;
    const index = block + this.secondIndex(addr);
    if (length <= 24) {
      this.coverSlots(second.slots, index, 1 << (24 - length), change);
      return;
    }
    if ((second.slots[index] as number) >= 0)
      second.slots[index] = ~third.add(second.slots[index] as number);
    const last = (~(second.slots[index] as number) << 8) + (addr & 255);
    this.coverSlots(third.slots, last, 1 << (32 - length), change);
  }

  private coverSlots(slots: Int32Array, start: number, count: number, change: Change): void {
    const { from, to } = change;
    for (let i = start; i < start + count; i++) {
      const x = slots[i] as number;
      if (x === from) slots[i] = to;
      else if (x >= 0) this.adopt(x, change);
      else {
        const below = slots === this.root ? this.second : this.third;
        this.coverSlots(below.slots, ~x << below.bits, 1 << below.bits, change);
      }
    }
  }

  /** The longest of those that cover `p` and are longer than `length` has the parent `to` instead of `from`. */
  private adopt(p: number, { length, from, to }: Change): void {
    let top = p;
    let above = this.parent[top] as number;
    while ((this.length[above] as number) > length) {
      top = above;
      above = this.parent[top] as number;
    }
    if (above === from && (this.length[top] as number) > length) this.parent[top] = to;
  }

  /** Blocks whose slots are all the same are given back. */
  private collapse(addr: number): void {
    const { root, second, third } = this;
    const slot = addr >>> (32 - this.rootBits);
    const block = ~(root[slot] as number);
    if (block < 0) return;
    const index = (block << second.bits) + this.secondIndex(addr);
    const below = ~(second.slots[index] as number);
    if (below >= 0 && third.isUniform(below)) second.slots[index] = third.remove(below);
    if (second.isUniform(block)) root[slot] = second.remove(block);
  }

  private number(): number {
    if (this.free !== 0) {
      const p = this.free;
      this.free = this.parent[p] as number;
      return p;
    }
    if (this.used === this.length.length) this.grow();
    return this.used++;
  }

  private grow(): void {
    const { length, parent } = this;
    const size = larger(length.length);
    this.length = new Int8Array(size).fill(-1);
    this.parent = new Int32Array(size);
    this.length.set(length);
    this.parent.set(parent);
  }

  /** The same prefixes, with their numbers, below a larger first level. */
  private rebuild(): void {
    const all = [...this.prefixes()].sort(([a], [b]) => this.lengthOf(a) - this.lengthOf(b));
    this.rootBits = 20;
    this.root = new Int32Array(1 << 20);
    this.second = new Blocks(4);
    this.third = new Blocks(8);
    for (const [p, addr] of all)
      this.cover(addr, { length: this.lengthOf(p), from: this.parent[p] as number, to: p });
  }
}

/** In the range of a prefix of this length, what was `from`'s is `to`'s. */
interface Change {
  readonly length: number;
  readonly from: number;
  readonly to: number;
}

/** The next size of an array: little is left empty, and what is copied in all stays a small multiple. */
function larger(size: number): number {
  return Math.ceil(size * 1.25);
}

/** Blocks of slots of one level. */
class Blocks {
  /** A block has two to the power of `bits` slots. */
  readonly bits: number;
  slots: Int32Array;
  private used = 0;
  private readonly free: number[] = [];

  constructor(bits: number) {
    this.bits = bits;
    this.slots = new Int32Array(16 << bits);
  }

  get bytes(): number {
    return this.slots.byteLength;
  }

  /** A block whose slots are all `value`. */
  add(value: number): number {
    const block = this.free.pop() ?? this.used++;
    const start = block << this.bits;
    if (start >= this.slots.length) {
      const slots = new Int32Array(larger(this.slots.length >> this.bits) << this.bits);
      slots.set(this.slots);
      this.slots = slots;
    }
    this.slots.fill(value, start, start + (1 << this.bits));
    return block;
  }

  /** All slots are the same, and none leads on. */
  isUniform(block: number): boolean {
    const start = block << this.bits;
    const first = this.slots[start] as number;
    if (first < 0) return false;
    for (let i = start + 1; i < start + (1 << this.bits); i++)
      if (this.slots[i] !== first) return false;
    return true;
  }

  /** What its slots were. */
  remove(block: number): number {
    this.free.push(block);
    return this.slots[block << this.bits] as number;
  }
}
