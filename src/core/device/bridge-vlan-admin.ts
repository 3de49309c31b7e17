/** Changes of VLANs: `bridge vlan add|del|set`, default PVID, filtering (Linux `net/bridge/br_vlan.c`). */
import { EINVAL, ENOENT, EOPNOTSUPP } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import { ETH_P_8021AD } from '../wire/ethernet.ts';
import {
  BR_STATE_BLOCKING,
  type Bridge,
  type BridgePort,
  bridgeOf,
  bridgePortOf,
} from './bridge-port.ts';
import { type VlanGroup, vlanGroup } from './bridge-vlan.ts';

/** Highest id of a VLAN (`VLAN_VID_MASK - 1`). */
export const VLAN_VID_MAX = 4094;
/** 01:80:c2:00:00:00 belongs to the customer's bridges, 08 and 0d to the provider's (`br_recalculate_fwd_mask`). */
const REQUIRED_8021AD = 0x1;

export interface VlanRange {
  readonly from: number;
  readonly to: number;
  /** Untagged frames belong to it; one only. */
  readonly pvid?: boolean;
  readonly untagged?: boolean;
}

/** The bridge and who of it is meant: the port, or with `self` the bridge itself. */
export function vlanOwner(
  dev: NetDevice,
  self: boolean,
): { readonly bridge: Bridge; readonly owner: Bridge | BridgePort } | number {
  const port = bridgePortOf(dev);
  if (port !== null && !self) return { bridge: port.bridge, owner: port };
  const bridge = bridgeOf(dev);
  // LINUX: a bridge has no master whom one could ask, and a port knows nothing of VLANs itself.
  return bridge !== null && self ? { bridge, owner: bridge } : -EOPNOTSUPP;
}

/** -EOPNOTSUPP (neither port nor bridge), -EINVAL (ids). What is there gets the new flags. */
export function vlanAdd(dev: NetDevice, range: VlanRange, self: boolean): number {
  const found = vlanOwner(dev, self);
  if (typeof found === 'number') return found;
  const { from, to, pvid = false, untagged = false } = range;
  if (from < 1 || to > VLAN_VID_MAX || from > to || (pvid && from !== to)) return -EINVAL;
  const { bridge, owner } = found;
  const group = vlanGroup(bridge, owner);
  for (let vid = from; vid <= to; vid++) {
    const vlan = group.vlans.get(vid) ?? group.add(vid, untagged);
    vlan.untagged = untagged;
    if (pvid) group.pvid = vid;
    else if (group.pvid === vid) group.pvid = 0;
  }
  dev.net.events.emit('newvlan', dev);
  return 0;
}

/** -ENOENT: none of them was there. */
export function vlanDel(dev: NetDevice, range: VlanRange, self: boolean): number {
  const found = vlanOwner(dev, self);
  if (typeof found === 'number') return found;
  const { from, to } = range;
  if (from < 1 || to > VLAN_VID_MAX || from > to) return -EINVAL;
  const { bridge, owner } = found;
  const group = vlanGroup(bridge, owner);
  let gone = 0;
  for (let vid = from; vid <= to; vid++) {
    if (!group.vlans.delete(vid)) continue;
    gone++;
    forget(bridge, dev, group, vid);
  }
  if (gone === 0) return -ENOENT;
  dev.net.events.emit('newvlan', dev);
  return 0;
}

function forget(bridge: Bridge, dev: NetDevice, group: VlanGroup, vid: number): void {
  if (group.pvid === vid) group.pvid = 0;
  for (const entry of bridge.fdb.list())
    if (entry.vid === vid && entry.dev === dev) bridge.fdb.remove(entry.mac, vid);
}

/** `bridge vlan set … state`; -ENOENT: no such VLAN there. */
export function vlanSetState(dev: NetDevice, range: VlanRange, state: number): number {
  if (state > BR_STATE_BLOCKING) return -EINVAL;
  const found = vlanOwner(dev, bridgePortOf(dev) === null);
  if (typeof found === 'number') return found;
  const { bridge, owner } = found;
  if (bridge.stpEnabled) return -EINVAL;
  const group = vlanGroup(bridge, owner);
  for (let vid = range.from; vid <= range.to; vid++) {
    const vlan = group.vlans.get(vid);
    if (vlan === undefined) return -ENOENT;
    vlan.state = state;
  }
  dev.net.events.emit('newvlan', dev);
  return 0;
}

/** `vlan_filtering`: addresses that were learnt without VLANs are of no use with them, and the reverse. */
export function vlanSetFiltering(bridge: Bridge, on: boolean): void {
  if (bridge.vlanFiltering === on) return;
  bridge.vlanFiltering = on;
  recalculateFwdMask(bridge);
}

export function vlanSetProto(bridge: Bridge, proto: number): void {
  bridge.vlanProto = proto;
  recalculateFwdMask(bridge);
}

/** Linux `br_recalculate_fwd_mask` */
function recalculateFwdMask(bridge: Bridge): void {
  const provider = bridge.vlanFiltering && bridge.vlanProto === ETH_P_8021AD;
  bridge.groupFwdMaskRequired = provider ? REQUIRED_8021AD : 0;
  if (!bridge.groupAddressSet) bridge.groupAddress = provider ? 0x0180c2000008 : 0x0180c2000000;
}

/**
 * `vlan_default_pvid`, 0: none. Ports whose pvid is the old default get the new one; those that were given
 * the new VLAN by hand keep it as it is (`__br_vlan_set_default_pvid`). -EINVAL; -EPERM while filtering.
 */
export function vlanSetDefaultPvid(bridge: Bridge, pvid: number): number {
  if (pvid > VLAN_VID_MAX) return -EINVAL;
  const old = bridge.defaultPvid;
  if (pvid === old) return 0;
  const owners: readonly (Bridge | BridgePort)[] = [bridge, ...bridge.ports];
  // Those that were never touched become what they stand for first.
  const groups = owners.map((owner) => vlanGroup(bridge, owner));
  bridge.defaultPvid = pvid;
  for (const group of groups) {
    const isDefault = old !== 0 && group.pvid === old && group.vlans.get(old)?.untagged === true;
    if (old !== 0 && !isDefault) continue;
    if (old !== 0) {
      group.vlans.delete(old);
      group.pvid = 0;
    }
    if (pvid === 0 || group.vlans.has(pvid)) continue;
    group.add(pvid, true);
    group.pvid = pvid;
  }
  return 0;
}
