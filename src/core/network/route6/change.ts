/**
 * Changes of the IPv6 tables: adding, replacing and deleting routes with Linux's checks (`ip6_route_info_create`,
 * `fib6_add_rt2node`, `ip6_route_del`), and what devices and addresses do to them. Refusals are `-errno`, with the
 * kernel's sentence in `net.ipv6.extack`.
 */
import { EEXIST, EHOSTUNREACH, EINVAL, ENETDOWN, ENODEV, ENOENT, ESRCH } from '../../errno.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import {
  IN6ADDR_ANY,
  type Ip6Addr,
  isLinkLocal6,
  isMulticast6,
  prefixOf,
} from '../../util/ip6-addr.ts';
import { inet6Device, ownerOf } from '../ipv6/address.ts';
import type { InsertMode } from '../route/change.ts';
import { RTPROT_KERNEL } from '../route/fib.ts';
import {
  NO_METRICS,
  type RouteMetrics,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
} from '../route/fib-info.ts';
import { typeErrno } from '../route/match.ts';
import { RTN_ANYCAST, RTN_LOCAL, RTN_UNICAST } from '../route/route.ts';
import { forgetExceptions6 } from './exception.ts';
import { FibNexthop6, FibRoute6, IP6_RT_PRIO_USER } from './fib.ts';
import { fib6Lookup } from './lookup.ts';

/** One way of a route as it is asked for. */
export interface NexthopSpec6 {
  /** Null: directly on the link. */
  readonly gateway: Ip6Addr | null;
  /** Null: where the gateway is. */
  readonly dev: NetDevice | null;
  readonly weight: number;
  readonly onlink: boolean;
}

/** A route as it is asked for (`struct fib6_config`). */
export interface RouteSpec6 {
  readonly table: number;
  readonly dst: Ip6Addr;
  readonly prefixLen: number;
  /** 0: the usual one. */
  readonly metric: number;
  readonly type: number;
  readonly protocol: number;
  readonly prefsrc: Ip6Addr | null;
  /** May be empty for types that refuse. */
  readonly nexthops: readonly NexthopSpec6[];
  readonly metrics: RouteMetrics;
  /** µs of the kernel's clock; Infinity: never. */
  readonly expiresUs: number;
  /** Number of a nexthop object instead of ways; absent or 0: none. */
  readonly nhid?: number;
  /** `RTF_*`; absent: none. */
  readonly flags?: number;
}

/** `ip -6 route add|append|replace|change`. */
export function fib6Add(net: NetNs, spec: RouteSpec6, mode: InsertMode): number {
  const { ipv6 } = net;
  ipv6.extack = '';
  if (spec.prefixLen > 128) return refuse(net, EINVAL, 'Invalid prefix length');
  const made = makeRoute(net, spec);
  if (typeof made === 'number') return made;
  const table = ipv6.table(spec.table);
  const same = table.at(made.dst, made.prefixLen).filter((r) => r.metric === made.metric);
  const [first] = same;
  if (first !== undefined) {
    if (mode.exclusive) return -EEXIST;
    if (mode.replace) {
      table.replace(first, made);
      announce(net, 'newroute', made);
      return 0;
    }
    if (same.some((r) => hasWays(r, made))) return -EEXIST;
    const sibling = same.find(canShare);
    if (sibling !== undefined && canShare(made)) {
      const nexthops = [...sibling.nexthops, ...made.nexthops];
      const joined = new FibRoute6({ ...sibling, nexthops });
      table.replace(sibling, joined);
      announce(net, 'newroute', joined);
      return 0;
    }
  } else if (mode.replace && !mode.create)
    return refuse(net, ENOENT, 'Can not replace route - no match found');
  if (!mode.create) return -ENOENT;
  table.insert(made);
  announce(net, 'newroute', made);
  return 0;
}

/** What `fib6Del` looks for: absent fields match anything. */
export interface RouteMatch6 {
  readonly table: number;
  readonly dst: Ip6Addr;
  readonly prefixLen: number;
  readonly metric?: number;
  readonly type?: number;
  readonly protocol?: number;
  readonly gateway?: Ip6Addr;
  readonly dev?: NetDevice;
  readonly nhid?: number;
}

/** `ip -6 route del`: the first route that matches, or one way of it; `-ESRCH` when none does. */
export function fib6Del(net: NetNs, match: RouteMatch6): number {
  net.ipv6.extack = '';
  const table = net.ipv6.findTable(match.table);
  if (table === undefined) return refuse(net, ESRCH, 'FIB table does not exist');
  const dst = prefixOf(match.dst, match.prefixLen);
  const route = table.at(dst, match.prefixLen).find((r) => matches(r, match));
  if (route === undefined) return -ESRCH;
  const rest = route.nexthops.filter((n) => !isWay(n, match));
  if (match.gateway !== undefined && rest.length > 0) {
    const left = new FibRoute6({ ...route, nexthops: rest });
    table.replace(route, left);
    announce(net, 'delroute', route);
    return 0;
  }
  fib6Remove(net, route);
  return 0;
}

/** Removes one route that is known. */
export function fib6Remove(net: NetNs, route: FibRoute6): void {
  net.ipv6.findTable(route.table)?.remove(route);
  announce(net, 'delroute', route);
}

/** A route that follows from an address or a device; one that is there already stays. */
export function kernelRoute6Add(
  dev: NetDevice,
  r: {
    readonly table: number;
    readonly type: number;
    readonly dst: Ip6Addr;
    readonly prefixLen: number;
    readonly metric: number;
    readonly expiresUs?: number;
    readonly flags?: number;
  },
): void {
  const { net } = dev;
  const table = net.ipv6.table(r.table);
  const dst = prefixOf(r.dst, r.prefixLen);
  const twin = table
    .of(dev, dst, r.prefixLen)
    .find((x) => x.metric === r.metric && x.type === r.type && x.nexthops[0]?.dev === dev);
  const linkdown = dev.carrier || r.type === RTN_LOCAL || r.type === RTN_ANYCAST;
  const made = new FibRoute6({
    table: r.table,
    dst,
    prefixLen: r.prefixLen,
    metric: r.metric,
    type: r.type,
    protocol: RTPROT_KERNEL,
    prefsrc: null,
    nexthops: [new FibNexthop6(dev, null, 1, linkdown ? 0 : RTNH_F_LINKDOWN)],
    metrics: NO_METRICS,
    expiresUs: r.expiresUs ?? Number.POSITIVE_INFINITY,
    flags: r.flags ?? 0,
  });
  if (twin !== undefined) table.replace(twin, made);
  else table.insert(made);
  announce(net, 'newroute', made);
}

export function kernelRoute6Del(
  dev: NetDevice,
  tableId: number,
  type: number,
  addr: Ip6Addr,
  prefixLen: number,
): void {
  const dst = prefixOf(addr, prefixLen);
  const route = dev.net.ipv6
    .findTable(tableId)
    ?.through(dev)
    .find(
      (x) =>
        x.protocol === RTPROT_KERNEL &&
        x.type === type &&
        x.prefixLen === prefixLen &&
        x.dst.equals(dst) &&
        x.nexthops[0]?.dev === dev,
    );
  if (route !== undefined) fib6Remove(dev.net, route);
}

/** The device went down, or is `gone`: its ways die, or go, and routes that have no other (`rt6_sync_down_dev`). */
export function fib6SyncDown(dev: NetDevice, gone: boolean): void {
  const { net } = dev;
  for (const table of net.ipv6.allTables())
    for (const route of table.through(dev)) {
      // Those go with their nexthop object.
      if (route.nh !== null) continue;
      const rest = route.nexthops.filter((n) => n.dev !== dev);
      if (rest.length === 0) fib6Remove(net, route);
      else
        for (const n of route.nexthops) if (n.dev === dev) n.flags |= RTNH_F_DEAD | RTNH_F_LINKDOWN;
      if (gone && rest.length > 0)
        table.replace(route, new FibRoute6({ ...route, nexthops: rest }));
    }
  net.ipv6.changed();
}

/** The carrier went or came, or the device is up again (`rt6_sync_up`). */
export function fib6SyncCarrier(dev: NetDevice): void {
  for (const table of dev.net.ipv6.allTables())
    for (const route of table.through(dev))
      for (const n of route.nexthops) {
        if (n.dev !== dev) continue;
        if (dev.up) n.flags &= ~RTNH_F_DEAD;
        if (dev.carrier) n.flags &= ~RTNH_F_LINKDOWN;
        else if (route.type !== RTN_LOCAL && route.type !== RTN_ANYCAST) n.flags |= RTNH_F_LINKDOWN;
      }
  dev.net.ipv6.changed();
}

/** An address is gone: routes that prefer it as their source forget it (`rt6_remove_prefsrc`). */
export function fib6ForgetSource(net: NetNs, addr: Ip6Addr): void {
  for (const table of net.ipv6.allTables()) {
    const routes = table.preferring(addr);
    // Another device may have the address, too.
    if (routes.length === 0 || ownerOf(net, addr) !== null) continue;
    for (const route of routes) table.replace(route, new FibRoute6({ ...route, prefsrc: null }));
  }
  net.ipv6.changed();
}

function announce(net: NetNs, kind: 'newroute' | 'delroute', route: FibRoute6): void {
  if (route.expiresUs !== Number.POSITIVE_INFINITY && kind === 'newroute')
    net.ipv6.extra.watchExpiry(route);
  forgetExceptions6(net, route.dst, route.prefixLen);
  net.ipv6.changed();
  net.events.emit(kind, route);
}

/** May be one way of several (`rt6_qualify_for_ecmp`). */
function canShare(r: FibRoute6): boolean {
  if (r.nh !== null) return false;
  return r.nexthops[0] !== undefined && r.nexthops[0].gateway !== null;
}

function hasWays(r: FibRoute6, made: FibRoute6): boolean {
  return made.nexthops.every((n) =>
    r.nexthops.some((o) => o.dev === n.dev && sameGateway(o.gateway, n.gateway)),
  );
}

function sameGateway(a: Ip6Addr | null, b: Ip6Addr | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}

function isWay(n: FibNexthop6, m: RouteMatch6): boolean {
  if (m.dev !== undefined && n.dev !== m.dev) return false;
  return m.gateway === undefined || n.gateway?.equals(m.gateway) === true;
}

function matches(r: FibRoute6, m: RouteMatch6): boolean {
  return (
    (m.metric === undefined || m.metric === r.metric) &&
    (m.type === undefined || m.type === r.type) &&
    (m.protocol === undefined || m.protocol === r.protocol) &&
    (m.nhid === undefined || m.nhid === (r.nh?.id ?? 0)) &&
    r.nexthops.some((n) => isWay(n, m))
  );
}

/** The checks of `ip6_route_info_create` and `fib6_nh_init`, in their order. */
function makeRoute(net: NetNs, spec: RouteSpec6): FibRoute6 | number {
  if ((spec.nhid ?? 0) !== 0) return makeByObject(net, spec);
  const nexthops: FibNexthop6[] = [];
  if (typeErrno(spec.type) !== 0) nexthops.push(new FibNexthop6(net.loopback, null, 1, 0));
  else {
    if (spec.nexthops.length === 0) return -ENODEV;
    for (const n of spec.nexthops) {
      const nh = makeNexthop6(net, spec, n);
      if (typeof nh === 'number') return nh;
      nexthops.push(nh);
    }
  }
  if (spec.prefsrc !== null && ownerOf(net, spec.prefsrc) === null)
    return refuse(net, EINVAL, 'Invalid source address');
  return new FibRoute6({
    ...spec,
    dst: prefixOf(spec.dst, spec.prefixLen),
    metric: spec.metric === 0 ? IP6_RT_PRIO_USER : spec.metric,
    nexthops,
  });
}

/** The route names a nexthop object (`fib6_check_nexthop`). */
function makeByObject(net: NetNs, spec: RouteSpec6): FibRoute6 | number {
  if (spec.nexthops.length > 0)
    return refuse(net, EINVAL, 'Nexthop specification and nexthop id are mutually exclusive');
  const nh = net.nexthops?.find(spec.nhid ?? 0);
  if (nh === undefined) return refuse(net, EINVAL, 'Nexthop id does not exist');
  if (nh.hasIpv4) return refuse(net, EINVAL, 'IPv6 routes can not use an IPv4 nexthop');
  if (spec.prefsrc !== null && ownerOf(net, spec.prefsrc) === null)
    return refuse(net, EINVAL, 'Invalid source address');
  return new FibRoute6({
    ...spec,
    dst: prefixOf(spec.dst, spec.prefixLen),
    metric: spec.metric === 0 ? IP6_RT_PRIO_USER : spec.metric,
    nexthops: nh.ways6,
    nh,
  });
}

/** Linux `fib6_nh_init`, `ip6_validate_gw`. */
export function makeNexthop6(
  net: NetNs,
  spec: Pick<RouteSpec6, 'type' | 'table'>,
  n: NexthopSpec6,
): FibNexthop6 | number {
  if (n.dev !== null && inet6Device(n.dev) === null) return -ENODEV;
  const isLo = n.dev !== null && (n.dev.flags & IFF_LOOPBACK) !== 0;
  if (n.gateway === null && n.dev === null) return -ENODEV;
  if (n.onlink) {
    if (n.dev === null) return refuse(net, ENODEV, 'Nexthop device required for onlink');
    if (!n.dev.up) return refuse(net, ENETDOWN, 'Nexthop device is not up');
  }
  let dev = n.dev;
  if (n.gateway !== null) {
    const way = validateGateway(net, n, n.gateway);
    if (typeof way === 'number') return way;
    dev = way;
    if (isLo) return refuse(net, EINVAL, 'Egress device can not be loopback device for this route');
  }
  if (dev === null) return -ENODEV;
  if (dev.ipv6?.conf.disableIpv6 === 1)
    return refuse(net, 13, 'IPv6 is disabled on nexthop device');
  if (!dev.up && spec.type === RTN_UNICAST)
    return refuse(net, ENETDOWN, 'Nexthop device is not up');
  const flags = (n.onlink ? RTNH_F_ONLINK : 0) | (dev.carrier ? 0 : RTNH_F_LINKDOWN);
  return new FibNexthop6(dev, n.gateway, n.weight, flags);
}

function validateGateway(net: NetNs, n: NexthopSpec6, gateway: Ip6Addr): NetDevice | number {
  const scopeDev = isLinkLocal6(gateway) ? n.dev : null;
  if (ownerOf(net, gateway, scopeDev) !== null)
    return refuse(net, EINVAL, 'Gateway can not be a local address');
  if (isLinkLocal6(gateway)) {
    if (n.dev === null) return refuse(net, EINVAL, 'Egress device not specified');
    return n.dev;
  }
  if (isMulticast6(gateway)) return refuse(net, EINVAL, 'Invalid gateway address');
  if (n.onlink && n.dev !== null) return n.dev;
  const oif = n.dev?.ifindex ?? 0;
  const way = fib6Lookup(net, {
    dst: gateway,
    src: IN6ADDR_ANY,
    oif,
    strict: oif !== 0,
    anyCarrier: true,
  });
  if (typeof way === 'number' || way.errno !== 0) return -EHOSTUNREACH;
  // A gateway behind a gateway is none.
  if (way.nexthop.gateway !== null) return -EHOSTUNREACH;
  return way.nexthop.dev;
}

function refuse(net: NetNs, errno: number, detail: string): number {
  net.ipv6.extack = detail;
  return -errno;
}
