/** A device with macvlans on it, as state (Linux `struct macvlan_port`, `struct macvlan_dev`). */
import type { NetDevice } from '../link/net-device.ts';

/** Whom a macvlan may talk to among those that share its device. */
export type MacvlanMode = 'private' | 'vepa' | 'bridge' | 'passthru' | 'source';

/** Modes by number (`enum macvlan_mode`), to be or-ed. */
export const MODE_PRIVATE = 1;
export const MODE_VEPA = 2;
export const MODE_BRIDGE = 4;
export const MODE_PASSTHRU = 8;
export const MODE_SOURCE = 16;

export const MODES: Readonly<Record<MacvlanMode, number>> = {
  private: MODE_PRIVATE,
  vepa: MODE_VEPA,
  bridge: MODE_BRIDGE,
  passthru: MODE_PASSTHRU,
  source: MODE_SOURCE,
};

/** The name of a `MODE_*`. */
export function modeName(mode: number): MacvlanMode {
  const names = Object.keys(MODES) as MacvlanMode[];
  return names.find((name) => MODES[name] === mode) ?? 'vepa';
}

/** The driver's own state: `NetDevice.priv`. */
export class Macvlan {
  readonly dev: NetDevice;
  readonly port: MacvlanPort;
  /** `MODE_*` */
  mode: number;
  /** Mode source: MACs whose frames it gets. */
  sources: ReadonlySet<number> = new Set();

  constructor(dev: NetDevice, port: MacvlanPort, mode: number) {
    this.dev = dev;
    this.port = port;
    this.mode = mode;
  }
}

/** State of the device below: `NetDevice.rxHandlerData`. */
export class MacvlanPort {
  readonly dev: NetDevice;
  readonly vlans: Macvlan[] = [];
  /** Those that are up, by their MAC. */
  readonly byMac: Map<number, Macvlan> = new Map();
  /** One macvlan has the device for itself. */
  passthru = false;
  /** How many are in mode source: frames are copied only then. */
  sourceCount = 0;

  constructor(dev: NetDevice) {
    this.dev = dev;
  }
}

/** The driver's state; null when the device is no macvlan. */
export function macvlanOf(dev: NetDevice): Macvlan | null {
  return dev.priv instanceof Macvlan ? dev.priv : null;
}

/** The port's state; null when there are no macvlans on the device. */
export function macvlanPortOf(dev: NetDevice): MacvlanPort | null {
  return dev.rxHandlerData instanceof MacvlanPort ? dev.rxHandlerData : null;
}
