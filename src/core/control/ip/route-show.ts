/** `ip route show` and `ip route get` (iproute2 `ip/iproute.c`, `print_route`). */
import type { NexthopInfo, RouteDecision, RouteInfo, RouteMetrics } from '../info.ts';
import { dsfieldName, protocolNumber, ROUTE_TYPES, scopeNumber, tableName } from '../names.ts';
import type { NexthopObjectInfo } from '../nexthop.ts';
import type { RouteDecision6 } from '../route6.ts';
import { Entry, type Json, type PrintOptions } from './entry.ts';
import { nexthopEntry } from './nexthop-show.ts';

/** What the selector of a listing fixed, and the lines therefore leave out. */
export interface Fixed {
  readonly table: boolean;
  readonly dev: boolean;
  readonly via: boolean;
  readonly protocol: boolean;
  readonly scope: boolean;
  readonly src: boolean;
  readonly metric: boolean;
  readonly tos: boolean;
}

/** No selector. */
export const NOTHING_FIXED: Fixed = {
  table: false,
  dev: false,
  via: false,
  protocol: false,
  scope: false,
  src: false,
  metric: false,
  tos: false,
};

const MAIN = 254;

/** One route. */
export function routeEntry(
  route: RouteInfo,
  options: PrintOptions,
  fixed: Fixed,
  nexthop: NexthopObjectInfo | null = null,
): Entry {
  const out = new Entry();
  if (route.type !== 'unicast' || options.details) putType(out, route.type, options);
  out.put('dst', route.dst, `${route.dst} `);
  if (route.tos !== 0 && !fixed.tos) {
    const tos = options.numeric
      ? `0x${route.tos.toString(16).padStart(2, '0')}`
      : dsfieldName(route.tos);
    out.put('tos', tos, `tos ${tos} `);
  }
  if (route.nhid !== 0) out.put('nhid', route.nhid, `nhid ${route.nhid} `);
  const isList = route.nexthops.length > 1 || route.isGroup;
  const single = isList ? undefined : route.nexthops[0];
  if (single !== undefined) putNexthop(out, single, fixed);
  putOrigin(out, route, options, fixed);
  if (route.src !== null && !fixed.src) out.put('prefsrc', route.src, `src ${route.src} `);
  if ((route.metric !== 0 || route.family === 'inet6') && !fixed.metric)
    out.put('metric', route.metric, `metric ${route.metric} `);
  putFlags(out, single?.flags ?? []);
  if (route.family === 'inet6' && route.expires !== Number.POSITIVE_INFINITY)
    out.put('expires', route.expires, `expires ${route.expires}sec `);
  putMetrics(out, route.metrics, route.locked);
  if (route.pref !== null) out.put('pref', route.pref, `pref ${route.pref}`);
  if (nexthop !== null) {
    const one = nexthopEntry(nexthop, options);
    out.put('nh_info', one.json, `\n\tnh_info ${one.text}`);
  }
  if (isList) putNexthops(out, route.nexthops);
  return out.add('\n');
}

function putType(out: Entry, type: string, options: PrintOptions): void {
  const shown = options.numeric ? String(ROUTE_TYPES.indexOf(type)) : type;
  out.put('type', shown, `${shown} `);
}

function putNexthop(out: Entry, hop: NexthopInfo, fixed: Fixed): void {
  if (hop.gateway !== null && !fixed.via) out.put('gateway', hop.gateway, `via ${hop.gateway} `);
  if (hop.dev !== null && !fixed.dev) out.put('dev', hop.dev, `dev ${hop.dev} `);
}

function putOrigin(out: Entry, route: RouteInfo, options: PrintOptions, fixed: Fixed): void {
  if ((route.table !== MAIN || options.details) && !fixed.table) {
    const name = options.numeric ? String(route.table) : tableName(route.table);
    out.put('table', name, `table ${name} `);
  }
  if ((route.protocol !== 'boot' || options.details) && !fixed.protocol) {
    const shown = options.numeric ? String(protocolNumber(route.protocol)) : route.protocol;
    out.put('protocol', shown, `proto ${shown} `);
  }
  if ((route.scope !== 'global' || options.details) && !fixed.scope) {
    const shown = options.numeric ? String(scopeNumber(route.scope)) : route.scope;
    out.put('scope', shown, `scope ${shown} `);
  }
}

function putFlags(out: Entry, flags: readonly string[]): void {
  out.put('flags', flags, flags.map((f) => `${f} `).join(''));
}

/** In the order of `RTAX_*`. */
const METRICS: readonly (keyof RouteMetrics)[] = [
  'mtu',
  'window',
  'rtt',
  'rttvar',
  'ssthresh',
  'cwnd',
  'advmss',
  'reordering',
  'hoplimit',
  'initcwnd',
  'ecn',
  'rto_min',
  'initrwnd',
  'quickack',
  'congestion',
  'fastopen_no_cookie',
];
const TIMES: readonly string[] = ['rtt', 'rttvar', 'rto_min'];

function putMetrics(out: Entry, metrics: RouteMetrics, locked: readonly string[]): void {
  const json: { [key: string]: Json } = {};
  for (const name of METRICS) {
    const value = metrics[name];
    if (value === undefined) continue;
    if (name === 'ecn') {
      json['ecn'] = null;
      out.add('features ecn ');
      continue;
    }
    json[name] = value;
    const word = name === 'congestion' ? 'congctl' : name;
    const lock = locked.includes(word) ? 'lock ' : '';
    const text = TIMES.includes(name) ? timeText(Number(value)) : String(value);
    out.add(`${word} ${lock}${text} `);
  }
  if (Object.keys(json).length > 0) out.set('metrics', [json]);
}

/** Milliseconds. */
function timeText(ms: number): string {
  return ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`;
}

function putNexthops(out: Entry, hops: readonly NexthopInfo[]): void {
  const list: Json[] = [];
  for (const hop of hops) {
    const one = new Entry();
    one.add('\n\tnexthop ');
    if (hop.gateway !== null) one.put('gateway', hop.gateway, `via ${hop.gateway} `);
    if (hop.dev !== null) one.put('dev', hop.dev, `dev ${hop.dev} `);
    one.put('weight', hop.weight, `weight ${hop.weight} `);
    putFlags(one, hop.flags);
    out.add(one.text);
    list.push(one.json);
  }
  out.set('nexthops', list);
}

/** What `ip -6 route get` prints: the decision, with the route that it came from. */
export function decision6Entry(
  d: RouteDecision6,
  route: RouteInfo | null,
  options: PrintOptions,
): Entry {
  const out = new Entry();
  if (d.type !== 'unicast' || options.details) putType(out, d.type, options);
  out.put('dst', d.dst, `${d.dst} `);
  const from = d.from ?? '::';
  out.put('from', from, `from ${from} `);
  if (d.gateway !== null) out.put('gateway', d.gateway, `via ${d.gateway} `);
  out.put('dev', d.dev, `dev ${d.dev} `);
  if (route !== null) putOrigin(out, { ...route, scope: 'global' }, options, NOTHING_FIXED);
  if (d.src !== null) out.put('prefsrc', d.src, `src ${d.src} `);
  if (route !== null) out.put('metric', route.metric, `metric ${route.metric} `);
  out.set('flags', []);
  if (d.pmtu !== 0) out.put('expires', d.expires, `expires ${d.expires}sec `);
  const learnt = d.pmtu === 0 ? {} : { mtu: d.pmtu };
  if (route !== null) putMetrics(out, { ...route.metrics, ...learnt }, route.locked);
  if (d.iif !== null) out.put('iif', d.iif, `iif ${d.iif} `);
  const pref = route?.pref ?? 'medium';
  return out.put('pref', pref, `pref ${pref}`).add('\n');
}

function putMark(out: Entry, mark: number): void {
  const text = mark >= 16 ? `0x${mark.toString(16)}` : String(mark);
  out.put('mark', mark, `mark ${text} `);
}

/** The decision that `ip route get` prints. */
export function decisionEntry(d: RouteDecision, options: PrintOptions): Entry {
  const out = new Entry();
  if (d.type !== 'unicast' || options.details) putType(out, d.type, options);
  out.put('dst', d.dst, `${d.dst} `);
  if (d.from !== null) out.put('from', d.from, `from ${d.from} `);
  if (d.tos !== 0) {
    const tos = dsfieldName(d.tos);
    out.put('tos', tos, `tos ${tos} `);
  }
  if (d.gateway !== null) out.put('gateway', d.gateway, `via ${d.gateway} `);
  out.put('dev', d.dev, `dev ${d.dev} `);
  if (d.table !== MAIN || options.details) {
    const table = options.numeric ? String(d.table) : tableName(d.table);
    out.put('table', table, `table ${table} `);
  }
  if (d.src !== null) out.put('prefsrc', d.src, `src ${d.src} `);
  out.set('flags', []);
  if (d.mark !== 0) putMark(out, d.mark);
  // An input route belongs to nobody.
  if (d.iif === null) out.put('uid', 0, 'uid 0 ');
  out.put('cache', d.cache, `\n    cache ${d.cache.length === 0 ? '' : `<${d.cache.join(',')}> `}`);
  if (d.expires > 0) out.put('expires', d.expires, `expires ${d.expires}sec `);
  const locks = d.lockedMtu && !d.locked.includes('mtu') ? ['mtu', ...d.locked] : d.locked;
  putMetrics(out, d.metrics, locks);
  if (d.iif !== null) out.put('iif', d.iif, `iif ${d.iif} `);
  return out.add('\n');
}
