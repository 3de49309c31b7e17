/** Multicast groups of a device (Linux `__ipv6_dev_mc_inc`, `ip6_mc_add_src`, `__ipv6_dev_mc_dec`). */
import type { NetDevice } from '../../link/net-device.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import { ANY_SOURCE, leaveRecord, MCAST_EXCLUDE, type SourceFilter } from '../source-filter.ts';
import { inet6Device } from './address.ts';
import { mldChanged, mldOf, mldTells } from './mld.ts';

type Filter6 = SourceFilter<Ip6Addr>;

/** One more wants `group` from `dev`, from all sources. */
export function joinGroup6(dev: NetDevice, group: Ip6Addr): void {
  changeGroup6(dev, group, null, ANY_SOURCE);
}

export function leaveGroup6(dev: NetDevice, group: Ip6Addr): void {
  changeGroup6(dev, group, ANY_SOURCE, null);
}

/** A user of the group changes its mind; null: it was none, or is none any more. */
export function changeGroup6(
  dev: NetDevice,
  group: Ip6Addr,
  from: Filter6 | null,
  to: Filter6 | null,
): void {
  const ipv6 = to === null ? dev.ipv6 : inet6Device(dev);
  if (ipv6 === null) return;
  const n = ipv6.groups.get(group) ?? 0;
  const users = n + (to === null ? 0 : 1) - (from === null ? 0 : 1);
  if (users < 0) return;
  if (users > 0) ipv6.groups.set(group, users);
  else ipv6.groups.delete(group);
  const known = ipv6.mld?.filters?.has(group) === true;
  if (!known && isPlain(from) && isPlain(to)) {
    if ((n === 0) !== (users === 0)) mldChanged(ipv6, group, users > 0);
    return;
  }
  const mld = mldOf(ipv6);
  const filter = mld.filterOf(group, n);
  const news = filter.change(from, to, mld.robustness);
  if (users > 0) {
    if (news && mldTells(ipv6, group)) mld.changed();
    return;
  }
  mld.filters?.delete(group);
  if (mld.filters?.size === 0) mld.filters = null;
  const record = from === null ? null : leaveRecord(from);
  if (record !== null && mldTells(ipv6, group)) mld.say(group, record, false);
}

function isPlain(filter: Filter6 | null): boolean {
  return filter === null || (filter.mode === MCAST_EXCLUDE && filter.sources.length === 0);
}
