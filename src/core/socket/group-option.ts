/**
 * Options of level SOL_IP about multicast groups and their senders, with the structures of C too (Linux
 * `do_ip_setsockopt`, `do_mcast_group_source`, `ip_set_mcast_msfilter`; RFC 3678).
 */
import { EADDRNOTAVAIL, EINVAL, EPROTO } from '../errno.ts';
import {
  blockSource,
  type GroupFilterRequest,
  type GroupRequest,
  joinGroup,
  joinSource,
  leaveGroup,
  leaveSource,
  setGroupFilter,
  unblockSource,
} from '../transport/membership.ts';
import { AF_INET, type OptionValue, SOCK_STREAM, type Sock } from '../transport/sock.ts';
import * as ip from '../transport/sockopt-names.ts';
import { toFields } from './option-value.ts';

export function isGroupOption(name: number): boolean {
  return (
    name === ip.IP_ADD_MEMBERSHIP ||
    name === ip.IP_DROP_MEMBERSHIP ||
    (name >= ip.IP_UNBLOCK_SOURCE && name <= ip.MCAST_MSFILTER)
  );
}

/** 0 or `-errno`. */
export function setGroupOption(sk: Sock, name: number, value: OptionValue): number {
  const isOld = name === ip.IP_ADD_MEMBERSHIP || name === ip.IP_DROP_MEMBERSHIP;
  if (isOld && sk.type === SOCK_STREAM) return -EPROTO;
  if (name === ip.IP_MSFILTER || name === ip.MCAST_MSFILTER) {
    const filter = value instanceof Uint8Array ? filterOf(name, value) : filterFields(value);
    return typeof filter === 'number' ? filter : setGroupFilter(sk, filter);
  }
  const request = value instanceof Uint8Array ? requestOf(name, value) : requestFields(value);
  return typeof request === 'number' ? request : change(sk, name, request);
}

function change(sk: Sock, name: number, request: GroupRequest): number {
  switch (name) {
    case ip.IP_ADD_MEMBERSHIP:
    case ip.MCAST_JOIN_GROUP:
      return joinGroup(sk, request);
    case ip.IP_DROP_MEMBERSHIP:
    case ip.MCAST_LEAVE_GROUP:
      return leaveGroup(sk, request);
    case ip.IP_ADD_SOURCE_MEMBERSHIP:
    case ip.MCAST_JOIN_SOURCE_GROUP:
      return joinSource(sk, request);
    case ip.IP_DROP_SOURCE_MEMBERSHIP:
    case ip.MCAST_LEAVE_SOURCE_GROUP:
      return leaveSource(sk, request);
    case ip.IP_BLOCK_SOURCE:
    case ip.MCAST_BLOCK_SOURCE:
      return blockSource(sk, request);
    default:
      return unblockSource(sk, request);
  }
}

function requestFields(value: OptionValue): GroupRequest | number {
  const request = toFields<GroupRequest>(value);
  if (request?.multiaddr === undefined) return -EINVAL;
  return { ...request, multiaddr: request.multiaddr };
}

function filterFields(value: OptionValue): GroupFilterRequest | number {
  const request = toFields<GroupFilterRequest>(value);
  const { multiaddr, mode, sources } = request ?? {};
  if (multiaddr === undefined || mode === undefined || sources === undefined) return -EINVAL;
  return { ...request, multiaddr, mode, sources };
}

/** Where the addresses of `struct group_req` and `struct group_source_req` are, and how long these are. */
const GROUP_AT = 8;
const SOURCE_AT = 136;
const GROUP_REQ = 136;
const GROUP_SOURCE_REQ = 264;

function requestOf(name: number, bytes: Uint8Array): GroupRequest | number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { length } = bytes;
  switch (name) {
    case ip.IP_ADD_MEMBERSHIP:
    case ip.IP_DROP_MEMBERSHIP: {
      if (length < 8) return -EINVAL;
      const ifindex = length < 12 ? 0 : view.getInt32(8, true);
      return { multiaddr: view.getInt32(0), address: view.getInt32(4), ifindex };
    }
    case ip.MCAST_JOIN_GROUP:
    case ip.MCAST_LEAVE_GROUP:
      if (length < GROUP_REQ || view.getUint16(GROUP_AT, true) !== AF_INET) return -EINVAL;
      return { multiaddr: view.getInt32(GROUP_AT + 4), ifindex: view.getInt32(0, true) };
    case ip.MCAST_JOIN_SOURCE_GROUP:
    case ip.MCAST_LEAVE_SOURCE_GROUP:
    case ip.MCAST_BLOCK_SOURCE:
    case ip.MCAST_UNBLOCK_SOURCE: {
      if (length !== GROUP_SOURCE_REQ) return -EINVAL;
      const inet = [GROUP_AT, SOURCE_AT].every((at) => view.getUint16(at, true) === AF_INET);
      if (!inet) return -EADDRNOTAVAIL;
      const multiaddr = view.getInt32(GROUP_AT + 4);
      return { multiaddr, source: view.getInt32(SOURCE_AT + 4), ifindex: view.getInt32(0, true) };
    }
    default:
      if (length !== 12) return -EINVAL;
      return {
        multiaddr: view.getInt32(0),
        address: view.getInt32(4),
        source: view.getInt32(8),
      };
  }
}

/** `struct ip_msfilter`; `struct group_filter`. */
function filterOf(name: number, bytes: Uint8Array): GroupFilterRequest | number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isOld = name === ip.IP_MSFILTER;
  const [head, each] = isOld ? [16, 4] : [144, 128];
  if (bytes.length < head) return -EINVAL;
  const count = view.getUint32(isOld ? 12 : 140, true);
  if (head + each * count > bytes.length) return -EINVAL;
  const sources = Array.from({ length: count }, (_, i) =>
    view.getInt32(head + each * i + (isOld ? 0 : 4)),
  );
  if (isOld)
    return {
      multiaddr: view.getInt32(0),
      address: view.getInt32(4),
      mode: view.getUint32(8, true),
      sources,
    };
  return {
    multiaddr: view.getInt32(GROUP_AT + 4),
    ifindex: view.getInt32(0, true),
    mode: view.getUint32(136, true),
    sources,
  };
}
