/** `ip link add … type vrf table N` (Linux `vrf_newlink`). */
import { vrfAdd, vrfTableOf } from '../../device/vrf.ts';
import { EINVAL } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { tableNumber } from '../names.ts';
import { type KindAdd, kernelError } from './kind.ts';

export interface VrfOptions {
  /** Number or name of its routing table. */
  readonly table: number | string;
}

export interface VrfInfo {
  readonly kind: 'vrf';
  readonly table: number;
}

export function addVrf({ spec, common }: KindAdd): NetDevice | number {
  if (spec.vrf === undefined) kernelError(EINVAL, 'VRF table id is missing');
  const { table } = spec.vrf;
  const id = typeof table === 'number' ? table : tableNumber(table);
  if (id === undefined || id === 0) kernelError(EINVAL, 'Invalid VRF table id');
  return vrfAdd({ ...common, table: id });
}

export function vrfInfo(dev: NetDevice): VrfInfo | null {
  const table = vrfTableOf(dev);
  return table === 0 ? null : { kind: 'vrf', table };
}
