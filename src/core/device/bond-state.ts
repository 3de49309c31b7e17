/** A bond and its slaves, as state (Linux `struct bonding`, `struct slave`, `bond_options.c`). */
import type { NetDevice } from '../link/net-device.ts';
import type { Timer } from '../timer.ts';

export type BondMode = 'active-backup' | 'balance-xor';
export type BondHashPolicy = 'layer2' | 'layer2+3' | 'layer3+4';
export type PrimaryReselect = 'always' | 'better' | 'failure';
export type FailOverMac = 'none' | 'active';

/** Settings (`struct bond_params`). */
export interface BondParams {
  readonly mode: BondMode;
  /** How often slaves are looked at, ms; 0: never, they are all taken to be well. */
  readonly miimon: number;
  /** ms that a slave has to be well, or ill, before it counts as such. */
  readonly updelay: number;
  readonly downdelay: number;
  /** Name of the slave that is preferred; null: none. */
  readonly primary: string | null;
  readonly primaryReselect: PrimaryReselect;
  /** `'active'`: the bond takes the MAC of its active slave, instead of giving all its own. */
  readonly failOverMac: FailOverMac;
  readonly xmitHashPolicy: BondHashPolicy;
  /** Announcements of the addresses after a change of the active slave. */
  readonly numGratArp: number;
}

export const BOND_DEFAULTS: Omit<BondParams, 'mode'> = {
  miimon: 0,
  updelay: 0,
  downdelay: 0,
  primary: null,
  primaryReselect: 'always',
  failOverMac: 'none',
  xmitHashPolicy: 'layer2',
  numGratArp: 1,
};

/** How a slave is (`BOND_LINK_*`): well, perhaps ill, ill, perhaps well again. */
export type BondLink = 'up' | 'fail' | 'down' | 'back';

/** One slave: `NetDevice.rxHandlerData`. */
export class BondSlave {
  readonly dev: NetDevice;
  readonly bond: Bond;
  link: BondLink = 'down';
  /** Looks left before a change counts. */
  delay = 0;
  failures = 0;
  /** What it had before. */
  readonly permMac: number;
  readonly oldMtu: number;

  constructor(dev: NetDevice, bond: Bond) {
    this.dev = dev;
    this.bond = bond;
    this.permMac = dev.mac;
    this.oldMtu = dev.mtu;
  }
}

/** A bond's own state: `NetDevice.priv`. */
export class Bond {
  readonly dev: NetDevice;
  params: BondParams;
  readonly slaves: BondSlave[] = [];
  /** Mode active-backup: the one that sends and receives. */
  active: BondSlave | null = null;
  /** Mode balance-xor: those that send. Replaced, never changed. */
  usable: readonly BondSlave[] = [];
  /** The next look at the slaves; null while there is nothing to see. */
  timer: Timer | null = null;
  /** The primary slave came, or was named: it takes over whatever `primaryReselect` says (`force_primary`). */
  forcePrimary = true;
  /** The bond gives its slaves a MAC: their events are its own doing. */
  settingMac = false;

  constructor(dev: NetDevice, params: BondParams) {
    this.dev = dev;
    this.params = params;
  }
}

/** The driver's state; null when the device is no bond. */
export function bondOf(dev: NetDevice): Bond | null {
  return dev.priv instanceof Bond ? dev.priv : null;
}

/** The slave's state; null when the device is none. */
export function bondSlaveOf(dev: NetDevice): BondSlave | null {
  return dev.rxHandlerData instanceof BondSlave ? dev.rxHandlerData : null;
}
