/**
 * Options of level SOL_IPV6 about multicast groups and their senders (RFC 3678; Linux `do_ipv6_mcast_group_source`,
 * `ipv6_set_mcast_msfilter`), as fields and as the structures of C.
 */
import { EADDRNOTAVAIL, EINVAL } from '../errno.ts';
import type { Inet6 } from '../transport/inet6-state.ts';
import {
  blockSource6,
  joinGroup6,
  joinSource6,
  leaveGroup6,
  leaveSource6,
  setFilter6,
  unblockSource6,
} from '../transport/membership6.ts';
import { AF_INET6, type OptionValue, type Sock } from '../transport/sock.ts';
import { IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP } from '../transport/sockopt-names.ts';
import { getIp6, type Ip6Addr } from '../util/ip6-addr.ts';
import { toFields } from './option-value.ts';

const MCAST_JOIN_GROUP = 42;
const MCAST_BLOCK_SOURCE = 43;
const MCAST_LEAVE_GROUP = 45;
const MCAST_JOIN_SOURCE_GROUP = 46;
const MCAST_LEAVE_SOURCE_GROUP = 47;
const MCAST_MSFILTER = 48;
/** Where the addresses of `struct group_source_req` are, and how long it is; a `sockaddr_storage` has 128 bytes. */
const GROUP_AT = 8;
const STORAGE = 128;
/** Where a `sockaddr_in6` has its address. */
const ADDR_AT = 8;

/** `struct ipv6_mreq`, `struct group_req`, `struct group_source_req`. */
export interface GroupRequest6 {
  readonly multiaddr: Ip6Addr;
  readonly ifindex: number;
  readonly source?: Ip6Addr;
}

/** `struct group_filter`; `mode` 0: all but these, 1: these alone. */
export interface GroupFilterRequest6 {
  readonly multiaddr: Ip6Addr;
  readonly ifindex: number;
  readonly mode: number;
  readonly sources: readonly Ip6Addr[];
}

export function isGroup6Option(name: number): boolean {
  const isOld = name === IPV6_JOIN_GROUP || name === IPV6_LEAVE_GROUP;
  return isOld || (name >= MCAST_JOIN_GROUP && name <= MCAST_MSFILTER);
}

/** 0 or `-errno`. */
export function setGroup6Option(sk: Sock, v6: Inet6, name: number, value: OptionValue): number {
  if (name === MCAST_MSFILTER) {
    const f = value instanceof Uint8Array ? filterOf(value) : toFields<GroupFilterRequest6>(value);
    if (typeof f === 'number') return f;
    const { multiaddr: group, ifindex = 0, mode, sources } = f ?? {};
    if (group === undefined || sources === undefined || (mode !== 0 && mode !== 1)) return -EINVAL;
    return setFilter6(sk, v6, { group, ifindex, filter: { mode, sources } });
  }
  const r = value instanceof Uint8Array ? requestOf(name, value) : toFields<GroupRequest6>(value);
  if (typeof r === 'number') return r;
  const { multiaddr: group, ifindex = 0, source } = r ?? {};
  if (group === undefined) return -EINVAL;
  if (name === IPV6_JOIN_GROUP || name === MCAST_JOIN_GROUP)
    return joinGroup6(sk, v6, group, ifindex);
  if (name === IPV6_LEAVE_GROUP || name === MCAST_LEAVE_GROUP)
    return leaveGroup6(sk, v6, group, ifindex);
  if (source === undefined) return -EADDRNOTAVAIL;
  return ofSource(sk, v6, name, { group, source, ifindex });
}

function ofSource(
  sk: Sock,
  v6: Inet6,
  name: number,
  request: { readonly group: Ip6Addr; readonly source: Ip6Addr; readonly ifindex: number },
): number {
  switch (name) {
    case MCAST_JOIN_SOURCE_GROUP:
      return joinSource6(sk, v6, request);
    case MCAST_LEAVE_SOURCE_GROUP:
      return leaveSource6(sk, v6, request);
    case MCAST_BLOCK_SOURCE:
      return blockSource6(sk, v6, request);
    default:
      return unblockSource6(sk, v6, request);
  }
}

function requestOf(name: number, bytes: Uint8Array): GroupRequest6 | number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (name === IPV6_JOIN_GROUP || name === IPV6_LEAVE_GROUP) {
    if (bytes.length < 20) return -EINVAL;
    return { multiaddr: getIp6(view, 0), ifindex: view.getInt32(16, true) };
  }
  const hasSource = name !== MCAST_JOIN_GROUP && name !== MCAST_LEAVE_GROUP;
  if (bytes.length < GROUP_AT + STORAGE * (hasSource ? 2 : 1)) return -EINVAL;
  const ifindex = view.getInt32(0, true);
  const sourceAt = GROUP_AT + STORAGE;
  const families = hasSource ? [GROUP_AT, sourceAt] : [GROUP_AT];
  if (families.some((at) => view.getUint16(at, true) !== AF_INET6)) return -EADDRNOTAVAIL;
  const multiaddr = getIp6(view, GROUP_AT + ADDR_AT);
  if (!hasSource) return { multiaddr, ifindex };
  return { multiaddr, ifindex, source: getIp6(view, sourceAt + ADDR_AT) };
}

function filterOf(bytes: Uint8Array): GroupFilterRequest6 | number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = GROUP_AT + STORAGE + 8;
  if (bytes.length < head) return -EINVAL;
  const count = view.getUint32(head - 4, true);
  if (head + STORAGE * count > bytes.length) return -EINVAL;
  return {
    multiaddr: getIp6(view, GROUP_AT + ADDR_AT),
    ifindex: view.getInt32(0, true),
    mode: view.getUint32(head - 8, true),
    sources: Array.from({ length: count }, (_, i) => getIp6(view, head + STORAGE * i + ADDR_AT)),
  };
}
