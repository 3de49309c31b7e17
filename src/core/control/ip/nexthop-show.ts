/** Nexthops and buckets as `ip nexthop` prints them (iproute2 `ip/ipnexthop.c`). */
import { protocolNumber, scopeNumber } from '../names.ts';
import type { BucketInfo, NexthopObjectInfo } from '../nexthop.ts';
import { Entry, type Json, type PrintOptions } from './entry.ts';

/** Without the end of its line: routes with -details show their nexthop in theirs. */
export function nexthopEntry(nh: NexthopObjectInfo, options: PrintOptions): Entry {
  const out = new Entry();
  out.put('id', nh.id, `id ${nh.id} `);
  if (nh.group !== null) putGroup(out, nh.group);
  if (nh.resilient !== null) putResilient(out, nh.resilient);
  if (nh.gateway !== null) out.put('gateway', nh.gateway, `via ${nh.gateway} `);
  if (nh.dev !== null) out.put('dev', nh.dev, `dev ${nh.dev} `);
  if (nh.scope !== 'global' || options.details) {
    const scope = options.numeric ? String(scopeNumber(nh.scope)) : nh.scope;
    out.put('scope', scope, `scope ${scope} `);
  }
  if (nh.blackhole) out.put('blackhole', null, 'blackhole ');
  if (nh.protocol !== 'unspec' || options.details) {
    const protocol = options.numeric ? String(protocolNumber(nh.protocol)) : nh.protocol;
    out.put('protocol', protocol, `proto ${protocol} `);
  }
  return out.put('flags', nh.flags, nh.flags.map((f) => `${f} `).join(''));
}

function putGroup(out: Entry, group: NonNullable<NexthopObjectInfo['group']>): void {
  const json: Json = group.map(({ id, weight }) => (weight === 1 ? { id } : { id, weight }));
  const text = group.map(({ id, weight }) => (weight === 1 ? `${id}` : `${id},${weight}`));
  out.put('group', json, `group ${text.join('/')} `);
}

function putResilient(out: Entry, r: NonNullable<NexthopObjectInfo['resilient']>): void {
  out.put('type', 'resilient', 'type resilient ');
  out.put(
    'resilient_args',
    {
      buckets: r.buckets,
      idle_timer: r.idleTimer,
      unbalanced_timer: r.unbalancedTimer,
      unbalanced_time: r.unbalancedTime,
    },
    `buckets ${r.buckets} idle_timer ${r.idleTimer} unbalanced_timer ${r.unbalancedTimer} ` +
      `unbalanced_time ${r.unbalancedTime} `,
  );
}

/** One line of `ip nexthop bucket`. */
export function bucketEntry(b: BucketInfo): Entry {
  const idle = Math.round(b.idleTime * 100) / 100;
  const out = new Entry();
  out.put('id', b.id, `id ${b.id} `);
  out.add(`index ${b.index} idle_time ${idle} nhid ${b.nhid} `);
  out.set('bucket', { index: b.index, idle_time: idle, nhid: b.nhid });
  return out.set('flags', []).add('\n');
}
