/** IPv6 multicast groups of a socket (RFC 3493 §5.2; Linux `__ipv6_sock_mc_join`, `inet6_mc_check`). */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENODEV } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import { joinGroup6 as join, leaveGroup6 as leave } from '../network/ipv6/group.ts';
import { deviceTowards6 } from '../network/route6/output.ts';
import { type Ip6Addr, isMulticast6 } from '../util/ip6-addr.ts';
import type { Inet6 } from './inet6-state.ts';
import type { Sock } from './sock.ts';

/** IPV6_JOIN_GROUP; `ifindex` 0: where the group's route leads. */
export function joinGroup6(sk: Sock, v6: Inet6, group: Ip6Addr, ifindex: number): number {
  if (!isMulticast6(group)) return -EINVAL;
  const dev = deviceOf(sk, group, ifindex);
  if (dev === null) return -ENODEV;
  const known = v6.memberships.some((m) => m.ifindex === dev.ifindex && m.group.equals(group));
  if (known) return -EADDRINUSE;
  v6.memberships = [...v6.memberships, { group, ifindex: dev.ifindex }];
  join(dev, group);
  return 0;
}

/** IPV6_LEAVE_GROUP */
export function leaveGroup6(sk: Sock, v6: Inet6, group: Ip6Addr, ifindex: number): number {
  if (!isMulticast6(group)) return -EINVAL;
  const found = v6.memberships.find(
    (m) => m.group.equals(group) && (ifindex === 0 || m.ifindex === ifindex),
  );
  if (found === undefined) return -EADDRNOTAVAIL;
  v6.memberships = v6.memberships.filter((m) => m !== found);
  const dev = sk.net.devs.findIndex(found.ifindex);
  if (dev !== undefined) leave(dev, group);
  return 0;
}

/** The socket closes. */
export function leaveAllGroups6(sk: Sock, v6: Inet6): void {
  for (const { group, ifindex } of v6.memberships) leaveGroup6(sk, v6, group, ifindex);
}

/** May the socket have what was sent to `group`? Without memberships, whatever the host receives (IPV6_MULTICAST_ALL). */
export function acceptsGroup6(v6: Inet6, group: Ip6Addr, ifindex: number): boolean {
  const { memberships } = v6;
  if (memberships.length === 0) return true;
  return memberships.some((m) => m.ifindex === ifindex && m.group.equals(group)) || v6.mcastAll;
}

function deviceOf(sk: Sock, group: Ip6Addr, ifindex: number): NetDevice | null {
  if (ifindex !== 0) return sk.net.devs.findIndex(ifindex) ?? null;
  return deviceTowards6(sk.net, group);
}
