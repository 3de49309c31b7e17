/**
 * Who listens to which group behind which port (Linux `struct net_bridge_mdb_entry`,
 * `net_bridge_port_group`). Times are noted, not timed: what has run out is not there any more.
 */
import type { Timer } from '../timer.ts';
import { formatIpv4, formatMac } from '../util/address.ts';
import type { Ip6Addr } from '../util/ip6-addr.ts';
import { Ip6Map } from '../util/ip6-map.ts';
import type { Bridge, BridgePort } from './bridge-port.ts';

/** Settings of `type bridge mcast_…`; µs (Linux `br_multicast_ctx_init`). */
export class McastSettings {
  /** `MDB_RTR_*` of the bridge itself. */
  router = 1;
  querier = false;
  queryUseIfaddr = false;
  hashMax = 4096;
  lastMemberCount = 2;
  startupQueryCount = 2;
  lastMemberIntervalUs = 1_000_000;
  membershipIntervalUs = 260_000_000;
  querierIntervalUs = 255_000_000;
  queryIntervalUs = 125_000_000;
  queryResponseIntervalUs = 10_000_000;
  /** A quarter of the above, in the ticks of CONFIG_HZ=250. */
  startupQueryIntervalUs = 31_248_000;
  statsEnabled = false;
}

/** What group is meant: an IPv4 address, an IPv6 address or a MAC. */
export type GroupAddr =
  | { readonly kind: 'v4'; readonly addr: number }
  | { readonly kind: 'v6'; readonly addr: Ip6Addr }
  | { readonly kind: 'l2'; readonly addr: number };

/** One port, or the bridge itself, that wants a group. */
export class Membership {
  /** Null: the bridge itself. */
  readonly port: BridgePort | null;
  /** Microseconds; Infinity: permanent. */
  untilUs: number;
  /** Told by `bridge mdb add`. */
  readonly byUser: boolean;
  /** The host that asked, where each gets a copy of its own (mcast_to_unicast); 0: all of the port. */
  readonly host: number;

  constructor(port: BridgePort | null, untilUs: number, byUser: boolean, host: number) {
    this.port = port;
    this.untilUs = untilUs;
    this.byUser = byUser;
    this.host = host;
  }

  get permanent(): boolean {
    return this.port !== null && this.untilUs === Number.POSITIVE_INFINITY;
  }
}

/** One group. */
export class McastGroup {
  readonly group: GroupAddr;
  readonly vid: number;
  /** The newest first. */
  members: Membership[] = [];
  /** Orders listings: the newest group comes first. */
  readonly order: number;

  constructor(group: GroupAddr, vid: number, order: number) {
    this.group = group;
    this.vid = vid;
    this.order = order;
  }

  /** As `bridge mdb` shows it. */
  get text(): string {
    const { group } = this;
    if (group.kind === 'v4') return formatIpv4(group.addr);
    return group.kind === 'v6' ? String(group.addr) : formatMac(group.addr);
  }

  /** The bridge itself wants it. */
  get hostJoined(): boolean {
    return this.members.some((m) => m.port === null);
  }
}

/** Who asks (one for IGMP, one for MLD). */
export class Querier {
  /** Address of the one who was heard; null: nobody. */
  addr4 = 0;
  addr6: Ip6Addr | null = null;
  /** He is believed to be there until then, µs. */
  untilUs = 0;
  /** What is known of members is not complete before, µs. */
  delayUntilUs = 0;
}

/** The groups of one VLAN. */
class GroupTable {
  readonly v4: Map<number, McastGroup> = new Map();
  readonly v6: Ip6Map<McastGroup> = new Ip6Map();
  readonly l2: Map<number, McastGroup> = new Map();
}

/** What a bridge knows of multicast. */
export class Mcast {
  readonly settings: McastSettings = new McastSettings();
  readonly querier4: Querier = new Querier();
  readonly querier6: Querier = new Querier();
  /** How often we asked since the bridge went up. */
  startupSent = 0;
  /** For our own questions; null: we never asked. */
  queryTimer: Timer | null = null;
  /** Groups of all VLANs. */
  size = 0;
  private order = 0;
  private readonly bridge: Bridge;
  private readonly tables: Map<number, GroupTable> = new Map();

  constructor(bridge: Bridge) {
    this.bridge = bridge;
  }

  /** The group, with those members that are still there; undefined when there are none. */
  find(group: GroupAddr, vid: number): McastGroup | undefined {
    const table = this.tables.get(vid);
    if (table === undefined) return undefined;
    if (group.kind === 'v4') return this.find4(group.addr, vid);
    return this.live(group.kind === 'v6' ? table.v6.get(group.addr) : table.l2.get(group.addr));
  }

  /** The same for the data path. */
  find4(addr: number, vid: number): McastGroup | undefined {
    return this.live(this.tables.get(vid)?.v4.get(addr));
  }

  find6(addr: Ip6Addr, vid: number): McastGroup | undefined {
    return this.live(this.tables.get(vid)?.v6.get(addr));
  }

  findMac(mac: number, vid: number): McastGroup | undefined {
    return this.live(this.tables.get(vid)?.l2.get(mac));
  }

  /** The group, a new one if need be; null: there are too many (mcast_hash_max). */
  obtain(group: GroupAddr, vid: number): McastGroup | null {
    const found = this.find(group, vid);
    if (found !== undefined) return found;
    if (this.size >= this.settings.hashMax && this.sweep() >= this.settings.hashMax) return null;
    let table = this.tables.get(vid);
    if (table === undefined) {
      table = new GroupTable();
      this.tables.set(vid, table);
    }
    const made = new McastGroup(group, vid, ++this.order);
    if (group.kind === 'v4') table.v4.set(group.addr, made);
    else if (group.kind === 'v6') table.v6.set(group.addr, made);
    else table.l2.set(group.addr, made);
    this.size++;
    return made;
  }

  /** Takes one member out; its group goes with the last. */
  remove(group: McastGroup, member: Membership): void {
    group.members = group.members.filter((m) => m !== member);
    this.tell('delmdb', group, member);
    if (group.members.length === 0) this.forget(group);
  }

  tell(kind: 'newmdb' | 'delmdb', group: McastGroup, member: Membership): void {
    this.bridge.dev.net.events.emit(kind, { bridge: this.bridge, group, member });
  }

  /** All groups that have members, the newest first. */
  list(): McastGroup[] {
    const all: McastGroup[] = [];
    for (const table of this.tables.values())
      all.push(...table.v4.values(), ...table.v6.values(), ...table.l2.values());
    return all.filter((g) => this.live(g) !== undefined).sort((a, b) => b.order - a.order);
  }

  /** A port goes: it listens to nothing any more. `all`: what was told by hand too. */
  flushPort(port: BridgePort, all: boolean): void {
    for (const group of this.list())
      for (const m of group.members)
        if (m.port === port && (all || !m.permanent)) this.remove(group, m);
  }

  destroy(): void {
    this.queryTimer?.clear();
    this.tables.clear();
    this.size = 0;
  }

  /** Forgets groups that nobody wants any more; how many are left. */
  private sweep(): number {
    this.list();
    return this.size;
  }

  private live(group: McastGroup | undefined): McastGroup | undefined {
    if (group === undefined) return undefined;
    const now = this.bridge.dev.net.kernel.nowUs;
    for (let i = group.members.length - 1; i >= 0; i--) {
      const m = group.members[i] as Membership;
      if (m.untilUs <= now) this.remove(group, m);
    }
    return group.members.length === 0 ? undefined : group;
  }

  private forget(group: McastGroup): void {
    const table = this.tables.get(group.vid);
    const { group: g } = group;
    if (table === undefined) return;
    if (g.kind === 'v4') table.v4.delete(g.addr);
    else if (g.kind === 'v6') table.v6.delete(g.addr);
    else table.l2.delete(g.addr);
    this.size--;
  }
}

/** The multicast state of a bridge, made when it is first needed. */
export function mcastOf(bridge: Bridge): Mcast {
  bridge.mcast ??= new Mcast(bridge);
  return bridge.mcast;
}
