/**
 * Multicast groups of a socket, and the senders that it wants there (RFC 1112 §6.1, RFC 3376 §3; RFC 3678; Linux
 * `ip_mc_join_group`, `ip_mc_leave_group`, `ip_mc_source`, `ip_mc_msfilter`, `ip_mc_sf_allow`).
 */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { changeGroup } from '../network/ipv4/igmp.ts';
import { routeOutput } from '../network/route/output.ts';
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
import { isMulticast } from '../util/address.ts';
import type { Membership } from './rare-options.ts';
import type { Sock } from './sock.ts';

/** `sizeof(struct ip_mc_socklist)`, charged to net.core.optmem_max. */
const SOCKLIST_BYTES = 48;
/** Of this group, and from nobody yet. */
const NO_SOURCE: SourceFilter<number> = Object.freeze({ mode: MCAST_INCLUDE, sources: [] });

const same = (a: number, b: number): boolean => a === b;

/**
 * `struct ip_mreqn` and `struct ip_mreq_source`: the interface by index or by address; neither: where
 * the group's route leads. Addresses are signed 32-bit integers.
 */
export interface GroupRequest {
  readonly multiaddr: number;
  readonly address?: number;
  readonly ifindex?: number;
  /** Of the source-specific options. */
  readonly source?: number;
}

/** `struct ip_msfilter`, `struct group_filter` */
export interface GroupFilterRequest extends GroupRequest {
  readonly mode: number;
  readonly sources: readonly number[];
}

/** The device that has `addr` (Linux `ip_dev_find`). */
export function deviceOf(net: NetNs, addr: number): NetDevice | undefined {
  for (const dev of net.devs)
    if (dev.ipv4?.addresses.some((a) => a.local === addr) === true) return dev;
  return undefined;
}

/** Linux `ip_mc_find_dev` */
function findDevice(net: NetNs, request: GroupRequest): NetDevice | undefined {
  if (request.ifindex !== undefined && request.ifindex !== 0)
    return net.devs.findIndex(request.ifindex);
  if (request.address !== undefined && request.address !== 0) {
    const dev = deviceOf(net, request.address);
    if (dev !== undefined) return dev;
  }
  const route = routeOutput(net, request.multiaddr, 0, 0, 0);
  return typeof route === 'number' ? undefined : route.dev;
}

/** IP_ADD_MEMBERSHIP, MCAST_JOIN_GROUP: from any source. */
export function joinGroup(sk: Sock, request: GroupRequest): number {
  return join(sk, request, ANY_SOURCE);
}

function join(sk: Sock, request: GroupRequest, filter: SourceFilter<number>): number {
  const { net } = sk;
  const group = request.multiaddr;
  if (!isMulticast(group)) return -EINVAL;
  const dev = findDevice(net, request);
  if (dev === undefined || dev.ipv4 === null) return -ENODEV;
  const { memberships } = sk.rare;
  if (memberships.some((m) => m.group === group && m.ifindex === dev.ifindex)) return -EADDRINUSE;
  if (memberships.length >= net.sysctl.igmpMaxMemberships) return -ENOBUFS;
  if ((memberships.length + 1) * SOCKLIST_BYTES >= net.sysctl.optmemMax) return -ENOBUFS;
  const member = { group, ifindex: dev.ifindex, address: request.address ?? 0, filter };
  sk.ownRare().memberships = [...memberships, member];
  changeGroup(dev, group, null, filter);
  return 0;
}

/** IP_DROP_MEMBERSHIP, MCAST_LEAVE_GROUP */
export function leaveGroup(sk: Sock, request: GroupRequest): number {
  const { multiaddr, ifindex = 0, address = 0 } = request;
  const { memberships } = sk.rare;
  if (ifindex === 0 && address === 0 && findDevice(sk.net, request) === undefined) return -ENODEV;
  const found = memberships.find(
    (m) =>
      m.group === multiaddr &&
      (ifindex !== 0 ? m.ifindex === ifindex : address === 0 || m.address === address),
  );
  if (found === undefined) return -EADDRNOTAVAIL;
  leave(sk, found);
  return 0;
}

function leave(sk: Sock, member: Membership): void {
  sk.ownRare().memberships = sk.rare.memberships.filter((m) => m !== member);
  letGo(sk.net, member);
}

function letGo(net: NetNs, { ifindex, group, filter }: Membership): void {
  const dev = net.devs.findIndex(ifindex);
  if (dev !== undefined) changeGroup(dev, group, filter, null);
}

/** IP_ADD_SOURCE_MEMBERSHIP: from `source` too, and from no other than those named. */
export function joinSource(sk: Sock, request: GroupRequest): number {
  const err = join(sk, request, NO_SOURCE);
  return err < 0 && err !== -EADDRINUSE ? err : changeSource(sk, request, MCAST_INCLUDE, true);
}

/** IP_DROP_SOURCE_MEMBERSHIP: the last source takes the membership with it. */
export function leaveSource(sk: Sock, request: GroupRequest): number {
  return changeSource(sk, request, MCAST_INCLUDE, false);
}

/** IP_BLOCK_SOURCE: from all but `source`. */
export function blockSource(sk: Sock, request: GroupRequest): number {
  return changeSource(sk, request, MCAST_EXCLUDE, true);
}

/** IP_UNBLOCK_SOURCE */
export function unblockSource(sk: Sock, request: GroupRequest): number {
  return changeSource(sk, request, MCAST_EXCLUDE, false);
}

/** Linux `ip_mc_source` */
function changeSource(sk: Sock, request: GroupRequest, mode: FilterMode, add: boolean): number {
  const { multiaddr, source = 0 } = request;
  if (!isMulticast(multiaddr)) return -EINVAL;
  const dev = findDevice(sk.net, request);
  if (dev === undefined) return -ENODEV;
  const member = memberOf(sk, multiaddr, dev);
  if (member === undefined) return -EINVAL;
  const { filter } = member;
  if (filter.mode !== mode && filter.sources.length > 0) return -EINVAL;
  // A filter that names nobody may change its mode.
  const base = filter.mode === mode ? filter : { mode, sources: [] };
  const known = base.sources.includes(source);
  if (!add) {
    if (!known) {
      if (base !== filter) replace(sk, dev, member, base);
      return -EADDRNOTAVAIL;
    }
    if (base.sources.length === 1 && mode === MCAST_INCLUDE) {
      leave(sk, member);
      return 0;
    }
    replace(sk, dev, member, withoutSource(base, source, same));
    return 0;
  }
  if (base.sources.length >= sk.net.sysctl.igmpMaxMsf) return -ENOBUFS;
  if (known) return -EADDRNOTAVAIL;
  replace(sk, dev, member, withSource(base, source));
  return 0;
}

/** IP_MSFILTER, MCAST_MSFILTER: the whole filter at once. */
export function setGroupFilter(sk: Sock, request: GroupFilterRequest): number {
  const { multiaddr, mode, sources } = request;
  if (sources.length > sk.net.sysctl.igmpMaxMsf) return -ENOBUFS;
  if (!isMulticast(multiaddr)) return -EINVAL;
  if (mode !== MCAST_INCLUDE && mode !== MCAST_EXCLUDE) return -EINVAL;
  const dev = findDevice(sk.net, request);
  if (dev === undefined) return -ENODEV;
  if (mode === MCAST_INCLUDE && sources.length === 0) return leaveGroup(sk, request);
  const member = memberOf(sk, multiaddr, dev);
  if (member === undefined) return -EINVAL;
  replace(sk, dev, member, { mode, sources: [...new Set(sources)] });
  return 0;
}

function memberOf(sk: Sock, group: number, dev: NetDevice): Membership | undefined {
  return sk.rare.memberships.find((m) => m.group === group && m.ifindex === dev.ifindex);
}

function replace(sk: Sock, dev: NetDevice, member: Membership, filter: SourceFilter<number>): void {
  sk.ownRare().memberships = sk.rare.memberships.map((m) => (m === member ? { ...m, filter } : m));
  changeGroup(dev, member.group, member.filter, filter);
}

/** The socket closes (`ip_mc_drop_socket`). */
export function leaveAllGroups(sk: Sock): void {
  const { memberships } = sk.rare;
  if (memberships.length === 0) return;
  sk.ownRare().memberships = [];
  for (const m of memberships) letGo(sk.net, m);
}

/** May `sk` have what `source` sent to `group` through `ifindex` (`ip_mc_sf_allow`)? */
export function acceptsGroup(sk: Sock, group: number, source: number, ifindex: number): boolean {
  const { rareMaybe } = sk;
  if (rareMaybe === null || !isMulticast(group)) return true;
  const { memberships } = rareMaybe;
  for (let i = 0; i < memberships.length; i++) {
    const m = memberships[i];
    if (m !== undefined && m.group === group && m.ifindex === ifindex)
      return filterAllows(m.filter, source, same);
  }
  return rareMaybe.mcAll;
}
