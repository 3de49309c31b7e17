/** IPv6 multicast groups of a socket (RFC 3493 §5.2; Linux `__ipv6_sock_mc_join`, `inet6_mc_check`). */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import { changeGroup6 } from '../network/ipv6/group.ts';
import { deviceTowards6 } from '../network/route6/output.ts';
import {
  ANY_SOURCE,
  type FilterMode,
  filterAllows,
  MCAST_EXCLUDE,
  MCAST_INCLUDE,
  type SourceFilter,
  withoutSource,
  withSource,
} from '../network/source-filter.ts';
import { type Ip6Addr, isMulticast6 } from '../util/ip6-addr.ts';
import type { Inet6, Membership6 } from './inet6-state.ts';
import type { Sock } from './sock.ts';

/** net.ipv6.mld_max_msf: senders that one filter may name. */
const MLD_MAX_MSF = 64;

type Filter6 = SourceFilter<Ip6Addr>;

function same(a: Ip6Addr, b: Ip6Addr): boolean {
  return a.equals(b);
}

/** A group, and of some options a sender, of a device; `ifindex` 0: where the group's route leads. */
export interface SourceRequest6 {
  readonly group: Ip6Addr;
  readonly source: Ip6Addr;
  readonly ifindex: number;
}

/** IPV6_JOIN_GROUP; `ifindex` 0: where the group's route leads. */
export function joinGroup6(sk: Sock, v6: Inet6, group: Ip6Addr, ifindex: number): number {
  return join(sk, v6, { group, ifindex, filter: ANY_SOURCE });
}

function join(sk: Sock, v6: Inet6, wanted: Membership6): number {
  const { group, filter } = wanted;
  if (!isMulticast6(group)) return -EINVAL;
  const dev = deviceOf(sk, group, wanted.ifindex);
  if (dev === null) return -ENODEV;
  const { ifindex } = dev;
  const known = v6.memberships.some((m) => m.ifindex === ifindex && m.group.equals(group));
  if (known) return -EADDRINUSE;
  v6.memberships = [...v6.memberships, { group, ifindex, filter }];
  changeGroup6(dev, group, null, filter);
  return 0;
}

/** IPV6_LEAVE_GROUP */
export function leaveGroup6(sk: Sock, v6: Inet6, group: Ip6Addr, ifindex: number): number {
  if (!isMulticast6(group)) return -EINVAL;
  const found = memberOf(v6, group, ifindex);
  if (found === undefined) return -EADDRNOTAVAIL;
  v6.memberships = v6.memberships.filter((m) => m !== found);
  const dev = sk.net.devs.findIndex(found.ifindex);
  if (dev !== undefined) changeGroup6(dev, group, found.filter, null);
  return 0;
}

function memberOf(v6: Inet6, group: Ip6Addr, ifindex: number): Membership6 | undefined {
  return v6.memberships.find(
    (m) => m.group.equals(group) && (ifindex === 0 || m.ifindex === ifindex),
  );
}

/** MCAST_JOIN_SOURCE_GROUP: from this sender too, and from none but those named (`ip6_mc_source`). */
export function joinSource6(sk: Sock, v6: Inet6, r: SourceRequest6): number {
  const filter: Filter6 = { mode: MCAST_INCLUDE, sources: [r.source] };
  const err = join(sk, v6, { group: r.group, ifindex: r.ifindex, filter });
  return err === -EADDRINUSE ? addSource(sk, v6, r, MCAST_INCLUDE) : err;
}

/** MCAST_LEAVE_SOURCE_GROUP: the last sender takes the membership with it. */
export function leaveSource6(sk: Sock, v6: Inet6, r: SourceRequest6): number {
  return removeSource(sk, v6, r, MCAST_INCLUDE);
}

/** MCAST_BLOCK_SOURCE: from all but this one. */
export function blockSource6(sk: Sock, v6: Inet6, r: SourceRequest6): number {
  return addSource(sk, v6, r, MCAST_EXCLUDE);
}

export function unblockSource6(sk: Sock, v6: Inet6, r: SourceRequest6): number {
  return removeSource(sk, v6, r, MCAST_EXCLUDE);
}

function addSource(sk: Sock, v6: Inet6, r: SourceRequest6, mode: FilterMode): number {
  const member = requested(sk, v6, r, mode);
  if (typeof member === 'number') return member;
  const { sources } = member.filter;
  if (sources.length >= MLD_MAX_MSF) return -ENOBUFS;
  if (sources.some((s) => s.equals(r.source))) return -EADDRNOTAVAIL;
  // An empty filter may change its mode.
  replace(sk, v6, member, withSource({ mode, sources }, r.source));
  return 0;
}

function removeSource(sk: Sock, v6: Inet6, r: SourceRequest6, mode: FilterMode): number {
  const member = requested(sk, v6, r, mode);
  if (typeof member === 'number') return member;
  const { sources } = member.filter;
  if (!sources.some((s) => s.equals(r.source))) return -EADDRNOTAVAIL;
  if (sources.length === 1 && mode === MCAST_INCLUDE)
    return leaveGroup6(sk, v6, r.group, r.ifindex);
  replace(sk, v6, member, withoutSource(member.filter, r.source, same));
  return 0;
}

/** The membership that a request is about, if its filter has the mode, or none. */
function requested(sk: Sock, v6: Inet6, r: SourceRequest6, mode: FilterMode): Membership6 | number {
  if (!isMulticast6(r.group)) return -EINVAL;
  if (deviceOf(sk, r.group, r.ifindex) === null) return -ENODEV;
  const member = memberOf(v6, r.group, r.ifindex);
  if (member === undefined) return -EINVAL;
  const { filter } = member;
  return filter.sources.length > 0 && filter.mode !== mode ? -EINVAL : member;
}

function replace(sk: Sock, v6: Inet6, member: Membership6, filter: Filter6): void {
  v6.memberships = v6.memberships.map((m) => (m === member ? { ...m, filter } : m));
  const dev = sk.net.devs.findIndex(member.ifindex);
  if (dev !== undefined) changeGroup6(dev, member.group, member.filter, filter);
}

/** MCAST_MSFILTER (`ip6_mc_msfilter`). */
export function setFilter6(
  sk: Sock,
  v6: Inet6,
  to: { readonly group: Ip6Addr; readonly ifindex: number; readonly filter: Filter6 },
): number {
  const { group, ifindex, filter } = to;
  if (filter.sources.length > MLD_MAX_MSF) return -ENOBUFS;
  if (!isMulticast6(group)) return -EINVAL;
  if (deviceOf(sk, group, ifindex) === null) return -ENODEV;
  if (filter.mode === MCAST_INCLUDE && filter.sources.length === 0)
    return leaveGroup6(sk, v6, group, ifindex);
  const member = memberOf(v6, group, ifindex);
  if (member === undefined) return -EINVAL;
  replace(sk, v6, member, filter);
  return 0;
}

/** What MCAST_MSFILTER tells; -EADDRNOTAVAIL: the socket has not joined. */
export function getFilter6(v6: Inet6, group: Ip6Addr, ifindex: number): Filter6 | number {
  if (!isMulticast6(group)) return -EINVAL;
  return memberOf(v6, group, ifindex)?.filter ?? -EADDRNOTAVAIL;
}

/** The socket closes. */
export function leaveAllGroups6(sk: Sock, v6: Inet6): void {
  for (const { group, ifindex } of v6.memberships) leaveGroup6(sk, v6, group, ifindex);
}

/** May the socket have what `source` sent to `group`? Without memberships, whatever the host receives (IPV6_MULTICAST_ALL). */
export function acceptsGroup6(
  v6: Inet6,
  group: Ip6Addr,
  source: Ip6Addr,
  ifindex: number,
): boolean {
  const { memberships } = v6;
  if (memberships.length === 0) return true;
  for (let i = 0; i < memberships.length; i++) {
    const m = memberships[i] as Membership6;
    if (m.ifindex === ifindex && m.group.equals(group)) return filterAllows(m.filter, source, same);
  }
  return v6.mcastAll;
}

function deviceOf(sk: Sock, group: Ip6Addr, ifindex: number): NetDevice | null {
  if (ifindex !== 0) return sk.net.devs.findIndex(ifindex) ?? null;
  return deviceTowards6(sk.net, group);
}
