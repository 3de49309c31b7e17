/** What IPv6 keeps in a namespace: tables, neighbours, settings, counters (Linux `struct netns_ipv6`). */
import { NeighbourTable } from '../../link/neighbour-table.ts';
import { Icmp6Types, MIB6_MAX, type Mib6 } from '../../mib6.ts';
import type { NetNs } from '../../net.ts';
import { NDISC_CONF_DEFAULT, type NeighConf } from '../../sysctl.ts';
import {
  IPV6_CONF_ALL,
  IPV6_CONF_DEFAULT,
  type Ipv6Conf,
  SYSCTL6_DEFAULT,
  type Sysctl6,
} from '../../sysctl6.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import { Ip6Map } from '../../util/ip6-map.ts';
import { mix32 } from '../../util/random.ts';
import { RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../route/fib.ts';
import { Route6Cache } from '../route6/cache.ts';
import type { RouteException6 } from '../route6/exception.ts';
import { Fib6Table } from '../route6/fib.ts';
import type { FibRules } from '../rule/fib-rules.ts';
import { Ipv6Extra } from './extra.ts';
import { NDISC_PROTOCOL } from './ndisc.ts';
import { Peers6 } from './peer.ts';
import { Reassembly6 } from './reassembly.ts';

export class Ipv6State {
  /** Grows with every change that could make a kept route wrong; `Route6.generation` is compared with it. */
  generation = 1;
  /** Routing decisions that were made, not found among those that are kept (S7; `rt_cache_stat`'s slow ones). */
  decisions = 0;
  /** The kernel's sentence about the last refused change; '' when it has none. */
  extack = '';
  private ndiscMade: NeighbourTable<Ip6Addr> | null = null;
  sysctl: Readonly<Sysctl6> = SYSCTL6_DEFAULT;
  confAll: Readonly<Ipv6Conf> = IPV6_CONF_ALL;
  confDefault: Readonly<Ipv6Conf> = IPV6_CONF_DEFAULT;
  /** net.ipv6.neigh.default.* */
  neighConfDefault: Readonly<NeighConf> = NDISC_CONF_DEFAULT;
  private outputCacheMade: Route6Cache | null = null;
  private inputCacheMade: Route6Cache | null = null;
  /** Secret of everything that is hashed here. */
  readonly key: number;
  private readonly net: NetNs;
  /** Policy rules; null: those that every namespace begins with. */
  rules: FibRules<Ip6Addr> | null = null;
  private tables: readonly Fib6Table[] = [];
  private order: readonly Fib6Table[] = [];
  private mibMade: Mib6 | null = null;
  private icmpTypesMade: Icmp6Types | null = null;
  private exceptionsMade: Ip6Map<RouteException6> | null = null;
  private peersMade: Peers6 | null = null;
  private reassemblyMade: Reassembly6 | null = null;
  private extraMade: Ipv6Extra | null = null;

  constructor(net: NetNs) {
    this.net = net;
    this.key = net.kernel.random('ipv6-hash').i32();
  }

  get outputCache(): Route6Cache {
    this.outputCacheMade ??= new Route6Cache(this.key);
    return this.outputCacheMade;
  }

  get inputCache(): Route6Cache {
    this.inputCacheMade ??= new Route6Cache(this.key);
    return this.inputCacheMade;
  }

  /** Neighbours; the table is made for the first one. */
  get ndisc(): NeighbourTable<Ip6Addr> {
    this.ndiscMade ??= new NeighbourTable<Ip6Addr>(this.net, NDISC_PROTOCOL);
    return this.ndiscMade;
  }

  /** The same, or null while there never was a neighbour. */
  get ndiscMaybe(): NeighbourTable<Ip6Addr> | null {
    return this.ndiscMade;
  }

  /** Counters; made when the first is. */
  get mib(): Mib6 {
    this.mibMade ??= new Float64Array(MIB6_MAX) as Mib6;
    return this.mibMade;
  }

  /** ICMPv6 messages by type; made for the first one. */
  get icmpTypes(): Icmp6Types {
    this.icmpTypesMade ??= new Icmp6Types();
    return this.icmpTypesMade;
  }

  /** What was learnt about single destinations, by a keyed hash. */
  get exceptions(): Ip6Map<RouteException6> {
    this.exceptionsMade ??= new Ip6Map(this.key);
    return this.exceptionsMade;
  }

  /** False while nothing was ever learnt: what routing asks first. */
  get hasExceptions(): boolean {
    return this.exceptionsMade !== null && this.exceptionsMade.size > 0;
  }

  /** What is known of other hosts; made when the first one matters. */
  get peers(): Peers6 {
    this.peersMade ??= new Peers6(this.net, this.key);
    return this.peersMade;
  }

  /** What few namespaces have. */
  get extra(): Ipv6Extra {
    this.extraMade ??= new Ipv6Extra(this.net);
    return this.extraMade;
  }

  /** The same, or null while nothing of it was needed. */
  get extraMaybe(): Ipv6Extra | null {
    return this.extraMade;
  }

  /** Null while no fragment ever came. */
  get reassemblyMaybe(): Reassembly6 | null {
    return this.reassemblyMade;
  }

  /** Made when the first fragment comes. */
  get reassembly(): Reassembly6 {
    this.reassemblyMade ??= new Reassembly6(this.net, this.key);
    return this.reassemblyMade;
  }

  findTable(id: number): Fib6Table | undefined {
    return this.tables.find((t) => t.id === id);
  }

  /** Makes the table when it is not there (`fib6_new_table`). */
  table(id: number): Fib6Table {
    let table = this.findTable(id);
    if (table === undefined) {
      table = new Fib6Table(id);
      this.tables = this.tables.concat(table);
      const local = this.findTable(RT_TABLE_LOCAL) ?? [];
      this.order = ([] as Fib6Table[]).concat(local, this.findTable(RT_TABLE_MAIN) ?? []);
    }
    return table;
  }

  allTables(): readonly Fib6Table[] {
    return this.tables;
  }

  /** Tables in the order of the default rules: local, main. */
  lookupOrder(): readonly Fib6Table[] {
    return this.order;
  }

  /** Makes every kept route of this namespace, and of no other, be asked for anew. */
  changed(): void {
    this.generation++;
    this.outputCacheMade = null;
    this.inputCacheMade = null;
  }

  /**
   * The flow label of packets of one flow (RFC 6437 §3; Linux `ip6_make_flowlabel`): a keyed hash, or none where
   * net.ipv6.auto_flowlabels says so. `ports`: whatever tells flows between two hosts apart.
   */
  flowLabel(src: Ip6Addr, dst: Ip6Addr, protocol: number, ports: number): number {
    if (!this.wantsFlowLabel(-1)) return 0;
    return mix32(src.hash(this.key) ^ protocol, dst.hash(ports)) & 0xfffff;
  }

  /** Do packets of a socket get a label of ours (`ip6_autoflowlabel`)? @param asked IPV6_AUTOFLOWLABEL; -1: not set */
  wantsFlowLabel(asked: number): boolean {
    const mode = this.sysctl.autoFlowlabels;
    if (mode === 0 || mode === 3) return mode === 3;
    return asked < 0 ? mode === 1 : asked !== 0;
  }

  destroy(): void {
    this.ndiscMade?.destroy();
    this.reassemblyMade?.destroy();
    this.extraMade?.stop();
    this.tables = [];
    this.order = [];
    this.rules = null;
    this.exceptionsMade?.clear();
    this.changed();
  }
}
