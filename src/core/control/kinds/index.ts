/** The kinds of devices that have options of their own, beside those of `link-add.ts`. */
import { ifbAdd } from '../../device/ifb.ts';
import { vrfRefusal, vrfTableOf } from '../../device/vrf.ts';
import { EOPNOTSUPP } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { TunnelKind } from '../../tunnel/table.ts';
import type { Namespace } from '../namespace.ts';
import {
  addBond,
  type BondInfo,
  type BondOptions,
  type BondSlaveInfo,
  bondInfo,
  bondSentence,
  bondSlaveInfo,
  changeBond,
} from './bond.ts';
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
import {
  addTunnel,
  changeTunnel,
  type TunnelInfo,
  type TunnelOptions,
  tunnelInfo,
} from './tunnel.ts';
import { addVenet, type VenetInfo, type VenetOptions, venetInfo } from './venet.ts';
import { addVrf, type VrfInfo, type VrfOptions, vrfInfo } from './vrf.ts';
import { addVxlan, type VxlanInfo, type VxlanOptions, vxlanInfo } from './vxlan.ts';

/** Kinds that `addKind` makes. */
export type OtherKind =
  | 'ifb'
  | 'ipvlan'
  | 'netkit'
  | 'vrf'
  | 'venet'
  | TunnelKind
  | 'vxlan'
  | 'bond';

/** What each kind takes, under its own name. */
export interface KindOptions {
  readonly ipvlan?: IpvlanOptions;
  readonly netkit?: NetkitOptions;
  readonly bond?: BondOptions;
  readonly vxlan?: VxlanOptions;
  /** ipip, sit, gre, gretap */
  readonly tunnel?: TunnelOptions;
  readonly venet?: VenetOptions;
  /** For life. */
  readonly vrf?: VrfOptions;
}

/** What `ip -d link show` tells of a kind. */
export type KindInfo =
  | IpvlanInfo
  | NetkitInfo
  | VrfInfo
  | VenetInfo
  | TunnelInfo
  | VxlanInfo
  | BondInfo;

/** Makes a device; pairs are made by `link-add.ts`. */
export function addKind(add: KindAdd): NetDevice | number {
  switch (add.spec.kind) {
    case 'ifb':
      return ifbAdd(add.common);
    case 'ipvlan':
      return addIpvlan(add);
    case 'vrf':
      return addVrf(add);
    case 'venet':
      return addVenet(add);
    case 'ipip':
    case 'sit':
    case 'gre':
    case 'gretap':
      return addTunnel(add, add.spec.kind);
    case 'vxlan':
      return addVxlan(add);
    case 'bond':
      return addBond(add);
    default:
      return -EOPNOTSUPP;
  }
}

/** `ip link set DEV type KIND …`. Throws. */
export function changeKind(dev: NetDevice, options: KindOptions): void {
  const { ipvlan, netkit, vrf } = options;
  if (options.venet !== undefined) kernelError(EOPNOTSUPP);
  if (options.vxlan !== undefined) kernelError(EOPNOTSUPP);
  if (vrf !== undefined) kernelError(EOPNOTSUPP);
  if (ipvlan !== undefined) changeIpvlan(ofKind(dev, 'ipvlan'), ipvlan);
  if (options.tunnel !== undefined) changeTunnel(dev, options.tunnel);
  if (options.bond !== undefined) changeBond(ofKind(dev, 'bond'), options.bond);
  if (netkit !== undefined) changeNetkit(ofKind(dev, 'netkit'), netkit);
}

/** Options of another kind are refused (`rtnl_changelink`). */
function ofKind(dev: NetDevice, kind: string): NetDevice {
  if (dev.ops.kind !== kind) kernelError(EOPNOTSUPP);
  return dev;
}

/** Null of a kind without options. */
export function kindInfo(dev: NetDevice): KindInfo | null {
  return (
    netkitInfo(dev) ??
    ipvlanInfo(dev) ??
    vrfInfo(dev) ??
    venetInfo(dev) ??
    tunnelInfo(dev) ??
    vxlanInfo(dev) ??
    bondInfo(dev)
  );
}

/** `options` without what belongs to single kinds: what every device has. */
export function withoutKinds<T extends KindOptions>(options: T): Omit<T, keyof KindOptions> {
  const {
    netkit: _netkit,
    ipvlan: _ipvlan,
    vrf: _vrf,
    venet: _venet,
    tunnel: _tunnel,
    vxlan: _vxlan,
    bond: _bond,
    ...rest
  } = options;
  return rest;
}

/** The kernel's sentence when `dev` cannot join `master`; '' when it has none. */
export function slaveRefusal(master: NetDevice, dev: NetDevice, errno: number): string {
  if (errno >= 0) return '';
  if (vrfTableOf(master) !== 0) return vrfRefusal(dev);
  return master.ops.kind === 'bond' ? bondSentence(master, dev) : '';
}

/** Number of a vrf's table; undefined: there is no vrf of that name. */
export function vrfTable(ns: Namespace, name: string): number | undefined {
  const dev = ns.net.devs.find(name);
  return dev === undefined ? undefined : vrfTableOf(dev) || undefined;
}

/** What a device tells of itself as one of a bond or a vrf. */
export type SlaveInfo = BondSlaveInfo | VrfInfo;

/** Null of a device that belongs to neither. */
export function slaveInfo(dev: NetDevice): SlaveInfo | null {
  const { master } = dev;
  return master === null ? null : (bondSlaveInfo(dev) ?? vrfInfo(master));
}
