/**
 * A bridge answers ARP requests and neighbour solicitations for those behind its ports, from what it has
 * in its own neighbour table, so that they need not be flooded (`neigh_suppress`, `proxy_arp`; Linux
 * `net/bridge/br_arp_nd_proxy.c`).
 */
import { NUD_VALID } from '../link/neighbour-state.ts';
import { IFF_NOARP, type NetDevice } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import { vlanKey } from '../link/vlan.ts';
import type { Packet } from '../packet.ts';
import { isGroupMac, isLoopback, isMulticast, isZeronet } from '../util/address.ts';
import { getIp6, type Ip6Addr, isAny6, isMulticast6 } from '../util/ip6-addr.ts';
import { ARPOP_REPLY, ARPOP_REQUEST, ArpHeader } from '../wire/arp.ts';
import { ETH_P_ARP, ETH_P_IPV6, EthHeader } from '../wire/ethernet.ts';
import { flatten } from '../wire/frame.ts';
import { IcmpHeader } from '../wire/icmp.ts';
import { NDISC_NEIGHBOUR_ADVERTISEMENT, NDISC_NEIGHBOUR_SOLICITATION } from '../wire/icmpv6.ts';
import { IPPROTO_ICMPV6, Ipv6Header } from '../wire/ipv6.ts';
import { NA_OVERRIDE, NA_SOLICITED, ND_OPT_TARGET_LL_ADDR, ndBody } from '../wire/ndisc.ts';
import { type Bridge, type BridgePort, bridgePortOf, type FrameState } from './bridge-port.ts';

/** Answers what a frame asks, if the bridge knows it. The frame goes on, but not to those it speaks for. */
export function suppress(
  pkt: Packet,
  bridge: Bridge,
  from: BridgePort | null,
  frame: FrameState,
): void {
  if (pkt.arp !== null) suppressArp(pkt, pkt.arp, bridge, from, frame);
  else if (pkt.ip6 !== null && pkt.icmp !== null && anySuppresses(bridge))
    suppressNd(pkt, pkt.ip6, bridge, from, frame);
}

function anySuppresses(bridge: Bridge): boolean {
  return bridge.ports.some((p) => p.neighSuppress);
}

/** The device whose neighbours count: the bridge, or the VLAN device on it. */
function lookupDevice(bridge: Bridge, vid: number): NetDevice | undefined {
  return vid === 0 ? bridge.dev : bridge.dev.vlans?.get(vlanKey(bridge.vlanProto, vid));
}

function suppressArp(
  pkt: Packet,
  arp: ArpHeader,
  bridge: Bridge,
  from: BridgePort | null,
  frame: FrameState,
): void {
  if ((bridge.dev.flags & IFF_NOARP) !== 0) return;
  if (isLoopback(arp.tpa) || isMulticast(arp.tpa)) return;
  const suppresses = anySuppresses(bridge);
  if (suppresses) {
    if (from?.neighSuppress === true) return;
    const unicast = pkt.eth !== null && !isGroupMac(pkt.eth.dst);
    if (unicast && arp.op === ARPOP_REQUEST) return;
    // Announcements are not for those for whom the bridge speaks.
    if (isZeronet(arp.spa) || arp.spa === arp.tpa) {
      frame.replied = true;
      return;
    }
  }
  if (arp.op !== ARPOP_REQUEST) return;
  const dev = lookupDevice(bridge, frame.vid);
  if (dev === undefined) return;
  if (suppresses && dev.ipv4?.addresses.some((a) => a.local === arp.tpa) === true) {
    frame.replied = true;
    return;
  }
  const neigh = dev.net.arp.find(dev, arp.tpa);
  if (neigh === undefined || (neigh.state & NUD_VALID) === 0) return;
  const entry = bridge.fdb.find(neigh.mac, frame.vid);
  if (entry === undefined) return;
  const behind = bridgePortOf(entry.dev);
  const answers =
    from?.proxyArp === true || behind?.proxyArpWifi === true || behind?.neighSuppress === true;
  if (answers) {
    const reply = dev.net.kernel.newPacket(ETH_P_ARP);
    reply.arp = new ArpHeader(ARPOP_REPLY, neigh.mac, arp.tpa, arp.sha, arp.spa);
    answer(reply, pkt, bridge, from, new EthHeader(arp.sha, neigh.mac, ETH_P_ARP));
  }
  if (answers || suppresses) frame.replied = true;
}

/** Out of the port by which the question came; a question of the bridge itself is answered to it. */
function answer(
  reply: Packet,
  asked: Packet,
  bridge: Bridge,
  from: BridgePort | null,
  eth: EthHeader,
): void {
  reply.eth = eth;
  if (from === null) {
    bridge.dev.net.kernel.enqueue(reply, bridge.dev);
    return;
  }
  // With a tag if the question had one that is not the port's own VLAN.
  const tagged = asked.vlan !== null && bridge.vlanFiltering;
  const untagged =
    tagged && from.vlans?.vlans.get((asked.vlan?.tci ?? 0) & 0xfff)?.untagged !== false;
  reply.vlan = tagged && !untagged ? asked.vlan : null;
  reply.dev = from.dev;
  devQueueXmit(reply);
}

/** Linux `br_do_suppress_nd` */
function suppressNd(
  pkt: Packet,
  ip: Ipv6Header,
  bridge: Bridge,
  from: BridgePort | null,
  frame: FrameState,
): void {
  const type = pkt.icmp?.type;
  if (type !== NDISC_NEIGHBOUR_SOLICITATION && type !== NDISC_NEIGHBOUR_ADVERTISEMENT) return;
  if (from?.neighSuppress === true || pkt.len < 16) return;
  if (type === NDISC_NEIGHBOUR_ADVERTISEMENT) {
    // An unsolicited one is for all, as a gratuitous ARP reply is.
    if (isMulticast6(ip.dst)) frame.replied = true;
    return;
  }
  const bytes = flatten(pkt.data, pkt.len);
  const target = getIp6(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
  if (isAny6(ip.src) || ip.src.equals(target)) {
    frame.replied = true;
    return;
  }
  const dev = lookupDevice(bridge, frame.vid);
  if (dev === undefined) return;
  if (dev.ipv6?.addresses.some((a) => a.addr.equals(target)) === true) {
    frame.replied = true;
    return;
  }
  const neigh = dev.net.ipv6Maybe?.ndiscMaybe?.find(dev, target);
  if (neigh === undefined || (neigh.state & NUD_VALID) === 0) return;
  const entry = bridge.fdb.find(neigh.mac, frame.vid);
  if (entry === undefined) return;
  if (bridgePortOf(entry.dev)?.neighSuppress === true)
    answer(
      advertisement(bridge, target, ip.src, neigh.mac),
      pkt,
      bridge,
      from,
      new EthHeader(pkt.eth?.src ?? 0, neigh.mac, ETH_P_IPV6),
    );
  frame.replied = true;
}

function advertisement(bridge: Bridge, target: Ip6Addr, to: Ip6Addr, mac: number): Packet {
  const pkt = bridge.dev.net.kernel.newPacket(ETH_P_IPV6);
  pkt.ip6 = new Ipv6Header(target, to, IPPROTO_ICMPV6, 255, 0);
  pkt.icmp = new IcmpHeader(NDISC_NEIGHBOUR_ADVERTISEMENT, 0, NA_SOLICITED | NA_OVERRIDE);
  const body = ndBody(target, ND_OPT_TARGET_LL_ADDR, mac);
  pkt.data = [body];
  pkt.len = body.length;
  return pkt;
}
