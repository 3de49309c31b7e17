/**
 * /proc/net files about routes and neighbours: route, ipv6_route, rt_cache, arp (Linux `fib_route_seq_show`,
 * `ipv6_route_native_seq_show`, `arp_seq_show`).
 */
import { NUD_NOARP, NUD_PERMANENT, NUD_VALID } from '../../link/neighbour-state.ts';
import type { NetNs } from '../../net.ts';
import { RT_TABLE_LOCAL, RT_TABLE_MAIN } from '../../network/route/fib.ts';
import type { FibRoute } from '../../network/route/fib-route.ts';
import {
  RTN_ANYCAST,
  RTN_BLACKHOLE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNREACHABLE,
} from '../../network/route/route.ts';
import type { Fib6Table, FibNexthop6, FibRoute6 } from '../../network/route6/fib.ts';
import { formatIpv4, formatMac, maskOf } from '../../util/address.ts';
import { IN6ADDR_ANY } from '../../util/ip6-addr.ts';
import { hex, hexIpv4, hexIpv6, padded } from './hex.ts';

const WIDTH = 127;

/** `include/uapi/linux/route.h`, `ipv6_route.h` */
const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;
const RTF_HOST = 0x4;
const RTF_REJECT = 0x200;
const RTF_ADDRCONF = 0x40000;
const RTF_ANYCAST = 0x100000;
const RTF_NONEXTHOP = 0x200000;
const RTF_EXPIRES = 0x400000;
const RTF_LOCAL = 0x80000000;

/** What IPv6's metric says of the entry that ends every table. */
const METRIC_NULL = 0xffffffff;
const RTPROT_RA = 9;
const TCP_IP_HEADERS = 40;

export function* routeLines(net: NetNs): Generator<string> {
  yield padded(
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    WIDTH,
  );
  for (const route of net.ipv4.findTable(RT_TABLE_MAIN)?.list() ?? [])
    if (route.type !== RTN_BROADCAST && route.type !== RTN_MULTICAST)
      yield padded(routeLine(route), WIDTH);
}

/** Of several ways the first is told. */
function routeLine(route: FibRoute): string {
  const [nexthop] = route.nexthops;
  const mask = maskOf(route.prefixLen);
  let flags = RTF_UP;
  if (route.type === RTN_UNREACHABLE || route.type === RTN_PROHIBIT) flags |= RTF_REJECT;
  if (nexthop !== undefined && nexthop.gateway !== 0) flags |= RTF_GATEWAY;
  if (mask === -1) flags |= RTF_HOST;
  const { advmss, window } = route.metrics;
  return [
    nexthop?.dev.name ?? '*',
    hexIpv4(route.dst),
    hexIpv4(nexthop?.gateway ?? 0),
    hex(flags, 4),
    '0',
    '0',
    route.priority,
    hexIpv4(mask),
    advmss === 0 ? 0 : advmss + TCP_IP_HEADERS,
    window,
    0,
  ].join('\t');
}

/** The routing cache is gone since Linux 3.6: a heading is left. */
export function* rtCacheLines(): Generator<string> {
  yield padded(
    'Iface\tDestination\tGateway \tFlags\t\tRefCnt\tUse\tMetric\tSource\t\tMTU\tWindow\tIRTT\tTOS\tHHRef\tHHUptod\tSpecDst',
    WIDTH,
  );
}

const NOWHERE = hexIpv6(IN6ADDR_ANY);

function low(n: number): string {
  return (n >>> 0).toString(16).padStart(8, '0');
}

/** LINUX: a table without default route ends with an entry that leads nowhere. */
const NULL_ENTRY = `${NOWHERE} 00 ${NOWHERE} 00 ${NOWHERE} ${low(METRIC_NULL)} 00000001 00000000 ${low(RTF_REJECT | RTF_NONEXTHOP)} ${'lo'.padStart(8)}\n`;

export function* ipv6RouteLines(net: NetNs): Generator<string> {
  const ipv6 = net.ipv6Maybe;
  const others = (ipv6?.allTables() ?? []).filter(
    (t) => t.id !== RT_TABLE_MAIN && t.id !== RT_TABLE_LOCAL,
  );
  const tables: (Fib6Table | undefined)[] = [
    ipv6?.findTable(RT_TABLE_MAIN),
    ipv6?.findTable(RT_TABLE_LOCAL),
    ...others,
  ];
  for (const [i, table] of tables.entries()) {
    for (const route of table?.list() ?? [])
      if (route.nexthops.length === 0) yield route6Line(net, route, undefined);
      else for (const nexthop of route.nexthops) yield route6Line(net, route, nexthop);
    // The root of the table is that entry, unless a default route is there.
    const hasDefault = table !== undefined && table.at(IN6ADDR_ANY, 0).length > 0;
    if ((i < 2 || table !== undefined) && !hasDefault) yield NULL_ENTRY;
  }
}

function flags6(route: FibRoute6, nexthop: FibNexthop6 | undefined): number {
  // LINUX: what refuses is not said to be up.
  let flags = isReject(route.type) ? 0 : RTF_UP;
  if (nexthop !== undefined && nexthop.gateway !== null) flags |= RTF_GATEWAY;
  if (route.type === RTN_LOCAL) flags |= RTF_LOCAL | RTF_NONEXTHOP;
  else if (route.type === RTN_ANYCAST) flags |= RTF_ANYCAST | RTF_NONEXTHOP;
  else if (isReject(route.type)) flags |= RTF_REJECT | RTF_NONEXTHOP;
  if (route.expiresUs !== Number.POSITIVE_INFINITY) flags |= RTF_EXPIRES;
  if (route.protocol === RTPROT_RA) flags |= RTF_ADDRCONF;
  return flags;
}

function isReject(type: number): boolean {
  return (
    type === RTN_UNREACHABLE ||
    type === RTN_PROHIBIT ||
    type === RTN_BLACKHOLE ||
    type === RTN_THROW
  );
}

function route6Line(net: NetNs, route: FibRoute6, nexthop: FibNexthop6 | undefined): string {
  const length = route.prefixLen.toString(16).padStart(2, '0');
  const gateway = hexIpv6(nexthop?.gateway ?? IN6ADDR_ANY);
  const name = nexthop?.dev.name ?? net.loopback.name;
  const figures = [route.metric, 1, 0, flags6(route, nexthop)].map(low).join(' ');
  return `${hexIpv6(route.dst)} ${length} ${NOWHERE} 00 ${gateway} ${figures} ${name.padStart(8)}\n`;
}

/** `ATF_COM`, `ATF_PERM`, `ATF_PUBL` */
const COMPLETE = 2;
const PERMANENT = 4;
const PUBLISHED = 8;

export function* arpLines(net: NetNs): Generator<string> {
  yield 'IP address       HW type     Flags       HW address            Mask     Device\n';
  for (const n of net.arpMaybe ?? []) {
    if ((n.state & NUD_NOARP) !== 0) continue;
    const lasting = (n.state & NUD_PERMANENT) !== 0;
    const known = (n.state & NUD_VALID) !== 0;
    const flags = lasting ? PERMANENT | COMPLETE : known ? COMPLETE : 0;
    yield arpLine(n.addr, n.dev.type, flags, formatMac(n.mac), n.dev.name);
  }
  for (const [dev, addr] of net.arpMaybe?.proxy ?? [])
    yield arpLine(addr, dev?.type ?? 0, PUBLISHED | PERMANENT, formatMac(0), dev?.name ?? '*');
}

function arpLine(addr: number, type: number, flags: number, mac: string, dev: string): string {
  const hexColumn = (n: number): string => `0x${n.toString(16).padEnd(10)}`;
  return `${formatIpv4(addr).padEnd(16)} ${hexColumn(type)}${hexColumn(flags)}${mac.padEnd(17)}     *        ${dev}\n`;
}
