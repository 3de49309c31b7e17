/** The IPv6 routes of a namespace: `ip -6 route` (Linux `inet6_rtm_newroute`, `rt6_fill_node`). */
import { EINVAL, NetError } from '../errno.ts';
import { isL3Master, l3Oif, l3Table } from '../link/l3mdev.ts';
import type { NetNs } from '../net.ts';
import type { InsertMode } from '../network/route/change.ts';
import { RTNH_F_DEAD, RTNH_F_LINKDOWN, RTNH_F_ONLINK } from '../network/route/fib-info.ts';
import {
  fib6Add,
  fib6Del,
  fib6Remove,
  type NexthopSpec6,
  type RouteMatch6,
  type RouteSpec6 as StackRoute6,
} from '../network/route6/change.ts';
import { type FibNexthop6, type FibRoute6, prefFlags, prefOf } from '../network/route6/fib.ts';
import { routeInput6 } from '../network/route6/input.ts';
import { fib6Lookup } from '../network/route6/lookup.ts';
import { needsStrict, routeOutput6, sourceOf6 } from '../network/route6/output.ts';
import type { Route6 } from '../network/route6/route.ts';
import { IN6ADDR_ANY, type Ip6Addr } from '../util/ip6-addr.ts';
import { address6Of, splitPrefix6 } from './addr6.ts';
import { findDevice } from './find-device.ts';
import type { NexthopInfo, RouteInfo } from './info.ts';
import { lockedNames, metricsInfo, stackMetrics } from './metrics.ts';
import { protocolName, protocolNumber, ROUTE_TYPES, type RouteType } from './names.ts';
import { flowOf, type NexthopSpec, type RouteQuery, type RouteSpec } from './route.ts';

/** What `ip -6 route add` takes; `tos` is refused, and `scope` means nothing, in IPv6. */
export type RouteSpec6 = RouteSpec & {
  /** Seconds after which the route goes; Infinity: never. */
  readonly expires?: number;
  /** Of several routes to a prefix with the same metric, the one that is preferred more (RFC 4191). */
  readonly pref?: 'low' | 'medium' | 'high';
};

/** Which way a packet would take (`ip -6 route get`). */
export interface RouteDecision6 {
  readonly type: RouteType;
  readonly dst: string;
  readonly from: string | null;
  readonly gateway: string | null;
  readonly dev: string;
  readonly src: string | null;
  /** Input device that was asked for. */
  readonly iif: string | null;
  readonly mark: number;
  /** Path MTU learnt for the destination, and seconds until it expires; 0: none. */
  readonly pmtu: number;
  readonly expires: number;
}

/** By the two bits of RFC 4191 §2.1; 2 is reserved, and means medium. */
const PREFS: readonly ('low' | 'medium' | 'high')[] = ['medium', 'high', 'medium', 'low'];

const MAIN = 254;
const LOCAL = 255;

export class Route6Control {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** EEXIST: there is a route of that metric; ENODEV, EINVAL, EHOSTUNREACH: the next hop. */
  add(spec: RouteSpec6): void {
    this.insert(spec, { create: true, exclusive: true, replace: false, append: false });
  }

  /** Another way of a route that is there, or a new route. */
  append(spec: RouteSpec6): void {
    this.insert(spec, { create: true, exclusive: false, replace: false, append: true });
  }

  replace(spec: RouteSpec6): void {
    this.insert(spec, { create: true, exclusive: false, replace: true, append: false });
  }

  /** As `append`: the order of equals is that of their coming. */
  prepend(spec: RouteSpec6): void {
    this.append(spec);
  }

  /** ENOENT: there is nothing to change. */
  change(spec: RouteSpec6): void {
    this.insert(spec, { create: false, exclusive: false, replace: true, append: false });
  }

  private insert(spec: RouteSpec6, mode: InsertMode): void {
    if ((spec.tos ?? 0) !== 0)
      throw refusal('Invalid dsfield (tos): option not available for IPv6');
    if (spec.nexthops?.some((n) => n.via === undefined) === true)
      throw refusal('Device only routes can not be added for IPv6 using the multipath API.');
    this.check(fib6Add(this.net, this.stackRoute(spec), mode));
  }

  /** ESRCH: nothing fits. */
  del(spec: RouteSpec6): void {
    const { addr, prefixLen } = prefix6Of(spec.dst);
    const match: RouteMatch6 = {
      table: tableOf(spec),
      dst: addr,
      prefixLen,
      ...(spec.metric === undefined ? {} : { metric: spec.metric }),
      ...(spec.protocol === undefined ? {} : { protocol: protocolOf(spec.protocol) }),
      ...(spec.via === undefined ? {} : { gateway: address6Of(spec.via) }),
      ...(spec.dev === undefined ? {} : { dev: findDevice(this.net, spec.dev) }),
      ...(spec.type === undefined ? {} : { type: ROUTE_TYPES.indexOf(spec.type) }),
      ...(spec.nhid === undefined ? {} : { nhid: spec.nhid }),
    };
    this.check(fib6Del(this.net, match));
  }

  /** Deletes all for which `filter` is true; returns how many. */
  flush(filter: (route: RouteInfo) => boolean): number {
    const wanted = this.all().filter((r) => filter(this.info(r)));
    for (const route of wanted) fib6Remove(this.net, route);
    return wanted.length;
  }

  /** Forgets what was learnt about single destinations: path MTUs, redirects. */
  flushCache(): void {
    if (this.net.ipv6.hasExceptions) this.net.ipv6.exceptions.clear();
    this.net.ipv6.changed();
  }

  /** Destinations of which something was learnt that still holds. */
  cached(): string[] {
    if (!this.net.ipv6.hasExceptions) return [];
    const { nowUs } = this.net.kernel;
    const { exceptions } = this.net.ipv6;
    const held = [...exceptions.keys()].filter((a) => nowUs < (exceptions.get(a)?.expiresUs ?? 0));
    return held.map(String);
  }

  /** Main and local are always there. */
  hasTable(table: number): boolean {
    return table === MAIN || table === LOCAL || this.net.ipv6.findTable(table) !== undefined;
  }

  /** Routes of all tables, or of one, in the order in which the kernel dumps them. */
  list(table?: number): RouteInfo[] {
    const routes = this.all().map((r) => this.info(r));
    return table === undefined ? routes : routes.filter((r) => r.table === table);
  }

  /** Which way a packet would take. Errors are those that a sender would get. */
  get(dst: string, query: RouteQuery = {}): RouteDecision6 {
    if (query.iif !== undefined) return this.getInput(dst, query.iif, query);
    const addr = address6Of(dst);
    const from = query.from === undefined ? IN6ADDR_ANY : address6Of(query.from);
    const oif = query.oif === undefined ? 0 : findDevice(this.net, query.oif).ifindex;
    const route = routeOutput6(this.net, addr, from, oif, flowOf(query), query.tos ?? 0);
    if (typeof route === 'number') throw new NetError(route, 'rtnetlink');
    // LINUX: what would be chosen, whatever source was asked for.
    return this.decision(route, addr, query, sourceOf6(this.net, route, addr));
  }

  private getInput(dst: string, iif: string, query: RouteQuery): RouteDecision6 {
    const addr = address6Of(dst);
    const from = query.from === undefined ? IN6ADDR_ANY : address6Of(query.from);
    const dev = findDevice(this.net, iif);
    const route = routeInput6(dev, addr, from, flowOf(query), query.tos ?? 0);
    if (route.errno !== 0) throw new NetError(-route.errno, 'rtnetlink');
    return this.decision(route, addr, query, null);
  }

  private decision(
    route: Route6,
    addr: Ip6Addr,
    query: RouteQuery,
    src: Ip6Addr | null,
  ): RouteDecision6 {
    return {
      type: (ROUTE_TYPES[route.type] ?? 'unicast') as RouteType,
      dst: String(addr),
      from: query.from === undefined ? null : String(address6Of(query.from)),
      iif: query.iif ?? null,
      mark: query.mark ?? 0,
      gateway: route.gateway === null ? null : String(route.gateway),
      dev: route.dev.name,
      src: src === null ? null : String(src),
      pmtu: route.pmtu,
      expires:
        route.pmtu === 0 ? 0 : Math.ceil((route.pmtuExpiresUs - this.net.kernel.nowUs) / 1e6),
    };
  }

  /** The route of the tables that a destination meets (`ip -6 route get fibmatch`). */
  match(dst: string, query: RouteQuery = {}): RouteInfo {
    const addr = address6Of(dst);
    const dev = query.iif ?? query.oif;
    const via = dev === undefined ? null : findDevice(this.net, dev);
    const isMaster = via !== null && isL3Master(via);
    const found = fib6Lookup(this.net, {
      dst: addr,
      src: query.from === undefined ? IN6ADDR_ANY : address6Of(query.from),
      oif: via === null || isMaster ? 0 : via.ifindex,
      strict:
        !isMaster && (needsStrict(addr) || (query.oif !== undefined && query.from === undefined)),
      ...(query.iif === undefined || via === null ? {} : { iif: via.ifindex }),
      tos: query.tos ?? 0,
      mark: query.mark ?? 0,
      proto: query.ipproto ?? 0,
      sport: query.sport ?? 0,
      dport: query.dport ?? 0,
      l3Table: via === null ? 0 : l3Table(via),
      l3Index: via === null ? 0 : l3Oif(via),
    });
    if (typeof found === 'number') throw new NetError(found, 'rtnetlink');
    if (found.errno !== 0) throw new NetError(-found.errno, 'rtnetlink');
    return this.info(found.route);
  }

  private all(): FibRoute6[] {
    const tables = [...this.net.ipv6.allTables()];
    // By the hash of their number (`FIB6_TABLE_HASHSZ`).
    return tables
      .sort((a, b) => (a.id & 255) - (b.id & 255) || b.id - a.id)
      .flatMap((t) => t.list());
  }

  private info(route: FibRoute6): RouteInfo {
    return route6Info(route, this.net.kernel.nowUs);
  }

  private check(errno: number): void {
    if (errno < 0) throw new NetError(errno, 'rtnetlink', this.net.ipv6.extack);
  }

  private stackRoute(spec: RouteSpec6): StackRoute6 {
    const { addr, prefixLen } = prefix6Of(spec.dst);
    const expires = spec.expires ?? Number.POSITIVE_INFINITY;
    return {
      table: tableOf(spec),
      dst: addr,
      prefixLen,
      metric: spec.metric ?? 0,
      type: ROUTE_TYPES.indexOf(spec.type ?? 'unicast'),
      protocol: protocolOf(spec.protocol ?? 'boot'),
      prefsrc: spec.src === undefined ? null : address6Of(spec.src),
      nexthops: this.hopsOf(spec),
      metrics: stackMetrics(spec),
      nhid: spec.nhid ?? 0,
      expiresUs: this.net.kernel.nowUs + expires * 1e6,
      flags: spec.pref === undefined ? 0 : prefFlags(PREFS.indexOf(spec.pref)),
    };
  }

  private hopsOf(spec: RouteSpec6): NexthopSpec6[] {
    const { via, dev, onlink, nexthops } = spec;
    if (nexthops !== undefined) return nexthops.map((n) => this.hopOf(n));
    if (via === undefined && dev === undefined) return [];
    return [
      this.hopOf({
        ...(via === undefined ? {} : { via }),
        ...(dev === undefined ? {} : { dev }),
        ...(onlink === undefined ? {} : { onlink }),
      }),
    ];
  }

  private hopOf(n: NexthopSpec): NexthopSpec6 {
    return {
      gateway: n.via === undefined ? null : address6Of(n.via),
      dev: n.dev === undefined ? null : findDevice(this.net, n.dev),
      weight: n.weight ?? 1,
      onlink: n.onlink === true,
    };
  }
}

/** A route as `ip -6 route show` tells it. */
export function route6Info(route: FibRoute6, nowUs: number): RouteInfo {
  return {
    family: 'inet6',
    type: (ROUTE_TYPES[route.type] ?? 'unicast') as RouteType,
    dst: prefixName(route.dst, route.prefixLen),
    tos: 0,
    table: route.table,
    protocol: protocolName(route.protocol),
    scope: 'global',
    src: route.prefsrc === null ? null : String(route.prefsrc),
    metric: route.metric,
    nexthops: route.nexthops.map(nexthopInfo),
    metrics: metricsInfo(route.metrics),
    lockedMtu: route.metrics.mtuLock,
    locked: lockedNames(route.metrics),
    nhid: route.nh?.id ?? 0,
    isGroup: route.nh?.isGroup === true,
    expires: Math.trunc((route.expiresUs - nowUs) / 1e6),
    pref: PREFS[prefOf(route.flags)] ?? 'medium',
  };
}

function refusal(sentence: string): NetError {
  return new NetError(EINVAL, 'rtnetlink', sentence);
}

function prefixName(dst: Ip6Addr, len: number): string {
  if (len === 0) return 'default';
  return len === 128 ? String(dst) : `${dst}/${len}`;
}

function nexthopInfo(n: FibNexthop6): NexthopInfo {
  const flags: string[] = [];
  const linkdown = (n.flags & RTNH_F_LINKDOWN) !== 0;
  const own = n.dev.ipv6?.conf.ignoreRoutesWithLinkdown ?? 0;
  const ignored = own !== 0 || n.dev.net.ipv6.confAll.ignoreRoutesWithLinkdown !== 0;
  if ((n.flags & RTNH_F_DEAD) !== 0 || (linkdown && ignored)) flags.push('dead');
  if ((n.flags & RTNH_F_ONLINK) !== 0) flags.push('onlink');
  if (linkdown) flags.push('linkdown');
  return {
    gateway: n.gateway === null ? null : String(n.gateway),
    dev: n.dev.name,
    weight: n.weight,
    flags,
  };
}

function prefix6Of(text: string): { addr: Ip6Addr; prefixLen: number } {
  return text === 'default' ? { addr: IN6ADDR_ANY, prefixLen: 0 } : splitPrefix6(text);
}

function tableOf(spec: RouteSpec6): number {
  if (spec.table !== undefined && spec.table !== 0) return spec.table;
  return spec.type === 'local' || spec.type === 'anycast' ? LOCAL : MAIN;
}

function protocolOf(name: string): number {
  const n = protocolNumber(name);
  if (n === undefined) throw new NetError(EINVAL, 'rtnetlink', `"${name}" is not known`);
  return n;
}
