/** What kind of address this is to a namespace: local, broadcast, multicast, or somebody's (Linux `inet_addr_type`). */
import { l3Table } from '../../link/l3mdev.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { isMulticast, isZeronet } from '../../util/address.ts';
import { RTN_BROADCAST, RTN_MULTICAST, RTN_UNICAST } from './route.ts';

/** `table`: that of a layer-3 master; 0: local. `RTN_LOCAL`, `RTN_BROADCAST`, `RTN_MULTICAST` or `RTN_UNICAST`. */
export function inetAddrType(net: NetNs, addr: number, table = 0): number {
  return addrType(net, addr, null, table);
}

/** The same, where `dev`'s own addresses alone are local (`inet_dev_addr_type`). */
export function inetDevAddrType(net: NetNs, dev: NetDevice | null, addr: number): number {
  return addrType(net, addr, dev, dev === null ? 0 : l3Table(dev));
}

function addrType(net: NetNs, addr: number, dev: NetDevice | null, l3: number): number {
  if (isZeronet(addr) || addr === -1) return RTN_BROADCAST;
  if (isMulticast(addr)) return RTN_MULTICAST;
  const table = l3 === 0 ? net.ipv4.localTable : (net.ipv4.findTable(l3) ?? null);
  if (table === null) return RTN_UNICAST;
  const result = table.lookup(net, { dst: addr, tos: 0, scope: 0, oif: 0 });
  if (typeof result === 'number') return RTN_UNICAST;
  return dev === null || dev === result.nexthop.dev ? result.info.type : RTN_UNICAST;
}
