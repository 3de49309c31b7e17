/**
 * Which port leads to which MAC (Linux `net/bridge/br_fdb.c`): learnt from source addresses, forgotten after
 * the ageing time, bounded.
 */
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { Timer } from '../timer.ts';

/** net.bridge's default ageing time (IEEE 802.1D §7.9.2), microseconds. */
export const DEFAULT_AGEING_US = 300_000_000;
/** How often old entries are looked for, at most. */
const GC_INTERVAL_US = 10_000_000;
/**
 * Entries that may be learnt. DEVIATION: Linux has no limit unless fdb_max_learned gives one; here a guest
 * that invents addresses must not fill the memory.
 */
export const DEFAULT_MAX_LEARNED = 65_536;

export interface FdbEntry {
  readonly mac: number;
  /** The port; the bridge itself for its own addresses. */
  dev: NetDevice;
  /** The bridge's or a port's own address: never forgotten, delivered up. */
  readonly local: boolean;
  /** Configured, not learnt. */
  readonly isStatic: boolean;
  /** Last seen as a source, microseconds. */
  updatedUs: number;
  /** Last looked up as a destination. */
  usedUs: number;
}

export class Fdb {
  ageingUs: number = DEFAULT_AGEING_US;
  maxLearned: number = DEFAULT_MAX_LEARNED;
  private readonly kernel: Kernel;
  private readonly entries: Map<number, FdbEntry> = new Map();
  private learned = 0;
  private timer: Timer | null = null;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  get learnedCount(): number {
    return this.learned;
  }

  /** The entry for a destination, if there is one that is not too old. */
  find(mac: number): FdbEntry | undefined {
    const entry = this.entries.get(mac);
    if (entry === undefined || this.isFresh(entry)) return entry;
    return undefined;
  }

  /** A frame from `mac` came in on `dev`. */
  learn(mac: number, dev: NetDevice): void {
    const { nowUs } = this.kernel;
    const entry = this.entries.get(mac);
    if (entry !== undefined) {
      if (entry.local || entry.isStatic) return;
      entry.dev = dev;
      entry.updatedUs = nowUs;
      return;
    }
    if (this.learned >= this.maxLearned || this.ageingUs === 0) return;
    this.entries.set(mac, { mac, dev, local: false, isStatic: false, updatedUs: nowUs, usedUs: nowUs });
    this.learned++;
    this.arm();
  }

  /** A configured or own address; replaces what was learnt. */
  add(mac: number, dev: NetDevice, local: boolean): void {
    this.remove(mac);
    const { nowUs } = this.kernel;
    this.entries.set(mac, { mac, dev, local, isStatic: true, updatedUs: nowUs, usedUs: nowUs });
  }

  /** False when it was not there. */
  remove(mac: number): boolean {
    const entry = this.entries.get(mac);
    if (entry === undefined) return false;
    this.entries.delete(mac);
    if (!entry.isStatic) this.learned--;
    return true;
  }

  /** Forgets what leads to `dev`; `all` false: what was learnt only. */
  flush(dev: NetDevice, all: boolean): void {
    for (const entry of [...this.entries.values()])
      if (entry.dev === dev && (all || !entry.isStatic)) this.remove(entry.mac);
  }

  list(): FdbEntry[] {
    return [...this.entries.values()].filter((e) => this.isFresh(e));
  }

  destroy(): void {
    this.timer?.clear();
    this.entries.clear();
    this.learned = 0;
  }

  private isFresh(entry: FdbEntry): boolean {
    return entry.isStatic || entry.updatedUs + this.ageingUs > this.kernel.nowUs;
  }

  private arm(): void {
    this.timer ??= this.kernel.timer(() => this.gc());
    if (!this.timer.pending)
      this.timer.set(this.kernel.nowUs + Math.max(GC_INTERVAL_US, Math.min(this.ageingUs, 300_000_000) / 4));
  }

  private gc(): void {
    for (const entry of [...this.entries.values()]) if (!this.isFresh(entry)) this.remove(entry.mac);
    if (this.learned > 0) this.arm();
  }
}
