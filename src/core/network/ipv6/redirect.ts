/**
 * Redirects (RFC 4861 §8; Linux `ndisc_send_redirect`, `rt6_do_redirect`): telling a host on the link of a better
 * first hop, and believing one.
 */
import { drop } from '../../drop.ts';
import {
  NEIGH_UPDATE_OVERRIDE,
  NEIGH_UPDATE_WEAK_OVERRIDE,
  NUD_STALE,
} from '../../link/neighbour-state.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Packet } from '../../packet.ts';
import { getIp6, IN6ADDR_ANY, isLinkLocal6, isMulticast6, putIp6 } from '../../util/ip6-addr.ts';
import { ipBytes } from '../../wire/frame.ts';
import { NDISC_REDIRECT } from '../../wire/icmpv6.ts';
import { IPV6_HLEN, IPV6_MIN_MTU, type Ipv6Header } from '../../wire/ipv6.ts';
import {
  ND_OPT_REDIRECT_HDR,
  ND_OPT_TARGET_LL_ADDR,
  parseNdOptions,
  putLinkOption,
} from '../../wire/ndisc.ts';
import { updateGateway6 } from '../route6/exception.ts';
import { routeOutput6 } from '../route6/output.ts';
import type { Route6 } from '../route6/route.ts';
import { IFA_F_TENTATIVE, linkLocalOf } from './address.ts';
import type { Ipv6Device } from './device.ts';
import { ND_HOPLIMIT } from './ndisc-send.ts';
import { sendOnLink } from './send.ts';

/** Bytes behind the header: target and destination. */
const ADDRESSES = 32;
/** One redirect a second to one host (`inet_peer_xrlim_allow(peer, 1*HZ)`). */
const COST_US = 1_000_000;

/** Takes a redirect (`ndisc_redirect_rcv`). */
export function redirectInput(pkt: Packet, ipv6: Ipv6Device, bytes: Uint8Array): void {
  const { dev } = ipv6;
  const { net } = dev;
  const from = (pkt.ip6 as Ipv6Header).src;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const options = bytes.length < ADDRESSES ? null : parseNdOptions(bytes, ADDRESSES);
  if (options === null || !isLinkLocal6(from)) {
    drop(net, pkt, 'IPV6_NDISC_BAD_OPTIONS', 'redirect');
    return;
  }
  const target = getIp6(view, 0);
  const dst = getIp6(view, 16);
  const onLink = target.equals(dst);
  const { conf } = ipv6;
  // Routers do not obey (RFC 4861 §8.3).
  if (isMulticast6(dst) || (!onLink && !isLinkLocal6(target))) return;
  if (conf.forwarding !== 0 || conf.acceptRedirects === 0) return;
  const route = routeOutput6(net, dst, IN6ADDR_ANY, dev.ifindex);
  if (typeof route === 'number' || route.dev !== dev) return;
  if (route.gateway === null || !route.gateway.equals(from)) return;
  const neigh = net.ipv6.ndisc.entry(dev, target);
  if (neigh === null) return;
  const mac = options.targetMac < 0 ? null : options.targetMac;
  neigh.update(mac, NUD_STALE, NEIGH_UPDATE_WEAK_OVERRIDE | NEIGH_UPDATE_OVERRIDE);
  if (!onLink) neigh.isRouter = true;
  updateGateway6(net, dst, onLink ? null : target, dev);
}

/** Tells the sender of `pkt`, which is about to go back out of `dev`, where it should go instead. */
export function sendRedirect6(pkt: Packet, dev: NetDevice, route: Route6): void {
  const { net } = dev;
  const ip = pkt.ip6 as Ipv6Header;
  const from = linkLocalOf(dev, IFA_F_TENTATIVE);
  const target = route.gateway ?? ip.dst;
  if (from === null || (!target.equals(ip.dst) && !isLinkLocal6(target))) return;
  if (!net.ipv6.peers.allow(ip.src, COST_US)) return;
  const neigh = net.ipv6.ndisc.find(dev, target);
  const mac = neigh === undefined || neigh.header === null ? -1 : neigh.mac;
  sendOnLink(dev, {
    src: from,
    dst: ip.src,
    type: NDISC_REDIRECT,
    rest: 0,
    body: redirectBody(pkt, ip, target, mac),
    hopLimit: ND_HOPLIMIT,
    routerAlert: false,
    tclass: 0,
  });
}

function redirectBody(
  pkt: Packet,
  ip: Ipv6Header,
  target: Ipv6Header['dst'],
  mac: number,
): Uint8Array {
  const options = ADDRESSES + (mac < 0 ? 0 : 8);
  const room = (IPV6_MIN_MTU - IPV6_HLEN - 8 - options - 8) & ~7;
  const quoted = ipBytes(pkt).subarray(0, room);
  const padded = quoted.length & ~7;
  const body = new Uint8Array(options + 8 + padded);
  const view = new DataView(body.buffer);
  putIp6(view, 0, target);
  putIp6(view, 16, ip.dst);
  if (mac >= 0) putLinkOption(view, ADDRESSES, ND_OPT_TARGET_LL_ADDR, mac);
  view.setUint8(options, ND_OPT_REDIRECT_HDR);
  view.setUint8(options + 1, 1 + padded / 8);
  body.set(quoted.subarray(0, padded), options + 8);
  return body;
}
