/** The kinds of devices that have options of their own, beside those of `link-add.ts`. */
import { ifbAdd } from '../../device/ifb.ts';
import { EOPNOTSUPP } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import {
  addIpvlan,
  changeIpvlan,
  type IpvlanInfo,
  type IpvlanOptions,
  ipvlanInfo,
} from './ipvlan.ts';
import type { KindAdd } from './kind.ts';
import { kernelError } from './kind.ts';
import { changeNetkit, type NetkitInfo, type NetkitOptions, netkitInfo } from './netkit.ts';

/** Kinds that `addKind` makes. */
export type OtherKind = 'ifb' | 'ipvlan' | 'netkit';

/** What each kind takes, under its own name. */
export interface KindOptions {
  readonly ipvlan?: IpvlanOptions;
  readonly netkit?: NetkitOptions;
}

/** What `ip -d link show` tells of a kind. */
export type KindInfo = IpvlanInfo | NetkitInfo;

/** Makes a device; pairs are made by `link-add.ts`. */
export function addKind(add: KindAdd): NetDevice | number {
  switch (add.spec.kind) {
    case 'ifb':
      return ifbAdd(add.common);
    case 'ipvlan':
      return addIpvlan(add);
    default:
      return -EOPNOTSUPP;
  }
}

/** `ip link set DEV type KIND …`. Throws. */
export function changeKind(dev: NetDevice, options: KindOptions): void {
  const { ipvlan, netkit } = options;
  if (ipvlan !== undefined) changeIpvlan(ofKind(dev, 'ipvlan'), ipvlan);
  if (netkit !== undefined) changeNetkit(ofKind(dev, 'netkit'), netkit);
}

/** Options of another kind are refused (`rtnl_changelink`). */
function ofKind(dev: NetDevice, kind: string): NetDevice {
  if (dev.ops.kind !== kind) kernelError(EOPNOTSUPP);
  return dev;
}

/** Null of a kind without options. */
export function kindInfo(dev: NetDevice): KindInfo | null {
  return netkitInfo(dev) ?? ipvlanInfo(dev);
}

/** `options` without what belongs to single kinds: what every device has. */
export function withoutKinds<T extends KindOptions>(options: T): Omit<T, keyof KindOptions> {
  const { netkit: _netkit, ipvlan: _ipvlan, ...rest } = options;
  return rest;
}

/** The kernel's sentence when `dev` cannot join `master`; '' when it has none. */
export function slaveRefusal(_master: NetDevice, _dev: NetDevice, _errno: number): string {
  return '';
}
