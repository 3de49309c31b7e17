/**
 * A bridge that asks who listens: IGMPv2 and MLDv1 queries in its own name (RFC 4541 §2.1.1; Linux
 * `br_multicast_send_query`). It is silent while somebody else asks.
 */

import type { NetDevice } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import type { Packet } from '../packet.ts';
import { INADDR_ALLHOSTS_GROUP, multicastMac } from '../util/address.ts';
import {
  IN6ADDR_LINKLOCAL_ALLNODES,
  type Ip6Addr,
  isLinkLocal6,
  multicastMac6,
  putIp6,
} from '../util/ip6-addr.ts';
import { foldChecksum, sum16 } from '../wire/checksum.ts';
import { ETH_P_IP, ETH_P_IPV6, EthHeader } from '../wire/ethernet.ts';
import { IcmpHeader } from '../wire/icmp.ts';
import { ICMPV6_MGM_QUERY } from '../wire/icmpv6.ts';
import { IP_DF, IPPROTO_IGMP, Ipv4Header } from '../wire/ipv4.ts';
import { IPPROTO_HOPOPTS, IPPROTO_ICMPV6, Ipv6Header } from '../wire/ipv6.ts';
import { type GroupAddr, type Mcast, mcastOf } from './bridge-mdb.ts';
import { BR_STATE_DISABLED, type Bridge, type BridgePort } from './bridge-port.ts';

const IGMP_HOST_MEMBERSHIP_QUERY = 0x11;
/** DSCP CS6, as Linux sends its queries. */
const TOS = 0xc0;
/** IPv4 option: router alert (RFC 2113). */
const ROUTER_ALERT4: readonly number[] = [0x94, 0x04, 0x00, 0x00];
/** Hop-by-hop options: router alert for MLD (RFC 2711) and padding. */
const ROUTER_ALERT6: readonly number[] = [58, 0, 5, 2, 0, 0, 1, 0];

/** `mcast_querier`; the questions begin at once. */
export function setQuerier(bridge: Bridge, on: boolean): void {
  const { settings } = mcastOf(bridge);
  if (settings.querier === on) return;
  settings.querier = on;
  if (on) querySoon(bridge, true);
  else mcastOf(bridge).queryTimer?.clear();
}

/** Asks now; `fresh`: and a few times soon, as at the start. */
export function querySoon(bridge: Bridge, fresh: boolean): void {
  const mcast = mcastOf(bridge);
  if (!bridge.dev.up || !bridge.mcastSnooping) return;
  if (fresh) mcast.startupSent = 0;
  const { kernel } = bridge.dev.net;
  mcast.queryTimer ??= kernel.timer(() => expired(bridge, mcast));
  mcast.queryTimer.set(kernel.nowUs);
}

function expired(bridge: Bridge, mcast: Mcast): void {
  const { settings } = mcast;
  if (!settings.querier || !bridge.dev.up || bridge.dev.dead) return;
  const { kernel } = bridge.dev.net;
  if (mcast.querier4.untilUs <= kernel.nowUs) ask(bridge, null, null, false);
  if (mcast.querier6.untilUs <= kernel.nowUs) ask(bridge, null, null, true);
  const starting = mcast.startupSent < settings.startupQueryCount;
  if (starting) mcast.startupSent++;
  const us = starting ? settings.startupQueryIntervalUs : settings.queryIntervalUs;
  mcast.queryTimer?.set(kernel.nowUs + us);
}

/** One group is asked for, behind one port, because somebody left. */
export function specificQuery(bridge: Bridge, port: BridgePort | null, group: GroupAddr): void {
  if (port !== null && group.kind !== 'l2') ask(bridge, port, group, group.kind === 'v6');
}

function ask(bridge: Bridge, only: BridgePort | null, group: GroupAddr | null, v6: boolean): void {
  const source6 = v6 ? linkLocal(bridge.dev) : null;
  // LINUX: without a link-local address there is nothing to ask MLD's question from.
  if (v6 && source6 === null) return;
  for (const port of bridge.ports) {
    if (port.state === BR_STATE_DISABLED || (only !== null && only !== port)) continue;
    const pkt = source6 === null ? query4(bridge, group) : query6(bridge, group, source6);
    pkt.dev = port.dev;
    devQueueXmit(pkt);
  }
}

function linkLocal(dev: NetDevice): Ip6Addr | null {
  for (const address of dev.ipv6?.addresses ?? [])
    if (isLinkLocal6(address.addr)) return address.addr;
  return null;
}

/** Linux `br_ip4_multicast_alloc_query` */
function query4(bridge: Bridge, group: GroupAddr | null): Packet {
  const { dev } = bridge;
  const { settings } = mcastOf(bridge);
  const addr = group === null || group.kind !== 'v4' ? 0 : group.addr;
  const to = addr === 0 ? INADDR_ALLHOSTS_GROUP : addr;
  const source = settings.queryUseIfaddr ? (dev.ipv4?.addresses[0]?.local ?? 0) : 0;
  const ip = new Ipv4Header(source, to, IPPROTO_IGMP, 1, TOS);
  ip.frag = IP_DF;
  ip.options = Uint8Array.from(ROUTER_ALERT4);
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  const delay = addr === 0 ? settings.queryResponseIntervalUs : settings.lastMemberIntervalUs;
  bytes[0] = IGMP_HOST_MEMBERSHIP_QUERY;
  bytes[1] = Math.min(255, Math.round(delay / 100_000));
  view.setInt32(4, addr);
  view.setUint16(2, foldChecksum(sum16(bytes, 0, 8, 0)));
  const pkt = dev.net.kernel.newPacket(ETH_P_IP, dev);
  pkt.eth = new EthHeader(multicastMac(to), dev.mac, ETH_P_IP);
  pkt.ip = ip;
  pkt.data = [bytes];
  pkt.len = bytes.length;
  return pkt;
}

/** Linux `br_ip6_multicast_alloc_query` */
function query6(bridge: Bridge, group: GroupAddr | null, source: Ip6Addr): Packet {
  const { dev } = bridge;
  const { settings } = mcastOf(bridge);
  const addr = group === null || group.kind !== 'v6' ? null : group.addr;
  const to = addr ?? IN6ADDR_LINKLOCAL_ALLNODES;
  const ip = new Ipv6Header(source, to, IPPROTO_ICMPV6, 1, 0);
  ip.ext = Uint8Array.from(ROUTER_ALERT6);
  ip.extFirst = IPPROTO_HOPOPTS;
  const delay = addr === null ? settings.queryResponseIntervalUs : settings.lastMemberIntervalUs;
  const body = new Uint8Array(16);
  if (addr !== null) putIp6(new DataView(body.buffer), 0, addr);
  const pkt = dev.net.kernel.newPacket(ETH_P_IPV6, dev);
  pkt.eth = new EthHeader(multicastMac6(to), dev.mac, ETH_P_IPV6);
  pkt.ip6 = ip;
  pkt.icmp = new IcmpHeader(ICMPV6_MGM_QUERY, 0, Math.round(delay / 1000) << 16);
  pkt.data = [body];
  pkt.len = body.length;
  return pkt;
}
