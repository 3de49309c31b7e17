/**
 * Multicast groups of a socket (RFC 1112 §6.1; Linux `ip_mc_join_group`, `ip_mc_leave_group`,
 * `ip_mc_sf_allow`). What is kept here: who joined what, and which MACs a device accepts. Reports to
 * routers (IGMP) are not sent.
 */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { routeOutput } from '../network/route/output.ts';
import { INADDR_ALLHOSTS_GROUP, isMulticast, multicastMac } from '../util/address.ts';
import type { Membership } from './rare-options.ts';
import type { Sock } from './sock.ts';

/** `sizeof(struct ip_mc_socklist)`, charged to net.core.optmem_max. */
const SOCKLIST_BYTES = 48;

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
  if (request.address !== undefined && request.address !== 0) return deviceOf(net, request.address);
  const route = routeOutput(net, request.multiaddr, 0, 0, 0);
  return typeof route === 'number' ? undefined : route.dev;
}

/** IP_ADD_MEMBERSHIP: from any source. */
export function joinGroup(sk: Sock, request: GroupRequest): number {
  return join(sk, request, null);
}

function join(sk: Sock, request: GroupRequest, sources: readonly number[] | null): number {
  const { net } = sk;
  const group = request.multiaddr;
  if (!isMulticast(group)) return -EINVAL;
  const dev = findDevice(net, request);
  if (dev === undefined || dev.ipv4 === null) return -ENODEV;
  const { memberships } = sk.rare;
  if (memberships.some((m) => m.group === group && m.ifindex === dev.ifindex)) return -EADDRINUSE;
  if (memberships.length >= net.sysctl.igmpMaxMemberships) return -ENOBUFS;
  if ((memberships.length + 1) * SOCKLIST_BYTES >= net.sysctl.optmemMax) return -ENOBUFS;
  const member = { group, ifindex: dev.ifindex, address: request.address ?? 0, sources };
  sk.ownRare().memberships = [...memberships, member];
  hold(dev, group);
  return 0;
}

/** IP_DROP_MEMBERSHIP */
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
  letGo(sk.net, member.ifindex, member.group);
}

/** IP_ADD_SOURCE_MEMBERSHIP: from `source` too, and from no other than those named. */
export function joinSource(sk: Sock, request: GroupRequest): number {
  const { source = 0 } = request;
  const err = join(sk, request, [source]);
  if (err !== -EADDRINUSE) return err;
  const member = memberOf(sk, request);
  if (member === undefined) return -EINVAL;
  if (member.sources?.includes(source) === true) return -EADDRNOTAVAIL;
  replace(sk, member, [...(member.sources ?? []), source]);
  return 0;
}

/** IP_DROP_SOURCE_MEMBERSHIP: the last source takes the membership with it. */
export function leaveSource(sk: Sock, request: GroupRequest): number {
  const { source = 0 } = request;
  const member = memberOf(sk, request);
  if (member === undefined || member.sources === null) return -EINVAL;
  if (!member.sources.includes(source)) return -EADDRNOTAVAIL;
  const rest = member.sources.filter((s) => s !== source);
  if (rest.length === 0) leave(sk, member);
  else replace(sk, member, rest);
  return 0;
}

function memberOf(sk: Sock, request: GroupRequest): Membership | undefined {
  const dev = findDevice(sk.net, request);
  return sk.rare.memberships.find(
    (m) => m.group === request.multiaddr && m.ifindex === dev?.ifindex,
  );
}

function replace(sk: Sock, member: Membership, sources: readonly number[]): void {
  sk.ownRare().memberships = sk.rare.memberships.map((m) => (m === member ? { ...m, sources } : m));
}

/** The socket closes (`ip_mc_drop_socket`). */
export function leaveAllGroups(sk: Sock): void {
  const { memberships } = sk.rare;
  if (memberships.length === 0) return;
  for (const m of memberships) letGo(sk.net, m.ifindex, m.group);
  sk.ownRare().memberships = [];
}

/** May `sk` have what `source` sent to `group` through `ifindex` (`ip_mc_sf_allow`)? */
export function acceptsGroup(sk: Sock, group: number, source: number, ifindex: number): boolean {
  const { rareMaybe } = sk;
  if (rareMaybe === null || !isMulticast(group)) return true;
  const { memberships } = rareMaybe;
  for (let i = 0; i < memberships.length; i++) {
    const m = memberships[i];
    if (m !== undefined && m.group === group && m.ifindex === ifindex)
      return m.sources === null || m.sources.includes(source);
  }
  return rareMaybe.mcAll;
}

/** Does `dev` take what is sent to `group` (`ip_check_mc_rcu`)? Every host is in 224.0.0.1. */
export function isMember(dev: NetDevice, group: number): boolean {
  return group === INADDR_ALLHOSTS_GROUP || dev.ipv4?.groups?.has(group) === true;
}

/** One more wants `group` from `dev` (`ip_mc_inc_group`, `dev_mc_add`). */
function hold(dev: NetDevice, group: number): void {
  if (dev.ipv4 === null) return;
  dev.ipv4.groups ??= new Map();
  dev.multicastMacs ??= new Map();
  count(dev.ipv4.groups, group, 1);
  count(dev.multicastMacs, multicastMac(group), 1);
}

function letGo(net: NetNs, ifindex: number, group: number): void {
  const dev = net.devs.findIndex(ifindex);
  const groups = dev?.ipv4?.groups ?? null;
  if (dev === undefined || groups === null) return;
  count(groups, group, -1);
  if (dev.multicastMacs !== null) count(dev.multicastMacs, multicastMac(group), -1);
}

function count(map: Map<number, number>, key: number, step: number): void {
  const n = (map.get(key) ?? 0) + step;
  if (n > 0) map.set(key, n);
  else map.delete(key);
}
