/**
 * Which port leads to which MAC (IEEE 802.1D §7.9; Linux `net/bridge/br_fdb.c`): learnt from source
 * addresses, forgotten after the ageing time, bounded. Per VLAN while the bridge filters VLANs; our own
 * addresses are known once, for all VLANs (`fdb_local_vlan_0`).
 */
import { isValidEtherAddr } from '../link/device-state.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
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
  /** 0: whatever the VLAN. */
  vid = 0;
  /** The port; the bridge itself for addresses that are the bridge's alone. */
  dev: NetDevice;
  /** Our own address: frames to it are delivered up; never forgotten (`BR_FDB_LOCAL`). */
  local: boolean;
  /** Configured or local: never forgotten (`BR_FDB_STATIC`). */
  isStatic: boolean;
  /** Added by the administrator (`BR_FDB_ADDED_BY_USER`). */
  byUser = false;
  /** Stays where it is, wherever it is seen (`BR_FDB_STICKY`). */
  sticky = false;
  /** Told by somebody who keeps track himself: does not age (`BR_FDB_ADDED_BY_EXT_LEARN`). */
  externLearn = false;
  /** Counts against fdb_max_learned (`BR_FDB_DYNAMIC_LEARNED`). */
  counted = false;
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
  /** What counts instead while the topology changes (`hold_time`); negative: nothing does. */
  shortAgeingUs = -1;
  /** fdb_max_learned */
  maxLearned: number = DEFAULT_MAX_LEARNED;
  /** Entries that were learnt from frames. */
  learned = 0;
  private readonly net: NetNs;
  private readonly entries: Map<number, FdbEntry> = new Map();
  /** By VLAN; null: there never was one. */
  private vlans: Map<number, Map<number, FdbEntry>> | null = null;
  /** Entries that age. */
  private ageing = 0;
  private readonly timer: Timer;

  constructor(net: NetNs) {
    this.net = net;
    this.timer = net.kernel.timer(() => this.collect());
  }

  /** `fdb_max_learned`, as it was told; 0: what this stack holds. */
  maxLearnedTold = 0;

  setMaxLearned(max: number): void {
    this.maxLearnedTold = max;
    this.maxLearned = max === 0 ? DEFAULT_MAX_LEARNED : Math.min(max, DEFAULT_MAX_LEARNED);
  }

  /** How long an address is remembered now. */
  get holdUs(): number {
    return this.shortAgeingUs >= 0 ? this.shortAgeingUs : this.ageingUs;
  }

  /** When the next search for old entries is, µs; 0: there is nothing to search (`gc_timer`). */
  get collectAtUs(): number {
    return this.timer.pending ? this.timer.atUs : 0;
  }

  /** The entry of a destination; undefined when there is none, or it is too old. */
  find(mac: number, vid = 0): FdbEntry | undefined {
    if (vid !== 0) {
      const entry = this.vlans?.get(vid)?.get(mac);
      if (entry !== undefined && this.isFresh(entry)) return entry;
      const own = this.entries.get(mac);
      return own?.local === true && !own.byUser ? own : undefined;
    }
    const entry = this.entries.get(mac);
    return entry === undefined || this.isFresh(entry) ? entry : undefined;
  }

  /** The very entry of this VLAN, old or not. */
  exact(mac: number, vid: number): FdbEntry | undefined {
    return vid === 0 ? this.entries.get(mac) : this.vlans?.get(vid)?.get(mac);
  }

  /** A frame from `mac` came in by the port `dev` (`br_fdb_update`). */
  learn(mac: number, dev: NetDevice, vid = 0, byUser = false): FdbEntry | null {
    if (this.holdUs === 0) return null;
    const entry = this.exact(mac, vid);
    if (entry !== undefined) {
      // A frame with our own address as source is a loop, or somebody's bad joke: it teaches nothing.
      if (entry.local) return null;
      entry.updatedUs = this.net.kernel.nowUs;
      if (byUser) entry.byUser = true;
      if (entry.dev !== dev && !entry.sticky) {
        entry.dev = dev;
        entry.externLearn = false;
        this.net.events.emit('newfdb', entry);
      }
      return entry;
    }
    if (vid !== 0 && this.entries.get(mac)?.local === true) return null;
    if (!byUser && this.learned >= this.maxLearned) return null;
    const made = new FdbEntry(mac, dev, false, false, this.net.kernel.nowUs);
    made.vid = vid;
    made.byUser = byUser;
    made.counted = !byUser;
    this.insert(made);
    return made;
  }

  /** Replaces what is known of `mac` by a configured entry: local (delivered up) or static. */
  add(mac: number, dev: NetDevice, local: boolean, vid = 0): FdbEntry {
    this.remove(mac, vid);
    const entry = new FdbEntry(mac, dev, local, true, this.net.kernel.nowUs);
    entry.vid = vid;
    this.insert(entry);
    return entry;
  }

  /** An own address; of several ports with the same one, the first has it (`fdb_add_local`). */
  addLocal(mac: number, dev: NetDevice): void {
    if (!isValidEtherAddr(mac) || this.entries.get(mac)?.local === true) return;
    this.add(mac, dev, true);
  }

  /** False when it was not there. */
  remove(mac: number, vid = 0): boolean {
    const entry = this.exact(mac, vid);
    if (entry === undefined) return false;
    if (vid === 0) this.entries.delete(mac);
    else this.vlans?.get(vid)?.delete(mac);
    if (entry.counted) this.learned--;
    if (!entry.isStatic) this.ageing--;
    if (this.ageing === 0) this.timer.clear();
    this.net.events.emit('delfdb', entry);
    return true;
  }

  /** Forgets what was learnt on a port that does not forward any more (`br_fdb_delete_by_port`). */
  flushLearned(dev: NetDevice): void {
    for (const entry of this.list())
      if (entry.dev === dev && !entry.isStatic && !entry.externLearn)
        this.remove(entry.mac, entry.vid);
  }

  /** All entries, in the order of their making, VLAN by VLAN. */
  list(): FdbEntry[] {
    const all = [...this.entries.values()];
    if (this.vlans !== null) for (const table of this.vlans.values()) all.push(...table.values());
    return all.filter((e) => this.isFresh(e));
  }

  /** The ageing time has changed: look now (`mod_delayed_work(gc_work, 0)`). */
  touch(): void {
    if (this.ageing > 0) this.timer.set(this.net.kernel.nowUs + 1);
  }

  destroy(): void {
    this.timer.clear();
    this.entries.clear();
    this.vlans = null;
    this.learned = 0;
    this.ageing = 0;
  }

  private insert(entry: FdbEntry): void {
    if (entry.vid === 0) this.entries.set(entry.mac, entry);
    else {
      this.vlans ??= new Map();
      let table = this.vlans.get(entry.vid);
      if (table === undefined) {
        table = new Map();
        this.vlans.set(entry.vid, table);
      }
      table.set(entry.mac, entry);
    }
    if (entry.counted) this.learned++;
    this.net.events.emit('newfdb', entry);
    if (entry.isStatic) return;
    this.ageing++;
    if (!this.timer.pending)
      this.timer.set(this.net.kernel.nowUs + Math.max(this.holdUs, MIN_GC_US));
  }

  private isFresh(entry: FdbEntry): boolean {
    return (
      entry.isStatic || entry.externLearn || entry.updatedUs + this.holdUs > this.net.kernel.nowUs
    );
  }

  /** Linux `br_fdb_cleanup`: the timer runs only while something can grow old. */
  private collect(): void {
    let nextUs = this.collectTable(this.entries);
    if (this.vlans !== null)
      for (const table of this.vlans.values()) nextUs = Math.min(nextUs, this.collectTable(table));
    if (this.ageing > 0 && Number.isFinite(nextUs))
      this.timer.set(Math.max(nextUs, this.net.kernel.nowUs + MIN_GC_US));
  }

  private collectTable(table: Map<number, FdbEntry>): number {
    let nextUs = Number.POSITIVE_INFINITY;
    for (const entry of table.values()) {
      if (!this.isFresh(entry)) this.remove(entry.mac, entry.vid);
      else if (!entry.isStatic && !entry.externLearn)
        nextUs = Math.min(nextUs, entry.updatedUs + this.holdUs);
    }
    return nextUs;
  }
}
