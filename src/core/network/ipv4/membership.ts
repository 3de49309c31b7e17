/** Who hears a group (RFC 1112 §7.1; RFC 3376 §3.2). */
import type { NetDevice } from '../../link/net-device.ts';
import { INADDR_ALLHOSTS_GROUP } from '../../util/address.ts';

/** Does `dev` take what `source` sends to `group` (`ip_check_mc_rcu`)? Every host is in 224.0.0.1. */
export function wantsFrom(dev: NetDevice, group: number, source: number): boolean {
  if (group === INADDR_ALLHOSTS_GROUP) return true;
  const member = dev.ipv4?.groups?.get(group);
  return member?.filter.allows(source) ?? false;
}
