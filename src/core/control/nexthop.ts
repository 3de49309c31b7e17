/** The nexthop objects of a namespace: `ip nexthop` (Linux `rtm_to_nh_config`, `rtm_new_nexthop`). */
import { EAFNOSUPPORT, EINVAL, ENETDOWN, ENODEV, ENOENT, NetError } from '../errno.ts';
import { l3Table } from '../link/l3mdev.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { Buckets, NH_RES_DEFAULT_IDLE_TIMER } from '../network/nexthop/buckets.ts';
import type { GroupEntry, Nexthop, NexthopConfig, NhGroup } from '../network/nexthop/nexthop.ts';
import { type NexthopMode, ownNexthops } from '../network/nexthop/nexthops.ts';
import { makeNexthop } from '../network/route/change.ts';
import { RT_SCOPE_HOST, RT_TABLE_MAIN } from '../network/route/fib.ts';
import { FibNexthop, RTNH_F_ONLINK } from '../network/route/fib-info.ts';
import { RTN_UNICAST } from '../network/route/route.ts';
import { makeNexthop6 } from '../network/route6/change.ts';
import { FibNexthop6 } from '../network/route6/fib.ts';
import { formatIpv4, parseIpv4 } from '../util/address.ts';
import { parseIpv6 } from '../util/ip6-addr.ts';
import { protocolName, protocolNumber } from './names.ts';

/** A nexthop in a group. */
export interface NexthopGroupEntry {
  readonly id: number;
  /** 1 to 256. */
  readonly weight?: number;
}

/** What `ip nexthop add` takes: a way, `blackhole`, or a group. */
export interface NexthopObjectSpec {
  /** The next that is free when absent. */
  readonly id?: number;
  /** Of a device alone, or a blackhole; that of `via` otherwise. */
  readonly family?: 'inet' | 'inet6';
  readonly via?: string;
  readonly dev?: string;
  readonly onlink?: boolean;
  readonly blackhole?: boolean;
  readonly protocol?: string;
  readonly group?: readonly NexthopGroupEntry[];
  readonly type?: 'mpath' | 'resilient';
  readonly buckets?: number;
  /** Seconds. */
  readonly idleTimer?: number;
  readonly unbalancedTimer?: number;
}

/** One nexthop, as `ip nexthop show` tells it. */
export interface NexthopObjectInfo {
  readonly id: number;
  readonly family: 'inet' | 'inet6' | 'unspec';
  readonly gateway: string | null;
  readonly dev: string | null;
  readonly scope: 'global' | 'link' | 'host';
  readonly blackhole: boolean;
  readonly protocol: string;
  readonly flags: readonly string[];
  /** Null: it is no group. */
  readonly group: readonly Required<NexthopGroupEntry>[] | null;
  /** Null: it is no resilient group. */
  readonly resilient: {
    readonly buckets: number;
    readonly idleTimer: number;
    readonly unbalancedTimer: number;
    readonly unbalancedTime: number;
  } | null;
}

/** One bucket of a resilient group. */
export interface BucketInfo {
  readonly id: number;
  readonly index: number;
  /** Seconds. */
  readonly idleTime: number;
  readonly nhid: number;
}

const ADD: NexthopMode = { create: true, replace: false };
const REPLACE: NexthopMode = { create: true, replace: true };

export class NexthopControl {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** EEXIST: there is one of that number; EINVAL, ENETDOWN. Returns its number. */
  add(spec: NexthopObjectSpec): number {
    return this.insert(spec, ADD);
  }

  /** In the place of the one of that number, whose routes stay, or new. */
  replace(spec: NexthopObjectSpec): number {
    return this.insert(spec, REPLACE);
  }

  /** With the routes by it. ENOENT: there is none of that number. */
  del(id: number): void {
    if (id === 0) throw new NetError(EINVAL, 'rtnetlink', 'Nexthop id is missing');
    ownNexthops(this.net).remove(this.find(id), true);
  }

  /** By number. */
  list(): NexthopObjectInfo[] {
    return this.net.nexthops?.list().map(nexthopObjectInfo) ?? [];
  }

  /** ENOENT: there is none of that number. */
  get(id: number): NexthopObjectInfo {
    return nexthopObjectInfo(this.find(id));
  }

  /** Buckets of all resilient groups, or of one. */
  buckets(id?: number): BucketInfo[] {
    const all = this.net.nexthops?.list() ?? [];
    return all
      .filter((nh) => id === undefined || nh.id === id)
      .flatMap((nh) =>
        Array.from({ length: nh.buckets?.count ?? 0 }, (_, i) => this.bucketOf(nh, i)),
      );
  }

  /** EINVAL: the nexthop is no resilient group; ENOENT: there is no such bucket. */
  bucket(id: number, index: number): BucketInfo {
    const nh = this.find(id);
    if (!nh.isGroup) throw new NetError(EINVAL, 'rtnetlink', 'Not a nexthop group');
    if (nh.buckets === null)
      throw new NetError(EINVAL, 'rtnetlink', 'Nexthop group not of type resilient');
    if (index >= nh.buckets.count)
      throw new NetError(ENOENT, 'rtnetlink', 'Bucket index out of bounds');
    return this.bucketOf(nh, index);
  }

  private bucketOf(nh: Nexthop, index: number): BucketInfo {
    const bucket = nh.buckets?.at(index);
    return { id: nh.id, index, idleTime: bucket?.idle ?? 0, nhid: bucket?.nh?.id ?? 0 };
  }

  private find(id: number): Nexthop {
    const nh = this.net.nexthops?.find(id);
    if (nh === undefined) throw new NetError(ENOENT, 'rtnetlink');
    return nh;
  }

  private insert(spec: NexthopObjectSpec, mode: NexthopMode): number {
    const all = ownNexthops(this.net);
    const config = spec.group === undefined ? this.single(spec) : this.groupOf(spec, mode);
    const made = all.add(spec.id ?? 0, config, mode);
    if (typeof made === 'number') throw new NetError(made, 'rtnetlink', all.extack);
    return made.id;
  }

  /** The checks of `rtm_to_nh_config`, in their order. */
  private single(spec: NexthopObjectSpec): NexthopConfig {
    const { via, dev: name } = spec;
    const family = spec.family ?? (via?.includes(':') === true ? 'inet6' : 'inet');
    const common = { family, protocol: protocolOf(spec), group: null };
    if (spec.blackhole === true) {
      if (via !== undefined || name !== undefined)
        throw refusal('Blackhole attribute can not be used with gateway, oif, encap or fdb');
      const { loopback } = this.net;
      const is6 = family === 'inet6';
      return {
        ...common,
        blackhole: true,
        way4: is6 ? null : new FibNexthop(loopback, 0, 1, RT_SCOPE_HOST, 0),
        way6: is6 ? new FibNexthop6(loopback, null, 1, 0) : null,
      };
    }
    if (via === undefined && name === undefined)
      throw new NetError(EAFNOSUPPORT, 'rtnetlink', 'Invalid address family');
    if (name === undefined)
      throw refusal('Device attribute required for non-blackhole and non-fdb nexthops');
    const dev = this.deviceOf(name);
    if (via === undefined && spec.onlink === true)
      throw refusal('ONLINK flag can not be set for nexthop without a gateway');
    const onlink = spec.onlink === true;
    const table = l3Table(dev) || RT_TABLE_MAIN;
    if (family === 'inet6') {
      const way = { gateway: via === undefined ? null : parse6(via), dev, weight: 1, onlink };
      const way6 = makeNexthop6(this.net, { type: RTN_UNICAST, table }, way);
      if (typeof way6 === 'number') throw new NetError(way6, 'rtnetlink', this.net.ipv6.extack);
      return { ...common, blackhole: false, way4: null, way6 };
    }
    const way = { gateway: via === undefined ? 0 : parse4(via), dev, weight: 1, onlink };
    const way4 = makeNexthop(this.net, { scope: 0, table }, way);
    if (typeof way4 === 'number') throw new NetError(way4, 'rtnetlink', this.net.ipv4.extack);
    return { ...common, blackhole: false, way4, way6: null };
  }

  private deviceOf(name: string): NetDevice {
    const dev = this.net.devs.find(name);
    if (dev === undefined) throw new NetError(ENODEV, 'rtnetlink', 'Invalid device index');
    if (!dev.up) throw new NetError(ENETDOWN, 'rtnetlink', 'Nexthop device is not up');
    if (!dev.carrier)
      throw new NetError(ENETDOWN, 'rtnetlink', 'Carrier for nexthop device is down');
    return dev;
  }

  /** The checks of `nh_check_attr_group`, in their order. */
  private groupOf(spec: NexthopObjectSpec, mode: NexthopMode): NexthopConfig {
    const wanted = spec.group ?? [];
    if (wanted.some(({ id }, i) => wanted.findIndex((w) => w.id === id) !== i))
      throw refusal('Nexthop id can not be used twice in a group');
    const entries = wanted.map(({ id, weight }) => this.memberOf(id, weight ?? 1, wanted.length));
    const buckets = spec.type === 'resilient' ? this.bucketsFor(spec, mode) : null;
    return {
      family: 'unspec',
      protocol: protocolOf(spec),
      way4: null,
      way6: null,
      blackhole: false,
      group: { entries, buckets },
    };
  }

  private memberOf(id: number, weight: number, count: number): GroupEntry {
    const nh = this.net.nexthops?.find(id);
    if (nh === undefined) throw refusal('Invalid nexthop id');
    if (nh.isGroup) {
      const kind = nh.buckets === null ? 'Hash-threshold' : 'Resilient';
      throw refusal(`${kind} group can not be a nexthop within a group`);
    }
    if (nh.config.blackhole && count > 1)
      throw refusal('Blackhole nexthop can not be used in a group with more than 1 path');
    return { nh, weight };
  }

  /** A new table, or the one that the group has, with new timers. */
  private bucketsFor(spec: NexthopObjectSpec, mode: NexthopMode): NhGroup['buckets'] {
    const old = this.net.nexthops?.find(spec.id ?? 0);
    if (spec.buckets === 0) throw refusal('Number of buckets needs to be non-0');
    const known = mode.replace ? old?.buckets : undefined;
    if (known != null) {
      if (spec.buckets !== undefined && spec.buckets !== known.count)
        throw refusal('Can not change number of buckets of a resilient nexthop group.');
      known.idleTimer = spec.idleTimer ?? known.idleTimer;
      known.unbalancedTimer = spec.unbalancedTimer ?? known.unbalancedTimer;
      return known;
    }
    if (spec.buckets === undefined)
      throw refusal('Number of buckets not specified for nexthop group insertion');
    const idle = spec.idleTimer ?? NH_RES_DEFAULT_IDLE_TIMER;
    return new Buckets(this.net.kernel, spec.buckets, idle, spec.unbalancedTimer ?? 0);
  }
}

/** A nexthop as `ip nexthop show` tells it. */
export function nexthopObjectInfo(nh: Nexthop): NexthopObjectInfo {
  const { config, buckets } = nh;
  const { way4, way6, group, blackhole } = config;
  const way = blackhole ? null : (way4 ?? way6);
  const gateway4 = way4 === null || way4.gateway === 0 ? null : formatIpv4(way4.gateway);
  const gateway6 = way6 === null || way6.gateway === null ? null : String(way6.gateway);
  // LINUX: `nhc_scope` of IPv6 is always that of a gateway.
  const isHost = way4 !== null && way4.scope === RT_SCOPE_HOST;
  return {
    id: nh.id,
    family: config.family,
    gateway: gateway4 ?? gateway6,
    dev: way === null ? null : way.dev.name,
    scope: way === null ? 'global' : isHost ? 'host' : 'link',
    blackhole,
    protocol: protocolName(config.protocol),
    flags: way !== null && (way.flags & RTNH_F_ONLINK) !== 0 ? ['onlink'] : [],
    group: group === null ? null : group.entries.map((e) => ({ id: e.nh.id, weight: e.weight })),
    resilient:
      buckets === null
        ? null
        : {
            buckets: buckets.count,
            idleTimer: buckets.idleTimer,
            unbalancedTimer: buckets.unbalancedTimer,
            unbalancedTime: Math.floor(buckets.unbalancedTime()),
          },
  };
}

function protocolOf(spec: NexthopObjectSpec): number {
  const n = protocolNumber(spec.protocol ?? 'unspec');
  if (n === undefined) throw refusal(`"${spec.protocol}" is not known`);
  return n;
}

function parse4(text: string): number {
  const addr = parseIpv4(text);
  if (addr === undefined) throw refusal('Invalid gateway');
  return addr;
}

function parse6(text: string): NonNullable<ReturnType<typeof parseIpv6>> {
  const addr = parseIpv6(text);
  if (addr === undefined) throw refusal('Invalid gateway');
  return addr;
}

function refusal(sentence: string): NetError {
  return new NetError(EINVAL, 'rtnetlink', sentence);
}
