/** What kind of address this is to a namespace: local, broadcast, multicast, or somebody's (Linux `inet_addr_type`). */
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { isMulticast, isZeronet } from '../../util/address.ts';
import { RTN_BROADCAST, RTN_MULTICAST, RTN_UNICAST } from './route.ts';

/** `RTN_LOCAL`, `RTN_BROADCAST`, `RTN_MULTICAST` or `RTN_UNICAST`. */
export function inetAddrType(net: NetNs, addr: number): number {
  return addrType(net, addr, null);
}

/** The same, where `dev`'s own addresses alone are local (`inet_dev_addr_type`). */
export function inetDevAddrType(net: NetNs, dev: NetDevice | null, addr: number): number {
  return addrType(net, addr, dev);
}

function addrType(net: NetNs, addr: number, dev: NetDevice | null): number {
  if (isZeronet(addr) || addr === -1) return RTN_BROADCAST;
  if (isMulticast(addr)) return RTN_MULTICAST;
  const table = net.ipv4.localTable;
  if (table === null) return RTN_UNICAST;
  const result = table.lookup(net, { dst: addr, tos: 0, scope: 0, oif: 0 });
  if (typeof result === 'number') return RTN_UNICAST;
  return dev === null || dev === result.nexthop.dev ? result.info.type : RTN_UNICAST;
}
