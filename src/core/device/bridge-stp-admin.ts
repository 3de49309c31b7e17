/**
 * Ports and bridges that begin and stop to take part, and the settings of spanning tree (Linux
 * `net/bridge/br_stp_if.c`, the end of `br_stp.c`).
 */
import { EBUSY, EINVAL, ENETDOWN, ERANGE } from '../errno.ts';
import { isOperUp } from '../link/device-state.ts';
import type { Packet } from '../packet.ts';
import { readBpdu } from './bridge-bpdu.ts';
import { mcastDisablePort } from './bridge-mcast.ts';
import {
  BR_STATE_BLOCKING,
  BR_STATE_DISABLED,
  type Bridge,
  BridgeId,
  type BridgePort,
  notifyPort,
} from './bridge-port.ts';
import {
  becomeDesignatedPort,
  becomeRootBridge,
  configBpduGeneration,
  configurationUpdate,
  portStateSelection,
  receivedConfig,
  receivedTcn,
  setTopologyChange,
  stpTimers,
} from './bridge-stp.ts';

/** Limits in µs (IEEE 802.1D §8.10.2; Linux `net/bridge/br_private_stp.h`). */
const SECOND = 1_000_000;
const MIN_FORWARD_DELAY = 2 * SECOND;
const MAX_FORWARD_DELAY = 30 * SECOND;
const MIN_HELLO = SECOND;
const MAX_HELLO = 10 * SECOND;
const MIN_MAX_AGE = 6 * SECOND;
const MAX_MAX_AGE = 40 * SECOND;
const MAX_PORT_PRIORITY = 63;
const MAX_PATH_COST = 65_535;

export function stpEnablePort(port: BridgePort): void {
  becomeDesignatedPort(port);
  port.state = BR_STATE_BLOCKING;
  port.topologyChangeAck = false;
  port.configPending = false;
  portStateSelection(port.bridge);
  notifyPort(port);
}

/** Linux `br_stp_disable_port`: what was learnt there is forgotten. */
export function stpDisablePort(port: BridgePort): void {
  const { bridge } = port;
  const wasRoot = bridge.isRoot;
  becomeDesignatedPort(port);
  port.state = BR_STATE_DISABLED;
  port.topologyChangeAck = false;
  port.configPending = false;
  notifyPort(port);
  port.timers?.clear();
  port.forwardDelayAtUs = 0;
  if (port.backup === null) bridge.fdb.flushLearned(port.dev);
  mcastDisablePort(port);
  configurationUpdate(bridge);
  portStateSelection(bridge);
  if (bridge.isRoot && !wasRoot) becomeRootBridge(bridge);
}

/** The bridge goes up. */
export function stpEnableBridge(bridge: Bridge): void {
  if (bridge.stpEnabled) {
    stpTimers(bridge).hello.set(bridge.dev.net.kernel.nowUs + bridge.helloTimeUs);
    configBpduGeneration(bridge);
  }
  for (const port of bridge.ports) if (isOperUp(port.dev)) stpEnablePort(port);
}

/** The bridge goes down. */
export function stpDisableBridge(bridge: Bridge): void {
  for (const port of bridge.ports) if (port.state !== BR_STATE_DISABLED) stpDisablePort(port);
  setTopologyChange(bridge, false);
  bridge.topologyChangeDetected = false;
  bridge.timers?.clear();
}

/** `stp_state` (`br_stp_set_enabled`). */
export function stpSetEnabled(bridge: Bridge, on: boolean): void {
  if (on === bridge.stpEnabled) return;
  if (!on) {
    // LINUX: ports stay in the state in which they are (`br_stp_stop`).
    bridge.stpEnabled = false;
    return;
  }
  const delay = bridge.bridgeForwardDelayUs;
  setForwardDelay(bridge, Math.min(MAX_FORWARD_DELAY, Math.max(MIN_FORWARD_DELAY, delay)));
  bridge.stpEnabled = true;
  if (bridge.dev.up) stpTimers(bridge).hello.set(bridge.dev.net.kernel.nowUs + bridge.helloTimeUs);
  portStateSelection(bridge);
}

function setForwardDelay(bridge: Bridge, us: number): void {
  bridge.bridgeForwardDelayUs = us;
  if (bridge.isRoot) bridge.forwardDelayUs = us;
}

/** -ERANGE; any time goes while spanning tree is off. */
export function stpSetForwardDelay(bridge: Bridge, us: number): number {
  if (bridge.stpEnabled && (us < MIN_FORWARD_DELAY || us > MAX_FORWARD_DELAY)) return -ERANGE;
  setForwardDelay(bridge, us);
  return 0;
}

export function stpSetHelloTime(bridge: Bridge, us: number): number {
  if (us < MIN_HELLO || us > MAX_HELLO) return -ERANGE;
  bridge.bridgeHelloTimeUs = us;
  if (bridge.isRoot) bridge.helloTimeUs = us;
  return 0;
}

export function stpSetMaxAge(bridge: Bridge, us: number): number {
  if (us < MIN_MAX_AGE || us > MAX_MAX_AGE) return -ERANGE;
  bridge.bridgeMaxAgeUs = us;
  if (bridge.isRoot) bridge.maxAgeUs = us;
  return 0;
}

/** Another priority or MAC of the bridge (`br_stp_set_bridge_priority`, `br_stp_change_bridge_id`). */
export function stpChangeId(bridge: Bridge, prio: number, mac: number): void {
  const old = bridge.id;
  const wasRoot = bridge.isRoot;
  bridge.id = new BridgeId(prio, mac);
  for (const port of bridge.ports) {
    if (port.designatedBridge.compare(old) === 0) port.designatedBridge = bridge.id;
    if (port.designatedRoot.mac === old.mac && mac !== old.mac)
      port.designatedRoot = new BridgeId(port.designatedRoot.prio, mac);
  }
  configurationUpdate(bridge);
  portStateSelection(bridge);
  if (bridge.isRoot && !wasRoot) becomeRootBridge(bridge);
}

export function stpSetPortPriority(port: BridgePort, priority: number): number {
  if (priority > MAX_PORT_PRIORITY) return -ERANGE;
  const { bridge } = port;
  const designated = port.isDesignated;
  port.priority = priority;
  if (designated) port.designatedPort = port.portId;
  if (bridge.id.compare(port.designatedBridge) === 0 && port.portId < port.designatedPort) {
    becomeDesignatedPort(port);
    portStateSelection(bridge);
  }
  return 0;
}

export function stpSetPathCost(port: BridgePort, cost: number): number {
  if (cost < 1 || cost > MAX_PATH_COST) return -ERANGE;
  port.cost = cost;
  configurationUpdate(port.bridge);
  portStateSelection(port.bridge);
  return 0;
}

/** `br_set_port_state`: by hand only while spanning tree is off. */
export function stpSetPortState(port: BridgePort, state: number): number {
  if (state > BR_STATE_BLOCKING) return -EINVAL;
  if (port.bridge.stpEnabled) return -EBUSY;
  if (!port.dev.up || (!isOperUp(port.dev) && state !== BR_STATE_DISABLED)) return -ENETDOWN;
  port.state = state;
  portStateSelection(port.bridge);
  return 0;
}

/** A frame to the bridge group address (`br_stp_rcv`). The packet is not taken. */
export function stpReceive(pkt: Packet, port: BridgePort): void {
  const { bridge } = port;
  if (!bridge.dev.up || port.state === BR_STATE_DISABLED) return;
  if (pkt.eth?.dst !== bridge.groupAddress) return;
  const bpdu = readBpdu(pkt);
  if (bpdu === null) return;
  if (port.bpduGuard) {
    stpDisablePort(port);
    return;
  }
  if (bpdu === 'tcn') receivedTcn(port);
  else if (bpdu.messageAgeUs <= bpdu.maxAgeUs) receivedConfig(port, bpdu);
}
