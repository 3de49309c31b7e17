/** A bridge and its ports, as state (Linux `struct net_bridge`, `struct net_bridge_port`). */
import type { NetDevice } from '../link/net-device.ts';
import { ETH_P_8021Q } from '../wire/ethernet.ts';
import { Fdb } from './bridge-fdb.ts';
import type { Mcast } from './bridge-mdb.ts';
import type { PortTimers, StpTimers } from './bridge-stp-timer.ts';
import type { VlanGroup } from './bridge-vlan.ts';

/** States of a port (`include/uapi/linux/if_bridge.h`). */
export const BR_STATE_DISABLED = 0;
export const BR_STATE_LISTENING = 1;
export const BR_STATE_LEARNING = 2;
export const BR_STATE_FORWARDING = 3;
export const BR_STATE_BLOCKING = 4;

/** `multicast_router`: never, learnt from queries, always, learnt and told by hand (`MDB_RTR_TYPE_*`). */
export const MDB_RTR_DISABLED = 0;
export const MDB_RTR_TEMP_QUERY = 1;
export const MDB_RTR_PERM = 2;
export const MDB_RTR_TEMP = 3;

/** 01:80:c2:00:00:00, IEEE 802.1D §7.12.3. */
export const BRIDGE_GROUP_ADDRESS = 0x0180c2000000;

const SECOND = 1_000_000;

/** Priority and MAC (IEEE 802.1D §9.2.5): the smaller, the better. Immutable. */
export class BridgeId {
  readonly prio: number;
  readonly mac: number;

  constructor(prio: number, mac: number) {
    this.prio = prio;
    this.mac = mac;
  }

  /** Negative: better than `other`. */
  compare(other: BridgeId): number {
    return this.prio !== other.prio ? this.prio - other.prio : this.mac - other.mac;
  }

  /** As Linux shows it: `8000.2:0:0:0:0:1` (iproute2 `br_dump_bridge_id`). */
  toString(): string {
    const bytes: string[] = [];
    for (let i = 5; i >= 0; i--) bytes.push((Math.floor(this.mac / 256 ** i) % 256).toString(16));
    return `${this.prio.toString(16).padStart(4, '0')}.${bytes.join(':')}`;
  }
}

/** What a frame on its way through a bridge has with it (Linux `struct br_input_skb_cb`). */
export class FrameState {
  /** 0: VLANs do not count. */
  vid = 0;
  /** The frame was looked at on its way in: it has to be a member where it leaves. */
  vlanFiltered = false;
  /** IGMP or MLD: forwarded as no group, but to routers. */
  isMembership = false;
  /** Goes to routers only, when nobody is known to be a member. */
  routersOnly = false;
  /** A neighbour was answered for: not to those ports for which the bridge speaks. */
  replied = false;
}

/** A bridge's own state: `NetDevice.priv`. */
export class Bridge {
  readonly dev: NetDevice;
  readonly fdb: Fdb;
  readonly ports: BridgePort[] = [];
  /** Priority and MAC of the bridge itself; MAC 0 before there was a port. */
  id: BridgeId = new BridgeId(0x8000, 0);
  /** The MTU was set by somebody: it does not follow the ports (`BROPT_MTU_SET_BY_USER`). */
  mtuSetByUser = false;
  /** The bridge is about to follow its ports with its MTU. */
  adjustingMtu = false;

  /** Spanning tree: whose tree it is, and by which port (0: we are the root). */
  stpEnabled = false;
  designatedRoot: BridgeId = this.id;
  rootPort = 0;
  rootPathCost = 0;
  /** Times in use, which are the root's, and those of our own, µs (IEEE 802.1D §8.10.2). */
  maxAgeUs: number = 20 * SECOND;
  helloTimeUs: number = 2 * SECOND;
  forwardDelayUs: number = 15 * SECOND;
  bridgeMaxAgeUs: number = 20 * SECOND;
  bridgeHelloTimeUs: number = 2 * SECOND;
  bridgeForwardDelayUs: number = 15 * SECOND;
  topologyChange = false;
  topologyChangeDetected = false;
  /** Made when spanning tree first runs. */
  timers: StpTimers | null = null;

  /** Which of 01:80:c2:00:00:0X are forwarded all the same; bit X. */
  groupFwdMask = 0;
  /** The same, because the bridge is one of a provider. */
  groupFwdMaskRequired = 0;
  groupAddress: number = BRIDGE_GROUP_ADDRESS;
  groupAddressSet = false;
  noLinklocalLearn = false;

  /** VLANs (IEEE 802.1Q): they count while `vlanFiltering`. */
  vlanFiltering = false;
  vlanProto: number = ETH_P_8021Q;
  defaultPvid = 1;
  /** VLANs of the bridge itself; null: the default one alone. */
  vlans: VlanGroup | null = null;

  /** Multicast: who listens where; null while no such packet was ever seen and no setting made. */
  mcast: Mcast | null = null;
  mcastSnooping = true;
  /** Some port has neigh_suppress or answers by proxy. */
  suppresses = false;

  /** Reused for every frame: the bridge handles one at a time. */
  readonly frame: FrameState = new FrameState();

  constructor(dev: NetDevice) {
    this.dev = dev;
    this.fdb = new Fdb(dev.net);
  }

  get isRoot(): boolean {
    return this.id.compare(this.designatedRoot) === 0;
  }

  port(portNo: number): BridgePort | undefined {
    return this.ports.find((p) => p.portNo === portNo);
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

  /** What was last heard on this port, or what we say there (IEEE 802.1D §8.5.5). */
  designatedRoot: BridgeId;
  designatedCost = 0;
  designatedBridge: BridgeId;
  designatedPort: number;
  /** When the root sent what was heard, µs. */
  designatedAgeUs = 0;
  topologyChangeAck = false;
  configPending = false;
  timers: PortTimers | null = null;
  /** When the forward delay that nobody waits for would be over, µs. */
  forwardDelayAtUs = 0;
  bpduGuard = false;
  rootBlock = false;

  /** Frames may leave by the port on which they came. */
  hairpin = false;
  learning = true;
  /** Frames of an unknown destination, of a group, to all: leave by this port too. */
  flood = true;
  mcastFlood = true;
  bcastFlood = true;
  /** Frames do not pass from one isolated port to another. */
  isolated = false;
  /** Frames from addresses that are not known behind this port die. */
  locked = false;
  /** The bridge answers for the neighbours behind this port. */
  neighSuppress = false;
  proxyArp = false;
  proxyArpWifi = false;
  groupFwdMask = 0;
  /** VLANs; null: the bridge's default one alone. */
  vlans: VlanGroup | null = null;
  mcastFastLeave = false;
  mcastToUnicast = false;
  /** `MDB_RTR_*` */
  mcastRouter: number = MDB_RTR_TEMP_QUERY;
  /** Until when a router is behind it, µs; 0: none was heard. */
  routerUntilUs = 0;
  router6UntilUs = 0;
  /** Takes over what was to leave here when there is no carrier; null: nobody. */
  backup: BridgePort | null = null;

  constructor(bridge: Bridge, dev: NetDevice, portNo: number) {
    this.bridge = bridge;
    this.dev = dev;
    this.portNo = portNo;
    this.designatedRoot = bridge.designatedRoot;
    this.designatedBridge = bridge.id;
    this.designatedPort = this.portId;
  }

  /** IEEE 802.1D §9.2.7, with ten bits for the number, as Linux has it. */
  get portId(): number {
    return (this.priority << 10) | this.portNo;
  }

  /** We are the one who speaks on this port's link. */
  get isDesignated(): boolean {
    return (
      this.designatedPort === this.portId && this.designatedBridge.compare(this.bridge.id) === 0
    );
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

/** RTM_NEWLINK of a port whose state changed (`br_ifinfo_notify`). */
export function notifyPort(port: BridgePort): void {
  if (!port.dev.dead) port.dev.net.events.emit('newbrport', port);
}
