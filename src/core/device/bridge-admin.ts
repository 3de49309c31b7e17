/** `bridge fdb add|replace|del` (Linux `br_fdb_add`, `br_fdb_delete`). */
import { EEXIST, EINVAL, ENOENT, EOPNOTSUPP, EPERM } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import { MAC_ZERO } from '../util/address.ts';
import {
  BR_STATE_FORWARDING,
  BR_STATE_LEARNING,
  type Bridge,
  bridgeOf,
  bridgePortOf,
} from './bridge-port.ts';

/** `'permanent'`: our own address; `'static'`: never forgotten; `'dynamic'`: as if it had been learnt. */
export type FdbKind = 'permanent' | 'static' | 'dynamic';

/**
 * Adds an address behind a port, or of the bridge itself. `-EINVAL` (zeros; not permanent on the bridge),
 * `-EEXIST` when `exclusive`, `-EPERM` (dynamic, and the port does not forward), `-EOPNOTSUPP` (no port).
 */
export function bridgeFdbAdd(
  dev: NetDevice,
  mac: number,
  kind: FdbKind,
  exclusive: boolean,
): number {
  const port = bridgePortOf(dev);
  const bridge: Bridge | null = port === null ? bridgeOf(dev) : port.bridge;
  if (bridge === null) return -EOPNOTSUPP;
  if (mac === MAC_ZERO) return -EINVAL;
  if (port === null && kind !== 'permanent') return -EINVAL;
  if (port !== null && kind === 'dynamic') {
    if (port.state !== BR_STATE_LEARNING && port.state !== BR_STATE_FORWARDING) return -EPERM;
  }
  if (exclusive && bridge.fdb.find(mac) !== undefined) return -EEXIST;
  if (kind === 'dynamic') {
    bridge.fdb.remove(mac);
    bridge.fdb.learn(mac, dev);
    return 0;
  }
  bridge.fdb.add(mac, dev, kind === 'permanent').byUser = true;
  return 0;
}

/** `-ENOENT`: it is not there, or behind another port. */
export function bridgeFdbDel(dev: NetDevice, mac: number): number {
  const bridge = bridgePortOf(dev)?.bridge ?? bridgeOf(dev);
  if (bridge === null) return -EOPNOTSUPP;
  if (bridge.fdb.find(mac)?.dev !== dev) return -ENOENT;
  bridge.fdb.remove(mac);
  return 0;
}
