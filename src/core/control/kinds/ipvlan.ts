/** `ip link … type ipvlan` (Linux `ipvlan_link_new`, `ipvlan_nl_changelink`). */
import { ipvlanAdd, ipvlanChange } from '../../device/ipvlan.ts';
import {
  type IpvlanFlag,
  type IpvlanMode,
  ipvlanOf,
  ipvlanPortOf,
} from '../../device/ipvlan-port.ts';
import { EBUSY, EINVAL } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { ARPHRD_ETHER } from '../../wire/arp.ts';
import { check, type KindAdd, kernelError } from './kind.ts';

export interface IpvlanOptions {
  /** `'l3'` when absent. One for all that share a device. */
  readonly mode?: IpvlanMode;
  /** `'bridge'`: they talk to each other; `'private'`: they do not; `'vepa'`: by way of the outside. */
  readonly flag?: IpvlanFlag;
}

export interface IpvlanInfo extends Required<IpvlanOptions> {
  readonly kind: 'ipvlan';
}

export function addIpvlan({ spec, common, lower }: KindAdd): NetDevice | number {
  if (lower === undefined) return -EINVAL;
  const master = ipvlanOf(lower)?.port.dev ?? lower;
  if (master.type !== ARPHRD_ETHER) kernelError(EINVAL, 'Master is either lo or non-ether device');
  if (ipvlanPortOf(master) === null && (master.rxHandler !== null || master.master !== null))
    kernelError(EBUSY, 'Device is already in use.');
  return ipvlanAdd({ ...common, lower, ...spec.ipvlan });
}

export function changeIpvlan(dev: NetDevice, { mode, flag }: IpvlanOptions): void {
  check(ipvlanChange(dev, mode, flag));
}

export function ipvlanInfo(dev: NetDevice): IpvlanInfo | null {
  const vlan = ipvlanOf(dev);
  return vlan === null ? null : { kind: 'ipvlan', mode: vlan.port.mode, flag: vlan.port.flag };
}
