/**
 * Which port leads to which MAC (IEEE 802.1D §7.9; Linux `net/bridge/br_fdb.c`): learnt from source
 * addresses, forgotten after the ageing time, bounded.
 */
import type { Kernel } from '../kernel.ts';
import { isValidEtherAddr } from '../link/device-state.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { Timer } from '../timer.ts';

/** IEEE 802.1D §7.9.2, microseconds. */
export const DEFAULT_AGEING_US = 300_000_000;
/** Shortest time between two searches for what is too old. */
const MIN_GC_US = 1_000_000;
/** Entries that may be learnt. */
// DEVIATION: Linux has no limit unless fdb_max_learned gives one; here a guest that invents addresses
// must not fill the memory that all namespaces share.
export const DEFAULT_MAX_LEARNED = 65_536;

/** One address. */
export class FdbEntry {
  /** 48-bit integer */
  readonly mac: number;
  /** The port; the bridge itself for addresses that are the bridge's alone. */
  dev: NetDevice;
  /** Our own address: frames to it are delivered up; never forgotten (`BR_FDB_LOCAL`). */
  local: boolean;
  /** Configured or local: never forgotten (`BR_FDB_STATIC`). */
  isStatic: boolean;
  /** Added by the administrator (`BR_FDB_ADDED_BY_USER`). */
  byUser = false;
  /** Last seen as a source, microseconds. */
  updatedUs: number;
  /** Last looked up as a destination. */
  usedUs: number;

  constructor(mac: number, dev: NetDevice, local: boolean, isStatic: boolean, nowUs: number) {
    this.mac = mac;
    this.dev = dev;
    this.local = local;
    this.isStatic = isStatic;
    this.updatedUs = nowUs;
    this.usedUs = nowUs;
  }
}

export class Fdb {
  /** Ageing time in microseconds; 0: nothing is learnt, all is flooded. */
  ageingUs: number = DEFAULT_AGEING_US;
  /** fdb_max_learned */
  maxLearned: number = DEFAULT_MAX_LEARNED;
  /** Entries that age. */
  learned = 0;
  private readonly kernel: Kernel;
  private readonly entries: Map<number, FdbEntry> = new Map();
  private readonly timer: Timer;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.timer = kernel.timer(() => this.collect());
  }

  /** The entry of a destination; undefined when there is none, or it is too old. */
  find(mac: number): FdbEntry | undefined {
    const entry = this.entries.get(mac);
    return entry === undefined || this.isFresh(entry) ? entry : undefined;
  }

  /** A frame from `mac` came in by the port `dev` (`br_fdb_update`). */
  learn(mac: number, dev: NetDevice): void {
    if (this.ageingUs === 0) return;
    const entry = this.entries.get(mac);
    if (entry !== undefined) {
      // A frame with our own address as source is a loop, or somebody's bad joke: it teaches nothing.
      if (entry.local) return;
      entry.updatedUs = this.kernel.nowUs;
      entry.dev = dev;
      return;
    }
    if (this.learned >= this.maxLearned) return;
    this.insert(new FdbEntry(mac, dev, false, false, this.kernel.nowUs));
  }

  /** Replaces what is known of `mac` by a configured entry: local (delivered up) or static. */
  add(mac: number, dev: NetDevice, local: boolean): FdbEntry {
    this.remove(mac);
    const entry = new FdbEntry(mac, dev, local, true, this.kernel.nowUs);
    this.insert(entry);
    return entry;
  }

  /** An own address; of several ports with the same one, the first has it (`fdb_add_local`). */
  addLocal(mac: number, dev: NetDevice): void {
    if (!isValidEtherAddr(mac) || this.entries.get(mac)?.local === true) return;
    this.add(mac, dev, true);
  }

  /** False when it was not there. */
  remove(mac: number): boolean {
    const entry = this.entries.get(mac);
    if (entry === undefined) return false;
    this.entries.delete(mac);
    if (!entry.isStatic) this.learned--;
    if (this.learned === 0) this.timer.clear();
    return true;
  }

  /** Forgets what was learnt on a port that does not forward any more (`br_fdb_delete_by_port`). */
  flushLearned(dev: NetDevice): void {
    for (const entry of this.entries.values())
      if (entry.dev === dev && !entry.isStatic) this.remove(entry.mac);
  }

  /** All entries, in the order of their making. */
  list(): FdbEntry[] {
    return [...this.entries.values()].filter((e) => this.isFresh(e));
  }

  destroy(): void {
    this.timer.clear();
    this.entries.clear();
    this.learned = 0;
  }

  private insert(entry: FdbEntry): void {
    this.entries.set(entry.mac, entry);
    if (entry.isStatic) return;
    this.learned++;
    if (!this.timer.pending) this.timer.set(this.kernel.nowUs + Math.max(this.ageingUs, MIN_GC_US));
  }

  private isFresh(entry: FdbEntry): boolean {
    return entry.isStatic || entry.updatedUs + this.ageingUs > this.kernel.nowUs;
  }

  /** Linux `br_fdb_cleanup`: the timer runs only while something can grow old. */
  private collect(): void {
    const nowUs = this.kernel.nowUs;
    let nextUs = Number.POSITIVE_INFINITY;
    for (const entry of this.entries.values()) {
      if (!this.isFresh(entry)) this.remove(entry.mac);
      else if (!entry.isStatic) nextUs = Math.min(nextUs, entry.updatedUs + this.ageingUs);
    }
    if (this.learned > 0) this.timer.set(Math.max(nextUs, nowUs + MIN_GC_US));
  }
}
