/** Multicast groups of a device (Linux `ipv6_dev_mc_inc`, `ipv6_dev_mc_dec`). */
import type { NetDevice } from '../../link/net-device.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import { inet6Device } from './address.ts';
import { mldChanged } from './mld.ts';

/** One more wants `group` from `dev`. */
export function joinGroup6(dev: NetDevice, group: Ip6Addr): void {
  const ipv6 = inet6Device(dev);
  if (ipv6 === null) return;
  const n = ipv6.groups.get(group) ?? 0;
  ipv6.groups.set(group, n + 1);
  if (n === 0) mldChanged(ipv6, group, true);
}

export function leaveGroup6(dev: NetDevice, group: Ip6Addr): void {
  const { ipv6 } = dev;
  const n = ipv6?.groups.get(group);
  if (ipv6 === null || n === undefined) return;
  if (n > 1) {
    ipv6.groups.set(group, n - 1);
    return;
  }
  ipv6.groups.delete(group);
  mldChanged(ipv6, group, false);
}
