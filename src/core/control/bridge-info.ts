/** Bridges, ports, addresses, groups and VLANs as listings tell them (Linux `br_fill_info` and its kin). */
import type { FdbEntry } from '../device/bridge-fdb.ts';
import type { McastGroup, Membership } from '../device/bridge-mdb.ts';
import { McastSettings } from '../device/bridge-mdb.ts';
import { type Bridge, type BridgePort, bridgeOf, bridgePortOf } from '../device/bridge-port.ts';
import { vlanGroup } from '../device/bridge-vlan.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { Timer } from '../timer.ts';
import { formatMac } from '../util/address.ts';
import { ETH_P_8021AD } from '../wire/ethernet.ts';
import { flagNames } from './link-flags.ts';

/** `BR_STATE_*` by number. */
export const PORT_STATES = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'] as const;

export type BridgePortState = (typeof PORT_STATES)[number];

/** A bridge's settings and state: keys and units are those of `ip -d -j link`. */
export type BridgeInfo = Readonly<Record<string, string | number>>;

/** One port, as `bridge -d link` and `ip -d link` tell it. */
export interface BridgePortInfo {
  readonly ifindex: number;
  readonly dev: string;
  /** What stands behind the `@`; null: nothing. */
  readonly link: string | null;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly master: string;
  readonly state: BridgePortState;
  readonly priority: number;
  readonly cost: number;
  readonly hairpin: boolean;
  readonly bpduGuard: boolean;
  readonly rootBlock: boolean;
  readonly mcastFastLeave: boolean;
  readonly learning: boolean;
  readonly flood: boolean;
  readonly mcastFlood: boolean;
  readonly bcastFlood: boolean;
  readonly mcastToUnicast: boolean;
  readonly mcastRouter: number;
  readonly proxyArp: boolean;
  readonly proxyArpWifi: boolean;
  readonly neighSuppress: boolean;
  readonly isolated: boolean;
  readonly locked: boolean;
  readonly groupFwdMask: number;
  readonly backup: string | null;
  readonly portId: number;
  readonly portNo: number;
  readonly designatedPort: number;
  readonly designatedCost: number;
  readonly designatedBridge: string;
  readonly designatedRoot: string;
  /** Seconds until they are due; 0: they do not run. */
  readonly holdTimer: number;
  readonly messageAgeTimer: number;
  readonly forwardDelayTimer: number;
  readonly topologyChangeAck: boolean;
  readonly configPending: boolean;
}

/** One entry of a forwarding table, as `bridge fdb` tells it. */
export interface FdbInfo {
  readonly mac: string;
  readonly dev: string;
  /** 0: whatever the VLAN. */
  readonly vlan: number;
  /** Null: an address that the device itself takes, of no bridge. */
  readonly master: string | null;
  /** `''`: learnt. */
  readonly state: 'permanent' | 'static' | '';
  readonly sticky: boolean;
  readonly externLearn: boolean;
  /** Seconds since it was used and updated last. */
  readonly used: number;
  readonly updated: number;
}

/** One member of a group, as `bridge mdb` tells it. */
export interface MdbInfo {
  readonly bridge: string;
  /** Index of the bridge. */
  readonly index: number;
  /** The bridge's own name: the bridge itself. */
  readonly port: string;
  readonly grp: string;
  readonly permanent: boolean;
  /** `'kernel'`: heard; `'static'`: told; null: the bridge itself. */
  readonly protocol: 'kernel' | 'static' | null;
  readonly vid: number;
  /** Seconds. */
  readonly timer: number;
}

/** A port behind which a router is, or is believed to be. */
export interface MdbRouterInfo {
  readonly bridge: string;
  readonly port: string;
  readonly type: 'temp' | 'permanent';
  /** Seconds. */
  readonly timer: number;
}

/** The VLANs of a port or a bridge, as `bridge vlan` tells them. */
export interface BridgeVlanInfo {
  readonly dev: string;
  readonly vlans: readonly BridgeVlanEntry[];
}

export interface BridgeVlanEntry {
  readonly vlan: number;
  readonly pvid: boolean;
  readonly untagged: boolean;
  readonly state: BridgePortState;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly txBytes: number;
  readonly txPackets: number;
}

function secondsLeft(nowUs: number, timer: Timer | undefined): number {
  return timer?.pending === true ? left(nowUs, timer.atUs) : 0;
}

/** Hundredths, as clocks of users have them. */
function left(nowUs: number, atUs: number): number {
  return atUs > nowUs ? Math.floor((atUs - nowUs) / 10_000) / 100 : 0;
}

function ticks(us: number): number {
  return Math.floor(us / 10_000);
}

const DEFAULTS: Readonly<McastSettings> = Object.freeze(new McastSettings());

/** In the order of `ip -d -j link`. */
export function bridgeInfo(bridge: Bridge): BridgeInfo {
  const { timers, fdb } = bridge;
  const now = bridge.dev.net.kernel.nowUs;
  return {
    forward_delay: ticks(bridge.forwardDelayUs),
    hello_time: ticks(bridge.helloTimeUs),
    max_age: ticks(bridge.maxAgeUs),
    // LINUX: twice the forward delay is told while the topology changes, and once of it counts.
    ageing_time: ticks(fdb.shortAgeingUs >= 0 ? 2 * fdb.shortAgeingUs : fdb.ageingUs),
    stp_state: Number(bridge.stpEnabled),
    priority: bridge.id.prio,
    vlan_filtering: Number(bridge.vlanFiltering),
    vlan_protocol: bridge.vlanProto === ETH_P_8021AD ? '802.1ad' : '802.1Q',
    bridge_id: String(bridge.id),
    root_id: String(bridge.designatedRoot),
    root_port: bridge.rootPort,
    root_path_cost: bridge.rootPathCost,
    topology_change: Number(bridge.topologyChange),
    topology_change_detected: Number(bridge.topologyChangeDetected),
    hello_timer: secondsLeft(now, timers?.hello),
    tcn_timer: secondsLeft(now, timers?.tcn),
    topology_change_timer: secondsLeft(now, timers?.topologyChange),
    gc_timer: fdb.collectAtUs === 0 ? 0 : left(now, fdb.collectAtUs),
    ...(fdb.maxLearnedTold === 0
      ? {}
      : { fdb_n_learned: fdb.learned, fdb_max_learned: fdb.maxLearnedTold }),
    vlan_default_pvid: bridge.defaultPvid,
    group_fwd_mask: maskText(bridge.groupFwdMask),
    group_addr: formatMac(bridge.groupAddress),
    ...mcastInfo(bridge),
  };
}

function mcastInfo(bridge: Bridge): BridgeInfo {
  const s = bridge.mcast?.settings ?? DEFAULTS;
  return {
    mcast_snooping: Number(bridge.mcastSnooping),
    no_linklocal_learn: Number(bridge.noLinklocalLearn),
    mcast_vlan_snooping: 0,
    mcast_router: s.router,
    mcast_query_use_ifaddr: Number(s.queryUseIfaddr),
    mcast_querier: Number(s.querier),
    mcast_hash_elasticity: 16,
    mcast_hash_max: s.hashMax,
    mcast_last_member_cnt: s.lastMemberCount,
    mcast_startup_query_cnt: s.startupQueryCount,
    mcast_last_member_intvl: ticks(s.lastMemberIntervalUs),
    mcast_membership_intvl: ticks(s.membershipIntervalUs),
    mcast_querier_intvl: ticks(s.querierIntervalUs),
    mcast_query_intvl: ticks(s.queryIntervalUs),
    mcast_query_response_intvl: ticks(s.queryResponseIntervalUs),
    mcast_startup_query_intvl: ticks(s.startupQueryIntervalUs),
    mcast_stats_enabled: Number(s.statsEnabled),
    mcast_igmp_version: 2,
    mcast_mld_version: 1,
  };
}

/** iproute2's `%#x`: zero has no prefix. */
export function maskText(mask: number): string {
  return mask === 0 ? '0' : `0x${mask.toString(16)}`;
}

export function portInfo(port: BridgePort): BridgePortInfo {
  const { dev, timers, bridge } = port;
  const now = dev.net.kernel.nowUs;
  return {
    ifindex: dev.ifindex,
    dev: dev.name,
    link: linkName(dev),
    flags: flagNames(dev, null),
    mtu: dev.mtu,
    master: bridge.dev.name,
    state: PORT_STATES[port.state] ?? 'disabled',
    priority: port.priority,
    cost: port.cost,
    hairpin: port.hairpin,
    bpduGuard: port.bpduGuard,
    rootBlock: port.rootBlock,
    mcastFastLeave: port.mcastFastLeave,
    learning: port.learning,
    flood: port.flood,
    mcastFlood: port.mcastFlood,
    bcastFlood: port.bcastFlood,
    mcastToUnicast: port.mcastToUnicast,
    mcastRouter: port.mcastRouter,
    proxyArp: port.proxyArp,
    proxyArpWifi: port.proxyArpWifi,
    neighSuppress: port.neighSuppress,
    isolated: port.isolated,
    locked: port.locked,
    groupFwdMask: port.groupFwdMask,
    backup: port.backup?.dev.name ?? null,
    portId: port.portId,
    portNo: port.portNo,
    designatedPort: port.designatedPort,
    designatedCost: port.designatedCost,
    designatedBridge: String(port.designatedBridge),
    designatedRoot: String(port.designatedRoot),
    holdTimer: secondsLeft(now, timers?.hold),
    messageAgeTimer: secondsLeft(now, timers?.messageAge),
    forwardDelayTimer: left(now, port.forwardDelayAtUs),
    topologyChangeAck: port.topologyChangeAck,
    configPending: port.configPending,
  };
}

/**
 * LINUX: bridge(8) looks the index of the other end up here, even when it counts in another namespace;
 * an equal index is not told at all.
 */
function linkName(dev: NetDevice): string | null {
  const other = dev.ops.iflink?.(dev) ?? null;
  if (other === null || other.ifindex === dev.ifindex) return null;
  return dev.net.devs.findIndex(other.ifindex)?.name ?? `if${other.ifindex}`;
}

export function fdbInfo(entry: FdbEntry): FdbInfo {
  const { dev } = entry;
  const now = dev.net.kernel.nowUs;
  return {
    mac: formatMac(entry.mac),
    dev: dev.name,
    vlan: entry.vid,
    master: (bridgePortOf(dev)?.bridge.dev ?? dev).name,
    state: entry.local ? 'permanent' : entry.isStatic ? 'static' : '',
    sticky: entry.sticky,
    externLearn: entry.externLearn,
    used: (now - entry.usedUs) / 1e6,
    updated: (now - entry.updatedUs) / 1e6,
  };
}

/** An address that a device takes beside its own (`dev_uc_add`, `dev_mc_add`). */
export function selfInfo(dev: NetDevice, mac: number): FdbInfo {
  return {
    mac: formatMac(mac),
    dev: dev.name,
    vlan: 0,
    master: null,
    state: 'permanent',
    sticky: false,
    externLearn: false,
    used: 0,
    updated: 0,
  };
}

export function mdbInfo(bridge: Bridge, group: McastGroup, m: Membership): MdbInfo {
  const protocol = m.port === null ? null : m.byUser ? 'static' : 'kernel';
  return {
    bridge: bridge.dev.name,
    index: bridge.dev.ifindex,
    port: (m.port?.dev ?? bridge.dev).name,
    grp: group.text,
    permanent: m.permanent || group.group.kind === 'l2',
    protocol,
    vid: group.vid,
    timer: Number.isFinite(m.untilUs) ? left(bridge.dev.net.kernel.nowUs, m.untilUs) : 0,
  };
}

/** Of a port or a bridge; null: neither. */
export function bridgeVlanInfo(dev: NetDevice): BridgeVlanInfo | null {
  const port = bridgePortOf(dev);
  const bridge = port?.bridge ?? bridgeOf(dev);
  if (bridge === null) return null;
  const group = vlanGroup(bridge, port ?? bridge);
  const vlans = group.list().map((v) => ({
    vlan: v.vid,
    pvid: group.pvid === v.vid,
    untagged: v.untagged,
    state: PORT_STATES[v.state] ?? 'disabled',
    rxBytes: v.rxBytes,
    rxPackets: v.rxPackets,
    txBytes: v.txBytes,
    txPackets: v.txPackets,
  }));
  return { dev: dev.name, vlans };
}
