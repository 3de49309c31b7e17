/**
 * ARP: asks and answers which MAC an IPv4 address has (RFC 826; Linux `net/ipv4/arp.c`). Which requests are
 * answered, and in which name one asks, is in `arp-policy.ts`.
 */

import { drop } from '../../drop.ts';
import { l3Table } from '../../link/l3mdev.ts';
import type { Neighbour } from '../../link/neighbour.ts';
import { NEIGH_UPDATE_OVERRIDE, NUD_REACHABLE, NUD_STALE } from '../../link/neighbour-state.ts';
import type { NeighbourProtocol } from '../../link/neighbour-table.ts';
import { IFF_LOOPBACK, IFF_NOARP, IFF_POINTOPOINT, type NetDevice } from '../../link/net-device.ts';
import { devQueueXmit } from '../../link/output.ts';
import { PACKET_HOST, PACKET_LOOPBACK, PACKET_OTHERHOST, type Packet } from '../../packet.ts';
import { isLoopback, isMulticast, multicastMac } from '../../util/address.ts';
import { ARPHRD_ETHER, ARPOP_REPLY, ARPOP_REQUEST, ArpHeader } from '../../wire/arp.ts';
import { ETH_P_ARP, ETH_P_IP, EthHeader } from '../../wire/ethernet.ts';
import { inetAddrType } from '../route/addr-type.ts';
import { routeInput } from '../route/input.ts';
import { type Route, RTN_BROADCAST, RTN_LOCAL, RTN_UNICAST } from '../route/route.ts';
import { arpAccept, arpFilter, arpIgnore, arpSource, maxConf } from './arp-policy.ts';
import type { Ipv4Device } from './device.ts';

/** What ARP adds to a namespace's neighbour table. */
export const ARP_PROTOCOL: NeighbourProtocol = {
  etherType: ETH_P_IP,
  construct: arpConstruct,
  solicit: arpSolicit,
  isMulticast,
  conf: (dev) => (dev.ipv4 === null ? dev.net.neighConfDefault : dev.ipv4.neighConf),
  hasDevice: (dev) => dev.ipv4 !== null,
  // LINUX: where all packets go the same way, one entry serves all addresses (`arp_constructor`).
  keyOf: (dev, nextHop) => ((dev.flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) !== 0 ? 0 : nextHop),
  newMap: () => new Map(),
  redo: arpRedo,
};

/** Linux `arp_constructor`: entries whose MAC follows from their address, or that need none. */
function arpConstruct(neigh: Neighbour): void {
  const { dev, addr } = neigh;
  const flags = dev.flags;
  if (dev.hardHeaderLen === 0) neigh.setNoarp(0);
  else if (isMulticast(addr)) neigh.setNoarp(multicastMac(addr));
  else if ((flags & (IFF_NOARP | IFF_LOOPBACK)) !== 0) neigh.setNoarp(dev.mac);
  else if (
    (flags & IFF_POINTOPOINT) !== 0 ||
    inetAddrType(dev.net, addr, l3Table(dev)) === RTN_BROADCAST
  )
    neigh.setNoarp(dev.broadcast);
}

/** Linux `arp_solicit`. */
function arpSolicit(neigh: Neighbour, pkt: Packet | null, unicast: boolean): void {
  const dev = neigh.dev;
  if (dev.ipv4 === null) return;
  const wanted = pkt === null || pkt.ip === null ? 0 : pkt.ip.src;
  const source = arpSource(dev.ipv4, neigh.addr, wanted);
  const arp = new ArpHeader(ARPOP_REQUEST, dev.mac, source, 0, neigh.addr);
  arpSend(dev, arp, unicast ? neigh.mac : dev.broadcast);
}

/** Sends one ARP packet in a frame for the MAC `lladdr` (`arp_send`). */
export function arpSend(dev: NetDevice, arp: ArpHeader, lladdr: number): void {
  if ((dev.flags & IFF_NOARP) !== 0) return;
  const pkt = dev.net.kernel.newPacket(ETH_P_ARP, dev);
  pkt.arp = arp;
  pkt.eth = new EthHeader(lladdr, dev.mac, ETH_P_ARP);
  devQueueXmit(pkt);
}

/**
 * The device came up or has another MAC: with arp_notify, announces all its addresses (RFC 5227 §3;
 * Linux `inetdev_send_gratuitous_arp`).
 */
export function arpNotify(dev: NetDevice): void {
  if (dev.ipv4 === null || !dev.up || maxConf(dev.ipv4, 'arpNotify') === 0) return;
  arpAnnounce(dev);
}

/** Tells everybody who has the addresses of the device (`inetdev_send_gratuitous_arp`). */
export function arpAnnounce(dev: NetDevice): void {
  if (dev.ipv4 === null || !dev.up) return;
  for (const a of dev.ipv4.addresses)
    arpSend(dev, new ArpHeader(ARPOP_REQUEST, dev.mac, a.local, 0, a.local), dev.broadcast);
}

/** Linux `arp_rcv`. Packets for others are no loss, and not counted as one. */
export function arpInput(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  if ((dev.flags & IFF_NOARP) !== 0) return;
  if (pkt.pktType === PACKET_OTHERHOST || pkt.pktType === PACKET_LOOPBACK) return;
  const arp = pkt.arp;
  const ipv4 = dev.ipv4;
  if (arp === null || ipv4 === null || dev.type !== ARPHRD_ETHER) {
    drop(dev.net, pkt, 'NOT_SPECIFIED', 'arp');
    return;
  }
  if (isRefused(ipv4, arp)) {
    drop(dev.net, pkt, 'NOT_SPECIFIED', 'arp');
    return;
  }
  arpProcess(pkt, arp, ipv4, false);
}

/** What nobody sends in good faith, and gratuitous ARP where it is not wanted. */
function isRefused(ipv4: Ipv4Device, arp: ArpHeader): boolean {
  const { op, spa, tpa } = arp;
  if (op !== ARPOP_REQUEST && op !== ARPOP_REPLY) return true;
  if (isMulticast(tpa)) return true;
  if (isLoopback(tpa) && maxConf(ipv4, 'routeLocalnet') === 0) return true;
  return spa === tpa && maxConf(ipv4, 'dropGratuitousArp') !== 0;
}

/** A request that was put off is due. */
function arpRedo(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  if (pkt.arp === null || dev.ipv4 === null) drop(dev.net, pkt, 'NOT_SPECIFIED', 'arp');
  else arpProcess(pkt, pkt.arp, dev.ipv4, true);
}

/** Linux `arp_process`. `delayed`: the request has waited already. */
function arpProcess(pkt: Packet, arp: ArpHeader, ipv4: Ipv4Device, delayed: boolean): void {
  const dev = ipv4.dev;
  const { op, spa, sha, tpa } = arp;
  // A probe for a duplicate address (RFC 2131 §2.2; RFC 5227 §2.1): answered, and nothing is learnt.
  if (spa === 0) {
    const isOurs = op === ARPOP_REQUEST && inetAddrType(dev.net, tpa, l3Table(dev)) === RTN_LOCAL;
    if (isOurs && !arpIgnore(ipv4, spa, tpa)) arpReply(dev, arp);
    return;
  }
  if (op === ARPOP_REQUEST) {
    const route = routeInput(dev, tpa, spa, 0);
    if (typeof route !== 'string') {
      if (route.type === RTN_LOCAL) {
        answer(arp, ipv4);
        return;
      }
      if (answersFor(ipv4, tpa, route)) {
        learnRequester(dev, spa, sha);
        // The owner, if there is one, comes first; who asks us alone need not wait.
        if (delayed || pkt.pktType === PACKET_HOST) arpReply(dev, arp);
        else dev.net.arp.proxy.delay(pkt);
        return;
      }
    }
  }
  learn(pkt, arp, ipv4);
}

/** A request for an address of ours. */
function answer(arp: ArpHeader, ipv4: Ipv4Device): void {
  if (arpIgnore(ipv4, arp.spa, arp.tpa) || arpFilter(ipv4, arp.spa, arp.tpa)) return;
  if (learnRequester(ipv4.dev, arp.spa, arp.sha)) arpReply(ipv4.dev, arp);
}

/** Do we answer in the name of `tpa`, to which we would forward by `route`? */
function answersFor(ipv4: Ipv4Device, tpa: number, route: Route): boolean {
  if (route.type !== RTN_UNICAST || ipv4.conf.forwarding === 0) return false;
  if (route.dev === ipv4.dev) return false;
  return (
    maxConf(ipv4, 'proxyArp') !== 0 || ipv4.dev.net.arpMaybe?.proxy.has(ipv4.dev, tpa) === true
  );
}

function arpReply(dev: NetDevice, arp: ArpHeader): void {
  arpSend(dev, new ArpHeader(ARPOP_REPLY, dev.mac, arp.tpa, arp.sha, arp.spa), arp.sha);
}

/** Linux `neigh_event_ns`: who asks for us is a neighbour; false: there is no room for it. */
function learnRequester(dev: NetDevice, spa: number, sha: number): boolean {
  const neigh = dev.net.arp.entry(dev, spa);
  if (neigh === null) return false;
  neigh.update(sha, NUD_STALE, NEIGH_UPDATE_OVERRIDE);
  return true;
}

/** Replies, and requests that are not for us: they change what we know, and rarely add to it. */
function learn(pkt: Packet, arp: ArpHeader, ipv4: Ipv4Device): void {
  const dev = ipv4.dev;
  const { op, spa, sha } = arp;
  const table = dev.net.arp;
  let neigh: Neighbour | null = table.find(dev, spa) ?? null;
  const accepts = arpAccept(ipv4, spa);
  if (neigh === null && !accepts) return;
  const gratuitous = isGratuitous(dev, arp);
  if (neigh === null) {
    const isNew =
      gratuitous ||
      (op === ARPOP_REPLY && inetAddrType(dev.net, spa, l3Table(dev)) === RTN_UNICAST);
    if (isNew) neigh = table.entry(dev, spa);
  }
  if (neigh === null) return;
  // The first of several answers counts: later ones may be of proxies.
  const locktimeUs = table.conf(dev).locktime * 10_000;
  const override = gratuitous || table.kernel.nowUs > neigh.updatedUs + locktimeUs;
  // What everybody hears proves nothing about the way from here to there.
  const proves = op === ARPOP_REPLY && pkt.pktType === PACKET_HOST;
  neigh.update(sha, proves ? NUD_REACHABLE : NUD_STALE, override ? NEIGH_UPDATE_OVERRIDE : 0);
}

/** Linux `arp_is_garp`: a neighbour tells everybody its address; in a reply, both MACs are its own. */
function isGratuitous(dev: NetDevice, arp: ArpHeader): boolean {
  if (arp.spa !== arp.tpa) return false;
  if (arp.op === ARPOP_REPLY && arp.tha !== arp.sha) return false;
  return inetAddrType(dev.net, arp.spa, l3Table(dev)) === RTN_UNICAST;
}
