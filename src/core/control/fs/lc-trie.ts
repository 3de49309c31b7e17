/**
 * The level-compressed trie in which Linux keeps IPv4 routes (`net/ipv4/fib_trie.c`; Nilsson and Karlsson, "IP-address
 * lookup using LC-tries"). Look-ups here do without one (`network/route/fib.ts`); it is built for the files that show it.
 */

/** Limits in percent; the root may be sparser (`inflate_threshold`, `halve_threshold` and `…_root`). */
const INFLATE = 50;
const INFLATE_ROOT = 30;
const HALVE = 25;
const HALVE_ROOT = 15;
/** How often one node may grow or shrink at a time. */
const MAX_WORK = 10;
const KEY_BITS = 32;

/** Aliases of one address (Linux's leaf), best first. */
export class TrieLeaf<T> {
  readonly key: number;
  readonly values: T[] = [];
  parent: TrieNode<T> | null = null;

  constructor(key: number) {
    this.key = key;
  }
}

/** A node of 2^bits children, which the bits of the address above `pos` choose (Linux's tnode). */
export class TrieNode<T> {
  readonly key: number;
  readonly pos: number;
  readonly bits: number;
  readonly children: (TrieChild<T> | null)[];
  emptyChildren: number;
  fullChildren = 0;
  parent: TrieNode<T> | null = null;

  constructor(key: number, pos: number, bits: number) {
    const shift = pos + bits;
    this.key = shift < KEY_BITS ? ((key >>> shift) << shift) >>> 0 : 0;
    this.pos = pos;
    this.bits = bits;
    this.children = new Array<TrieChild<T> | null>(2 ** bits).fill(null);
    this.emptyChildren = this.children.length;
  }

  indexOf(key: number): number {
    return ((key ^ this.key) >>> 0) >>> this.pos;
  }

  /** Linux `put_child` */
  put(i: number, child: TrieChild<T> | null): void {
    const old = this.children[i] ?? null;
    if (child === null && old !== null) this.emptyChildren++;
    else if (child !== null && old === null) this.emptyChildren--;
    const was = this.isFull(old);
    const is = this.isFull(child);
    if (was && !is) this.fullChildren--;
    else if (!was && is) this.fullChildren++;
    this.children[i] = child;
    if (child !== null) child.parent = this;
  }

  /** Does the child use the very next bits (`tnode_full`)? */
  isFull(child: TrieChild<T> | null): child is TrieNode<T> {
    return child instanceof TrieNode && child.pos + child.bits === this.pos;
  }
}

export type TrieChild<T> = TrieLeaf<T> | TrieNode<T>;

export class LcTrie<T> {
  root: TrieChild<T> | null = null;

  /** The leaf of an address, made if need be (`fib_find_node`, `fib_insert_node`). */
  leaf(key: number): TrieLeaf<T> {
    let parent: TrieNode<T> | null = null;
    let n = this.root;
    while (n instanceof TrieNode) {
      const i = n.indexOf(key);
      if (i >= n.children.length) break;
      parent = n;
      n = n.children[i] ?? null;
    }
    if (n instanceof TrieLeaf && n.key === key) return n;
    return this.insert(key, parent, n);
  }

  private insert(key: number, at: TrieNode<T> | null, n: TrieChild<T> | null): TrieLeaf<T> {
    const leaf = new TrieLeaf<T>(key);
    let parent = at;
    if (n !== null) {
      const fork = new TrieNode<T>(key, 31 - Math.clz32(key ^ n.key), 1);
      this.place(parent, key, fork);
      fork.put(fork.indexOf(key) ^ 1, n);
      parent = fork;
    }
    this.place(parent, key, leaf);
    // `trie_rebalance`
    while (parent !== null) parent = this.resize(parent);
    return leaf;
  }

  /** Linux `put_child_root` */
  private place(parent: TrieNode<T> | null, key: number, child: TrieChild<T> | null): void {
    if (parent !== null) parent.put(parent.indexOf(key), child);
    else {
      this.root = child;
      if (child !== null) child.parent = null;
    }
  }

  /** Gives a node as many children as suit it; returns its parent. */
  private resize(node: TrieNode<T>): TrieNode<T> | null {
    let n = node;
    let work = MAX_WORK;
    while (work > 0 && shouldInflate(n)) {
      n = this.inflate(n);
      work--;
    }
    if (work !== MAX_WORK) return n.parent;
    while (work > 0 && shouldHalve(n)) {
      n = this.halve(n);
      work--;
    }
    if (n.children.length - n.emptyChildren < 2) {
      const only = n.children.findLast((c) => c !== null) ?? null;
      this.place(n.parent, n.key, only);
    }
    return n.parent;
  }

  private inflate(old: TrieNode<T>): TrieNode<T> {
    const n = new TrieNode<T>(old.key, old.pos - 1, old.bits + 1);
    for (let i = old.children.length - 1; i >= 0; i--) {
      const child = old.children[i] ?? null;
      if (child === null) continue;
      if (!old.isFull(child)) n.put(n.indexOf(child.key), child);
      else if (child.bits === 1) {
        n.put(2 * i + 1, child.children[1] ?? null);
        n.put(2 * i, child.children[0] ?? null);
      } else split(n, i, child);
    }
    return this.replace(old, n);
  }

  private halve(old: TrieNode<T>): TrieNode<T> {
    const n = new TrieNode<T>(old.key, old.pos + 1, old.bits - 1);
    for (let i = old.children.length - 2; i >= 0; i -= 2) {
      const low = old.children[i] ?? null;
      const high = old.children[i + 1] ?? null;
      if (low === null || high === null) {
        n.put(i / 2, high ?? low);
        continue;
      }
      const pair = new TrieNode<T>(low.key, old.pos, 1);
      pair.put(1, high);
      pair.put(0, low);
      n.put(i / 2, pair);
    }
    return this.replace(old, n);
  }

  private replace(old: TrieNode<T>, n: TrieNode<T>): TrieNode<T> {
    this.place(old.parent, n.key, n);
    for (let i = n.children.length - 1; i >= 0; i--) {
      const child = n.children[i] ?? null;
      if (n.isFull(child)) this.resize(child);
    }
    return n;
  }
}

/** A full child becomes two, each with half of its children. */
function split<T>(n: TrieNode<T>, i: number, child: TrieNode<T>): void {
  const half = child.children.length / 2;
  const high = new TrieNode<T>((child.key | (2 ** n.pos)) >>> 0, child.pos, child.bits - 1);
  const low = new TrieNode<T>(child.key, child.pos, child.bits - 1);
  for (let j = half - 1; j >= 0; j--) {
    high.put(j, child.children[half + j] ?? null);
    low.put(j, child.children[j] ?? null);
  }
  n.put(2 * i + 1, high);
  n.put(2 * i, low);
}

function shouldInflate<T>(n: TrieNode<T>): boolean {
  const used = n.children.length - n.emptyChildren + n.fullChildren;
  const limit = n.parent === null ? INFLATE_ROOT : INFLATE;
  return used > 1 && n.pos > 0 && 50 * used >= n.children.length * limit;
}

function shouldHalve<T>(n: TrieNode<T>): boolean {
  const used = n.children.length - n.emptyChildren;
  const limit = n.parent === null ? HALVE_ROOT : HALVE;
  return used > 1 && n.bits > 1 && 100 * used < n.children.length * limit;
}
