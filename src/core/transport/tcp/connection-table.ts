/**
 * Connections by their four-tuple (Linux `inet_ehashfn`, `__inet_lookup_established`): open addressing
 * with linear probing over an `Int32Array` of hashes, which starts tiny and grows; deletion shifts
 * back, so that no tombstones gather.
 */
import { isBoundTo } from '../../link/l3mdev.ts';
import { mix32 } from '../../util/random.ts';
import type { Ends6 } from './family.ts';
import type { RequestSock } from './request.ts';
import type { TcpSock } from './sock.ts';
import type { TimeWaitSock } from './time-wait-sock.ts';

/** What answers to a four-tuple; `state` tells which. */
export type Connection = TcpSock | RequestSock | TimeWaitSock;

const FIRST_SIZE = 16;

export class ConnectionTable {
  count = 0;
  private hashes: Int32Array = new Int32Array(0);
  private entries: (Connection | null)[] = [];
  private mask = -1;
  private readonly secret: number;

  constructor(secret: number) {
    this.secret = secret;
  }

  /** The connection of (local, remote), bound to `dif` or to no device. @param ends the addresses over IPv6 */
  // biome-ignore lint/complexity/useMaxParams: a key without an object per packet
  lookup(
    saddr: number,
    sport: number,
    daddr: number,
    dport: number,
    dif: number,
    ends: Ends6 | null,
  ): Connection | null {
    if (this.count === 0) return null;
    const hash = this.hashOf(saddr, sport, daddr, dport);
    const mask = this.mask;
    const hashes = this.hashes;
    for (let i = hash & mask; hashes[i] !== 0; i = (i + 1) & mask) {
      if (hashes[i] !== hash) continue;
      const c = this.entries[i] as Connection;
      if (
        c.dport === dport &&
        c.daddr === daddr &&
        c.sport === sport &&
        c.saddr === saddr &&
        (c.ends === null ? ends === null : ends !== null && c.ends.equals(ends)) &&
        isBoundTo(c.boundDevIf, dif)
      )
        return c;
    }
    return null;
  }

  add(c: Connection): void {
    if ((this.count + 1) * 4 > this.hashes.length * 3) this.grow();
    c.hash = this.hashOf(c.saddr, c.sport, c.daddr, c.dport);
    this.place(c, c.hash);
    this.count++;
  }

  /** Takes out; nothing happens if it is not in. */
  remove(c: Connection): void {
    if (c.hash === 0 || this.count === 0) return;
    const mask = this.mask;
    let i = c.hash & mask;
    while (this.entries[i] !== c) {
      if (this.hashes[i] === 0) return;
      i = (i + 1) & mask;
    }
    c.hash = 0;
    this.count--;
    this.close(i);
  }

  /** Puts `now` where `old` is, without a moment in between (Linux `inet_ehash_insert` with `osk`). */
  replace(old: Connection, now: Connection): void {
    this.remove(old);
    this.add(now);
  }

  /** All connections, in no particular order. */
  values(): Connection[] {
    return this.entries.filter((c): c is Connection => c !== null && c !== undefined);
  }

  clear(): void {
    this.hashes = new Int32Array(0);
    this.entries = [];
    this.mask = -1;
    this.count = 0;
  }

  private hashOf(saddr: number, sport: number, daddr: number, dport: number): number {
    const h = mix32(mix32(saddr ^ this.secret, daddr), (sport << 16) | dport);
    return h === 0 ? 1 : h;
  }

  private place(c: Connection, hash: number): void {
    let i = hash & this.mask;
    while (this.hashes[i] !== 0) i = (i + 1) & this.mask;
    this.hashes[i] = hash;
    this.entries[i] = c;
  }

  /** Fills the hole at `hole` with later entries of the same run that may not stay behind it. */
  private close(start: number): void {
    const mask = this.mask;
    let hole = start;
    let i = (hole + 1) & mask;
    while (this.hashes[i] !== 0) {
      const home = (this.hashes[i] as number) & mask;
      if (((i - home) & mask) >= ((i - hole) & mask)) {
        this.hashes[hole] = this.hashes[i] as number;
        this.entries[hole] = this.entries[i] as Connection;
        hole = i;
      }
      i = (i + 1) & mask;
    }
    this.hashes[hole] = 0;
    this.entries[hole] = null;
  }

  private grow(): void {
    const size = this.hashes.length === 0 ? FIRST_SIZE : this.hashes.length * 2;
    const old = this.entries;
    this.hashes = new Int32Array(size);
    this.entries = new Array<Connection | null>(size).fill(null);
    this.mask = size - 1;
    for (const c of old) if (c !== null) this.place(c, c.hash);
  }
}
