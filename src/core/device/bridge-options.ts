/**
 * Settings of a bridge and of its ports (`type bridge …`, `type bridge_slave …`; Linux `br_changelink`,
 * `br_setport`). What is refused has changed nothing. Times are in 1/100 s, as users have them.
 */
import { EINVAL, ENOENT, EPERM, ERANGE } from '../errno.ts';
import { ETH_P_8021AD, ETH_P_8021Q } from '../wire/ethernet.ts';
import { updateSuppress } from './bridge.ts';
import { mcastOf } from './bridge-mdb.ts';
import {
  BRIDGE_GROUP_ADDRESS,
  type Bridge,
  type BridgePort,
  MDB_RTR_DISABLED,
  MDB_RTR_PERM,
  MDB_RTR_TEMP,
  notifyPort,
} from './bridge-port.ts';
import { setQuerier } from './bridge-querier.ts';
import {
  stpChangeId,
  stpSetEnabled,
  stpSetForwardDelay,
  stpSetHelloTime,
  stpSetMaxAge,
  stpSetPathCost,
  stpSetPortPriority,
  stpSetPortState,
} from './bridge-stp-admin.ts';
import { vlanSetDefaultPvid, vlanSetFiltering, vlanSetProto } from './bridge-vlan-admin.ts';

/** µs of 1/100 s. */
const TICK = 10_000;
/** Bits of 01:80:c2:00:00:0{0,1,2} may not be forwarded by anybody's wish (`BR_GROUPFWD_RESTRICTED`). */
const GROUPFWD_RESTRICTED = 0x7;
/** Pause, LACP, 802.1X: no group address of a bridge. */
const NO_GROUP_ADDRESS: readonly number[] = [1, 2, 3];
/** Linux BR_MULTICAST_QUERY_INTVL_MIN, 1/100 s. */
const MIN_QUERY_INTERVAL = 100;

/** What may be set of a bridge, by Linux's names. */
export interface BridgeSettings {
  readonly forwardDelay?: number;
  readonly helloTime?: number;
  readonly maxAge?: number;
  readonly ageingTime?: number;
  readonly stpState?: boolean;
  readonly priority?: number;
  readonly vlanFiltering?: boolean;
  readonly vlanProtocol?: '802.1Q' | '802.1ad';
  readonly vlanDefaultPvid?: number;
  readonly groupFwdMask?: number;
  /** 48-bit integer */
  readonly groupAddress?: number;
  readonly noLinklocalLearn?: boolean;
  readonly fdbFlush?: boolean;
  /** 0: as many as this stack holds. */
  readonly fdbMaxLearned?: number;
  readonly mcastSnooping?: boolean;
  readonly mcastRouter?: number;
  readonly mcastQuerier?: boolean;
  readonly mcastQueryUseIfaddr?: boolean;
  readonly mcastHashMax?: number;
  readonly mcastLastMemberCount?: number;
  readonly mcastStartupQueryCount?: number;
  readonly mcastLastMemberInterval?: number;
  readonly mcastMembershipInterval?: number;
  readonly mcastQuerierInterval?: number;
  readonly mcastQueryInterval?: number;
  readonly mcastQueryResponseInterval?: number;
  readonly mcastStartupQueryInterval?: number;
  readonly mcastStatsEnabled?: boolean;
}

/** 0, or what is wrong; nothing is changed. */
export function bridgeSettingsErrno(bridge: Bridge, s: BridgeSettings): number {
  // LINUX: the delay is looked at before spanning tree is switched on, which corrects it.
  if (bridge.stpEnabled && outside(s.forwardDelay, 200, 3000)) return -ERANGE;
  if (outside(s.helloTime, 100, 1000) || outside(s.maxAge, 600, 4000)) return -ERANGE;
  if (((s.groupFwdMask ?? 0) & GROUPFWD_RESTRICTED) !== 0) return -EINVAL;
  if (s.groupAddress !== undefined && !isGroupAddress(s.groupAddress)) return -EINVAL;
  const { mcastRouter: router = 0, vlanDefaultPvid: pvid } = s;
  if (router > MDB_RTR_PERM || router < 0) return -EINVAL;
  if (pvid !== undefined && pvid >= 4095) return -EINVAL;
  // LINUX: only while nobody filters; `vlan_filtering` of the same command comes first.
  const filtering = s.vlanFiltering ?? bridge.vlanFiltering;
  if (pvid !== undefined && pvid !== bridge.defaultPvid && filtering) return -EPERM;
  return 0;
}

function outside(value: number | undefined, low: number, high: number): boolean {
  return value !== undefined && (value < low || value > high);
}

function isGroupAddress(mac: number): boolean {
  const last = mac - BRIDGE_GROUP_ADDRESS;
  return last >= 0 && last <= 15 && !NO_GROUP_ADDRESS.includes(last);
}

/** Changes a bridge; 0 or `-errno`. */
export function bridgeSet(bridge: Bridge, s: BridgeSettings): number {
  const errno = bridgeSettingsErrno(bridge, s);
  if (errno !== 0) return errno;
  if (s.forwardDelay !== undefined) stpSetForwardDelay(bridge, s.forwardDelay * TICK);
  if (s.helloTime !== undefined) stpSetHelloTime(bridge, s.helloTime * TICK);
  if (s.maxAge !== undefined) stpSetMaxAge(bridge, s.maxAge * TICK);
  if (s.ageingTime !== undefined) {
    bridge.fdb.ageingUs = s.ageingTime * TICK;
    bridge.fdb.touch();
  }
  if (s.stpState !== undefined) stpSetEnabled(bridge, s.stpState);
  if (s.priority !== undefined) stpChangeId(bridge, s.priority, bridge.id.mac);
  setVlans(bridge, s);
  if (s.groupFwdMask !== undefined) bridge.groupFwdMask = s.groupFwdMask;
  if (s.groupAddress !== undefined) {
    bridge.groupAddress = s.groupAddress;
    bridge.groupAddressSet = true;
  }
  if (s.noLinklocalLearn !== undefined) bridge.noLinklocalLearn = s.noLinklocalLearn;
  if (s.fdbFlush === true) for (const port of bridge.ports) bridge.fdb.flushLearned(port.dev);
  if (s.fdbMaxLearned !== undefined) bridge.fdb.setMaxLearned(s.fdbMaxLearned);
  setMcast(bridge, s);
  if (!bridge.dev.dead) bridge.dev.net.events.emit('newlink', bridge.dev);
  return 0;
}

function setVlans(bridge: Bridge, s: BridgeSettings): void {
  if (s.vlanFiltering !== undefined) vlanSetFiltering(bridge, s.vlanFiltering);
  if (s.vlanProtocol !== undefined)
    vlanSetProto(bridge, s.vlanProtocol === '802.1ad' ? ETH_P_8021AD : ETH_P_8021Q);
  if (s.vlanDefaultPvid !== undefined) vlanSetDefaultPvid(bridge, s.vlanDefaultPvid);
}

function setMcast(bridge: Bridge, s: BridgeSettings): void {
  if (s.mcastSnooping !== undefined) {
    bridge.mcastSnooping = s.mcastSnooping;
    // Without listening, what is known grows old: groups go everywhere again.
    if (!s.mcastSnooping) for (const port of bridge.ports) bridge.mcast?.flushPort(port, false);
  }
  setMcastNumbers(bridge, s);
  if (s.mcastQueryUseIfaddr !== undefined)
    mcastOf(bridge).settings.queryUseIfaddr = s.mcastQueryUseIfaddr;
  if (s.mcastStatsEnabled !== undefined)
    mcastOf(bridge).settings.statsEnabled = s.mcastStatsEnabled;
  if (s.mcastQuerier !== undefined) setQuerier(bridge, s.mcastQuerier);
}

function setMcastNumbers(bridge: Bridge, s: BridgeSettings): void {
  const set = (
    key: 'router' | 'hashMax' | 'lastMemberCount' | 'startupQueryCount',
    value: number | undefined,
  ): void => {
    if (value !== undefined) mcastOf(bridge).settings[key] = value;
  };
  const setTime = (
    key:
      | 'lastMemberIntervalUs'
      | 'membershipIntervalUs'
      | 'querierIntervalUs'
      | 'queryIntervalUs'
      | 'queryResponseIntervalUs'
      | 'startupQueryIntervalUs',
    value: number | undefined,
    min = 0,
  ): void => {
    if (value !== undefined) mcastOf(bridge).settings[key] = Math.max(min, value) * TICK;
  };
  set('router', s.mcastRouter);
  set('hashMax', s.mcastHashMax);
  set('lastMemberCount', s.mcastLastMemberCount);
  set('startupQueryCount', s.mcastStartupQueryCount);
  setTime('lastMemberIntervalUs', s.mcastLastMemberInterval);
  setTime('membershipIntervalUs', s.mcastMembershipInterval);
  setTime('querierIntervalUs', s.mcastQuerierInterval);
  setTime('queryIntervalUs', s.mcastQueryInterval, MIN_QUERY_INTERVAL);
  setTime('queryResponseIntervalUs', s.mcastQueryResponseInterval);
  setTime('startupQueryIntervalUs', s.mcastStartupQueryInterval, MIN_QUERY_INTERVAL);
}

/** What may be set of a port, by Linux's names. */
export interface PortSettings {
  /** `BR_STATE_*` */
  readonly state?: number;
  readonly cost?: number;
  readonly priority?: number;
  readonly hairpin?: boolean;
  readonly bpduGuard?: boolean;
  readonly rootBlock?: boolean;
  readonly mcastFastLeave?: boolean;
  readonly learning?: boolean;
  readonly flood?: boolean;
  readonly mcastFlood?: boolean;
  readonly bcastFlood?: boolean;
  readonly mcastToUnicast?: boolean;
  readonly mcastRouter?: number;
  readonly proxyArp?: boolean;
  readonly proxyArpWifi?: boolean;
  readonly neighSuppress?: boolean;
  readonly isolated?: boolean;
  readonly locked?: boolean;
  readonly groupFwdMask?: number;
  readonly fdbFlush?: boolean;
  /** The port of the same bridge that stands in; null: none. */
  readonly backup?: BridgePort | null;
}

const PORT_FLAGS = [
  'hairpin',
  'bpduGuard',
  'rootBlock',
  'mcastFastLeave',
  'learning',
  'flood',
  'mcastFlood',
  'bcastFlood',
  'mcastToUnicast',
  'proxyArp',
  'proxyArpWifi',
  'neighSuppress',
  'isolated',
  'locked',
] as const;

/** Changes a port; 0 or `-errno`. */
export function bridgePortSet(port: BridgePort, s: PortSettings): number {
  if (outside(s.cost, 1, 65_535) || outside(s.priority, 0, 63)) return -ERANGE;
  if (outside(s.mcastRouter, MDB_RTR_DISABLED, MDB_RTR_TEMP)) return -EINVAL;
  const { backup } = s;
  if (backup !== undefined && backup !== null) {
    if (backup.bridge !== port.bridge) return -ENOENT;
    if (backup === port) return -EINVAL;
  }
  if (s.state !== undefined) {
    const errno = stpSetPortState(port, s.state);
    if (errno !== 0) return errno;
  }
  if (s.cost !== undefined) stpSetPathCost(port, s.cost);
  if (s.priority !== undefined) stpSetPortPriority(port, s.priority);
  for (const flag of PORT_FLAGS) {
    const value = s[flag];
    if (value !== undefined) port[flag] = value;
  }
  if (s.groupFwdMask !== undefined) port.groupFwdMask = s.groupFwdMask;
  if (s.mcastRouter !== undefined) setPortRouter(port, s.mcastRouter);
  if (s.fdbFlush === true) port.bridge.fdb.flushLearned(port.dev);
  if (backup !== undefined) port.backup = backup;
  updateSuppress(port.bridge);
  notifyPort(port);
  return 0;
}

/** Linux `br_multicast_set_port_router` */
function setPortRouter(port: BridgePort, value: number): void {
  port.mcastRouter = value;
  const { kernel } = port.bridge.dev.net;
  const untilUs = value === MDB_RTR_TEMP ? kernel.nowUs + 255_000_000 : 0;
  port.routerUntilUs = untilUs;
  port.router6UntilUs = untilUs;
  if (value === MDB_RTR_PERM || value === MDB_RTR_TEMP) mcastOf(port.bridge);
}
