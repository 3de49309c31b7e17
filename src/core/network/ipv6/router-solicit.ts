/**
 * Asking for routers, and being asked (RFC 4861 §6.3.7, RFC 7559; Linux `addrconf_rs_timer`, `ndisc_send_rs`,
 * `ndisc_recv_rs`).
 */
import { drop } from '../../drop.ts';
import {
  NEIGH_UPDATE_OVERRIDE,
  NEIGH_UPDATE_WEAK_OVERRIDE,
  NUD_STALE,
} from '../../link/neighbour-state.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../link/net-device.ts';
import type { Packet } from '../../packet.ts';
import { IN6ADDR_LINKLOCAL_ALLROUTERS, type Ip6Addr, isAny6 } from '../../util/ip6-addr.ts';
import { NDISC_ROUTER_SOLICITATION } from '../../wire/icmpv6.ts';
import type { Ipv6Header } from '../../wire/ipv6.ts';
import { ND_OPT_SOURCE_LL_ADDR, ndBody, parseNdOptions } from '../../wire/ndisc.ts';
import { RT_SCOPE_LINK } from '../route/fib.ts';
import {
  findAddr6,
  IFA_F_OPTIMISTIC,
  IFA_F_TENTATIVE,
  type Ipv6Address,
  linkLocalOf,
} from './address.ts';
import type { AutoConf } from './auto-conf.ts';
import { acceptsRa, type Ipv6Device } from './device.ts';
import { ND_HOPLIMIT } from './ndisc-send.ts';
import { sendOnLink } from './send.ts';

/** The link-local address is ours: begins to ask, if an answer would be heeded. */
export function startSolicitations(ipv6: Ipv6Device, a: Ipv6Address): void {
  const { dev, conf } = ipv6;
  if (!isOnlyLinkLocal(ipv6, a) || !acceptsRa(ipv6) || conf.routerSolicitations === 0) return;
  if ((dev.flags & IFF_LOOPBACK) !== 0) return;
  const from = linkLocalOf(dev, IFA_F_TENTATIVE);
  if (from === null) return;
  sendRs(dev, from);
  const auto = ipv6.ownAuto();
  auto.rsIntervalUs = spread(ipv6, conf.routerSolicitationInterval * 1e6);
  auto.rsProbes = 1;
  auto.rsSent = true;
  arm(ipv6, auto, auto.rsIntervalUs);
}

/** Linux `ipv6_lonely_lladdr` */
function isOnlyLinkLocal(ipv6: Ipv6Device, a: Ipv6Address): boolean {
  if (a.scope !== RT_SCOPE_LINK) return false;
  return !ipv6.addresses.some(
    (o) => o !== a && o.scope === RT_SCOPE_LINK && (o.flags & IFA_F_TENTATIVE) === 0,
  );
}

/** The link goes: nobody is asked any more. */
export function stopSolicitations(ipv6: Ipv6Device): void {
  const { auto } = ipv6;
  if (auto === null) return;
  auto.rsTimer?.clear();
  auto.rsSent = false;
  auto.raReceived = false;
}

function arm(ipv6: Ipv6Device, auto: AutoConf, us: number): void {
  const { kernel } = ipv6.dev.net;
  auto.rsTimer ??= kernel.timer(() => again(ipv6, auto));
  auto.rsTimer.set(kernel.nowUs + us);
}

/** Linux `addrconf_rs_timer` */
function again(ipv6: Ipv6Device, auto: AutoConf): void {
  const { dev, conf } = ipv6;
  if (dev.dead || !ipv6.ready || !acceptsRa(ipv6) || auto.raReceived) return;
  const most = conf.routerSolicitations;
  if (auto.rsProbes++ >= most && most >= 0) return;
  const from = linkLocalOf(dev, IFA_F_TENTATIVE);
  if (from === null) return;
  sendRs(dev, from);
  const maxUs = conf.routerSolicitationMaxInterval * 1e6;
  const doubled = 2 * spread(ipv6, auto.rsIntervalUs, 0.05);
  auto.rsIntervalUs = doubled > maxUs ? spread(ipv6, maxUs) : doubled;
  const last = auto.rsProbes === most;
  arm(ipv6, auto, last ? conf.routerSolicitationDelay * 1e6 : auto.rsIntervalUs);
}

/** RFC 8415 §15: a tenth more or less, so that not all ask at once. */
function spread(ipv6: Ipv6Device, us: number, part = 0.1): number {
  const random = ipv6.dev.net.kernel.random('ipv6-rs');
  return Math.floor(us * (1 - part) + random.below(Math.max(Math.floor(2 * part * us), 1)));
}

function sendRs(dev: NetDevice, src: Ip6Addr): void {
  const own = findAddr6(dev, src);
  const optimistic = own !== null && (own.flags & IFA_F_OPTIMISTIC) !== 0;
  const mac = dev.hardHeaderLen > 0 && !optimistic ? dev.mac : -1;
  sendOnLink(dev, {
    src,
    dst: IN6ADDR_LINKLOCAL_ALLROUTERS,
    type: NDISC_ROUTER_SOLICITATION,
    rest: 0,
    body: ndBody(null, ND_OPT_SOURCE_LL_ADDR, mac),
    hopLimit: ND_HOPLIMIT,
    routerAlert: false,
    tclass: dev.ipv6?.conf.ndiscTclass ?? 0,
  });
}

/** A host asks: a router learns its address (`ndisc_recv_rs`). The answer is a program's. */
export function routerSolicitation(pkt: Packet, ipv6: Ipv6Device, bytes: Uint8Array): void {
  const { dev } = ipv6;
  const from = (pkt.ip6 as Ipv6Header).src;
  if (ipv6.conf.forwarding === 0 || isAny6(from)) return;
  const options = parseNdOptions(bytes, 0);
  if (options === null) {
    drop(dev.net, pkt, 'IPV6_NDISC_BAD_OPTIONS', 'router solicitation');
    return;
  }
  if (dev.hardHeaderLen === 0) return;
  const neigh = dev.net.ipv6.ndisc.entry(dev, from);
  if (neigh === null) return;
  const mac = options.sourceMac < 0 ? null : options.sourceMac;
  neigh.update(mac, NUD_STALE, NEIGH_UPDATE_WEAK_OVERRIDE | NEIGH_UPDATE_OVERRIDE);
  neigh.isRouter = false;
}
