/** Names of rtnetlink's numbers, as iproute2's tables have them (`/etc/iproute2/rt_*`). */

const SCOPES: readonly (readonly [number, string])[] = [
  [0, 'global'],
  [255, 'nowhere'],
  [254, 'host'],
  [253, 'link'],
  [200, 'site'],
];

/** `/etc/iproute2/rt_protos` */
const PROTOCOLS: readonly (readonly [number, string])[] = [
  [0, 'unspec'],
  [1, 'redirect'],
  [2, 'kernel'],
  [3, 'boot'],
  [4, 'static'],
  [8, 'gated'],
  [9, 'ra'],
  [10, 'mrt'],
  [11, 'zebra'],
  [12, 'bird'],
  [13, 'dnrouted'],
  [14, 'xorp'],
  [15, 'ntk'],
  [16, 'dhcp'],
  [18, 'keepalived'],
  [42, 'babel'],
  [99, 'openr'],
  [186, 'bgp'],
  [187, 'isis'],
  [188, 'ospf'],
  [189, 'rip'],
  [192, 'eigrp'],
];

/** `/etc/iproute2/rt_dsfield` */
const DSFIELDS: readonly (readonly [number, string])[] = [
  [0x0, 'default'],
  [0x28, 'AF11'],
  [0x30, 'AF12'],
  [0x38, 'AF13'],
  [0x48, 'AF21'],
  [0x50, 'AF22'],
  [0x58, 'AF23'],
  [0x68, 'AF31'],
  [0x70, 'AF32'],
  [0x78, 'AF33'],
  [0x88, 'AF41'],
  [0x90, 'AF42'],
  [0x98, 'AF43'],
  [0x20, 'CS1'],
  [0x40, 'CS2'],
  [0x60, 'CS3'],
  [0x80, 'CS4'],
  [0xa0, 'CS5'],
  [0xc0, 'CS6'],
  [0xe0, 'CS7'],
  [0xb8, 'EF'],
];

/** `/etc/protocols`, as far as rules are about them. */
const IP_PROTOCOLS: readonly (readonly [number, string])[] = [
  [0, 'ip'],
  [1, 'icmp'],
  [2, 'igmp'],
  [4, 'ipencap'],
  [6, 'tcp'],
  [8, 'egp'],
  [9, 'igp'],
  [17, 'udp'],
  [33, 'dccp'],
  [41, 'ipv6'],
  [43, 'ipv6-route'],
  [44, 'ipv6-frag'],
  [46, 'rsvp'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [58, 'ipv6-icmp'],
  [59, 'ipv6-nonxt'],
  [60, 'ipv6-opts'],
  [88, 'eigrp'],
  [89, 'ospf'],
  [94, 'ipip'],
  [97, 'etherip'],
  [103, 'pim'],
  [108, 'ipcomp'],
  [112, 'vrrp'],
  [115, 'l2tp'],
  [132, 'sctp'],
  [136, 'udplite'],
  [137, 'mpls-in-ip'],
];

const TABLES: readonly (readonly [number, string])[] = [
  [0, 'unspec'],
  [253, 'default'],
  [254, 'main'],
  [255, 'local'],
];

/** Route types, `RTN_*`, by number. */
export const ROUTE_TYPES: readonly string[] = [
  'none',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
  'xresolve',
];

/** Types of routes that a user may add, by name. */
export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw';

/** Neighbour states, `NUD_*`, by bit. */
export const NEIGH_STATES: readonly (readonly [number, string])[] = [
  [0x01, 'INCOMPLETE'],
  [0x02, 'REACHABLE'],
  [0x04, 'STALE'],
  [0x08, 'DELAY'],
  [0x10, 'PROBE'],
  [0x20, 'FAILED'],
  [0x40, 'NOARP'],
  [0x80, 'PERMANENT'],
];

type Table = readonly (readonly [number, string])[];

function nameIn(table: Table, n: number): string {
  return table.find(([number]) => number === n)?.[1] ?? String(n);
}

/** The number that `name` stands for, or that it writes; undefined when above `max` or unknown. */
function numberIn(table: Table, name: string, max: number): number | undefined {
  const known = table.find(([, n]) => n === name);
  if (known !== undefined) return known[0];
  const n = /^(0x[0-9a-f]+|\d+)$/i.test(name) ? Number(name) : Number.NaN;
  return n <= max ? n : undefined;
}

/** `'link'` for 253. */
export function scopeName(scope: number): string {
  return nameIn(SCOPES, scope);
}

export function scopeNumber(name: string): number | undefined {
  return numberIn(SCOPES, name, 255);
}

/** `'kernel'` for 2. */
export function protocolName(protocol: number): string {
  return nameIn(PROTOCOLS, protocol);
}

export function protocolNumber(name: string): number | undefined {
  return numberIn(PROTOCOLS, name, 255);
}

/** `'main'` for 254. */
export function tableName(table: number): string {
  return nameIn(TABLES, table);
}

export function tableNumber(name: string): number | undefined {
  return numberIn(TABLES, name, 0xffffffff);
}

/** `'CS1'` for 0x20, `'0x10'` for what has no name (`rtnl_dsfield_n2a`). */
export function dsfieldName(tos: number): string {
  const known = DSFIELDS.find(([n]) => n === tos)?.[1];
  return known ?? `0x${tos.toString(16).padStart(2, '0')}`;
}

/** A name, or a hexadecimal number, `0x` or not (`rtnl_dsfield_a2n`). */
export function dsfieldNumber(name: string): number | undefined {
  const known = DSFIELDS.find(([, n]) => n === name);
  if (known !== undefined) return known[0];
  const n = /^(0x)?[0-9a-f]+$/i.test(name) ? Number.parseInt(name, 16) : Number.NaN;
  return n <= 255 ? n : undefined;
}

/** `'tcp'` for 6, `'ipproto-99'` for what has no name (`inet_proto_n2a`). */
export function ipProtoName(protocol: number): string {
  return IP_PROTOCOLS.find(([n]) => n === protocol)?.[1] ?? `ipproto-${protocol}`;
}

export function ipProtoNumber(name: string): number | undefined {
  return numberIn(IP_PROTOCOLS, name, 255);
}
