/**
 * Neighbours: which link-layer address a next hop has, and how sure we are (RFC 4861 §7.3; Linux
 * `net/core/neighbour.c`). One table per namespace and protocol; entries are per device (S9).
 *
 * TX 3/5. From: `network/ipv4/output.ts` To: `link/output.ts`
 */
import { drop } from '../drop.ts';
import { EEXIST, EINVAL, ENOENT } from '../errno.ts';
import type { Kernel } from '../kernel.ts';
import type { NetNs } from '../net.ts';
import { ipLength, type Packet } from '../packet.ts';
import type { NetdevEvent } from '../protocols.ts';
import { NeighConf } from '../sysctl.ts';
import type { Timer } from '../timer.ts';
import type { Random } from '../util/random.ts';
import { EthHeader } from '../wire/ethernet.ts';
import { type NetDevice } from './net-device.ts';
import { devQueueXmit } from './output.ts';

/** States (`include/uapi/linux/neighbour.h`). */
export const NUD_NONE = 0x00;
export const NUD_INCOMPLETE = 0x01;
export const NUD_REACHABLE = 0x02;
export const NUD_STALE = 0x04;
export const NUD_DELAY = 0x08;
export const NUD_PROBE = 0x10;
export const NUD_FAILED = 0x20;
export const NUD_NOARP = 0x40;
export const NUD_PERMANENT = 0x80;
/** States in which the address may be used without doubt. */
export const NUD_CONNECTED: number = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE;
/** States in which there is an address. */
export const NUD_VALID: number = NUD_CONNECTED | NUD_STALE | NUD_DELAY | NUD_PROBE;
const NUD_IN_TIMER: number = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE;

/** Bits of `neighUpdate`'s flags. */
export const NEIGH_UPDATE_OVERRIDE = 0x1;
export const NEIGH_UPDATE_WEAK_OVERRIDE = 0x2;
export const NEIGH_UPDATE_ADMIN = 0x80000000;

/** net.ipv4.neigh.default.gc_thresh1, 2, 3 */
// DEVIATION: Linux shares these limits among all namespaces; here each has them for itself.
export const GC_THRESH1 = 128;
export const GC_THRESH2 = 512;
export const GC_THRESH3 = 1024;
/** Entries used within this time survive a forced collection (`neigh_forced_gc`). */
const GC_RECENT_US = 5_000_000;
/** net.ipv4.neigh.default.gc_interval */
const GC_INTERVAL_US = 30_000_000;
/** Bytes that Linux accounts for a queued packet besides its data (`SKB_TRUESIZE`). */
const TRUESIZE_OVERHEAD = 576;

/** What a protocol (ARP) adds to the table. */
export interface NeighbourProtocol {
  /** EtherType that entries' packets carry. */
  readonly etherType: number;
  /** Sets the state and address of a new entry that needs no resolution (`arp_constructor`). */
  construct(neigh: Neighbour): void;
  /** Asks for the address; `pkt` is the packet that waits first. `unicast`: ask `neigh.mac` itself. */
  solicit(neigh: Neighbour, pkt: Packet | null, unicast: boolean): void;
}

export class Neighbour {
  readonly table: NeighbourTable;
  readonly dev: NetDevice;
  /** The protocol address: signed 32-bit integer. */
  readonly addr: number;
  state: number = NUD_NONE;
  /** 48-bit integer; meaningful in a state of NUD_VALID. */
  mac = 0;
  /** Header for this neighbour, while it has an address. */
  header: EthHeader | null = null;
  /** Removed from the table: whoever keeps it looks again. */
  dead = false;
  probes = 0;
  /** Last use, confirmation and change, microseconds. */
  usedUs: number;
  confirmedUs: number;
  updatedUs: number;
  private queue: Packet[] = [];
  private queueBytes = 0;
  private readonly timer: Timer;

  constructor(table: NeighbourTable, dev: NetDevice, addr: number) {
    const { nowUs } = table.kernel;
    this.table = table;
    this.dev = dev;
    this.addr = addr;
    this.usedUs = nowUs;
    this.confirmedUs = nowUs;
    this.updatedUs = nowUs;
    this.timer = table.kernel.timer(() => this.onTimer());
  }

  /** Sends an IP packet to this neighbour, or keeps it until the address is known. Takes ownership. */
  output(pkt: Packet): number {
    pkt.dev = this.dev;
    if ((this.state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) === 0 && !this.mayUse(pkt)) return 0;
    pkt.eth = this.header;
    return devQueueXmit(pkt);
  }

  /** Something above saw the neighbour answer (`dst_confirm`). */
  confirm(): void {
    if ((this.state & (NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_REACHABLE)) === 0) return;
    this.confirmedUs = this.table.kernel.nowUs;
  }

  /**
   * New knowledge about the address (`neigh_update`): `mac` null when the state changes alone. Returns 0 or
   * `-errno`.
   */
  update(mac: number | null, newState: number, flags: number): number {
    const admin = (flags & NEIGH_UPDATE_ADMIN) !== 0;
    if (!admin && (this.state & (NUD_NOARP | NUD_PERMANENT)) !== 0) return -EINVAL;
    const { nowUs } = this.table.kernel;
    const old = this.state;
    if ((newState & NUD_VALID) === 0) {
      this.timer.clear();
      this.setState(newState);
      if ((old & (NUD_INCOMPLETE | NUD_PROBE)) !== 0 && (newState & NUD_FAILED) !== 0) this.fail();
      else if ((newState & NUD_INCOMPLETE) === 0) this.dropQueue('NEIGH_FAILED');
      this.emit();
      return 0;
    }
    let state = newState;
    let address = mac ?? this.mac;
    if (this.dev.hardHeaderLen === 0) address = 0;
    else if (mac === null && (old & NUD_VALID) === 0) return -EINVAL;
    if ((newState & NUD_CONNECTED) !== 0) this.confirmedUs = nowUs;
    const changed = address !== this.mac;
    if ((old & NUD_VALID) !== 0 && changed && (flags & NEIGH_UPDATE_OVERRIDE) === 0) {
      if ((flags & NEIGH_UPDATE_WEAK_OVERRIDE) === 0 || (old & NUD_CONNECTED) === 0) return 0;
      address = this.mac;
      state = NUD_STALE;
    } else if (!changed && newState === NUD_STALE && (flags & NEIGH_UPDATE_ADMIN) === 0) {
      // Hearsay about what we know already does not make us less sure.
      if ((old & NUD_VALID) !== 0) state = old;
    }
    if (state !== old || changed || this.header === null) {
      if (changed || this.header === null) this.setAddress(address);
      this.updatedUs = nowUs;
      if (state !== old) this.setState(state);
      this.emit();
    }
    if ((old & NUD_VALID) === 0) this.flushQueue();
    return 0;
  }

  /** Address and header at once, for entries that are never resolved. */
  setPermanent(mac: number, state: number): void {
    this.setAddress(mac);
    this.state = state;
  }

  /** Out of the table; queued packets die. */
  kill(reason: 'NEIGH_DEAD' | 'NEIGH_FAILED' = 'NEIGH_DEAD'): void {
    this.dead = true;
    this.timer.clear();
    this.dropQueue(reason);
  }

  /** Bytes that wait, as `unres_qlen_bytes` counts them. */
  get waitingBytes(): number {
    return this.queueBytes;
  }

  private setAddress(mac: number): void {
    this.mac = mac;
    this.header =
      this.dev.hardHeaderLen === 0
        ? null
        : new EthHeader(mac, this.dev.mac, this.table.protocol.etherType);
  }

  /** Linux `__neigh_event_send`: true when the packet may go now. */
  private mayUse(pkt: Packet): boolean {
    const { nowUs } = this.table.kernel;
    this.usedUs = nowUs;
    if (this.state === NUD_STALE) {
      this.setState(NUD_DELAY);
      this.emit();
      return true;
    }
    if (this.dead) {
      drop(this.dev.net, pkt, 'NEIGH_DEAD');
      return false;
    }
    if (this.state !== NUD_INCOMPLETE) {
      const { conf } = this.table;
      if (conf(this.dev).mcastSolicit === 0) {
        this.setState(NUD_FAILED);
        drop(this.dev.net, pkt, 'NEIGH_FAILED');
        return false;
      }
      this.probes = 0;
      this.updatedUs = nowUs;
      this.setState(NUD_INCOMPLETE);
      this.enqueue(pkt);
      this.probe();
      return false;
    }
    this.enqueue(pkt);
    return false;
  }

  private enqueue(pkt: Packet): void {
    const limit = this.table.conf(this.dev).unresQlenBytes;
    const size = truesize(pkt);
    while (this.queueBytes + size > limit && this.queue.length > 0) {
      const oldest = this.queue.shift() as Packet;
      this.queueBytes -= truesize(oldest);
      drop(this.dev.net, oldest, 'NEIGH_QUEUEFULL');
    }
    this.queue.push(pkt);
    this.queueBytes += size;
  }

  private flushQueue(): void {
    const waiting = this.queue;
    this.queue = [];
    this.queueBytes = 0;
    for (const pkt of waiting) {
      pkt.eth = this.header;
      devQueueXmit(pkt);
    }
  }

  private dropQueue(reason: 'NEIGH_DEAD' | 'NEIGH_FAILED'): void {
    const waiting = this.queue;
    this.queue = [];
    this.queueBytes = 0;
    for (const pkt of waiting) drop(this.dev.net, pkt, reason);
  }

  /** Resolution failed: whoever sent the packets that wait is told (`neigh_invalidate`). */
  private fail(): void {
    const waiting = this.queue;
    this.queue = [];
    this.queueBytes = 0;
    const { linkFailure } = this.table.kernel.protocols;
    for (const pkt of waiting) linkFailure(pkt);
  }

  private setState(state: number): void {
    this.state = state;
    if ((state & NUD_IN_TIMER) === 0) {
      this.timer.clear();
      return;
    }
    const { nowUs } = this.table.kernel;
    const conf = this.table.conf(this.dev);
    if (state === NUD_REACHABLE) this.timer.set(this.confirmedUs + this.table.reachableUs);
    else if (state === NUD_DELAY) this.timer.set(nowUs + conf.delayFirstProbeTime * 1e6);
    else if (state === NUD_PROBE) this.probes = 0;
  }

  /** Linux `neigh_timer_handler`. */
  private onTimer(): void {
    const { nowUs } = this.table.kernel;
    const conf = this.table.conf(this.dev);
    if (this.state === NUD_REACHABLE) {
      if (nowUs < this.confirmedUs + this.table.reachableUs) {
        this.timer.set(this.confirmedUs + this.table.reachableUs);
      } else if (nowUs <= this.usedUs + conf.delayFirstProbeTime * 1e6) {
        this.updatedUs = nowUs;
        this.setState(NUD_DELAY);
        this.emit();
      } else {
        this.updatedUs = nowUs;
        this.setState(NUD_STALE);
        this.emit();
      }
      return;
    }
    if (this.state === NUD_DELAY) {
      this.updatedUs = nowUs;
      if (nowUs <= this.confirmedUs + conf.delayFirstProbeTime * 1e6) {
        this.setState(NUD_REACHABLE);
        this.emit();
        return;
      }
      this.setState(NUD_PROBE);
      this.emit();
    }
    if (this.probes >= this.maxProbes()) {
      this.setState(NUD_FAILED);
      this.updatedUs = nowUs;
      this.emit();
      this.fail();
      return;
    }
    this.probe();
  }

  private maxProbes(): number {
    const conf = this.table.conf(this.dev);
    return conf.ucastSolicit + (this.state === NUD_PROBE ? conf.mcastResolicit : conf.mcastSolicit);
  }

  private probe(): void {
    const conf = this.table.conf(this.dev);
    const unicast = this.state === NUD_PROBE && this.probes < conf.ucastSolicit;
    // An unresolved entry has no address to ask: its unicast probes are not spent.
    if (this.state === NUD_INCOMPLETE && this.probes === 0) this.probes = conf.ucastSolicit;
    this.probes++;
    this.timer.set(this.table.kernel.nowUs + conf.retransTimeMs * 1000);
    this.table.protocol.solicit(this, this.queue[0] ?? null, unicast);
  }

  private emit(): void {
    this.dev.net.events.emit('newneigh', this);
  }
}

/** The neighbours of one namespace. */
export class NeighbourTable {
  readonly net: NetNs;
  readonly kernel: Kernel;
  readonly protocol: NeighbourProtocol;
  private readonly byDevice: Map<NetDevice, Map<number, Neighbour>> = new Map();
  /** Resolvable entries, which the thresholds count. */
  private count = 0;
  private gcTimer: Timer | null = null;
  private reachable = 0;
  private reachableUntilUs = 0;
  private random: Random | null = null;
  private fallbackConf: NeighConf | null = null;

  constructor(net: NetNs, protocol: NeighbourProtocol) {
    this.net = net;
    this.kernel = net.kernel;
    this.protocol = protocol;
  }

  /** Settings of a device, or those of `default`. */
  conf(dev: NetDevice): NeighConf {
    const own = dev.ipv4?.neighConf;
    if (own !== undefined) return own;
    this.fallbackConf ??= new NeighConf();
    return dev.net.neighConfDefault ?? this.fallbackConf;
  }

  /** How long a confirmation holds: 0.5 to 1.5 × base_reachable_time, drawn anew every five minutes. */
  get reachableUs(): number {
    const { nowUs } = this.kernel;
    if (nowUs >= this.reachableUntilUs || this.reachable === 0) {
      this.random ??= this.kernel.random(`neigh:${this.net.id}`);
      const base = this.net.neighConfDefault.baseReachableTimeMs * 1000;
      this.reachable = Math.floor(base / 2) + this.random.below(base);
      this.reachableUntilUs = nowUs + 300_000_000;
    }
    return this.reachable;
  }

  find(dev: NetDevice, addr: number): Neighbour | undefined {
    return this.byDevice.get(dev)?.get(addr);
  }

  /** Finds or makes; null when the table is full of entries in use (NEIGH_CREATEFAIL). */
  entry(dev: NetDevice, addr: number): Neighbour | null {
    return this.find(dev, addr) ?? this.create(dev, addr);
  }

  /** A new entry; runs a collection when there are too many. */
  create(dev: NetDevice, addr: number): Neighbour | null {
    if (this.count >= GC_THRESH3 || this.count >= GC_THRESH2) this.forcedGc();
    if (this.count >= GC_THRESH3) return null;
    const neigh = new Neighbour(this, dev, addr);
    this.protocol.construct(neigh);
    let entries = this.byDevice.get(dev);
    if (entries === undefined) {
      entries = new Map();
      this.byDevice.set(dev, entries);
    }
    entries.set(addr, neigh);
    if (isCollectable(neigh)) this.count++;
    this.armGc();
    return neigh;
  }

  remove(neigh: Neighbour): void {
    const entries = this.byDevice.get(neigh.dev);
    if (entries?.get(neigh.addr) !== neigh) return;
    entries.delete(neigh.addr);
    if (entries.size === 0) this.byDevice.delete(neigh.dev);
    if (isCollectable(neigh)) this.count--;
    const known = neigh.state !== NUD_NOARP;
    neigh.kill();
    if (known) this.net.events.emit('delneigh', neigh);
  }

  /** `permanentToo` false: entries that somebody configured stay (carrier loss). */
  flush(dev: NetDevice, permanentToo: boolean): void {
    for (const neigh of [...(this.byDevice.get(dev)?.values() ?? [])])
      if (permanentToo || (neigh.state & NUD_PERMANENT) === 0) this.remove(neigh);
  }

  /** All entries, device by device. */
  *[Symbol.iterator](): IterableIterator<Neighbour> {
    for (const entries of this.byDevice.values()) yield* entries.values();
  }

  destroy(): void {
    for (const neigh of [...this]) this.remove(neigh);
    this.gcTimer?.clear();
  }

  private armGc(): void {
    this.gcTimer ??= this.kernel.timer(() => this.periodicGc());
    if (!this.gcTimer.pending) this.gcTimer.set(this.kernel.nowUs + GC_INTERVAL_US);
  }

  /** Linux `neigh_periodic_work`. */
  private periodicGc(): void {
    const { nowUs } = this.kernel;
    if (this.count >= GC_THRESH1) {
      for (const neigh of [...this]) {
        if ((neigh.state & (NUD_PERMANENT | NUD_IN_TIMER)) !== 0) continue;
        if (neigh.usedUs < neigh.confirmedUs) neigh.usedUs = neigh.confirmedUs;
        const staleUs = this.conf(neigh.dev).gcStaleTime * 1e6;
        if (neigh.state === NUD_FAILED || nowUs > neigh.usedUs + staleUs) this.remove(neigh);
      }
    }
    if (this.byDevice.size > 0) this.armGc();
  }

  /** Linux `neigh_forced_gc`: failed and long unused entries go, until few enough are left. */
  private forcedGc(): void {
    const { nowUs } = this.kernel;
    for (const neigh of [...this]) {
      if (this.count < GC_THRESH2) return;
      if (!isCollectable(neigh)) continue;
      const recent = nowUs - neigh.usedUs < GC_RECENT_US && nowUs - neigh.updatedUs < GC_RECENT_US;
      if (neigh.state === NUD_FAILED || neigh.state === NUD_NOARP || !recent) this.remove(neigh);
    }
  }
}

/** Admin words of `ip neigh add|change|replace`. */
export interface NeighSpec {
  readonly dev: NetDevice;
  readonly addr: number;
  /** null: without an address (`ip neigh change … nud stale` keeps the old one). */
  readonly mac: number | null;
  readonly state: number;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly replace: boolean;
}

/** Linux `neigh_add`. */
export function neighAdd(table: NeighbourTable, spec: NeighSpec): number {
  let neigh = table.find(spec.dev, spec.addr);
  if (neigh === undefined) {
    if (!spec.create) return -ENOENT;
    const made = table.create(spec.dev, spec.addr);
    if (made === null) return -ENOENT;
    neigh = made;
  } else if (spec.exclusive) return -EEXIST;
  const override = spec.replace || spec.create ? NEIGH_UPDATE_OVERRIDE : 0;
  return neigh.update(spec.mac, spec.state, NEIGH_UPDATE_ADMIN | override | NEIGH_UPDATE_OVERRIDE);
}

/** Linux `neigh_delete`. */
export function neighDel(table: NeighbourTable, dev: NetDevice, addr: number): number {
  const neigh = table.find(dev, addr);
  if (neigh === undefined) return -ENOENT;
  table.remove(neigh);
  return 0;
}

/** Device events: entries go with their device, and with its carrier (arp_evict_nocarrier). */
export function neighbourEvent(event: NetdevEvent, dev: NetDevice): void {
  const table = dev.net.arp;
  if (event === 'goingDown' || event === 'down' || event === 'unregister') table.flush(dev, true);
  else if (event === 'changeAddr') table.flush(dev, false);
  else if (event === 'change' && !dev.carrier && dev.ipv4?.conf.arpEvictNocarrier !== 0)
    table.flush(dev, false);
}

/** Counted by the thresholds: what somebody else can make us create. */
function isCollectable(neigh: Neighbour): boolean {
  return (neigh.state & NUD_PERMANENT) === 0;
}

function truesize(pkt: Packet): number {
  return TRUESIZE_OVERHEAD + ((ipLength(pkt) + 127) & ~63);
}
