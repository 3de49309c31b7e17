/**
 * The neighbours of one namespace and protocol, by device and address (Linux `struct neigh_table`; S9), and
 * their collection.
 */
import type { Kernel } from '../kernel.ts';
import type { NetNs } from '../net.ts';
import type { Packet } from '../packet.ts';
import type { NetdevEvent } from '../protocols.ts';
import type { NeighConf } from '../sysctl.ts';
import type { Timer } from '../timer.ts';
import { SmallMap, SmallSet } from '../util/small-map.ts';
import { Neighbour } from './neighbour.ts';
import { NeighbourProxy } from './neighbour-proxy.ts';
import { NUD_FAILED, NUD_IN_TIMER, NUD_NOARP, NUD_PERMANENT } from './neighbour-state.ts';
import type { NetDevice } from './net-device.ts';

/** What a protocol (ARP) adds to the table (Linux `struct neigh_ops` and the table's functions). */
export interface NeighbourProtocol<A = number> {
  /** EtherType of the packets that neighbours are sent, host order. */
  readonly etherType: number;
  /** Gives an entry that needs no resolution its address, with `setNoarp` (`arp_constructor`). */
  construct(neigh: Neighbour<A>): void;
  /** Asks for the address; `pkt`: the last packet that waits. `unicast`: ask `neigh.mac` itself. */
  solicit(neigh: Neighbour<A>, pkt: Packet | null, unicast: boolean): void;
  /** Group addresses are collected first. */
  isMulticast(addr: A): boolean;
  /** The settings of a device, or those of `default`. */
  conf(dev: NetDevice): Readonly<NeighConf>;
  /** May the device have neighbours of this protocol? */
  hasDevice(dev: NetDevice): boolean;
  /** The address under which a next hop is kept. */
  keyOf(dev: NetDevice, nextHop: A): A;
  newMap<V>(): NeighbourMap<A, V>;
  /** A request that was put off is due (`proxy_redo`). */
  redo(pkt: Packet): void;
}

/** What a table needs of a map by address: `Map`, or `Ip6Map`. */
export interface NeighbourMap<A, V> {
  readonly size: number;
  get(addr: A): V | undefined;
  set(addr: A, value: V): unknown;
  delete(addr: A): boolean;
  values(): IterableIterator<V>;
}

/** Linux `neigh_alloc`: more than gc_thresh2 entries for this long are too many. */
const RECENT_US = 5_000_000;
/** How often the reachable time of a device is drawn anew (`neigh_periodic_work`). */
const REDRAW_US = 300_000_000;

/** What the table keeps of one device (Linux `struct neigh_parms`, as far as it is no sysctl). */
class DeviceNeighbours<A> {
  readonly entries: NeighbourMap<A, Neighbour<A>>;
  /** How long a confirmation holds, and what it was drawn from, and when. */
  reachableUs = 0;
  baseMs = -1;
  drawnUs = 0;

  constructor(entries: NeighbourMap<A, Neighbour<A>>) {
    this.entries = entries;
  }
}

export class NeighbourTable<A = number> {
  readonly net: NetNs;
  readonly protocol: NeighbourProtocol<A>;
  /** The kernel's sentence about the last refused change; '' when it has none. */
  extack = '';
  /** net.ipv4.neigh.default.gc_thresh1: fewer entries are never collected. */
  // DEVIATION: on Linux all namespaces share one count; here no namespace can fill another's table.
  gcThresh1 = 128;
  /** net.ipv4.neigh.default.gc_thresh2: more are too many for more than five seconds. */
  gcThresh2 = 512;
  /** net.ipv4.neigh.default.gc_thresh3: more there cannot be. */
  gcThresh3 = 1024;
  /** Entries of all kinds. */
  size = 0;
  private readonly devices: SmallMap<NetDevice, DeviceNeighbours<A>> = new SmallMap();
  /** Entries that may be collected, oldest first: all but PERMANENT ones (`tbl->gc_list`). */
  private readonly gcList: SmallSet<Neighbour<A>> = new SmallSet();
  private lastForcedUs = Number.NEGATIVE_INFINITY;
  private gcTimer: Timer | null = null;
  private proxyMade: NeighbourProxy<A> | null = null;

  constructor(net: NetNs, protocol: NeighbourProtocol<A>) {
    this.net = net;
    this.protocol = protocol;
  }

  get kernel(): Kernel {
    return this.net.kernel;
  }

  /** Addresses for which we answer in another's name; made when somebody asks. */
  get proxy(): NeighbourProxy<A> {
    this.proxyMade ??= new NeighbourProxy(this);
    return this.proxyMade;
  }

  /** Settings of a device, or those of `default`. */
  conf(dev: NetDevice): Readonly<NeighConf> {
    return this.protocol.conf(dev);
  }

  /**
   * How long a confirmation holds on a device, microseconds: 0.5 to 1.5 × base_reachable_time, drawn
   * anew every five minutes and when the base changes (`neigh_rand_reach_time`; RFC 4861 §6.3.4).
   */
  reachableUs(dev: NetDevice): number {
    const kernel = this.kernel;
    const own = this.device(dev);
    const baseMs = this.conf(dev).baseReachableTimeMs;
    if (own.baseMs !== baseMs || kernel.nowUs - own.drawnUs > REDRAW_US) {
      const baseUs = baseMs * 1000;
      own.reachableUs = kernel.random('neighbour').below(baseUs) + Math.floor(baseUs / 2);
      own.baseMs = baseMs;
      own.drawnUs = kernel.nowUs;
    }
    return own.reachableUs;
  }

  /** The entry of exactly this address. */
  find(dev: NetDevice, addr: A): Neighbour<A> | undefined {
    return this.devices.get(dev)?.entries.get(addr);
  }

  /** Finds or makes the entry of a next hop; null when there are too many (NEIGH_CREATEFAIL). */
  entry(dev: NetDevice, nextHop: A): Neighbour<A> | null {
    const addr = this.protocol.keyOf(dev, nextHop);
    return this.find(dev, addr) ?? this.create(dev, addr, false);
  }

  /** Makes an entry that is not there yet. `exempt`: it will be PERMANENT, and takes no room. */
  create(dev: NetDevice, addr: A, exempt: boolean): Neighbour<A> | null {
    if (dev.dead || !this.protocol.hasDevice(dev)) return null;
    if (!exempt && !this.hasRoom()) return null;
    const neigh = new Neighbour<A>(this, dev, addr);
    this.protocol.construct(neigh);
    this.device(dev).entries.set(addr, neigh);
    this.size++;
    if (!exempt) this.gcList.add(neigh);
    this.armGc();
    return neigh;
  }

  remove(neigh: Neighbour<A>): void {
    const own = this.devices.get(neigh.dev);
    if (own === undefined || own.entries.get(neigh.addr) !== neigh) return;
    own.entries.delete(neigh.addr);
    this.gcList.delete(neigh);
    this.size--;
    this.net.events.emit('delneigh', neigh);
    neigh.kill();
  }

  /** All entries of a device; `permanentToo` false: what somebody configured stays. */
  flush(dev: NetDevice, permanentToo: boolean): void {
    const own = this.devices.get(dev);
    if (own === undefined) return;
    for (const neigh of [...own.entries.values()])
      if (permanentToo || (neigh.state & NUD_PERMANENT) === 0) this.remove(neigh);
  }

  /** The device goes, or loses its link: nobody behind it is known any more (`neigh_ifdown`). */
  deviceDown(dev: NetDevice, permanentToo: boolean): void {
    this.flush(dev, permanentToo);
    this.proxyMade?.deviceDown(dev, permanentToo);
    if (dev.dead || !dev.up) this.devices.delete(dev);
  }

  /** A neighbour became PERMANENT, or is no longer (`neigh_update_gc_list`). */
  updateGcList(neigh: Neighbour<A>): void {
    if (neigh.dead || (neigh.state & NUD_PERMANENT) !== 0) this.gcList.delete(neigh);
    else this.gcList.add(neigh);
  }

  /** All entries, device by device. */
  *[Symbol.iterator](): IterableIterator<Neighbour<A>> {
    for (const own of this.devices.values()) yield* own.entries.values();
  }

  /** The namespace dies. */
  destroy(): void {
    for (const neigh of [...this]) this.remove(neigh);
    this.devices.clear();
    this.proxyMade?.destroy();
    this.gcTimer?.clear();
  }

  private device(dev: NetDevice): DeviceNeighbours<A> {
    let own = this.devices.get(dev);
    if (own === undefined) {
      own = new DeviceNeighbours(this.protocol.newMap<Neighbour<A>>());
      this.devices.set(dev, own);
    }
    return own;
  }

  /** Linux `neigh_alloc`. */
  private hasRoom(): boolean {
    const entries = this.gcList.size;
    const sinceUs = this.kernel.nowUs - this.lastForcedUs;
    if (entries >= this.gcThresh3 || (entries >= this.gcThresh2 && sinceUs > RECENT_US))
      this.forcedGc();
    return this.gcList.size < this.gcThresh3;
  }

  /** Linux `neigh_forced_gc`: oldest first, down to gc_thresh2. */
  private forcedGc(): void {
    const nowUs = this.kernel.nowUs;
    let tooMany = this.gcList.size - this.gcThresh2;
    for (const neigh of this.gcList) {
      if (neigh.busy) continue;
      const useless =
        neigh.state === NUD_FAILED ||
        neigh.state === NUD_NOARP ||
        this.protocol.isMulticast(neigh.addr) ||
        nowUs - neigh.updatedUs > RECENT_US;
      if (!useless) continue;
      this.remove(neigh);
      if (--tooMany <= 0) break;
    }
    this.lastForcedUs = nowUs;
  }

  /** Nothing is collected below gc_thresh1, so no timer runs there. */
  private armGc(): void {
    if (this.size < this.gcThresh1) return;
    this.gcTimer ??= this.kernel.timer(() => this.periodicGc());
    if (this.gcTimer.pending) return;
    const halfUs = 500 * this.net.neighConfDefault.baseReachableTimeMs;
    this.gcTimer.set(this.kernel.nowUs + Math.max(halfUs, 1_000_000));
  }

  /** Linux `neigh_periodic_work`. */
  private periodicGc(): void {
    const nowUs = this.kernel.nowUs;
    if (this.size >= this.gcThresh1) {
      for (const neigh of [...this]) {
        if ((neigh.state & (NUD_PERMANENT | NUD_IN_TIMER)) !== 0) continue;
        if (neigh.usedUs < neigh.confirmedUs) neigh.usedUs = neigh.confirmedUs;
        const untilUs = neigh.usedUs + this.conf(neigh.dev).gcStaleTime * 1_000_000;
        if (neigh.state === NUD_FAILED || nowUs >= untilUs) this.remove(neigh);
      }
    }
    this.armGc();
  }
}

/** Device events: entries go with their device, its address and its carrier (`arp_netdev_event`). */
export function neighbourEvent(event: NetdevEvent, dev: NetDevice): void {
  const net = dev.net;
  switch (event) {
    case 'down':
    case 'unregister':
      net.arpMaybe?.deviceDown(dev, true);
      break;
    case 'changeAddr':
      net.arpMaybe?.flush(dev, true);
      break;
    case 'change': {
      if (dev.carrier) break;
      const own = dev.ipv4 === null ? 1 : dev.ipv4.conf.arpEvictNocarrier;
      if (own !== 0 && net.ipv4ConfAll.arpEvictNocarrier !== 0)
        net.arpMaybe?.deviceDown(dev, false);
      break;
    }
    default:
      break;
  }
}
