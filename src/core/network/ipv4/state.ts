/** What IPv4 keeps in a namespace: tables, caches, what was learnt, fragments, limits (Linux `struct netns_ipv4`). */
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import type { SipKey } from '../../util/siphash.ts';
import { SmallMap } from '../../util/small-map.ts';
import { RouteCache } from '../route/cache.ts';
import type { RouteException } from '../route/exception.ts';
import {
  FibTable,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTPROT_KERNEL,
} from '../route/fib.ts';
import { FibInfos } from '../route/fib-info.ts';
import { routeOutput } from '../route/output.ts';
import { RTN_LOCAL } from '../route/route.ts';
import type { FibRules } from '../rule/fib-rules.ts';
import { IcmpLimit } from './icmp-limit.ts';
import { IdentGenerator } from './ident.ts';
import { Peers } from './peer.ts';
import { Reassembly } from './reassembly.ts';

export class Ipv4State {
  /** Grows with every change that could make a kept route wrong; `Route.generation` is compared with it. */
  generation = 1;
  /** Routing decisions that were made, not found among those that are kept (S7; `rt_cache_stat`'s slow ones). */
  decisions = 0;
  /** The kernel's sentence about the last refused change; '' when it has none. */
  extack = '';
  readonly outputCache: RouteCache = new RouteCache();
  readonly inputCache: RouteCache = new RouteCache();
  readonly icmpLimit: IcmpLimit;
  readonly ident: IdentGenerator;
  private readonly net: NetNs;
  /** What routes say, shared by those that say the same. */
  readonly fibInfos: FibInfos = new FibInfos();
  /** Policy rules; null: those that every namespace begins with. */
  rules: FibRules<number> | null = null;
  /** Secret by which flows are shared out over several ways; null: there was no need yet. */
  multipathKey: SipKey | null = null;
  private readonly tables: SmallMap<number, FibTable> = new SmallMap();
  private order: readonly FibTable[] = [];

  private exceptionsMade: Map<number, RouteException> | null = null;
  private peersMade: Peers | null = null;
  private reassemblyMade: Reassembly | null = null;

  constructor(net: NetNs) {
    this.net = net;
    this.icmpLimit = new IcmpLimit(net);
    this.ident = new IdentGenerator(net);
  }

  /** What was learnt about single destinations, oldest first. */
  get exceptions(): Map<number, RouteException> {
    this.exceptionsMade ??= new Map();
    return this.exceptionsMade;
  }

  /** False while nothing was ever learnt: what routing asks first. */
  get hasExceptions(): boolean {
    return this.exceptionsMade !== null && this.exceptionsMade.size > 0;
  }

  /** What is known of other hosts; made when the first one matters. */
  get peers(): Peers {
    this.peersMade ??= new Peers(this.net);
    return this.peersMade;
  }

  /** Null while no fragment ever came. */
  get reassemblyMaybe(): Reassembly | null {
    return this.reassemblyMade;
  }

  /** Made when the first fragment comes. */
  get reassembly(): Reassembly {
    this.reassemblyMade ??= new Reassembly(this.net);
    return this.reassemblyMade;
  }

  /** Null while no address was ever given. */
  get localTable(): FibTable | null {
    return this.tables.get(RT_TABLE_LOCAL) ?? null;
  }

  findTable(id: number): FibTable | undefined {
    return this.tables.get(id);
  }

  /** Makes the table when it is not there (`fib_new_table`). */
  table(id: number): FibTable {
    let table = this.tables.get(id);
    if (table === undefined) {
      table = new FibTable(id, this.fibInfos);
      this.tables.set(id, table);
      // `concat` makes arrays without room to grow, of which a namespace has many.
      this.order = ([] as FibTable[]).concat(
        this.tables.get(RT_TABLE_LOCAL) ?? [],
        this.tables.get(RT_TABLE_MAIN) ?? [],
        this.tables.get(RT_TABLE_DEFAULT) ?? [],
      );
    }
    return table;
  }

  allTables(): IterableIterator<FibTable> {
    return this.tables.values();
  }

  /** Tables in the order of the default rules: local, main, default. */
  lookupOrder(): readonly FibTable[] {
    return this.order;
  }

  /** Makes every kept route of this namespace, and of no other, be asked for anew. */
  changed(): void {
    this.generation++;
  }

  /** Is this the address of one of our devices? */
  isOwnAddress(addr: number): boolean {
    if (this.net.l3mdevs !== 0)
      for (const dev of this.net.devs)
        if (dev.ipv4?.addresses.some((a) => a.local === addr) === true) return true;
    const routes = this.localTable?.at(addr, 32) ?? [];
    return routes.some((r) => r.type === RTN_LOCAL && r.protocol === RTPROT_KERNEL);
  }

  /** The device by which packets to `dst` from `src` leave; null when none would. */
  deviceTowards(dst: number, src: number): NetDevice | null {
    const route = routeOutput(this.net, dst, src, 0, 0);
    return typeof route === 'number' ? null : route.dev;
  }

  destroy(): void {
    this.reassemblyMade?.destroy();
    this.tables.clear();
    this.order = [];
    this.rules = null;
    this.exceptionsMade?.clear();
    this.peersMade?.clear();
    this.changed();
  }
}
