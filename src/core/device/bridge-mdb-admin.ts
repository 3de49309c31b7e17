/** `bridge mdb add|del`: groups that are told by hand (Linux `net/bridge/br_mdb.c`), and the kernel's sentences. */
import { EEXIST, EINVAL, EOPNOTSUPP } from '../errno.ts';
import type { NetNs } from '../net.ts';
import { isGroupMac, isMulticast, parseIpv4, parseMac } from '../util/address.ts';
import { IN6ADDR_LINKLOCAL_ALLNODES, isMulticast6, parseIpv6 } from '../util/ip6-addr.ts';
import { type GroupAddr, Membership, mcastOf } from './bridge-mdb.ts';
import { BR_STATE_DISABLED, type Bridge, bridgeOf, bridgePortOf } from './bridge-port.ts';

/** One member of a group, as `bridge mdb add` names it. */
export interface MdbSpec {
  /** The bridge. */
  readonly dev: string;
  /** One of its ports, or the bridge itself. */
  readonly port: string;
  /** IPv4, IPv6 or MAC address. */
  readonly grp: string;
  readonly permanent?: boolean;
  readonly vid?: number;
}

export interface MdbRefusal {
  readonly errno: number;
  readonly detail: string;
}

function no(detail: string, errno: number = EINVAL): MdbRefusal {
  return { errno, detail };
}

/** Null: done. */
export function mdbChange(net: NetNs, spec: MdbSpec, add: boolean): MdbRefusal | null {
  const dev = net.devs.find(spec.dev);
  const bridge = dev === undefined ? null : bridgeOf(dev);
  const group = groupOf(spec.grp);
  if (group === null) return no('Invalid MDB entry');
  const bad = groupRefusal(group);
  if (bad !== null) return bad;
  if (bridge === null) return no('Device does not support MDB operations', EOPNOTSUPP);
  const portDev = net.devs.find(spec.port);
  if (portDev === undefined) return no('bridge: Port net device does not exist');
  const port = portDev === bridge.dev ? null : bridgePortOf(portDev);
  if (portDev !== bridge.dev && port === null) return no('bridge: Net device is not a bridge port');
  if (port !== null && port.bridge !== bridge)
    return no('bridge: Port belongs to a different bridge device');
  if (!add) return remove(bridge, spec, group);
  if (!bridge.dev.up) return no('bridge: Bridge device is not running');
  if (!bridge.mcastSnooping) return no("bridge: Bridge's multicast processing is disabled");
  if (port?.state === BR_STATE_DISABLED && spec.permanent !== true)
    return no('bridge: Port is in disabled state and entry is not permanent');
  if (port === null && spec.permanent === true)
    return no('bridge: Flags are not allowed for host groups');
  if (group.kind === 'l2' && spec.permanent !== true)
    return no('bridge: Only permanent L2 entries allowed');
  return insert(bridge, spec, group);
}

function insert(bridge: Bridge, spec: MdbSpec, group: GroupAddr): MdbRefusal | null {
  const mcast = mcastOf(bridge);
  const portDev = bridge.dev.net.devs.find(spec.port);
  const port = portDev === undefined ? null : bridgePortOf(portDev);
  const isHost = portDev === bridge.dev;
  const entry = mcast.obtain(group, spec.vid ?? 0);
  if (entry === null) return no('bridge: New multicast group entry could not be created');
  const who = isHost ? null : port;
  if (entry.members.some((m) => m.port === who)) {
    const text = isHost
      ? 'Group is already joined by host'
      : '(*, G) group is already joined by port';
    return no(`bridge: ${text}`, EEXIST);
  }
  const now = bridge.dev.net.kernel.nowUs;
  const untilUs =
    spec.permanent === true ? Number.POSITIVE_INFINITY : now + mcast.settings.membershipIntervalUs;
  const member = new Membership(who, untilUs, true, 0);
  // LINUX: ports by their address in memory, which is the order of their making; the newest first.
  entry.members = [member, ...entry.members].sort(
    (a, b) => (a.port?.portNo ?? 0) - (b.port?.portNo ?? 0),
  );
  mcast.tell('newmdb', entry, member);
  return null;
}

function remove(bridge: Bridge, spec: MdbSpec, group: GroupAddr): MdbRefusal | null {
  const { mcast } = bridge;
  const entry = mcast?.find(group, spec.vid ?? 0);
  const member = entry?.members.find((m) => (m.port?.dev ?? bridge.dev).name === spec.port);
  if (mcast === null || entry === undefined || member === undefined) return no('');
  mcast.remove(entry, member);
  return null;
}

function groupOf(text: string): GroupAddr | null {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return { kind: 'v4', addr: v4 };
  const mac = parseMac(text);
  if (mac !== undefined) return { kind: 'l2', addr: mac };
  const v6 = parseIpv6(text);
  return v6 === undefined ? null : { kind: 'v6', addr: v6 };
}

/** Linux `rtnl_validate_mdb_entry` */
function groupRefusal(group: GroupAddr): MdbRefusal | null {
  switch (group.kind) {
    case 'v4':
      if (!isMulticast(group.addr))
        return no('IPv4 entry group address is not multicast or 0.0.0.0');
      if ((group.addr & 0xffffff00) === (0xe0000000 | 0))
        return no('IPv4 entry group address is local multicast');
      return null;
    case 'v6':
      if (!isMulticast6(group.addr)) return no('IPv6 entry group address is not multicast or ::');
      if (group.addr.equals(IN6ADDR_LINKLOCAL_ALLNODES))
        return no('IPv6 entry group address is link-local all nodes');
      return null;
    default:
      return isGroupMac(group.addr) ? null : no('L2 entry group is not multicast');
  }
}
