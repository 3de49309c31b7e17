/**
 * ARP: asks and answers which MAC an IPv4 address has (RFC 826; Linux `net/ipv4/arp.c`). Which requests are
 * answered, and from which address one asks, is for the per-device sysctls arp_ignore, arp_announce,
 * arp_accept, arp_filter.
 */
import { drop } from '../../drop.ts';
import {
  NEIGH_UPDATE_OVERRIDE,
  type Neighbour,
  type NeighbourProtocol,
  NUD_NOARP,
  NUD_REACHABLE,
  NUD_STALE,
} from '../../link/neighbour.ts';
import { IFF_LOOPBACK, IFF_NOARP, IFF_POINTOPOINT, type NetDevice } from '../../link/net-device.ts';
import { devQueueXmit } from '../../link/output.ts';
import { type Packet, PACKET_HOST, PACKET_OTHERHOST } from '../../packet.ts';
import { isLoopback, isMulticast, MAC_BROADCAST, multicastMac } from '../../util/address.ts';
import { ARPHRD_ETHER, ArpHeader, ARPOP_REPLY, ARPOP_REQUEST } from '../../wire/arp.ts';
import { ETH_P_ARP, ETH_P_IP, EthHeader } from '../../wire/ethernet.ts';
import { inetAddrType } from '../route/addr-type.ts';
import { routeInputType } from '../route/lookup.ts';
import { RTN_BROADCAST, RTN_LOCAL, RTN_UNICAST } from '../route/route.ts';
import { inetConfirmAddr, inetSelectAddr, onSubnet } from './select-addr.ts';

const RT_SCOPE_LINK = 253;

/** What ARP adds to a namespace's neighbour table. */
export const ARP_PROTOCOL: NeighbourProtocol = {
  etherType: ETH_P_IP,
  construct: arpConstruct,
  solicit: arpSolicit,
};

/** Linux `arp_constructor`: entries whose address follows from their protocol address. */
function arpConstruct(neigh: Neighbour): void {
  const { dev, addr } = neigh;
  if (dev.hardHeaderLen === 0 || (dev.flags & IFF_POINTOPOINT) !== 0) {
    neigh.setPermanent(dev.broadcast, NUD_NOARP);
    return;
  }
  const type = inetAddrType(dev.net, addr);
  if (isMulticast(addr)) neigh.setPermanent(multicastMac(addr), NUD_NOARP);
  else if ((dev.flags & (IFF_NOARP | IFF_LOOPBACK)) !== 0) neigh.setPermanent(dev.mac, NUD_NOARP);
  else if (type === RTN_BROADCAST || addr === -1) neigh.setPermanent(dev.broadcast, NUD_NOARP);
}

/** Linux `arp_solicit`. */
function arpSolicit(neigh: Neighbour, pkt: Packet | null, unicast: boolean): void {
  const { dev, addr } = neigh;
  let source = 0;
  const wanted = pkt?.ip?.src ?? 0;
  const announce = maxConf(dev, 'arpAnnounce');
  if (announce === 0 && wanted !== 0 && inetAddrType(dev.net, wanted) === RTN_LOCAL) source = wanted;
  if (announce === 1 && wanted !== 0 && inetAddrType(dev.net, wanted) === RTN_LOCAL) {
    if (onSubnet(dev, addr, wanted)) source = wanted;
  }
  if (source === 0) source = inetSelectAddr(dev, addr, RT_SCOPE_LINK);
  arpSend(dev, ARPOP_REQUEST, source, addr, unicast ? neigh.mac : MAC_BROADCAST, 0);
}

/** Sends one ARP packet; `lladdr` is the Ethernet destination, `tha` the target's address in it. */
export function arpSend(
  dev: NetDevice,
  op: number,
  spa: number,
  tpa: number,
  lladdr: number,
  tha: number,
): void {
  if ((dev.flags & IFF_NOARP) !== 0) return;
  const pkt = dev.net.kernel.newPacket(ETH_P_ARP);
  pkt.arp = new ArpHeader(op, dev.mac, spa, tha, tpa);
  pkt.eth = new EthHeader(lladdr, dev.mac, ETH_P_ARP);
  pkt.dev = dev;
  devQueueXmit(pkt);
}

/** Announces an address of `dev` (RFC 5227 §3): a request for itself. */
export function arpAnnounce(dev: NetDevice, addr: number): void {
  arpSend(dev, ARPOP_REQUEST, addr, addr, MAC_BROADCAST, 0);
}

/** Linux `arp_rcv`. */
export function arpInput(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  if (pkt.pktType === PACKET_OTHERHOST || (dev.flags & (IFF_NOARP | IFF_LOOPBACK)) !== 0) {
    drop(dev.net, pkt, 'OTHERHOST');
    return;
  }
  if (pkt.arp === null) {
    drop(dev.net, pkt, 'HDR_TRUNC');
    return;
  }
  arpProcess(pkt, dev, pkt.arp);
}

/** Linux `arp_process`. */
function arpProcess(pkt: Packet, dev: NetDevice, arp: ArpHeader): void {
  const { op, spa, sha, tpa } = arp;
  if (dev.ipv4 === null || dev.type !== ARPHRD_ETHER || (op !== ARPOP_REQUEST && op !== ARPOP_REPLY)) {
    drop(dev.net, pkt, 'NOT_SPECIFIED');
    return;
  }
  const localnet = dev.ipv4.conf.routeLocalnet !== 0 || dev.net.ipv4ConfAll.routeLocalnet !== 0;
  if (isMulticast(tpa) || (!localnet && isLoopback(tpa))) {
    drop(dev.net, pkt, 'IP_INVALID_DEST');
    return;
  }
  // RFC 5227 §2.1.1: a probe from 0.0.0.0 asks whether anybody has the address.
  if (spa === 0) {
    const ours = op === ARPOP_REQUEST && inetAddrType(dev.net, tpa) === RTN_LOCAL;
    if (ours && !arpIgnore(dev, spa, tpa)) arpSend(dev, ARPOP_REPLY, tpa, tpa, sha, sha);
    return;
  }
  const source = inetAddrType(dev.net, spa);
  if (op === ARPOP_REQUEST && answerRequest(dev, arp)) return;
  learn(pkt, dev, arp, source);
}

/** True: the request was for us, whether it is answered or not. */
function answerRequest(dev: NetDevice, arp: ArpHeader): boolean {
  const { spa, sha, tpa } = arp;
  const type = routeInputType(dev, tpa, spa);
  if (type === RTN_LOCAL) {
    if (arpIgnore(dev, spa, tpa) || arpFilter(dev, spa, tpa)) return true;
    const neigh = learnFromRequest(dev, spa, sha);
    if (neigh) arpSend(dev, ARPOP_REPLY, tpa, spa, sha, sha);
    return true;
  }
  if (type !== RTN_UNICAST || maxConf(dev, 'forwarding') === 0) return false;
  const proxy = dev.ipv4?.conf.proxyArp !== 0 || dev.net.ipv4ConfAll.proxyArp !== 0;
  if (!proxy) return false;
  const neigh = learnFromRequest(dev, spa, sha);
  if (neigh) arpSend(dev, ARPOP_REPLY, tpa, spa, sha, sha);
  return true;
}

/** Linux `neigh_event_ns`: who asks for us is a neighbour, and STALE until we ask back. */
function learnFromRequest(dev: NetDevice, spa: number, sha: number): boolean {
  const neigh = dev.net.arp.entry(dev, spa);
  if (neigh === null) return false;
  neigh.update(sha, NUD_STALE, NEIGH_UPDATE_OVERRIDE);
  return true;
}

/** What replies and gratuitous packets teach. */
function learn(pkt: Packet, dev: NetDevice, arp: ArpHeader, sourceType: number): void {
  const { op, spa, sha, tpa } = arp;
  const gratuitous = spa === tpa;
  if (gratuitous && maxConf(dev, 'dropGratuitousArp') !== 0) {
    drop(dev.net, pkt, 'NOT_SPECIFIED');
    return;
  }
  let neigh = dev.net.arp.find(dev, spa) ?? null;
  const accept = maxConf(dev, 'arpAccept');
  if (neigh === null && accept !== 0 && sourceType === RTN_UNICAST && (gratuitous || op === ARPOP_REPLY)) {
    if (accept === 1 || onSubnet(dev, spa, spa)) neigh = dev.net.arp.entry(dev, spa);
  }
  if (neigh === null) return;
  const { nowUs } = dev.net.kernel;
  const locktimeUs = dev.net.arp.conf(dev).locktime * 10_000;
  // The first of several answers counts, for a while.
  const override = nowUs > neigh.updatedUs + locktimeUs || gratuitous;
  const state = op !== ARPOP_REPLY || pkt.pktType !== PACKET_HOST ? NUD_STALE : NUD_REACHABLE;
  neigh.update(sha, state, override ? NEIGH_UPDATE_OVERRIDE : 0);
}

/** net.ipv4.conf.*.arp_ignore: true when the request must not be answered. */
function arpIgnore(dev: NetDevice, spa: number, tpa: number): boolean {
  switch (maxConf(dev, 'arpIgnore')) {
    case 0:
      return false;
    case 1:
      return !inetConfirmAddr(dev, 0, tpa, 0);
    case 2:
      return !inetConfirmAddr(dev, spa, tpa, 0);
    case 3:
      return !inetConfirmAddr(dev, 0, tpa, RT_SCOPE_LINK);
    case 8:
      return true;
    default:
      return false;
  }
}

/** net.ipv4.conf.*.arp_filter: answer only on the device that leads back to who asks. */
function arpFilter(dev: NetDevice, spa: number, tpa: number): boolean {
  if (maxConf(dev, 'arpFilter') === 0) return false;
  const back = dev.net.ipv4.deviceTowards(spa, tpa);
  return back !== dev;
}

function maxConf(
  dev: NetDevice,
  key: 'arpAnnounce' | 'arpIgnore' | 'arpFilter' | 'arpAccept' | 'dropGratuitousArp' | 'forwarding',
): number {
  const own = dev.ipv4?.conf[key] ?? 0;
  // Forwarding of `all` only sets that of the devices.
  return key === 'forwarding' ? own : Math.max(own, dev.net.ipv4ConfAll[key]);
}
