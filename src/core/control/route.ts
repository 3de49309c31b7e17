/** The routes of a namespace: `ip route` (Linux `net/ipv4/fib_frontend.c`, `ip_route_get`). */
import { EHOSTUNREACH, EINVAL, NetError } from '../errno.ts';
import { isL3Master, l3Oif, l3Table } from '../link/l3mdev.ts';
import type { NetNs } from '../net.ts';
import {
  fibAdd,
  fibDel,
  fibRemove,
  type InsertMode,
  type RouteSpec as StackRoute,
} from '../network/route/change.ts';
import { NO_METRICS } from '../network/route/fib-info.ts';
import { FibRoute } from '../network/route/fib-route.ts';
import { RTN_REFUSED, routeInput } from '../network/route/input.ts';
import { fibLookup } from '../network/route/lookup.ts';
import type { FibQuery } from '../network/route/match.ts';
import { routeOutput } from '../network/route/output.ts';
import {
  type Route,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from '../network/route/route.ts';
import type { FlowKeys } from '../network/rule/fib-rule.ts';
import { formatIpv4, maskOf, parseIpv4 } from '../util/address.ts';
import { IPPROTO_UDP } from '../wire/ipv4.ts';
import { findDevice } from './find-device.ts';
import type { RouteDecision, RouteInfo, RouteMetrics } from './info.ts';
import { lockedNames, metricsInfo, stackMetrics } from './metrics.ts';
import { protocolNumber, ROUTE_TYPES, type RouteType, scopeNumber } from './names.ts';
import { routeInfo } from './route-info.ts';

/** One way of a route. */
export interface NexthopSpec {
  readonly via?: string;
  readonly dev?: string;
  /** 1 to 256. */
  readonly weight?: number;
  /** The gateway is on the link, whatever the addresses say. */
  readonly onlink?: boolean;
}

/** What `ip route add` takes. */
export interface RouteSpec {
  /** `'default'`, `'10.0.0.0/8'`, `'10.0.0.1'`. */
  readonly dst: string;
  readonly via?: string;
  readonly dev?: string;
  readonly type?: RouteType;
  /** Main when absent; local for local, broadcast and anycast routes. */
  readonly table?: number;
  /** `'boot'` when absent. */
  readonly protocol?: string;
  /** What fits the type and the gateway when absent. */
  readonly scope?: string;
  /** Preferred source address. */
  readonly src?: string;
  readonly metric?: number;
  readonly tos?: number;
  readonly onlink?: boolean;
  readonly metrics?: RouteMetrics;
  /** Path MTU discovery does not change `metrics.mtu`. */
  readonly lockMtu?: boolean;
  /** Other metrics that nothing learnt changes, by iproute2's names. */
  readonly locks?: readonly string[];
  /** Several ways, shared out by weight; instead of `via` and `dev`. */
  readonly nexthops?: readonly NexthopSpec[];
  /** Number of a nexthop object, instead of `via`, `dev` and `nexthops`. */
  readonly nhid?: number;
}

/** What `ip route get` takes besides the destination. */
export interface RouteQuery {
  readonly from?: string;
  /** Out device. */
  readonly oif?: string;
  /** The packet is one that this device received. */
  readonly iif?: string;
  readonly tos?: number;
  readonly mark?: number;
  readonly ipproto?: number;
  readonly sport?: number;
  readonly dport?: number;
}

export type RouteFilter = (route: RouteInfo) => boolean;

const ADD: InsertMode = { create: true, exclusive: true, replace: false, append: false };
const APPEND: InsertMode = { create: true, exclusive: false, replace: false, append: true };
const PREPEND: InsertMode = { create: true, exclusive: false, replace: false, append: false };
const REPLACE: InsertMode = { create: true, exclusive: false, replace: true, append: false };
const CHANGE: InsertMode = { create: false, exclusive: false, replace: true, append: false };

const MAIN = 254;
const LOCAL = 255;

export class RouteControl {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** EEXIST: one of that prefix, TOS and metric is there. ENETUNREACH, EINVAL: bad gateway or source. */
  add(spec: RouteSpec): void {
    this.insert(spec, ADD);
  }

  /** Behind those of the same prefix and metric. */
  append(spec: RouteSpec): void {
    this.insert(spec, APPEND);
  }

  prepend(spec: RouteSpec): void {
    this.insert(spec, PREPEND);
  }

  /** In the place of the one of that prefix, TOS and metric, or new. */
  replace(spec: RouteSpec): void {
    this.insert(spec, REPLACE);
  }

  /** ENOENT: there is none to replace. */
  change(spec: RouteSpec): void {
    this.insert(spec, CHANGE);
  }

  private insert(spec: RouteSpec, mode: InsertMode): void {
    this.check(fibAdd(this.net, this.stackRoute(spec), mode));
  }

  /** The first route that fits everything that `spec` says. ESRCH: there is none. */
  del(spec: RouteSpec): void {
    const { addr, len } = prefixOf(spec.dst);
    const type = spec.type === undefined ? undefined : ROUTE_TYPES.indexOf(spec.type);
    const dev = spec.dev === undefined ? undefined : findDevice(this.net, spec.dev);
    this.check(
      fibDel(this.net, {
        table: tableOf(spec),
        dst: addr,
        prefixLen: len,
        tos: spec.tos ?? 0,
        ...(spec.metric === undefined || spec.metric === 0 ? {} : { priority: spec.metric }),
        ...(type === undefined ? {} : { type }),
        ...(spec.scope === undefined ? {} : { scope: numberOf(spec.scope, scopeNumber) }),
        ...(spec.protocol === undefined
          ? {}
          : { protocol: numberOf(spec.protocol, protocolNumber) }),
        ...(spec.src === undefined ? {} : { prefsrc: addressOf(spec.src) }),
        ...(spec.via === undefined ? {} : { gateway: addressOf(spec.via) }),
        ...(dev === undefined ? {} : { dev }),
        ...(spec.nhid === undefined ? {} : { nhid: spec.nhid }),
        ...(spec.nexthops === undefined ? {} : { nexthops: this.hopsOf(spec) }),
        metrics: stackMetrics(spec),
      }),
    );
  }

  /** Deletes all for which `filter` is true; returns how many. */
  flush(filter: RouteFilter): number {
    const wanted = this.all().filter((r) => filter(routeInfo(r)));
    for (const route of wanted) fibRemove(this.net, route);
    return wanted.length;
  }

  /** Forgets what was learnt about single destinations: path MTUs, redirects. */
  flushCache(): void {
    if (this.net.ipv4.hasExceptions) this.net.ipv4.exceptions.clear();
    this.net.ipv4.changed();
  }

  /** Destinations of which something was learnt that still holds. */
  cached(): string[] {
    if (!this.net.ipv4.hasExceptions) return [];
    const { nowUs } = this.net.kernel;
    const known = [...this.net.ipv4.exceptions].filter(([, e]) => nowUs < e.expiresUs);
    return known.map(([dst]) => formatIpv4(dst));
  }

  /** Routes of all tables, or of one: highest table first after main, each by prefix. */
  list(table?: number): RouteInfo[] {
    const routes = this.all().map(routeInfo);
    return table === undefined ? routes : routes.filter((r) => r.table === table);
  }

  /** Main, local and default are always there. */
  hasTable(table: number): boolean {
    return (table >= 253 && table <= 255) || this.net.ipv4.findTable(table) !== undefined;
  }

  /** In the order in which the kernel dumps tables: by the hash of their number (`FIB_TABLE_HASHSZ`). */
  private all(): FibRoute[] {
    const tables = [...this.net.ipv4.allTables()];
    const hash = (id: number): number => id & 255;
    return tables.sort((a, b) => hash(a.id) - hash(b.id)).flatMap((t) => t.list().sort(byPrefix));
  }

  /** Which way a packet would take. Errors are those that a sender would get. */
  get(dst: string, query: RouteQuery = {}): RouteDecision {
    const addr = addressOf(dst);
    const from = query.from === undefined ? 0 : addressOf(query.from);
    if (query.iif !== undefined) return this.getInput(addr, from, query);
    const oif = query.oif === undefined ? 0 : findDevice(this.net, query.oif).ifindex;
    const route = routeOutput(this.net, addr, from, oif, query.tos ?? 0, flow4Of(query));
    if (typeof route === 'number') throw new NetError(route, 'rtnetlink');
    return {
      ...this.decision(route, addr, from, query),
      dev: route.dev.name,
      src: from === 0 ? formatIpv4(route.src) : null,
      iif: null,
    };
  }

  private getInput(addr: number, from: number, query: RouteQuery): RouteDecision {
    const dev = findDevice(this.net, query.iif ?? '');
    const route = routeInput(dev, addr, from, query.tos ?? 0, flow4Of(query));
    if (typeof route === 'string') throw new NetError(EINVAL, 'rtnetlink');
    if (route.type === RTN_REFUSED)
      throw new NetError(route.mtuMetric === 0 ? EHOSTUNREACH : route.mtuMetric, 'rtnetlink');
    const ours = route.type !== RTN_UNICAST;
    return {
      ...this.decision(route, addr, from, query),
      dev: ours ? this.net.loopback.name : route.dev.name,
      src: null,
      iif: dev.name,
    };
  }

  private decision(
    route: Route,
    addr: number,
    from: number,
    query: RouteQuery,
  ): Omit<RouteDecision, 'dev' | 'src' | 'iif'> {
    const fib = fibLookup(this.net, this.fibQuery(addr, from, query));
    const fibMetrics = typeof fib === 'number' ? NO_METRICS : fib.info.metrics;
    const learnt = route.pmtu !== 0 && this.net.kernel.nowUs < route.pmtuExpiresUs;
    const isUnicast = route.type === RTN_UNICAST;
    const metrics = isUnicast ? metricsInfo(fibMetrics) : {};
    return {
      type: (ROUTE_TYPES[route.type] ?? 'unicast') as RouteType,
      dst: formatIpv4(addr),
      from: from === 0 ? null : formatIpv4(from),
      gateway: route.gateway === 0 ? null : formatIpv4(route.gateway),
      cache: isOwn(route) ? LOCAL_FLAGS : cacheFlags(route.type),
      expires: learnt ? Math.floor((route.pmtuExpiresUs - this.net.kernel.nowUs) / 1_000_000) : 0,
      metrics: learnt ? { ...metrics, mtu: route.pmtu } : metrics,
      lockedMtu: learnt ? route.pmtuLocked : fibMetrics.mtuLock,
      locked: isUnicast ? lockedNames(fibMetrics) : [],
      // LINUX: until there are rules, local and main are one table (`fib_unmerge`).
      table: typeof fib === 'number' || this.net.ipv4.rules === null ? MAIN : fib.table,
      tos: typeof fib === 'number' ? 0 : fib.tos,
      mark: query.mark ?? 0,
    };
  }

  /** The route of the tables that a destination meets (`ip route get fibmatch`). */
  match(dst: string, query: RouteQuery = {}): RouteInfo {
    const src = query.from === undefined ? 0 : addressOf(query.from);
    const addr = addressOf(dst);
    const found = fibLookup(this.net, this.fibQuery(addr, src, query));
    if (typeof found === 'number') throw new NetError(found, 'rtnetlink');
    const { table, prefixLen, info } = found;
    return routeInfo(new FibRoute(table, addr & maskOf(prefixLen), prefixLen, found.tos, info));
  }

  private fibQuery(dst: number, src: number, query: RouteQuery): FibQuery {
    const out = query.oif === undefined ? null : findDevice(this.net, query.oif);
    const dev = query.iif === undefined ? out : findDevice(this.net, query.iif);
    return {
      dst,
      src,
      tos: query.tos ?? 0,
      scope: 0,
      oif: out === null || isL3Master(out) ? 0 : out.ifindex,
      ...(query.iif === undefined || dev === null ? {} : { iif: dev.ifindex }),
      mark: query.mark ?? 0,
      proto: query.ipproto ?? IPPROTO_UDP,
      sport: query.sport ?? 0,
      dport: query.dport ?? 0,
      l3Table: dev === null ? 0 : l3Table(dev),
      l3Index: dev === null ? 0 : l3Oif(dev),
    };
  }

  private check(errno: number): void {
    if (errno < 0) throw new NetError(errno, 'rtnetlink', this.net.ipv4.extack);
  }

  private stackRoute(spec: RouteSpec): StackRoute {
    const { addr, len } = prefixOf(spec.dst);
    const type = spec.type ?? 'unicast';
    const hops = this.hopsOf(spec);
    const { via, nexthops, nhid } = spec;
    const hasGateway = via !== undefined || nexthops !== undefined || nhid !== undefined;
    const scope = spec.scope ?? defaultScope(type, hasGateway);
    return {
      table: tableOf(spec),
      dst: addr,
      prefixLen: len,
      tos: spec.tos ?? 0,
      priority: spec.metric ?? 0,
      type: ROUTE_TYPES.indexOf(type),
      scope: numberOf(scope, scopeNumber),
      protocol: numberOf(spec.protocol ?? 'boot', protocolNumber),
      prefsrc: spec.src === undefined ? 0 : addressOf(spec.src),
      nexthops: hops,
      metrics: stackMetrics(spec),
      nhid: spec.nhid ?? 0,
    };
  }

  private hopsOf(spec: RouteSpec): StackRoute['nexthops'] {
    const { via, dev, onlink, nexthops } = spec;
    if (nexthops !== undefined) {
      // The first way may be said twice (`fib_gw_from_via`).
      const [first] = nexthops;
      if (via !== undefined && via !== first?.via)
        throw new NetError(
          EINVAL,
          'rtnetlink',
          'Nexthop gateway does not match RTA_GATEWAY or RTA_VIA',
        );
      if (dev !== undefined && dev !== first?.dev)
        throw new NetError(EINVAL, 'rtnetlink', 'Nexthop device index does not match RTA_OIF');
      return nexthops.map((n) => this.hopOf(n));
    }
    if (via === undefined && dev === undefined) return [];
    return [
      this.hopOf({
        ...(via === undefined ? {} : { via }),
        ...(dev === undefined ? {} : { dev }),
        ...(onlink === undefined ? {} : { onlink }),
      }),
    ];
  }

  private hopOf(n: NexthopSpec): StackRoute['nexthops'][number] {
    return {
      gateway: n.via === undefined ? 0 : addressOf(n.via),
      dev: n.dev === undefined ? null : findDevice(this.net, n.dev),
      weight: n.weight ?? 1,
      onlink: n.onlink === true,
    };
  }
}

/** What rules see of the packet that is asked about. */
export function flowOf(query: RouteQuery): FlowKeys {
  const { mark = 0, ipproto: protocol = 0, sport = 0, dport = 0 } = query;
  return { mark, protocol, sport, dport };
}

/** LINUX: a question about IPv4 that names no protocol is about UDP (`inet_rtm_getroute`). */
function flow4Of(query: RouteQuery): FlowKeys {
  return flowOf({ ...query, ipproto: query.ipproto ?? IPPROTO_UDP });
}

/** As the trie is dumped: by address, the longer prefix first; the order of preference stays. */
function byPrefix(a: FibRoute, b: FibRoute): number {
  return (a.dst >>> 0) - (b.dst >>> 0) || b.prefixLen - a.prefixLen;
}

/** What iproute2 fills in (`iproute_modify`). */
function tableOf(spec: RouteSpec): number {
  if (spec.table !== undefined && spec.table !== 0) return spec.table;
  const { type } = spec;
  return type === 'local' || type === 'broadcast' || type === 'anycast' ? LOCAL : MAIN;
}

function defaultScope(type: RouteType, hasGateway: boolean): string {
  if (type === 'local') return 'host';
  if (type === 'broadcast' || type === 'multicast' || type === 'anycast') return 'link';
  if (type === 'unicast') return hasGateway ? 'global' : 'link';
  return 'global';
}

function numberOf(name: string, find: (name: string) => number | undefined): number {
  const n = find(name);
  if (n === undefined) throw new NetError(EINVAL, 'rtnetlink', `"${name}" is not known`);
  return n;
}

function addressOf(text: string): number {
  const addr = parseIpv4(text);
  if (addr === undefined)
    throw new NetError(EINVAL, 'rtnetlink', `"${text}" is not an IPv4 address`);
  return addr;
}

function prefixOf(text: string): { addr: number; len: number } {
  if (text === 'default') return { addr: 0, len: 0 };
  const [address = '', length = '32'] = text.split('/');
  const len = /^\d{1,2}$/.test(length) ? Number(length) : Number.NaN;
  if (!(len <= 32)) throw new NetError(EINVAL, 'rtnetlink', `"${text}" is not a prefix`);
  const addr = addressOf(address);
  if ((addr & ~maskOf(len)) !== 0)
    throw new NetError(EINVAL, 'rtnetlink', 'Invalid prefix for given prefix length');
  return { addr, len };
}

function isOwn(route: Route): boolean {
  return route.type === RTN_UNICAST && route.dev === route.dev.net.loopback;
}

const LOCAL_FLAGS: readonly string[] = ['local'];

/** `RTCF_*` as `ip route get` names them. */
function cacheFlags(type: number): readonly string[] {
  if (type === RTN_LOCAL) return ['local'];
  if (type === RTN_BROADCAST) return ['local', 'brd'];
  return type === RTN_MULTICAST ? ['mc'] : [];
}
