/**
 * Router advertisements that a host receives (RFC 4861 §6.3.4, RFC 4191, RFC 4862 §5.5; Linux
 * `ndisc_router_discovery`). A router heeds them only where accept_ra is 2.
 */
import { drop } from '../../drop.ts';
import {
  NEIGH_UPDATE_OVERRIDE,
  NEIGH_UPDATE_WEAK_OVERRIDE,
  NUD_STALE,
} from '../../link/neighbour-state.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Packet } from '../../packet.ts';
import { type Ip6Addr, isLinkLocal6 } from '../../util/ip6-addr.ts';
import { IPV6_MIN_MTU, type Ipv6Header } from '../../wire/ipv6.ts';
import { type NdOptions, parseNdOptions, type RouteInfoOption } from '../../wire/ndisc.ts';
import type { FibRoute6 } from '../route6/fib.ts';
import { type Announced, defaultRouter, routeInformation } from '../route6/ra-route.ts';
import { ownerOf } from './address.ts';
import { acceptsRa, type Ipv6Device } from './device.ts';
import { prefixInformation } from './prefix-info.ts';

/** Bytes behind the header: reachable time and retransmission timer. */
const TIMERS_LEN = 8;
const RA_MANAGED = 0x80;
const RA_OTHERCONF = 0x40;
const PREF_MEDIUM = 0;
const PREF_INVALID = 2;
/** Lifetimes and limits of times that a router may set: `MAX_SCHEDULE_TIMEOUT` is no limit here, seconds are. */
const MAX_RETRANS_MS = 2_147_483_647;
const MAX_REACHABLE_MS = 715_827_882;

/** Takes a router advertisement; `rest`: hop limit, flags and lifetime. */
export function routerAdvertisement(
  pkt: Packet,
  ipv6: Ipv6Device,
  bytes: Uint8Array,
  rest: number,
): void {
  const { dev } = ipv6;
  const { net } = dev;
  const from = (pkt.ip6 as Ipv6Header).src;
  if (!isLinkLocal6(from)) {
    drop(net, pkt, 'IPV6_NDISC_BAD_OPTIONS', 'router advertisement from afar');
    return;
  }
  if (bytes.length < TIMERS_LEN) {
    drop(net, pkt, 'PKT_TOO_SMALL', 'router advertisement');
    return;
  }
  const options = parseNdOptions(bytes, TIMERS_LEN);
  if (options === null) {
    drop(net, pkt, 'IPV6_NDISC_BAD_OPTIONS', 'router advertisement');
    return;
  }
  const accepts = acceptsRa(ipv6);
  const route = accepts ? linkParameters(ipv6, from, rest, bytes) : undefined;
  learnRouter(dev, from, options.sourceMac);
  if (accepts) readOptions(ipv6, from, options, route);
}

/** A router is a neighbour. */
function learnRouter(dev: NetDevice, from: Ip6Addr, mac: number): void {
  if (dev.hardHeaderLen === 0) return;
  const neigh = dev.net.ipv6.ndisc.entry(dev, from);
  if (neigh === null) return;
  const flags = NEIGH_UPDATE_WEAK_OVERRIDE | NEIGH_UPDATE_OVERRIDE;
  if (neigh.update(mac < 0 ? null : mac, NUD_STALE, flags) === 0) neigh.isRouter = true;
}

/** Default router, hop limit and timers; gives the default route. */
function linkParameters(
  ipv6: Ipv6Device,
  from: Ip6Addr,
  rest: number,
  bytes: Uint8Array,
): FibRoute6 | undefined {
  const flags = (rest >>> 16) & 0xff;
  const auto = ipv6.ownAuto();
  if (auto.rsSent) auto.raReceived = true;
  auto.managed = (flags & RA_MANAGED) !== 0;
  auto.otherConf = (flags & RA_OTHERCONF) !== 0;
  const route = defaultRoute(ipv6, from, rest);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  setTimers(ipv6, view.getUint32(0), view.getUint32(4));
  return route;
}

function defaultRoute(ipv6: Ipv6Device, from: Ip6Addr, rest: number): FibRoute6 | undefined {
  const { dev, conf } = ipv6;
  const lifetime = rest & 0xffff;
  if (conf.acceptRaDefrtr === 0) return undefined;
  if (lifetime !== 0 && lifetime < conf.acceptRaMinLft) return undefined;
  if (isOurs(ipv6, from)) return undefined;
  const said = (rest >>> 19) & 3;
  const pref = said === PREF_INVALID || conf.acceptRaRtrPref === 0 ? PREF_MEDIUM : said;
  const route = defaultRouter({
    dev,
    gateway: from,
    lifetime,
    pref,
    metric: conf.raDefrtrMetric,
  });
  if (route !== undefined && dev.hardHeaderLen > 0) {
    const neigh = dev.net.ipv6.ndisc.entry(dev, from);
    if (neigh !== null) neigh.isRouter = true;
  }
  setHopLimit(ipv6, rest >>> 24, route);
  return route;
}

/** An advertisement of one's own is heeded only with accept_ra_from_local. */
function isOurs(ipv6: Ipv6Device, from: Ip6Addr): boolean {
  const { dev, conf } = ipv6;
  return conf.acceptRaFromLocal === 0 && ownerOf(dev.net, from, dev) !== null;
}

function setHopLimit(ipv6: Ipv6Device, hopLimit: number, route: FibRoute6 | undefined): void {
  const min = ipv6.conf.acceptRaMinHopLimit;
  if (min >= 256 || hopLimit === 0 || hopLimit < min) return;
  if (ipv6.conf.hopLimit !== hopLimit) {
    ipv6.conf = ipv6.conf.with('hopLimit', hopLimit);
    ipv6.dev.net.ipv6.changed();
  }
  if (route !== undefined && route.metrics.hoplimit !== hopLimit) {
    route.metrics = { ...route.metrics, hoplimit: hopLimit };
    ipv6.dev.net.ipv6.changed();
  }
}

function setTimers(ipv6: Ipv6Device, reachableMs: number, retransMs: number): void {
  if (retransMs !== 0 && retransMs <= MAX_RETRANS_MS)
    ipv6.neighConf = ipv6.neighConf.with('retransTimeMs', Math.max(retransMs, 10));
  if (reachableMs === 0 || reachableMs > MAX_REACHABLE_MS) return;
  const ms = Math.max(reachableMs, 100);
  if (ms === ipv6.neighConf.baseReachableTimeMs) return;
  ipv6.neighConf = ipv6.neighConf
    .with('baseReachableTimeMs', ms)
    .with('gcStaleTime', Math.floor((3 * ms) / 1000));
}

function readOptions(
  ipv6: Ipv6Device,
  from: Ip6Addr,
  options: NdOptions,
  route: FibRoute6 | undefined,
): void {
  const { dev } = ipv6;
  if (!isOurs(ipv6, from) && ipv6.conf.acceptRaRtrPref !== 0)
    for (const info of options.routes) routeOption(ipv6, from, info);
  if (ipv6.conf.acceptRaPinfo !== 0)
    for (const prefix of options.prefixes) prefixInformation(ipv6, prefix, options.sourceMac >= 0);
  if (options.mtu >= 0 && ipv6.conf.acceptRaMtu !== 0) setMtu(ipv6, options.mtu, route);
  for (const data of options.user) dev.net.events.emit('nduseropt', { dev, from, data });
}

function routeOption(ipv6: Ipv6Device, from: Ip6Addr, info: RouteInfoOption): void {
  const { conf, dev } = ipv6;
  const { prefixLen, lifetime, pref, length } = info;
  if (prefixLen === 0 && conf.acceptRaDefrtr === 0) return;
  if (lifetime !== 0 && lifetime < conf.acceptRaMinLft) return;
  if (prefixLen < conf.acceptRaRtInfoMinPlen || prefixLen > conf.acceptRaRtInfoMaxPlen) return;
  const needed = prefixLen > 64 ? 3 : prefixLen > 0 ? 2 : 1;
  if (length < needed || length > 3 || prefixLen > 128 || pref === PREF_INVALID) return;
  const announced: Announced = { dev, gateway: from, lifetime, pref, metric: 0 };
  routeInformation(announced, info.prefix, prefixLen);
}

function setMtu(ipv6: Ipv6Device, mtu: number, route: FibRoute6 | undefined): void {
  const { dev } = ipv6;
  ipv6.ownAuto().raMtu = mtu;
  if (mtu < IPV6_MIN_MTU || mtu > dev.mtu || ipv6.mtu === mtu) return;
  ipv6.mtu = mtu;
  if (route !== undefined) route.metrics = { ...route.metrics, mtu };
  dev.net.ipv6.changed();
}
