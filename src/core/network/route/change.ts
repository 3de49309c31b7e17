/**
 * Changes of the tables: adding, replacing and deleting routes with Linux's checks (`fib_create_info`,
 * `fib_table_insert`, `fib_table_delete`), and what devices and addresses do to them (`fib_sync_*`).
 * Refusals are `-errno`, with the kernel's sentence in `net.ipv4.extack`.
 */
import { EEXIST, EINVAL, ENETDOWN, ENODEV, ENOENT, EOPNOTSUPP, ESRCH } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { maskOf } from '../../util/address.ts';
import type { KernelRoute } from '../ipv4/device.ts';
import type { Nexthop } from '../nexthop/nexthop.ts';
import { inetAddrType, inetDevAddrType } from './addr-type.ts';
import { forgetExceptions } from './exception.ts';
import {
  type FibTable,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTPROT_KERNEL,
} from './fib.ts';
import {
  type FibInfo,
  FibNexthop,
  metricsMatch,
  NO_METRICS,
  type RouteMetrics,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
} from './fib-info.ts';
import { FibRoute } from './fib-route.ts';
import { fibLookup } from './lookup.ts';
import { typeErrno } from './match.ts';
import { RTN_ANYCAST, RTN_BROADCAST, RTN_LOCAL, RTN_THROW, RTN_UNICAST } from './route.ts';

/** One way of a route as it is asked for. */
export interface NexthopSpec {
  /** 0: directly on the link. */
  readonly gateway: number;
  /** null: where the gateway is. */
  readonly dev: NetDevice | null;
  readonly weight: number;
  readonly onlink: boolean;
}

/** A route as it is asked for (`struct fib_config`). */
export interface RouteSpec {
  readonly table: number;
  readonly dst: number;
  readonly prefixLen: number;
  readonly tos: number;
  readonly priority: number;
  readonly type: number;
  readonly scope: number;
  readonly protocol: number;
  readonly prefsrc: number;
  /** None for types that refuse. */
  readonly nexthops: readonly NexthopSpec[];
  readonly metrics: RouteMetrics;
  /** Number of a nexthop object instead of ways; absent or 0: none. */
  readonly nhid?: number;
}

/** `NLM_F_*` of a new route. */
export interface InsertMode {
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly replace: boolean;
  readonly append: boolean;
}

/** `ip route add|append|prepend|replace|change`. */
export function fibAdd(net: NetNs, spec: RouteSpec, mode: InsertMode): number {
  net.ipv4.extack = '';
  if ((spec.tos & 3) !== 0) return refuse(net, EINVAL, 'Invalid dsfield (tos): ECN bits must be 0');
  if ((spec.dst & ~maskOf(spec.prefixLen)) !== 0)
    return refuse(net, EINVAL, 'Invalid prefix for given prefix length');
  const made = makeRoute(net, spec);
  if (typeof made === 'number') return made;
  const table = net.ipv4.table(spec.table);
  const same = table.at(spec.dst, spec.prefixLen).filter((r) => samePreference(r, made));
  const [first] = same;
  const twin = same.find((r) => r.info === made.info);
  if (first !== undefined) {
    if (mode.exclusive) return -EEXIST;
    if (mode.replace) {
      if (twin !== undefined) return twin === first ? 0 : -EEXIST;
      table.replace(first, made);
      announce(net, 'newroute', made);
      return 0;
    }
    if (twin !== undefined) return -EEXIST;
  }
  if (!mode.create) return -ENOENT;
  table.insert(made, mode.append);
  announce(net, 'newroute', made);
  return 0;
}

/** What `fibDel` looks for: absent fields match anything. */
export interface RouteMatch {
  readonly table: number;
  readonly dst: number;
  readonly prefixLen: number;
  readonly tos?: number;
  readonly priority?: number;
  readonly type?: number;
  readonly scope?: number;
  readonly protocol?: number;
  readonly prefsrc?: number;
  readonly gateway?: number;
  readonly dev?: NetDevice;
  readonly nhid?: number;
  /** All ways of a multipath route, in their order. */
  readonly nexthops?: readonly NexthopSpec[];
  readonly metrics?: RouteMetrics;
}

/** `ip route del`: the first route that matches; `-ESRCH` when none does. */
export function fibDel(net: NetNs, match: RouteMatch): number {
  net.ipv4.extack = '';
  if ((match.dst & ~maskOf(match.prefixLen)) !== 0)
    return refuse(net, EINVAL, 'Invalid prefix for given prefix length');
  const table = net.ipv4.findTable(match.table);
  if (table === undefined) return refuse(net, ESRCH, 'FIB table does not exist');
  const route = table.at(match.dst, match.prefixLen).find((r) => matches(r, match));
  if (route === undefined) return -ESRCH;
  removeRoute(net, table, route);
  return 0;
}

/** Removes one route that is known (`ip route flush`). */
export function fibRemove(net: NetNs, route: FibRoute): void {
  const table = net.ipv4.findTable(route.table);
  if (table !== undefined) removeRoute(net, table, route);
}

/** A route that follows from an address; one that is there already stays (`fib_magic`). */
export function kernelRouteAdd(dev: NetDevice, r: KernelRoute): void {
  const { net } = dev;
  const table = net.ipv4.table(r.table);
  const made = kernelRoute(dev, r);
  if (table.at(r.dst, r.prefixLen).some((x) => x.tos === 0 && x.info === made.info)) return;
  table.insert(made, true);
  announce(net, 'newroute', made);
}

export function kernelRouteDel(dev: NetDevice, r: KernelRoute): void {
  const { net } = dev;
  const table = net.ipv4.findTable(r.table);
  const route = table
    ?.at(r.dst, r.prefixLen)
    .find((x) => x.protocol === RTPROT_KERNEL && x.type === r.type && x.nexthops[0]?.dev === dev);
  if (table !== undefined && route !== undefined) removeRoute(net, table, route);
}

/**
 * Ways through a device die (`fib_sync_down_dev`). `down`: those of local routes do not, its addresses still
 * answer; `disabled`: it has no address left, all go; `gone`: even routes that have another way.
 */
export function fibSyncDownDev(dev: NetDevice, why: 'down' | 'disabled' | 'gone'): void {
  const dying = new Set<FibInfo>();
  for (const info of dev.net.ipv4.fibInfos) {
    // Those go with their nexthop object.
    if (info.nh !== null) continue;
    let touched = false;
    for (const nh of info.nexthops) {
      if (nh.dev !== dev || (why === 'down' && nh.scope === RT_SCOPE_NOWHERE)) continue;
      nh.flags |= RTNH_F_DEAD | RTNH_F_LINKDOWN;
      touched = true;
    }
    if (touched && (why === 'gone' || info.isDead())) dying.add(info);
  }
  // LINUX: what goes with its device is not told (`fib_table_flush`).
  if (dying.size > 0)
    for (const table of dev.net.ipv4.allTables())
      for (const route of table.list())
        if (dying.has(route.info)) {
          table.remove(route);
          forgetExceptions(dev.net, route.dst, route.prefixLen);
        }
  dev.net.ipv4.changed();
}

/** The carrier went: ways through the device are marked, and used only if nothing says otherwise. */
export function fibSyncLinkDown(dev: NetDevice): void {
  for (const info of dev.net.ipv4.fibInfos)
    for (const nh of info.nexthops)
      if (nh.dev === dev && nh.scope !== RT_SCOPE_NOWHERE) nh.flags |= RTNH_F_LINKDOWN;
  dev.net.ipv4.changed();
}

/** The device is up, perhaps with carrier, again (`fib_sync_up`). */
export function fibSyncUp(dev: NetDevice): void {
  for (const info of dev.net.ipv4.fibInfos)
    for (const nh of info.nexthops) {
      if (nh.dev !== dev) continue;
      if (dev.up) nh.flags &= ~RTNH_F_DEAD;
      if (dev.carrier) nh.flags &= ~RTNH_F_LINKDOWN;
      else if (nh.scope !== RT_SCOPE_NOWHERE) nh.flags |= RTNH_F_LINKDOWN;
    }
  dev.net.ipv4.changed();
}

/** An address is gone: routes of `main` that prefer it as their source go too (`fib_sync_down_addr`). */
export function fibSyncDownAddr(net: NetNs, local: number): void {
  const table = net.ipv4.findTable(RT_TABLE_MAIN);
  for (const route of table?.list() ?? [])
    if (table !== undefined && route.prefsrc === local) table.remove(route);
  net.ipv4.changed();
}

function removeRoute(net: NetNs, table: FibTable, route: FibRoute): void {
  table.remove(route);
  announce(net, 'delroute', route);
}

function announce(net: NetNs, kind: 'newroute' | 'delroute', route: FibRoute): void {
  forgetExceptions(net, route.dst, route.prefixLen);
  net.ipv4.changed();
  net.events.emit(kind, route);
}

function kernelRoute(dev: NetDevice, r: KernelRoute): FibRoute {
  const scope = r.scope === RT_SCOPE_HOST ? RT_SCOPE_NOWHERE : RT_SCOPE_HOST;
  const flags = dev.carrier || r.scope === RT_SCOPE_HOST ? 0 : RTNH_F_LINKDOWN;
  const { fibInfos } = dev.net.ipv4;
  const info = fibInfos.intern({
    type: r.type,
    scope: r.scope,
    protocol: RTPROT_KERNEL,
    prefsrc: r.prefsrc,
    priority: r.priority,
    nexthops: fibInfos.direct(dev, scope, flags),
    metrics: NO_METRICS,
  });
  return new FibRoute(r.table, r.dst, r.prefixLen, 0, info);
}

function samePreference(a: FibRoute, b: FibRoute): boolean {
  return a.tos === b.tos && a.priority === b.priority;
}

/** A route's first way alone is compared (`fib_nh_match`). */
function matches(r: FibRoute, m: RouteMatch): boolean {
  const same = (want: number | undefined, is: number): boolean => want === undefined || want === is;
  const [first] = r.nexthops;
  return (
    r.tos === (m.tos ?? 0) &&
    same(m.priority, r.priority) &&
    same(m.type, r.type) &&
    same(m.scope, r.scope) &&
    same(m.protocol, r.protocol) &&
    same(m.prefsrc, r.prefsrc) &&
    same(m.nhid, r.info.nh?.id ?? 0) &&
    (m.gateway === undefined || first?.gateway === m.gateway) &&
    (m.dev === undefined || first?.dev === m.dev) &&
    (m.nexthops === undefined || sameHops(r.nexthops, m.nexthops)) &&
    (m.metrics === undefined || metricsMatch(r.metrics, m.metrics))
  );
}

/** What is asked for may leave devices and gateways out (`fib_nh_match`). */
function sameHops(ways: readonly FibNexthop[], wanted: readonly NexthopSpec[]): boolean {
  return (
    ways.length === wanted.length &&
    wanted.every(({ dev, gateway, weight }, i) => {
      const way = ways[i] as FibNexthop;
      const near = (dev === null || way.dev === dev) && way.weight === weight;
      return near && (gateway === 0 || way.gateway === gateway);
    })
  );
}

/** The checks of `fib_create_info`, in its order. */
function makeRoute(net: NetNs, spec: RouteSpec): FibRoute | number {
  const refusing = typeErrno(spec.type) !== 0;
  if (smallestScope(spec.type) > spec.scope) return refuse(net, EINVAL, 'Invalid scope');
  if ((spec.nhid ?? 0) !== 0) return makeByObject(net, spec);
  const nexthops: FibNexthop[] = [];
  if (refusing) {
    if (spec.nexthops.length > 0)
      return refuse(
        net,
        EINVAL,
        'Gateway, device and multipath can not be specified for this route type',
      );
  } else {
    if (spec.scope > RT_SCOPE_HOST) return refuse(net, EINVAL, 'Invalid scope');
    if (spec.nexthops.length === 0) return -ENODEV;
    for (const n of spec.nexthops) {
      const nh = spec.scope === RT_SCOPE_HOST ? makeHost(net, spec, n) : makeNexthop(net, spec, n);
      if (typeof nh === 'number') return nh;
      nexthops.push(nh);
    }
  }
  if (spec.prefsrc !== 0 && !isValidSource(net, spec))
    return refuse(net, EINVAL, 'Invalid prefsrc address');
  // `slice` makes arrays without room to grow, of which a namespace has many.
  const info = net.ipv4.fibInfos.intern({ ...spec, nexthops: nexthops.slice() });
  return new FibRoute(spec.table, spec.dst, spec.prefixLen, spec.tos, info);
}

/** The route names a nexthop object. */
function makeByObject(net: NetNs, spec: RouteSpec): FibRoute | number {
  if (spec.nexthops.length > 0)
    return refuse(net, EINVAL, 'Nexthop specification and nexthop id are mutually exclusive');
  const nh = net.nexthops?.find(spec.nhid ?? 0);
  if (nh === undefined) return refuse(net, EINVAL, 'Nexthop id does not exist');
  if (nh.hasIpv6)
    return refuse(net, EOPNOTSUPP, 'IPv4 routes by IPv6 nexthops are not implemented');
  const sentence = nexthopRefusal(nh, spec.scope);
  if (sentence !== '') return refuse(net, EINVAL, sentence);
  if (spec.prefsrc !== 0 && !isValidSource(net, spec))
    return refuse(net, EINVAL, 'Invalid prefsrc address');
  const info = net.ipv4.fibInfos.intern({ ...spec, nexthops: nh.ways4, nh });
  return new FibRoute(spec.table, spec.dst, spec.prefixLen, spec.tos, info);
}

/** Why a route of `scope` cannot take a nexthop object; '' when it can (`fib_check_nexthop`). */
export function nexthopRefusal(nh: Nexthop, scope: number): string {
  if (nh.isGroup && scope === RT_SCOPE_HOST)
    return 'Route with host scope can not have multiple nexthops';
  const way = (nh.config.group?.entries[0]?.nh ?? nh).config.way4;
  if (way === null || way === undefined) return '';
  if (scope === RT_SCOPE_HOST && way.gateway !== 0)
    return 'Route with host scope can not have a gateway';
  const mismatch = (way.flags & RTNH_F_ONLINK) !== 0 && scope >= RT_SCOPE_LINK;
  return mismatch ? 'Scope mismatch with nexthop' : '';
}

/** Linux `fib_props[].scope` */
function smallestScope(type: number): number {
  // RTN_NAT, RTN_XRESOLVE: no route may be.
  if (type > RTN_THROW) return RT_SCOPE_NOWHERE;
  if (type === RTN_LOCAL) return RT_SCOPE_HOST;
  return type === RTN_BROADCAST || type === RTN_ANYCAST ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

/** The way of a route of host scope: a device of ours, up or not. */
function makeHost(net: NetNs, spec: RouteSpec, n: NexthopSpec): FibNexthop | number {
  if (spec.nexthops.length > 1)
    return refuse(net, EINVAL, 'Route with host scope can not have multiple nexthops');
  if (n.gateway !== 0) return refuse(net, EINVAL, 'Route with host scope can not have a gateway');
  if (n.dev === null) return -ENODEV;
  return new FibNexthop(n.dev, 0, n.weight, RT_SCOPE_NOWHERE, 0);
}

function isValidSource(net: NetNs, spec: RouteSpec): boolean {
  if (spec.type === RTN_LOCAL && spec.dst === spec.prefsrc) return true;
  const table = spec.table === RT_TABLE_MAIN ? 0 : spec.table;
  if (table !== 0 && inetAddrType(net, spec.prefsrc, table) === RTN_LOCAL) return true;
  return inetAddrType(net, spec.prefsrc) === RTN_LOCAL;
}

/** Linux `fib_check_nh`. */
export function makeNexthop(
  net: NetNs,
  spec: Pick<RouteSpec, 'scope' | 'table'>,
  n: NexthopSpec,
): FibNexthop | number {
  if (n.gateway === 0) return makeDirect(net, n);
  if (n.onlink) {
    if (spec.scope >= RT_SCOPE_LINK) return refuse(net, EINVAL, 'Nexthop has invalid scope');
    if (n.dev === null) return refuse(net, ENODEV, 'Nexthop device required for onlink');
    if (!n.dev.up) return refuse(net, ENETDOWN, 'Nexthop device is not up');
    if (inetDevAddrType(net, n.dev, n.gateway) !== RTN_UNICAST)
      return refuse(net, EINVAL, 'Nexthop has invalid gateway');
    return new FibNexthop(
      n.dev,
      n.gateway,
      n.weight,
      RT_SCOPE_LINK,
      RTNH_F_ONLINK | linkFlag(n.dev),
    );
  }
  const scope = Math.max(spec.scope + 1, RT_SCOPE_LINK);
  const oif = n.dev?.ifindex ?? 0;
  const query = { dst: n.gateway, tos: 0, scope, oif, anyCarrier: true };
  // The route's own table first (`fib_check_nh_v4_gw`).
  const own = net.l3mdevs === 0 ? undefined : net.ipv4.findTable(spec.table);
  const near = own?.lookup(net, query) ?? -ESRCH;
  const way = typeof near === 'number' ? fibLookup(net, query) : near;
  if (typeof way === 'number') return refuse(net, -way, 'Nexthop has invalid gateway');
  const { info, nexthop } = way;
  if (info.type !== RTN_UNICAST && info.type !== RTN_LOCAL)
    return refuse(net, EINVAL, 'Nexthop has invalid gateway');
  const dev = nexthop.dev;
  if (!dev.up) return refuse(net, ENETDOWN, 'Nexthop device is not up');
  // LINUX: an address of our own will do as a gateway.
  return new FibNexthop(dev, n.gateway, n.weight, info.scope, linkFlag(dev));
}

function makeDirect(net: NetNs, n: NexthopSpec): FibNexthop | number {
  if (n.onlink)
    return refuse(net, EINVAL, 'Invalid flags for nexthop - PERVASIVE and ONLINK can not be set');
  if (n.dev === null || n.dev.ipv4 === null) return -ENODEV;
  if (!n.dev.up) return refuse(net, ENETDOWN, 'Device for nexthop is not up');
  return new FibNexthop(n.dev, 0, n.weight, RT_SCOPE_HOST, linkFlag(n.dev));
}

function linkFlag(dev: NetDevice): number {
  return dev.carrier ? 0 : RTNH_F_LINKDOWN;
}

function refuse(net: NetNs, errno: number, detail: string): number {
  net.ipv4.extack = detail;
  return -errno;
}
