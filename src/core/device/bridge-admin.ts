/** `bridge fdb add|replace|del|flush` (Linux `br_fdb_add`, `br_fdb_delete`, `ndo_dflt_fdb_add`). */
import { EEXIST, EINVAL, ENOENT, EOPNOTSUPP, EPERM } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import { isGroupMac, MAC_ZERO } from '../util/address.ts';
import type { FdbEntry } from './bridge-fdb.ts';
import {
  BR_STATE_FORWARDING,
  BR_STATE_LEARNING,
  type Bridge,
  bridgeOf,
  bridgePortOf,
} from './bridge-port.ts';
import { vlanGroup } from './bridge-vlan.ts';

/** `'permanent'`: our own address; `'static'`: never forgotten; `'dynamic'`: as if it had been learnt. */
export type FdbKind = 'permanent' | 'static' | 'dynamic';

export interface FdbAddOptions {
  readonly kind: FdbKind;
  /** Refused when it is there. */
  readonly exclusive: boolean;
  /** 0: none. */
  readonly vid?: number;
  readonly sticky?: boolean;
  readonly externLearn?: boolean;
}

/**
 * Adds an address behind a port, or of the bridge itself. `-EINVAL` (zeros; not permanent on the bridge; a
 * VLAN that is not there; sticky and our own), `-EEXIST` when `exclusive`, `-EPERM` (dynamic, and the port
 * does not forward), `-EOPNOTSUPP` (no port).
 */
export function bridgeFdbAdd(dev: NetDevice, mac: number, options: FdbAddOptions): number {
  const { kind, vid = 0, sticky = false } = options;
  const port = bridgePortOf(dev);
  const bridge: Bridge | null = port === null ? bridgeOf(dev) : port.bridge;
  if (bridge === null) return -EOPNOTSUPP;
  if (mac === MAC_ZERO) return -EINVAL;
  if (port === null && kind !== 'permanent') return -EINVAL;
  if (vid !== 0 && !vlanGroup(bridge, port ?? bridge).vlans.has(vid)) return -EINVAL;
  if (sticky && kind === 'permanent') return -EINVAL;
  if (port !== null && kind === 'dynamic') {
    if (port.state !== BR_STATE_LEARNING && port.state !== BR_STATE_FORWARDING) return -EPERM;
  }
  if (options.exclusive && bridge.fdb.find(mac, vid) !== undefined) return -EEXIST;
  const entry = write(bridge, dev, mac, options);
  if (entry === null) return 0;
  entry.sticky = sticky;
  entry.byUser = true;
  entry.externLearn = options.externLearn === true;
  return 0;
}

function write(
  bridge: Bridge,
  dev: NetDevice,
  mac: number,
  options: FdbAddOptions,
): FdbEntry | null {
  const { kind, vid = 0 } = options;
  if (kind !== 'dynamic') return bridge.fdb.add(mac, dev, kind === 'permanent', vid);
  bridge.fdb.remove(mac, vid);
  return bridge.fdb.learn(mac, dev, vid, true);
}

/** `-ENOENT`: it is not there, or behind another port. */
export function bridgeFdbDel(dev: NetDevice, mac: number, vid = 0): number {
  const bridge = bridgePortOf(dev)?.bridge ?? bridgeOf(dev);
  if (bridge === null) return -EOPNOTSUPP;
  if (bridge.fdb.exact(mac, vid)?.dev !== dev || bridge.fdb.find(mac, vid) === undefined)
    return -ENOENT;
  bridge.fdb.remove(mac, vid);
  return 0;
}

/** Which entries go; absent: whatever it is. */
export interface FdbFilter {
  readonly dev?: NetDevice;
  readonly vid?: number;
  readonly kind?: FdbKind;
}

/** Of a bridge all, of a port its own (`br_fdb_delete_bulk`). `-EOPNOTSUPP`; `-EINVAL`: a port of another. */
export function flushFdb(dev: NetDevice, filter: FdbFilter): number {
  const port = bridgePortOf(dev);
  const bridge = port?.bridge ?? bridgeOf(dev);
  if (bridge === null) return -EOPNOTSUPP;
  const only = filter.dev ?? (port === null ? undefined : dev);
  if (only !== undefined && only !== bridge.dev && bridgePortOf(only)?.bridge !== bridge)
    return -EINVAL;
  for (const entry of bridge.fdb.list()) {
    if (only !== undefined && entry.dev !== only) continue;
    if (filter.vid !== undefined && entry.vid !== filter.vid) continue;
    if (filter.kind !== undefined && filter.kind !== kindOf(entry)) continue;
    bridge.fdb.remove(entry.mac, entry.vid);
  }
  return 0;
}

function kindOf(entry: FdbEntry): FdbKind {
  if (entry.local) return 'permanent';
  return entry.isStatic ? 'static' : 'dynamic';
}

/** An address that a device takes beside its own (`ndo_dflt_fdb_add`). `-EINVAL`: not a permanent one. */
export function selfAdd(
  dev: NetDevice,
  mac: number,
  permanent: boolean,
  exclusive: boolean,
): number {
  if (!permanent || mac === MAC_ZERO) return -EINVAL;
  const macs = dev.multicastMacs ?? new Map<number, number>();
  if (exclusive && macs.has(mac) && !isGroupMac(mac)) return -EEXIST;
  macs.set(mac, (macs.get(mac) ?? 0) + 1);
  dev.multicastMacs = macs;
  return 0;
}

/** `-ENOENT` */
export function selfDel(dev: NetDevice, mac: number): number {
  const count = dev.multicastMacs?.get(mac) ?? 0;
  if (count === 0) return -ENOENT;
  if (count > 1) dev.multicastMacs?.set(mac, count - 1);
  else dev.multicastMacs?.delete(mac);
  return 0;
}
