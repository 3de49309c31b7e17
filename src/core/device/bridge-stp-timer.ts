/**
 * Timers of spanning tree (IEEE 802.1D §8.5.6, §8.5.7; Linux `net/bridge/br_stp_timer.c`). They are made
 * when a bridge first runs spanning tree.
 */
import type { Timer } from '../timer.ts';
import type { Bridge, BridgePort } from './bridge-port.ts';

/** What happens when one is due; told by `bridge-stp.ts`. */
export interface StpExpiry {
  readonly hello: (bridge: Bridge) => void;
  readonly tcn: (bridge: Bridge) => void;
  readonly topologyChange: (bridge: Bridge) => void;
  readonly messageAge: (port: BridgePort) => void;
  readonly forwardDelay: (port: BridgePort) => void;
  readonly hold: (port: BridgePort) => void;
}

/** Of a bridge. */
export class StpTimers {
  readonly hello: Timer;
  readonly tcn: Timer;
  readonly topologyChange: Timer;

  constructor(bridge: Bridge, expiry: StpExpiry) {
    const { kernel } = bridge.dev.net;
    this.hello = kernel.timer(() => expiry.hello(bridge));
    this.tcn = kernel.timer(() => expiry.tcn(bridge));
    this.topologyChange = kernel.timer(() => expiry.topologyChange(bridge));
  }

  clear(): void {
    this.hello.clear();
    this.tcn.clear();
    this.topologyChange.clear();
  }
}

/** Of a port. */
export class PortTimers {
  readonly messageAge: Timer;
  readonly forwardDelay: Timer;
  readonly hold: Timer;

  constructor(port: BridgePort, expiry: StpExpiry) {
    const { kernel } = port.dev.net;
    this.messageAge = kernel.timer(() => expiry.messageAge(port));
    this.forwardDelay = kernel.timer(() => expiry.forwardDelay(port));
    this.hold = kernel.timer(() => expiry.hold(port));
  }

  clear(): void {
    this.messageAge.clear();
    this.forwardDelay.clear();
    this.hold.clear();
  }
}
