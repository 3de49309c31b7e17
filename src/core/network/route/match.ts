/** Whether a route of the right prefix answers a question (Linux: the inner half of `fib_table_lookup`). */
import { EACCES, EAGAIN, EHOSTUNREACH, EINVAL } from '../../errno.ts';
import type { NetNs } from '../../net.ts';
import type { Nexthop } from '../nexthop/nexthop.ts';
import type { RuleFlow } from '../rule/fib-rule.ts';
import { type FibInfo, type FibNexthop, RTNH_F_DEAD, RTNH_F_LINKDOWN } from './fib-info.ts';
import { hashFields, multipathHash, pickWay } from './multipath.ts';
import { RTN_BLACKHOLE, RTN_PROHIBIT, RTN_THROW, RTN_UNREACHABLE } from './route.ts';

/** What a packet or a socket asks the tables (Linux `struct flowi4`). */
export interface FibQuery extends RuleFlow {
  readonly dst: number;
  /** Shares flows out over several ways; absent: not known. */
  readonly src?: number;
  readonly tos: number;
  /** Routes of a smaller scope are passed over. */
  readonly scope: number;
  /** Out device; 0: any. */
  readonly oif: number;
  /** Routes through a device without carrier count too (`FIB_LOOKUP_IGNORE_LINKSTATE`). */
  readonly anyCarrier?: boolean;
}

/** What a look-up found: where, and the way to take. */
export interface FibResult {
  /** Number of the table. */
  readonly table: number;
  readonly prefixLen: number;
  readonly tos: number;
  readonly info: FibInfo;
  readonly nexthop: FibNexthop;
}

/** The way to take, `-errno` of a route that refuses, or 0: this route does not answer the question. */
export function matchInfo(
  net: NetNs,
  info: FibInfo,
  tos: number,
  query: FibQuery,
): FibNexthop | number {
  if (tos !== 0 && tos !== query.tos) return 0;
  if (info.scope < query.scope) return 0;
  const errno = typeErrno(info.type);
  return errno === 0 ? pickNexthop(net, info, query) : errno;
}

/** Linux `fib_props[].error`. */
export function typeErrno(type: number): number {
  switch (type) {
    case RTN_BLACKHOLE:
      return -EINVAL;
    case RTN_UNREACHABLE:
      return -EHOSTUNREACH;
    case RTN_PROHIBIT:
      return -EACCES;
    case RTN_THROW:
      return -EAGAIN;
    default:
      return 0;
  }
}

/** The first way that lives; several are shared out by weight and a hash of the flow. */
function pickNexthop(net: NetNs, info: FibInfo, query: FibQuery): FibNexthop | number {
  const { nexthops } = info;
  const first = nexthops[0];
  if (nexthops.length === 1 && first !== undefined && info.nh === null)
    return usable(net, first, query) ? first : 0;
  return pickAmong(net, info, query);
}

function pickAmong(net: NetNs, info: FibInfo, query: FibQuery): FibNexthop | number {
  const { nexthops, nh } = info;
  if (nh !== null) {
    if (nh.isBlackhole) return -EINVAL;
    if (nh.buckets !== null) return pickBucket(net, nh, query);
  }
  const { fibMultipathHashPolicy: policy, fibMultipathHashFields: own } = net.sysctl;
  const hash = multipathHash(net, hashFields(policy, own), query.src ?? 0, query.dst, query);
  return pickWay(nexthops, hash, serves, query) ?? 0;
}

/** The way of a resilient group: its bucket's. */
function pickBucket(net: NetNs, nh: Nexthop, query: FibQuery): FibNexthop | 0 {
  const { fibMultipathHashPolicy: policy, fibMultipathHashFields: own } = net.sysctl;
  const hash = multipathHash(net, hashFields(policy, own), query.src ?? 0, query.dst, query);
  const member = nh.buckets?.select(hash) ?? null;
  const i = nh.config.group?.entries.findIndex((e) => e.nh === member) ?? -1;
  return nh.ways4[i] ?? 0;
}

function serves(nh: FibNexthop, query: FibQuery): boolean {
  return usable(nh.dev.net, nh, query);
}

function usable(net: NetNs, nh: FibNexthop, query: FibQuery): boolean {
  if ((nh.flags & RTNH_F_DEAD) !== 0) return false;
  if (query.oif !== 0 && nh.dev.ifindex !== query.oif) return false;
  if ((nh.flags & RTNH_F_LINKDOWN) === 0) return true;
  if (query.anyCarrier === true || net.ipv4ConfAll.ignoreRoutesWithLinkdown !== 0)
    return query.anyCarrier === true;
  return (nh.dev.ipv4?.conf.ignoreRoutesWithLinkdown ?? 0) === 0;
}
