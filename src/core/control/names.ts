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
