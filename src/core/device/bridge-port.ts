/** A bridge and its ports, as state (Linux `struct net_bridge`, `struct net_bridge_port`). */
import type { NetDevice } from '../link/net-device.ts';
import { Fdb } from './bridge-fdb.ts';

/** States of a port (`include/uapi/linux/if_bridge.h`). */
export const BR_STATE_DISABLED = 0;
export const BR_STATE_LISTENING = 1;
export const BR_STATE_LEARNING = 2;
export const BR_STATE_FORWARDING = 3;
export const BR_STATE_BLOCKING = 4;

/** A bridge's own state: `NetDevice.priv`. */
export class Bridge {
  readonly dev: NetDevice;
  readonly fdb: Fdb;
  readonly ports: BridgePort[] = [];
  /** The MAC of the bridge id: the lowest of the ports', or what was set; 0 before there was a port. */
  idMac = 0;
  /** The MTU was set by somebody: it does not follow the ports (`BROPT_MTU_SET_BY_USER`). */
  mtuSetByUser = false;
  /** The bridge is about to follow its ports with its MTU. */
  adjustingMtu = false;

  constructor(dev: NetDevice) {
    this.dev = dev;
    this.fdb = new Fdb(dev.net.kernel);
  }
}

/** One port: `NetDevice.rxHandlerData`. Defaults are Linux's. */
export class BridgePort {
  readonly bridge: Bridge;
  readonly dev: NetDevice;
  /** From 1. */
  readonly portNo: number;
  /** `BR_STATE_*` */
  state: number = BR_STATE_DISABLED;
  /** Of a device with unknown or 10 Gbit/s speed (`port_cost`). */
  cost = 2;
  priority = 32;
  /** Frames may leave by the port on which they came. */
  hairpin = false;
  learning = true;
  /** Frames of an unknown destination, of a group, to all: leave by this port too. */
  flood = true;
  mcastFlood = true;
  bcastFlood = true;
  /** Frames do not pass from one isolated port to another. */
  isolated = false;

  constructor(bridge: Bridge, dev: NetDevice, portNo: number) {
    this.bridge = bridge;
    this.dev = dev;
    this.portNo = portNo;
  }
}

/** The bridge's state; null when the device is none. */
export function bridgeOf(dev: NetDevice): Bridge | null {
  return dev.priv instanceof Bridge ? dev.priv : null;
}

export function isBridge(dev: NetDevice): boolean {
  return dev.priv instanceof Bridge;
}

/** The port's state; null when the device is no port of a bridge. */
export function bridgePortOf(dev: NetDevice): BridgePort | null {
  return dev.rxHandlerData instanceof BridgePort ? dev.rxHandlerData : null;
}
