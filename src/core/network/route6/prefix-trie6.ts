/**
 * A set of IPv6 prefixes that tells the longest one that covers an address; prefixes have numbers from 1 on, 0 is none.
 * The first level has a slot for each value of the first 16 bits; where longer prefixes are, a slot leads to a block of
 * 16 slots for the next four bits, which is one line of the processor's cache, and so on. A slot holds the longest
 * prefix that covers it (as `network/route/prefix-trie.ts`), or, where a single longer one is inside, that one: an
 * address that comes there is compared with it, so that a lone prefix needs no blocks. docs/notes/fib.md has the figures.
 */
import type { Ip6Addr } from '../../util/ip6-addr.ts';

const ROOT_BITS = 16;
/** Bits of each level below, and slots of a block. */
const STRIDE = 4;
const SLOTS = 1 << STRIDE;
/** In a slot: its prefix is longer than the slot, and may not cover the address. */
const INSIDE = 1;
/** What is kept of a prefix: its address, its length, and the next shorter prefix that covers it. */
const FACTS = 8;
const LENGTH = 4;
const PARENT = 5;

/** In the range of a prefix of this length, what was `from`'s is `to`'s. */
interface Change {
  readonly length: number;
  readonly from: number;
  readonly to: number;
}

/** Bits `at` to `at + STRIDE` of an address; `at` is a multiple of four. */
function nibble(x: Ip6Addr, at: number): number {
  const word = at < 64 ? (at < 32 ? x.a : x.b) : at < 96 ? x.c : x.d;
  return (word >>> (28 - (at & 31))) & (SLOTS - 1);
}

/** What a slot holds when `to` takes it over from its longer neighbour, or is that. */
function insideOf(p: number, to: number): number {
  return to === p ? (p << 1) | INSIDE : to << 1;
}

export class PrefixTrie6 {
  /** Prefixes. */
  size = 0;
  /** Slots: a prefix's number doubled, with `INSIDE` or not; or the complement of a block's number. */
  private readonly root: Int32Array = new Int32Array(1 << ROOT_BITS);
  private slots: Int32Array = new Int32Array(256 * SLOTS);
  private usedBlocks = 0;
  private readonly freeBlocks: number[] = [];
  /** By number of the prefix; of a free number the parent is the next free one. */
  private facts: Int32Array = new Int32Array(1024 * FACTS);
  private used = 1;
  private free = 0;

  constructor() {
    // No prefix has the number 0; it is shorter than all.
    this.facts[LENGTH] = -1;
  }

  /** Bytes. */
  get bytes(): number {
    return this.root.byteLength + this.slots.byteLength + this.facts.byteLength;
  }

  /** The longest prefix that covers `addr`. */
  find(addr: Ip6Addr): number {
    const { slots } = this;
    const { a, b } = addr;
    let x = this.root[a >>> ROOT_BITS] as number;
    for (let shift = 12; x < 0 && shift >= 0; shift -= STRIDE)
      x = slots[(~x << STRIDE) | ((a >>> shift) & 15)] as number;
    for (let shift = 28; x < 0 && shift >= 0; shift -= STRIDE)
      x = slots[(~x << STRIDE) | ((b >>> shift) & 15)] as number;
    for (let at = 64; x < 0; at += STRIDE) x = slots[(~x << STRIDE) | nibble(addr, at)] as number;
    const p = x >>> 1;
    return (x & INSIDE) === 0 || this.covers(p, addr) ? p : this.shorter(p);
  }

  private covers(p: number, { a, b, c, d }: Ip6Addr): boolean {
    const { facts } = this;
    const at = p * FACTS;
    const length = facts[at + LENGTH] as number;
    const x = a ^ (facts[at] as number);
    if (length <= 32) return x >>> (32 - length) === 0;
    const y = b ^ (facts[at + 1] as number);
    if (length <= 64) return x === 0 && y >>> (64 - length) === 0;
    if ((x | y) !== 0) return false;
    const z = c ^ (facts[at + 2] as number);
    if (length <= 96) return z >>> (96 - length) === 0;
    return z === 0 && (d ^ (facts[at + 3] as number)) >>> (128 - length) === 0;
  }

  /** The next shorter prefix that covers this one. */
  shorter(p: number): number {
    return this.facts[p * FACTS + PARENT] as number;
  }

  lengthOf(p: number): number {
    return this.facts[p * FACTS + LENGTH] as number;
  }

  /** The number of a prefix; 0: it is not there. */
  get(addr: Ip6Addr, length: number): number {
    const p = this.atMost(addr, length);
    // What covers the first address of a prefix and is as long is that prefix.
    return this.lengthOf(p) === length ? p : 0;
  }

  /** Puts in a prefix that is not there. */
  add(addr: Ip6Addr, length: number): number {
    const parent = this.atMost(addr, length);
    const p = this.number();
    this.facts.set([addr.a, addr.b, addr.c, addr.d, length, parent], p * FACTS);
    this.size++;
    this.place(p, addr, { length, from: parent, to: p });
    return p;
  }

  /** Takes out the prefix `p`, whose address is `addr`. */
  remove(p: number, addr: Ip6Addr): void {
    const length = this.lengthOf(p);
    this.place(p, addr, { length, from: p, to: this.shorter(p) });
    this.size--;
    this.facts[p * FACTS + LENGTH] = -1;
    this.facts[p * FACTS + PARENT] = this.free;
    this.free = p;
    if (length > ROOT_BITS) this.collapse(addr);
  }

  /** The longest prefix that covers `addr` and is no longer than `length`. */
  private atMost(addr: Ip6Addr, length: number): number {
    let p = this.find(addr);
    while (this.lengthOf(p) > length) p = this.shorter(p);
    return p;
  }

  /**
   * In the range of the prefix `p`: what was `from`'s is `to`'s now, slots and shorter neighbours alike. One of both is
   * `p`, the other its parent.
   */
  private place(p: number, addr: Ip6Addr, change: Change): void {
    const { length } = change;
    let at = ROOT_BITS;
    let isRoot = true;
    let index = addr.a >>> ROOT_BITS;
    for (;;) {
      if (length <= at) {
        const slots = isRoot ? this.root : this.slots;
        this.coverSlots(slots, index, { ...change, bits: at });
        return;
      }
      const x = (isRoot ? this.root : this.slots)[index] as number;
      if (x >= 0) {
        const stays = this.stay(p, x, at, change);
        const value = stays ? insideOf(p, change.to) : ~this.split(x, at);
        (isRoot ? this.root : this.slots)[index] = value;
        if (stays) return;
      }
      index = (~((isRoot ? this.root : this.slots)[index] as number) << STRIDE) | nibble(addr, at);
      isRoot = false;
      at += STRIDE;
    }
  }

  /** May a slot of `at` bits that holds `x` hold the longer `p`, or does it, which goes? */
  private stay(p: number, x: number, at: number, { from }: Change): boolean {
    return from === p ? x >>> 1 === p : this.lengthOf(x >>> 1) <= at;
  }

  /** A block for a slot of `at` bits that holds `x`. */
  private split(x: number, at: number): number {
    const q = x >>> 1;
    if ((x & INSIDE) === 0) return this.block(x);
    const block = this.block(this.shorter(q) << 1);
    const length = this.lengthOf(q);
    const fact = q * FACTS + (at >>> 5);
    const first = ((this.facts[fact] as number) >>> (28 - (at & 31))) & (SLOTS - 1);
    const start = (block << STRIDE) | first;
    const inside = length > at + STRIDE;
    const count = inside ? 1 : 1 << (at + STRIDE - length);
    this.slots.fill((q << 1) | (inside ? INSIDE : 0), start, start + count);
    return block;
  }

  /** `bits`: how many a slot of this level has. */
  private coverSlots(
    slots: Int32Array,
    start: number,
    change: Change & { readonly bits: number },
  ): void {
    const count = 1 << (change.bits - change.length);
    for (let i = start; i < start + count; i++) this.coverSlot(slots, i, change);
  }

  private coverSlot(slots: Int32Array, i: number, change: Change): void {
    const x = slots[i] as number;
    if (x < 0) {
      const start = ~x << STRIDE;
      for (let k = start; k < start + SLOTS; k++) this.coverSlot(this.slots, k, change);
    } else if (x === change.from << 1) slots[i] = change.to << 1;
    else this.adopt(x >>> 1, change);
  }

  /** The longest of those that cover `p` and are longer than `length` has the parent `to` instead of `from`. */
  private adopt(p: number, { length, from, to }: Change): void {
    let top = p;
    let above = this.shorter(top);
    while (this.lengthOf(above) > length) {
      top = above;
      above = this.shorter(top);
    }
    if (above === from && this.lengthOf(top) > length) this.facts[top * FACTS + PARENT] = to;
  }

  /** Blocks on the way to `addr` whose slots are all the same are given back, the deepest first. */
  private collapse(addr: Ip6Addr): void {
    const first = addr.a >>> ROOT_BITS;
    const way: number[] = [];
    let x = this.root[first] as number;
    for (let at = ROOT_BITS; x < 0; at += STRIDE) {
      const index = (~x << STRIDE) | nibble(addr, at);
      way.push(index);
      x = this.slots[index] as number;
    }
    while (way.length > 0) {
      const block = (way.pop() as number) >> STRIDE;
      if (!this.isUniform(block)) return;
      this.freeBlocks.push(block);
      const value = this.slots[block << STRIDE] as number;
      const above = way.at(-1);
      if (above === undefined) this.root[first] = value;
      else this.slots[above] = value;
    }
  }

  /** All slots are the same, and none leads on. */
  private isUniform(block: number): boolean {
    const start = block << STRIDE;
    const first = this.slots[start] as number;
    if (first < 0) return false;
    for (let i = start + 1; i < start + SLOTS; i++) if (this.slots[i] !== first) return false;
    return true;
  }

  /** A block whose slots are all `value`. */
  private block(value: number): number {
    const block = this.freeBlocks.pop() ?? this.usedBlocks++;
    const start = block << STRIDE;
    if (start >= this.slots.length) {
      const slots = new Int32Array(larger(this.slots.length >> STRIDE) << STRIDE);
      slots.set(this.slots);
      this.slots = slots;
    }
    this.slots.fill(value, start, start + SLOTS);
    return block;
  }

  private number(): number {
    if (this.free !== 0) {
      const p = this.free;
      this.free = this.shorter(p);
      return p;
    }
    if (this.used * FACTS === this.facts.length) {
      const facts = new Int32Array(larger(this.used) * FACTS);
      facts.set(this.facts);
      this.facts = facts;
    }
    return this.used++;
  }
}

/** The next size of an array: little is left empty, and what is copied in all stays a small multiple. */
function larger(size: number): number {
  return Math.ceil(size * 1.25);
}
