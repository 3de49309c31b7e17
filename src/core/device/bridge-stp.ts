/**
 * Spanning tree (IEEE 802.1D §8; Linux `net/bridge/br_stp.c`): who is the root, which port leads there,
 * which ports speak on their link, which must be silent. Without it every port that is up forwards.
 */
import { setCarrier } from '../link/device-state.ts';
import { type ConfigBpdu, sendConfigBpdu, sendTcnBpdu } from './bridge-bpdu.ts';
import { mcastEnablePort } from './bridge-mcast.ts';
import {
  BR_STATE_BLOCKING,
  BR_STATE_DISABLED,
  BR_STATE_FORWARDING,
  BR_STATE_LEARNING,
  BR_STATE_LISTENING,
  type Bridge,
  type BridgePort,
  notifyPort,
} from './bridge-port.ts';
import { PortTimers, type StpExpiry, StpTimers } from './bridge-stp-timer.ts';

/** Added to the age of what is passed on: 1/256 s (`MESSAGE_AGE_INCR`). */
const MESSAGE_AGE_INCR_US = 3906;
/** Shortest time between two configurations on one port (`BR_HOLD_TIME`). */
const HOLD_US = 1_000_000;

const EXPIRY: StpExpiry = {
  hello: helloExpired,
  tcn: tcnExpired,
  topologyChange: topologyChangeExpired,
  messageAge: messageAgeExpired,
  forwardDelay: forwardDelayExpired,
  hold: holdExpired,
};

export function stpTimers(bridge: Bridge): StpTimers {
  bridge.timers ??= new StpTimers(bridge, EXPIRY);
  return bridge.timers;
}

export function portTimers(port: BridgePort): PortTimers {
  port.timers ??= new PortTimers(port, EXPIRY);
  return port.timers;
}

function inUs(bridge: Bridge, us: number): number {
  return bridge.dev.net.kernel.nowUs + us;
}

/** Linux `br_should_become_root_port` */
function shouldBecomeRootPort(port: BridgePort, best: BridgePort | undefined): boolean {
  const { bridge } = port;
  if (port.state === BR_STATE_DISABLED || port.isDesignated) return false;
  if (bridge.id.compare(port.designatedRoot) <= 0) return false;
  if (best === undefined) return true;
  const order =
    port.designatedRoot.compare(best.designatedRoot) ||
    port.designatedCost + port.cost - (best.designatedCost + best.cost) ||
    port.designatedBridge.compare(best.designatedBridge) ||
    port.designatedPort - best.designatedPort ||
    port.portId - best.portId;
  return order < 0;
}

function rootSelection(bridge: Bridge): void {
  let best: BridgePort | undefined;
  for (const port of bridge.ports) {
    if (!shouldBecomeRootPort(port, best)) continue;
    if (port.rootBlock) rootPortBlock(port);
    else best = port;
  }
  bridge.rootPort = best?.portNo ?? 0;
  bridge.designatedRoot = best === undefined ? bridge.id : best.designatedRoot;
  bridge.rootPathCost = best === undefined ? 0 : best.designatedCost + best.cost;
}

/** A port that must not lead to the root hears of one: it listens, and no more (`br_root_port_block`). */
function rootPortBlock(port: BridgePort): void {
  port.state = BR_STATE_LISTENING;
  notifyPort(port);
  armForwardDelay(port);
}

/** Linux `br_become_root_bridge` */
export function becomeRootBridge(bridge: Bridge): void {
  bridge.maxAgeUs = bridge.bridgeMaxAgeUs;
  bridge.helloTimeUs = bridge.bridgeHelloTimeUs;
  bridge.forwardDelayUs = bridge.bridgeForwardDelayUs;
  topologyChangeDetection(bridge);
  bridge.timers?.tcn.clear();
  if (!bridge.stpEnabled || !bridge.dev.up) return;
  configBpduGeneration(bridge);
  stpTimers(bridge).hello.set(inUs(bridge, bridge.helloTimeUs));
}

/** Says on a port what is known of the tree (`br_transmit_config`). */
function transmitConfig(port: BridgePort): void {
  const { bridge } = port;
  // LINUX: without spanning tree nothing is ever sent (`br_send_bpdu`).
  if (!bridge.stpEnabled) return;
  const timers = portTimers(port);
  if (timers.hold.pending) {
    port.configPending = true;
    return;
  }
  const root = bridge.isRoot ? undefined : bridge.port(bridge.rootPort);
  const messageAgeUs =
    root === undefined ? 0 : inUs(bridge, MESSAGE_AGE_INCR_US) - root.designatedAgeUs;
  if (messageAgeUs >= bridge.maxAgeUs) return;
  sendConfigBpdu(port, {
    topologyChange: bridge.topologyChange,
    topologyChangeAck: port.topologyChangeAck,
    root: bridge.designatedRoot,
    rootPathCost: bridge.rootPathCost,
    bridge: bridge.id,
    portId: port.portId,
    messageAgeUs,
    maxAgeUs: bridge.maxAgeUs,
    helloTimeUs: bridge.helloTimeUs,
    forwardDelayUs: bridge.forwardDelayUs,
  });
  port.topologyChangeAck = false;
  port.configPending = false;
  timers.hold.set(inUs(bridge, HOLD_US));
}

function recordConfig(port: BridgePort, bpdu: ConfigBpdu): void {
  port.designatedRoot = bpdu.root;
  port.designatedCost = bpdu.rootPathCost;
  port.designatedBridge = bpdu.bridge;
  port.designatedPort = bpdu.portId;
  port.designatedAgeUs = inUs(port.bridge, -bpdu.messageAgeUs);
  portTimers(port).messageAge.set(inUs(port.bridge, bpdu.maxAgeUs - bpdu.messageAgeUs));
}

function shouldBecomeDesignated(port: BridgePort): boolean {
  const { bridge } = port;
  if (port.isDesignated) return true;
  if (port.designatedRoot.compare(bridge.designatedRoot) !== 0) return true;
  const order =
    bridge.rootPathCost - port.designatedCost ||
    bridge.id.compare(port.designatedBridge) ||
    port.portId - port.designatedPort;
  return order < 0;
}

function supersedes(port: BridgePort, bpdu: ConfigBpdu): boolean {
  const order =
    bpdu.root.compare(port.designatedRoot) ||
    bpdu.rootPathCost - port.designatedCost ||
    bpdu.bridge.compare(port.designatedBridge);
  if (order !== 0) return order < 0;
  if (bpdu.bridge.compare(port.bridge.id) !== 0) return true;
  return bpdu.portId <= port.designatedPort;
}

/** Something moved in the tree: addresses are to be forgotten soon (IEEE 802.1D §8.6.14). */
export function topologyChangeDetection(bridge: Bridge): void {
  if (!bridge.stpEnabled) return;
  const timers = stpTimers(bridge);
  if (bridge.isRoot) {
    setTopologyChange(bridge, true);
    timers.topologyChange.set(inUs(bridge, bridge.bridgeForwardDelayUs + bridge.bridgeMaxAgeUs));
  } else if (!bridge.topologyChangeDetected) {
    transmitTcn(bridge);
    timers.tcn.set(inUs(bridge, bridge.bridgeHelloTimeUs));
  }
  bridge.topologyChangeDetected = true;
}

function transmitTcn(bridge: Bridge): void {
  const port = bridge.port(bridge.rootPort);
  if (port !== undefined) sendTcnBpdu(port);
}

/** While the topology changes, addresses live for the forward delay only (`hold_time`). */
export function setTopologyChange(bridge: Bridge, on: boolean): void {
  if (bridge.stpEnabled && bridge.topologyChange !== on) {
    bridge.fdb.shortAgeingUs = on ? bridge.forwardDelayUs : -1;
    bridge.fdb.touch();
  }
  bridge.topologyChange = on;
}

export function configBpduGeneration(bridge: Bridge): void {
  for (const port of bridge.ports)
    if (port.state !== BR_STATE_DISABLED && port.isDesignated) transmitConfig(port);
}

/** Linux `br_configuration_update` */
export function configurationUpdate(bridge: Bridge): void {
  rootSelection(bridge);
  for (const port of bridge.ports)
    if (port.state !== BR_STATE_DISABLED && shouldBecomeDesignated(port))
      becomeDesignatedPort(port);
}

export function becomeDesignatedPort(port: BridgePort): void {
  const { bridge } = port;
  port.designatedRoot = bridge.designatedRoot;
  port.designatedCost = bridge.rootPathCost;
  port.designatedBridge = bridge.id;
  port.designatedPort = port.portId;
}

function armForwardDelay(port: BridgePort): void {
  const { bridge } = port;
  if (bridge.forwardDelayUs === 0) return;
  port.forwardDelayAtUs = inUs(bridge, bridge.forwardDelayUs);
  // LINUX: runs without spanning tree too, for nothing; here it only counts as if it did.
  if (bridge.stpEnabled) portTimers(port).forwardDelay.set(port.forwardDelayAtUs);
}

function clearForwardDelay(port: BridgePort): void {
  port.forwardDelayAtUs = 0;
  port.timers?.forwardDelay.clear();
}

function makeBlocking(port: BridgePort): void {
  if (port.state === BR_STATE_DISABLED || port.state === BR_STATE_BLOCKING) return;
  if (port.state === BR_STATE_FORWARDING || port.state === BR_STATE_LEARNING)
    topologyChangeDetection(port.bridge);
  port.state = BR_STATE_BLOCKING;
  notifyPort(port);
  clearForwardDelay(port);
}

function makeForwarding(port: BridgePort): void {
  const { bridge } = port;
  if (port.state !== BR_STATE_BLOCKING) return;
  if (!bridge.stpEnabled || bridge.forwardDelayUs === 0) {
    port.state = BR_STATE_FORWARDING;
    topologyChangeDetection(bridge);
    clearForwardDelay(port);
  } else port.state = BR_STATE_LISTENING;
  notifyPort(port);
  armForwardDelay(port);
}

/** The state of each port, and with it the bridge's carrier (`br_port_state_selection`). */
export function portStateSelection(bridge: Bridge): void {
  let live = 0;
  for (const port of bridge.ports) {
    if (port.state === BR_STATE_DISABLED) continue;
    if (port.portNo === bridge.rootPort) {
      port.configPending = false;
      port.topologyChangeAck = false;
      makeForwarding(port);
    } else if (port.isDesignated) {
      port.timers?.messageAge.clear();
      makeForwarding(port);
    } else {
      port.configPending = false;
      port.topologyChangeAck = false;
      makeBlocking(port);
    }
    if (port.state !== BR_STATE_BLOCKING) mcastEnablePort(port);
    if (port.state === BR_STATE_FORWARDING) live++;
  }
  setCarrier(bridge.dev, live > 0);
}

/** Linux `br_received_config_bpdu` */
export function receivedConfig(port: BridgePort, bpdu: ConfigBpdu): void {
  const { bridge } = port;
  if (!supersedes(port, bpdu)) {
    if (port.isDesignated) transmitConfig(port);
    return;
  }
  const wasRoot = bridge.isRoot;
  recordConfig(port, bpdu);
  configurationUpdate(bridge);
  portStateSelection(bridge);
  const timers = stpTimers(bridge);
  if (!bridge.isRoot && wasRoot) {
    timers.hello.clear();
    if (bridge.topologyChangeDetected) {
      timers.topologyChange.clear();
      transmitTcn(bridge);
      timers.tcn.set(inUs(bridge, bridge.bridgeHelloTimeUs));
    }
  }
  if (port.portNo !== bridge.rootPort) return;
  bridge.maxAgeUs = bpdu.maxAgeUs;
  bridge.helloTimeUs = bpdu.helloTimeUs;
  bridge.forwardDelayUs = bpdu.forwardDelayUs;
  setTopologyChange(bridge, bpdu.topologyChange);
  configBpduGeneration(bridge);
  if (!bpdu.topologyChangeAck) return;
  bridge.topologyChangeDetected = false;
  timers.tcn.clear();
}

/** Linux `br_received_tcn_bpdu` */
export function receivedTcn(port: BridgePort): void {
  if (!port.isDesignated) return;
  topologyChangeDetection(port.bridge);
  port.topologyChangeAck = true;
  transmitConfig(port);
}

function helloExpired(bridge: Bridge): void {
  if (!bridge.dev.up) return;
  configBpduGeneration(bridge);
  if (bridge.stpEnabled) stpTimers(bridge).hello.set(inUs(bridge, bridge.helloTimeUs));
}

function tcnExpired(bridge: Bridge): void {
  if (bridge.isRoot || !bridge.dev.up) return;
  transmitTcn(bridge);
  stpTimers(bridge).tcn.set(inUs(bridge, bridge.bridgeHelloTimeUs));
}

function topologyChangeExpired(bridge: Bridge): void {
  bridge.topologyChangeDetected = false;
  setTopologyChange(bridge, false);
}

/** Nothing was heard for too long: the one who spoke there is gone. */
function messageAgeExpired(port: BridgePort): void {
  const { bridge } = port;
  if (port.state === BR_STATE_DISABLED) return;
  const wasRoot = bridge.isRoot;
  becomeDesignatedPort(port);
  configurationUpdate(bridge);
  portStateSelection(bridge);
  if (bridge.isRoot && !wasRoot) becomeRootBridge(bridge);
}

function forwardDelayExpired(port: BridgePort): void {
  const { bridge } = port;
  if (port.state === BR_STATE_LISTENING) {
    port.state = BR_STATE_LEARNING;
    armForwardDelay(port);
  } else if (port.state === BR_STATE_LEARNING) {
    port.state = BR_STATE_FORWARDING;
    const speaks = bridge.ports.some(
      (p) => p.state !== BR_STATE_DISABLED && p.designatedBridge.compare(bridge.id) === 0,
    );
    if (speaks) topologyChangeDetection(bridge);
    setCarrier(bridge.dev, true);
  }
  notifyPort(port);
}

function holdExpired(port: BridgePort): void {
  if (port.configPending) transmitConfig(port);
}
