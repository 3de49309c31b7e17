/**
 * Multicast snooping (RFC 4541; Linux `net/bridge/br_multicast.c`): a bridge listens to what hosts and
 * routers say, and sends groups to those who want them. As long as nobody asks who listens, groups go
 * everywhere: what would be known is not complete.
 */
import type { Packet } from '../packet.ts';
import { compareIp6, IN6ADDR_LINKLOCAL_ALLNODES } from '../util/ip6-addr.ts';
import { ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts';
import { IPPROTO_IGMP } from '../wire/ipv4.ts';
import { IPPROTO_ICMPV6 } from '../wire/ipv6.ts';
import { type MembershipMessage, readIgmp, readMld } from './bridge-igmp.ts';
import {
  type GroupAddr,
  type McastGroup,
  Membership,
  mcastOf,
  type Querier,
} from './bridge-mdb.ts';
import {
  BR_STATE_DISABLED,
  type Bridge,
  type BridgePort,
  type FrameState,
  MDB_RTR_DISABLED,
  MDB_RTR_PERM,
  MDB_RTR_TEMP_QUERY,
} from './bridge-port.ts';
import { querySoon, specificQuery } from './bridge-querier.ts';

/** 224.0.0.0/24 goes everywhere (RFC 4541 §2.1.2). */
const LOCAL_GROUPS: number = 0xe0000000 | 0;

function isLocalGroup(addr: number): boolean {
  return (addr & 0xffffff00) === LOCAL_GROUPS;
}

/**
 * A group frame comes in, by a port or (null) from the bridge itself: what it says is noted (`br_multicast_rcv`).
 * False: it is broken and dies.
 */
export function mcastReceive(
  pkt: Packet,
  bridge: Bridge,
  port: BridgePort | null,
  frame: FrameState,
): boolean {
  const { ip, ip6 } = pkt;
  if (ip !== null) {
    if (ip.protocol !== IPPROTO_IGMP) {
      frame.routersOnly = !isLocalGroup(ip.dst);
      return true;
    }
    return snoop(pkt, bridge, port, frame, readIgmp(pkt, ip));
  }
  if (ip6 === null) return true;
  const message = ip6.protocol === IPPROTO_ICMPV6 ? readMld(pkt, ip6) : null;
  if (message === null) {
    frame.routersOnly = !ip6.dst.equals(IN6ADDR_LINKLOCAL_ALLNODES);
    return true;
  }
  return snoop(pkt, bridge, port, frame, message);
}

function snoop(
  pkt: Packet,
  bridge: Bridge,
  port: BridgePort | null,
  frame: FrameState,
  message: MembershipMessage | null | 'bad',
): boolean {
  if (message === 'bad') return false;
  if (message === null) return true;
  frame.isMembership = true;
  if (message.forRouters) frame.routersOnly = true;
  if (!bridge.dev.up || port?.state === BR_STATE_DISABLED) return true;
  if (message.kind === 'query') {
    queryReceived(pkt, bridge, port, frame.vid, message);
    return true;
  }
  const host = pkt.eth?.src ?? 0;
  for (const group of message.joins) join(bridge, port, group, frame.vid, host);
  for (const group of message.leaves) leave(bridge, port, group, frame.vid, host);
  return true;
}

/** Groups that are for everybody are not kept. */
function isKept(group: GroupAddr): boolean {
  if (group.kind === 'v4') return !isLocalGroup(group.addr);
  return group.kind === 'l2' || !group.addr.equals(IN6ADDR_LINKLOCAL_ALLNODES);
}

function join(
  bridge: Bridge,
  port: BridgePort | null,
  group: GroupAddr,
  vid: number,
  host: number,
): void {
  if (!isKept(group)) return;
  const mcast = mcastOf(bridge);
  const entry = mcast.obtain(group, vid);
  if (entry === null) return;
  const untilUs = bridge.dev.net.kernel.nowUs + mcast.settings.membershipIntervalUs;
  const who = port?.mcastToUnicast === true ? host : 0;
  const member = entry.members.find((m) => m.port === port && m.host === who);
  if (member !== undefined) {
    if (!member.permanent) member.untilUs = untilUs;
    return;
  }
  const made = new Membership(port, untilUs, false, who);
  entry.members = [made, ...entry.members];
  mcast.tell('newmdb', entry, made);
}

function leave(
  bridge: Bridge,
  port: BridgePort | null,
  group: GroupAddr,
  vid: number,
  host: number,
): void {
  const mcast = bridge.mcast;
  const entry = isKept(group) ? mcast?.find(group, vid) : undefined;
  if (mcast === null || entry === undefined) return;
  const who = port?.mcastToUnicast === true ? host : 0;
  const member = entry.members.find((m) => m.port === port && m.host === who);
  if (member === undefined || member.permanent) return;
  if (port?.mcastFastLeave === true) {
    mcast.remove(entry, member);
    return;
  }
  const now = bridge.dev.net.kernel.nowUs;
  const { settings } = mcast;
  const querier = group.kind === 'v6' ? mcast.querier6 : mcast.querier4;
  // Somebody else asks who is left.
  if (querier.untilUs > now) return;
  if (settings.querier) specificQuery(bridge, port, group);
  const last = now + settings.lastMemberCount * settings.lastMemberIntervalUs;
  if (member.untilUs > last) member.untilUs = last;
}

/** Somebody asks: there is a router behind the port (`br_ip4_multicast_query`). */
function queryReceived(
  pkt: Packet,
  bridge: Bridge,
  port: BridgePort | null,
  vid: number,
  message: MembershipMessage,
): void {
  const mcast = mcastOf(bridge);
  const now = bridge.dev.net.kernel.nowUs;
  if (message.group !== null) {
    const entry = mcast.find(message.group, vid);
    const until = now + message.maxDelayUs * mcast.settings.lastMemberCount;
    for (const m of entry?.members ?? []) if (m.untilUs > until && !m.permanent) m.untilUs = until;
    return;
  }
  const querier = pkt.ip6 === null ? mcast.querier4 : mcast.querier6;
  if (!selectQuerier(pkt, querier, now)) return;
  if (querier.untilUs <= now) querier.delayUntilUs = now + message.maxDelayUs;
  querier.untilUs = now + mcast.settings.querierIntervalUs;
  markRouter(port, pkt.ip6 !== null, now + mcast.settings.querierIntervalUs);
}

/** The lowest address asks (RFC 2236 §3; `br_multicast_select_querier`). */
function selectQuerier(pkt: Packet, querier: Querier, now: number): boolean {
  if (pkt.ip6 !== null) {
    const { addr6 } = querier;
    if (querier.untilUs > now && addr6 !== null && compareIp6(pkt.ip6.src, addr6) > 0) return false;
    querier.addr6 = pkt.ip6.src;
    return true;
  }
  const src = (pkt.ip?.src ?? 0) >>> 0;
  if (querier.untilUs > now && querier.addr4 !== 0 && src > querier.addr4 >>> 0) return false;
  querier.addr4 = src | 0;
  return true;
}

function markRouter(port: BridgePort | null, v6: boolean, untilUs: number): void {
  if (port === null || port.mcastRouter === MDB_RTR_DISABLED || port.mcastRouter === MDB_RTR_PERM)
    return;
  if (v6) port.router6UntilUs = untilUs;
  else port.routerUntilUs = untilUs;
}

/** Does a router want all groups that come here? */
export function isRouterPort(port: BridgePort, v6: boolean): boolean {
  if (port.mcastRouter === MDB_RTR_PERM) return true;
  const now = port.bridge.dev.net.kernel.nowUs;
  return (v6 ? port.router6UntilUs : port.routerUntilUs) > now;
}

/**
 * The group of a frame, if it is to go to members only; `null`: it goes everywhere (`br_mdb_entry_skb_get`,
 * `br_multicast_querier_exists`). Without members it goes to routers only: `'routers'`.
 */
export function mcastTarget(
  pkt: Packet,
  bridge: Bridge,
  frame: FrameState,
): McastGroup | 'routers' | null {
  const { mcast } = bridge;
  if (mcast === null) return null;
  const group = frame.isMembership ? undefined : groupOf(pkt, bridge, frame.vid);
  if (group === undefined && !frame.routersOnly) return null;
  if (pkt.proto === ETH_P_IP || pkt.proto === ETH_P_IPV6) {
    const querier = pkt.proto === ETH_P_IP ? mcast.querier4 : mcast.querier6;
    const now = bridge.dev.net.kernel.nowUs;
    const own = mcast.settings.querier;
    if (querier.delayUntilUs > now || !(own || querier.untilUs > now)) return null;
  } else if (group === undefined) return null;
  return group ?? 'routers';
}

function groupOf(pkt: Packet, bridge: Bridge, vid: number): McastGroup | undefined {
  const { mcast } = bridge;
  if (pkt.ip !== null) return mcast?.find4(pkt.ip.dst, vid);
  if (pkt.ip6 !== null) return mcast?.find6(pkt.ip6.dst, vid);
  return mcast?.findMac(pkt.eth?.dst ?? 0, vid);
}

/** The bridge itself is a router, as far as groups go (`br_multicast_is_router`). */
export function isRouterBridge(bridge: Bridge): boolean {
  return bridge.mcast?.settings.router === MDB_RTR_PERM;
}

/** A port begins to forward: who is behind it shall say what he wants (`br_multicast_enable_port`). */
export function mcastEnablePort(port: BridgePort): void {
  const { mcast } = port.bridge;
  if (mcast?.settings.querier === true) querySoon(port.bridge, true);
}

/** A port stops: what was learnt there is forgotten (`br_multicast_disable_port`). */
export function mcastDisablePort(port: BridgePort): void {
  if (port.mcastRouter === MDB_RTR_TEMP_QUERY) {
    port.routerUntilUs = 0;
    port.router6UntilUs = 0;
  }
  port.bridge.mcast?.flushPort(port, false);
}
