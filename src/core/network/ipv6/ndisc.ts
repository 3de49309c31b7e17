/**
 * Neighbour Discovery: which MAC an IPv6 address has (RFC 4861 §7; Linux `net/ipv6/ndisc.c`). The states of a
 * neighbour are `link/neighbour.ts`'s, as for ARP.
 */
import { drop } from '../../drop.ts';
import type { Neighbour } from '../../link/neighbour.ts';
import {
  NEIGH_UPDATE_OVERRIDE,
  NEIGH_UPDATE_WEAK_OVERRIDE,
  NUD_FAILED,
  NUD_REACHABLE,
  NUD_STALE,
} from '../../link/neighbour-state.ts';
import type { NeighbourProtocol } from '../../link/neighbour-table.ts';
import { IFF_LOOPBACK, IFF_NOARP, IFF_POINTOPOINT, type NetDevice } from '../../link/net-device.ts';
import { PACKET_LOOPBACK, type Packet } from '../../packet.ts';
import {
  getIp6,
  IN6ADDR_LINKLOCAL_ALLNODES,
  type Ip6Addr,
  isAny6,
  isMulticast6,
  multicastMac6,
  samePrefix,
  solicitedNode,
} from '../../util/ip6-addr.ts';
import { Ip6Map } from '../../util/ip6-map.ts';
import { ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { flatten } from '../../wire/frame.ts';
import type { IcmpHeader } from '../../wire/icmp.ts';
import {
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_NEIGHBOUR_SOLICITATION,
  NDISC_REDIRECT,
  NDISC_ROUTER_SOLICITATION,
} from '../../wire/icmpv6.ts';
import type { Ipv6Header } from '../../wire/ipv6.ts';
import {
  NA_OVERRIDE,
  NA_ROUTER,
  NA_SOLICITED,
  type NdOptions,
  parseNdOptions,
} from '../../wire/ndisc.ts';
import { RTN_UNICAST } from '../route/route.ts';
import { routeInput6 } from '../route6/input.ts';
import { routerBecameHost } from '../route6/ra-route.ts';
import {
  findAddr6,
  IFA_F_OPTIMISTIC,
  IFA_F_TENTATIVE,
  type Ipv6Address,
  isUsable,
} from './address.ts';
import { isAnycast } from './anycast.ts';
import { dadFailed } from './dad.ts';
import { type Ipv6Device, maxConf6 } from './device.ts';
import { ND_HOPLIMIT, sendAdvertisement, sendSolicitation } from './ndisc-send.ts';
import { redirectInput } from './redirect.ts';
import { routerAdvertisement } from './router-discovery.ts';
import { routerSolicitation } from './router-solicit.ts';

/** Bytes of target address behind the header. */
const TARGET_LEN = 16;

/** What Neighbour Discovery adds to a namespace's neighbour table. */
export const NDISC_PROTOCOL: NeighbourProtocol<Ip6Addr> = {
  etherType: ETH_P_IPV6,
  construct,
  solicit,
  isMulticast: isMulticast6,
  conf: (dev) => (dev.ipv6 === null ? dev.net.ipv6.neighConfDefault : dev.ipv6.neighConf),
  hasDevice: (dev) => dev.ipv6 !== null,
  keyOf: (_dev, nextHop) => nextHop,
  newMap: <V>() => new Ip6Map<V>(),
  redo: ndiscRedo,
};

/** Linux `ndisc_constructor`. */
function construct(neigh: Neighbour<Ip6Addr>): void {
  const { dev, addr } = neigh;
  if (dev.hardHeaderLen === 0) neigh.setNoarp(0);
  else if (isMulticast6(addr)) neigh.setNoarp(multicastMac6(addr));
  else if ((dev.flags & (IFF_NOARP | IFF_LOOPBACK)) !== 0) neigh.setNoarp(dev.mac);
  else if ((dev.flags & IFF_POINTOPOINT) !== 0) neigh.setNoarp(dev.broadcast);
}

/** Linux `ndisc_solicit`. */
function solicit(neigh: Neighbour<Ip6Addr>, pkt: Packet | null, unicast: boolean): void {
  const { dev, addr } = neigh;
  const wanted = pkt?.ip6?.src ?? null;
  const own = wanted === null ? null : findAddr6(dev, wanted);
  const usable = own !== null && (own.flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) === 0;
  const from = usable ? wanted : null;
  sendSolicitation(dev, addr, unicast ? addr : solicitedNode(addr), from, -1);
}

/** Takes a message of Neighbour Discovery (`ndisc_rcv`). */
export function ndiscInput(pkt: Packet, icmp: IcmpHeader): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  const ip = pkt.ip6 as Ipv6Header;
  const { ipv6 } = dev;
  if (ipv6 === null) return;
  // RFC 6980 §5: a fragment may hide what it is from who filters.
  if (ipv6.conf.suppressFragNdisc !== 0 && ip.fragmented) {
    drop(net, pkt, 'IPV6_NDISC_FRAG', dev.name);
    return;
  }
  if (ip.hopLimit !== ND_HOPLIMIT) {
    drop(net, pkt, 'IPV6_NDISC_HOP_LIMIT', dev.name);
    return;
  }
  if (icmp.code !== 0) {
    drop(net, pkt, 'IPV6_NDISC_BAD_CODE', dev.name);
    return;
  }
  const bytes = flatten(pkt.data, pkt.len);
  if (icmp.type === NDISC_REDIRECT) redirectInput(pkt, ipv6, bytes);
  else if (icmp.type === NDISC_NEIGHBOUR_SOLICITATION) solicitation(pkt, ipv6, bytes, false);
  else if (icmp.type === NDISC_NEIGHBOUR_ADVERTISEMENT) advertisement(pkt, ipv6, bytes, icmp.rest);
  else if (icmp.type === NDISC_ROUTER_SOLICITATION) routerSolicitation(pkt, ipv6, bytes);
  else routerAdvertisement(pkt, ipv6, bytes, icmp.rest);
}

/** The target of a message and its options; null: dropped. */
function read(pkt: Packet, bytes: Uint8Array): { target: Ip6Addr; options: NdOptions } | null {
  const dev = pkt.dev as NetDevice;
  if (bytes.length < TARGET_LEN) {
    drop(dev.net, pkt, 'PKT_TOO_SMALL', 'ndisc');
    return null;
  }
  const target = getIp6(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
  const options = parseNdOptions(bytes, TARGET_LEN);
  if (isMulticast6(target) || options === null) {
    drop(dev.net, pkt, 'IPV6_NDISC_BAD_OPTIONS', 'ndisc');
    return null;
  }
  return { target, options };
}

/** Linux `ndisc_recv_ns`; `delayed`: it has waited for the address's owner. */
function solicitation(pkt: Packet, ipv6: Ipv6Device, bytes: Uint8Array, delayed: boolean): void {
  const message = read(pkt, bytes);
  if (message === null) return;
  const { dev } = ipv6;
  const { target, options } = message;
  const ip = pkt.ip6 as Ipv6Header;
  const isProbe = isAny6(ip.src);
  // RFC 4861 §7.1.1: a probe goes to the solicited-node group, and names no MAC.
  const isSolicitedNode = ip.dst.c === 1 && ip.dst.d >>> 24 === 0xff && isMulticast6(ip.dst);
  if (isProbe && (!isSolicitedNode || options.sourceMac >= 0)) {
    drop(dev.net, pkt, 'IPV6_NDISC_BAD_OPTIONS', 'dad');
    return;
  }
  const own = findAddr6(dev, target);
  if (own === null && !answersFor(pkt, ipv6, target, delayed)) return;
  if (own !== null && (own.flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) !== 0) {
    if (isProbe) {
      // Our own probe, come back from a hub (RFC 7527 §4).
      if (options.nonce < 0 || options.nonce !== own.dadNonce) dadFailed(own);
      return;
    }
    if ((own.flags & IFA_F_OPTIMISTIC) === 0) return;
  }
  const override = own !== null;
  if (isProbe) {
    sendAdvertisement(dev, IN6ADDR_LINKLOCAL_ALLNODES, target, override ? NA_OVERRIDE : 0, true);
    return;
  }
  const group = isMulticast6(ip.dst);
  if (!learnAsker(dev, ip.src, options.sourceMac, group)) return;
  const flags = NA_SOLICITED | (override && group ? NA_OVERRIDE : 0);
  sendAdvertisement(dev, ip.src, target, flags, group);
}

/** Do we answer for what is not ours: `ip neigh add proxy`, proxy_ndp? */
function answersFor(pkt: Packet, ipv6: Ipv6Device, target: Ip6Addr, delayed: boolean): boolean {
  const { dev } = ipv6;
  const { ndisc, confAll } = dev.net.ipv6;
  if (isAnycast(dev, target)) {
    if (delayed || pkt.pktType === 0) return true;
    ndisc.proxy.delay(pkt);
    return false;
  }
  const forwards = confAll.forwarding !== 0 && maxConf6(ipv6, 'proxyNdp') !== 0;
  if (!forwards || !ndisc.proxy.has(dev, target)) return false;
  const route = routeInput6(dev, target, target);
  if (route.type !== RTN_UNICAST || route.dev === dev) return false;
  if (delayed || pkt.pktType === 0) return true;
  ndisc.proxy.delay(pkt);
  return false;
}

/** A solicitation that was put off is due. */
function ndiscRedo(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  if (dev.ipv6 !== null) solicitation(pkt, dev.ipv6, flatten(pkt.data, pkt.len), true);
}

/** Who asks is a neighbour; false: there is no room for it, and it gets no answer. */
function learnAsker(dev: NetDevice, src: Ip6Addr, mac: number, group: boolean): boolean {
  if (dev.hardHeaderLen === 0) return true;
  const { ndisc } = dev.net.ipv6;
  const neigh = mac >= 0 || !group ? ndisc.entry(dev, src) : (ndisc.find(dev, src) ?? null);
  if (neigh === null) return false;
  neigh.update(mac < 0 ? null : mac, NUD_STALE, NEIGH_UPDATE_WEAK_OVERRIDE | NEIGH_UPDATE_OVERRIDE);
  return true;
}

/** Linux `ndisc_recv_na`. */
function advertisement(pkt: Packet, ipv6: Ipv6Device, bytes: Uint8Array, rest: number): void {
  const message = read(pkt, bytes);
  if (message === null) return;
  const { dev } = ipv6;
  const { target, options } = message;
  const solicited = (rest & NA_SOLICITED) !== 0;
  if (isMulticast6((pkt.ip6 as Ipv6Header).dst) && solicited) {
    drop(dev.net, pkt, 'IPV6_NDISC_BAD_OPTIONS', 'solicited to many');
    return;
  }
  if (!solicited && maxConf6(ipv6, 'dropUnsolicitedNa') !== 0) {
    drop(dev.net, pkt, 'NOT_SPECIFIED', 'drop_unsolicited_na');
    return;
  }
  const own = findAddr6(dev, target);
  if (own !== null) {
    ownAddressAdvertised(pkt, own);
    return;
  }
  const { ndisc } = dev.net.ipv6;
  const found = ndisc.find(dev, target);
  const isNew = found === undefined && options.targetMac >= 0 && acceptsUntracked(pkt, ipv6);
  const neigh = isNew ? ndisc.entry(dev, target) : found;
  if (neigh === undefined || neigh === null || (neigh.state & NUD_FAILED) !== 0) return;
  const override = (rest & NA_OVERRIDE) !== 0 ? NEIGH_UPDATE_OVERRIDE : 0;
  const mac = options.targetMac < 0 ? null : options.targetMac;
  const state = solicited && !isNew ? NUD_REACHABLE : NUD_STALE;
  const known = mac === null || neigh.mac === mac || override !== 0 || neigh.header === null;
  const was = neigh.isRouter;
  if (neigh.update(mac, state, NEIGH_UPDATE_WEAK_OVERRIDE | override) === 0 && known)
    neigh.isRouter = (rest & NA_ROUTER) !== 0;
  if (was && !neigh.isRouter) routerBecameHost(dev, target);
}

/** RFC 9131: a router may learn who advertises itself unasked (net.ipv6.conf.*.accept_untracked_na). */
function acceptsUntracked(pkt: Packet, { conf, addresses }: Ipv6Device): boolean {
  if (conf.forwarding === 0 || conf.acceptUntrackedNa === 0) return false;
  const { src } = pkt.ip6 as Ipv6Header;
  const isOfSubnet = (a: Ipv6Address): boolean => samePrefix(a.addr, src, a.prefixLen);
  return conf.acceptUntrackedNa === 1 || addresses.some(isOfSubnet);
}

/** RFC 4862 §5.4.4: a tentative address is another's; about one that is in use there is nothing to be done. */
function ownAddressAdvertised(pkt: Packet, own: Ipv6Address): void {
  if (pkt.pktType !== PACKET_LOOPBACK && !isPlain(own)) dadFailed(own);
}

function isPlain(own: Ipv6Address): boolean {
  return isUsable(own) && (own.flags & IFA_F_OPTIMISTIC) === 0;
}
