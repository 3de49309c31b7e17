/** `ip link … type netkit` (Linux `netkit_new_link`, `netkit_change_link`, `netkit_fill_info`). */
import type { EtherSpec } from '../../device/ether.ts';
import {
  type NetkitMode,
  type NetkitPolicy,
  netkitAdd,
  netkitChange,
  netkitOf,
} from '../../device/netkit.ts';
import { EACCES, EINVAL } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { kernelError } from './kind.ts';

export interface NetkitOptions {
  /** `'l3'` when absent: no MACs, no ARP. For life. */
  readonly mode?: NetkitMode;
  /** What leaves by the first end, and by its peer; `'forward'` when absent. */
  readonly policy?: NetkitPolicy;
  readonly peerPolicy?: NetkitPolicy;
}

export interface NetkitInfo extends Required<NetkitOptions> {
  readonly kind: 'netkit';
  readonly primary: boolean;
}

export function addNetkit(
  primary: EtherSpec,
  peer: EtherSpec,
  options: NetkitOptions,
): [NetDevice, NetDevice] | number {
  checkOptions(options);
  return netkitAdd(primary, peer, options);
}

function checkOptions({ mode, policy, peerPolicy }: NetkitOptions): void {
  if (mode !== undefined && mode !== 'l2' && mode !== 'l3')
    kernelError(EINVAL, 'Provided device mode can only be L2 or L3');
  for (const p of [policy, peerPolicy])
    if (p !== undefined && p !== 'forward' && p !== 'blackhole')
      kernelError(EINVAL, 'Provided default xmit policy not supported');
}

export function changeNetkit(dev: NetDevice, options: NetkitOptions): void {
  if (netkitOf(dev)?.primary === false)
    kernelError(EACCES, 'netkit link settings can be changed only through the primary device');
  if (options.mode !== undefined)
    kernelError(EACCES, 'netkit link operating mode cannot be changed after device creation');
  checkOptions(options);
  netkitChange(dev, options.policy, options.peerPolicy);
}

export function netkitInfo(dev: NetDevice): NetkitInfo | null {
  const state = netkitOf(dev);
  if (state === null) return null;
  const { mode, primary, policy, peer } = state;
  const peerPolicy = (peer === null ? null : netkitOf(peer))?.policy ?? 'forward';
  return { kind: 'netkit', mode, primary, policy, peerPolicy };
}
