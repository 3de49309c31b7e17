/** `ip link … type bond` (Linux `bond_netlink.c`). */
import { bondAdd, bondChange, bondRefusal } from '../../device/bond.ts';
import {
  BOND_DEFAULTS,
  type BondHashPolicy,
  type BondMode,
  type BondParams,
  bondOf,
  bondSlaveOf,
  type FailOverMac,
  type PrimaryReselect,
} from '../../device/bond-state.ts';
import { EOPNOTSUPP } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { formatMac } from '../../util/address.ts';
import { findDevice } from '../find-device.ts';
import { type KindAdd, kernelError } from './kind.ts';

export interface BondOptions {
  /** Must be given: Linux's own default, balance-rr, is not there. */
  readonly mode?: BondMode;
  /** ms; 0 when absent: carriers are not looked at. */
  readonly miimon?: number;
  readonly updelay?: number;
  readonly downdelay?: number;
  readonly primary?: string | null;
  readonly primaryReselect?: PrimaryReselect;
  readonly failOverMac?: FailOverMac;
  readonly xmitHashPolicy?: BondHashPolicy;
  readonly numGratArp?: number;
  /** Later only; null: whichever is best. */
  readonly activeSlave?: string | null;
}

export interface BondInfo extends BondParams {
  readonly kind: 'bond';
  readonly activeSlave: string | null;
}

/** What a slave tells of itself. */
export interface BondSlaveInfo {
  readonly kind: 'bond';
  readonly state: 'ACTIVE' | 'BACKUP';
  readonly miiStatus: 'UP' | 'GOING_DOWN' | 'DOWN' | 'GOING_BACK';
  readonly failures: number;
  readonly permAddress: string;
}

export function addBond({ spec, common }: KindAdd): NetDevice | number {
  const { mode, activeSlave: _active, ...rest } = spec.bond ?? {};
  if (mode !== 'active-backup' && mode !== 'balance-xor')
    kernelError(
      EOPNOTSUPP,
      `bonding mode ${mode ?? 'balance-rr (the default)'} is not implemented; use active-backup or balance-xor`,
    );
  return bondAdd(common, { ...BOND_DEFAULTS, ...rest, mode });
}

export function changeBond(dev: NetDevice, options: BondOptions): void {
  const { activeSlave, ...rest } = options;
  const active =
    activeSlave === undefined
      ? {}
      : { activeSlave: activeSlave === null ? null : findDevice(dev.net, activeSlave) };
  const refusal = bondChange(dev, { ...rest, ...active });
  if (refusal !== null) kernelError(refusal.errno, refusal.detail);
}

export function bondInfo(dev: NetDevice): BondInfo | null {
  const bond = bondOf(dev);
  if (bond === null) return null;
  return { kind: 'bond', ...bond.params, activeSlave: bond.active?.dev.name ?? null };
}

const STATUS = { up: 'UP', fail: 'GOING_DOWN', down: 'DOWN', back: 'GOING_BACK' } as const;

export function bondSlaveInfo(dev: NetDevice): BondSlaveInfo | null {
  const slave = bondSlaveOf(dev);
  if (slave === null) return null;
  const { bond } = slave;
  const backup = bond.params.mode === 'active-backup' && bond.active !== slave;
  return {
    kind: 'bond',
    state: backup ? 'BACKUP' : 'ACTIVE',
    miiStatus: STATUS[slave.link],
    failures: slave.failures,
    permAddress: formatMac(slave.permMac),
  };
}

/** The kernel's sentence when `dev` cannot join; '' when it has none. */
export function bondSentence(bond: NetDevice, dev: NetDevice): string {
  return bondRefusal(bond, dev)?.detail ?? '';
}
