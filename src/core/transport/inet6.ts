/**
 * Binding and connecting AF_INET6 sockets, and the way of what they send (Linux `__inet6_bind`,
 * `__ip6_datagram_connect`, `ip6_sk_dst_lookup_flow`). With v4-mapped addresses such a socket works
 * over IPv4: its IPv4 fields are then set too.
 */
import { EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EINVAL, ENETUNREACH, ENODEV } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import { MIB6 } from '../mib6.ts';
import { ownerOf } from '../network/ipv6/address.ts';
import { isDeep6, routeOutput6, sourceOf6 } from '../network/route6/output.ts';
import type { Route6 } from '../network/route6/route.ts';
import { flowTo } from '../network/rule/flow.ts';
import {
  IN6ADDR_ANY,
  IN6ADDR_LOOPBACK,
  type Ip6Addr,
  isAny6,
  isLinkLocal6,
  isMapped6,
  isMulticast6,
  mappedAddr,
  needsScope,
} from '../util/ip6-addr.ts';
import type { DatagramSock } from './datagram.ts';
import type { BoundAddr6, Inet6 } from './inet6-state.ts';
import { SOCK_STREAM, type Sock } from './sock.ts';

/** A socket that can be bound. */
export type BindableSock = Sock & { bindAddrLocked: boolean };

/** `__inet6_bind` without the port: validates and takes over the address. */
export function bindAddr6(sk: Sock, v6: Inet6, addr: Ip6Addr, scopeId: number): number {
  if (isMulticast6(addr) && sk.type === SOCK_STREAM) return -EINVAL;
  if (isMapped6(addr)) return v6.v6only ? -EINVAL : 0;
  if (isAny6(addr)) return 0;
  let dev: NetDevice | null = null;
  if (needsScope(addr)) {
    if (scopeId !== 0) sk.boundDevIf = scopeId;
    if (sk.boundDevIf === 0) return -EINVAL;
    dev = sk.net.devs.findIndex(sk.boundDevIf) ?? null;
    if (dev === null) return -ENODEV;
  }
  if (isMulticast6(addr)) return 0;
  const foreign = sk.freebind || sk.transparent || sk.net.ipv6.sysctl.ipNonlocalBind !== 0;
  return foreign || ownerOf(sk.net, addr, dev) !== null ? 0 : -EADDRNOTAVAIL;
}

/** Sets the bound address in both families' fields; a group is bound, but is no source. */
export function setBound6(sk: BindableSock, v6: Inet6, addr: Ip6Addr): void {
  v6.rcvSaddr = addr;
  v6.saddr = isMulticast6(addr) ? IN6ADDR_ANY : addr;
  sk.rcvSaddr = isMapped6(addr) ? addr.d : 0;
  sk.saddr = sk.rcvSaddr;
  sk.bindAddrLocked = !isAny6(addr);
  v6.route = null;
}

/** `__ip6_datagram_connect`; mapped addresses are the caller's. */
export function connect6(
  sk: DatagramSock,
  v6: Inet6,
  to: Ip6Addr,
  port: number,
  scopeId: number,
): number {
  if (sk.autobind() < 0) return -EAGAIN;
  const daddr = isAny6(to) ? IN6ADDR_LOOPBACK : to;
  if (needsScope(daddr)) {
    if (scopeId !== 0) {
      if (sk.boundDevIf !== 0 && sk.boundDevIf !== scopeId) return -EINVAL;
      sk.boundDevIf = scopeId;
    }
    if (sk.boundDevIf === 0 && !(isMulticast6(daddr) && v6.mcastOif !== 0)) return -EINVAL;
  }
  const found = lookUp6(sk, v6, daddr, v6.saddr, 0);
  if (typeof found === 'number') return found;
  if (isAny6(v6.saddr)) v6.saddr = found.src;
  if (isAny6(v6.rcvSaddr)) v6.rcvSaddr = found.src;
  v6.daddr = daddr;
  v6.route = found.route;
  v6.lastDst = daddr;
  sk.dport = port;
  sk.daddr = 0;
  sk.connected = true;
  sk.rehash();
  return 0;
}

/** The IPv4 side was connected: the IPv6 fields show it. */
export function showMapped(sk: Sock, v6: Inet6): void {
  v6.daddr = mappedAddr(sk.daddr);
  if (isAny6(v6.saddr)) v6.saddr = mappedAddr(sk.saddr);
  if (isAny6(v6.rcvSaddr)) v6.rcvSaddr = mappedAddr(sk.rcvSaddr);
}

/** Way and source of a packet; `oif` 0: what the socket's options say. */
// biome-ignore lint/complexity/useMaxParams: asked for packets, which an object each would cost
export function lookUp6(
  sk: Sock,
  v6: Inet6,
  daddr: Ip6Addr,
  src: Ip6Addr,
  oif: number,
  dport: number = sk.dport,
): { readonly route: Route6; readonly src: Ip6Addr } | number {
  if (isMapped6(src) && !isMapped6(daddr)) return -EAFNOSUPPORT;
  let via = oif === 0 ? sk.boundDevIf : oif;
  if (via === 0) via = isMulticast6(daddr) ? v6.mcastOif : v6.unicastOif;
  const route = routeOutput6(sk.net, daddr, src, via, flowTo(sk, dport), v6.tclass);
  if (typeof route === 'number') {
    if (route === -ENETUNREACH) sk.net.ipv6.mib[MIB6.Ip6OutNoRoutes]++;
    return route;
  }
  if (!isAny6(src)) return { route, src };
  const chosen = sourceOf6(sk.net, route, daddr);
  if (chosen === null) return isLinkLocal6(daddr) ? -EADDRNOTAVAIL : -ENETUNREACH;
  return { route, src: chosen };
}

/** The route to `daddr`: the one that was used last, if it still holds. */
export function route6To(
  sk: Sock,
  v6: Inet6,
  daddr: Ip6Addr,
  oif: number,
  dport: number = sk.dport,
): { readonly route: Route6; readonly src: Ip6Addr } | number {
  const { route, lastDst } = v6;
  const kept = sk.dport !== 0 || !isDeep6(sk.net);
  if (kept && oif === 0 && route !== null && lastDst?.equals(daddr) === true) {
    const holds = route.generation === sk.net.ipv6.generation && !route.dev.dead;
    const fresh = route.pmtu === 0 || sk.net.kernel.nowUs < route.pmtuExpiresUs;
    const src = isAny6(v6.saddr) ? route.src : v6.saddr;
    if (holds && fresh && src !== null) return { route, src };
  }
  const found = lookUp6(sk, v6, daddr, v6.saddr, oif, dport);
  if (typeof found !== 'number' && oif === 0) {
    v6.route = found.route;
    v6.lastDst = daddr;
  }
  return found;
}

/** Hop limit of packets to `daddr` (`ip6_sk_dst_hoplimit`). */
export function hopLimitFor(v6: Inet6, daddr: Ip6Addr, route: Route6): number {
  const own = isMulticast6(daddr) ? v6.mcastHops : v6.hops;
  return own >= 0 ? own : route.defaultHopLimit();
}

/** 127.0.0.6, which stands for every address that IPv4 does not have (`LOOPBACK4_IPV6`). */
const LOOPBACK4_IPV6 = 0x7f000006;

/** What a socket, or what is left of one, is bound to. */
interface BoundAddr {
  readonly rcvSaddr: number;
  readonly inet6: BoundAddr6 | null;
}

/** The IPv4 address that is taken. */
function boundOver4({ rcvSaddr, inet6 }: BoundAddr): number {
  if (inet6 === null || isAny6(inet6.rcvSaddr) || isMapped6(inet6.rcvSaddr)) return rcvSaddr;
  return LOOPBACK4_IPV6;
}

/**
 * Do two bound addresses stand for one another (`inet_rcv_saddr_equal` with wildcards)? `a` is the socket that binds.
 */
export function sharesAddress(a: BoundAddr, b: BoundAddr): boolean {
  const own = a.inet6;
  const other = b.inet6;
  if (own === null) {
    if (other?.v6only === true) return false;
    const theirs = boundOver4(b);
    return a.rcvSaddr === 0 || theirs === 0 || a.rcvSaddr === theirs;
  }
  const addr = own.rcvSaddr;
  const bAddr = other === null ? null : other.rcvSaddr;
  const bMapped = bAddr === null || isMapped6(bAddr);
  if (isMapped6(addr) && bMapped) {
    if (other?.v6only === true) return false;
    return a.rcvSaddr === 0 || b.rcvSaddr === 0 || a.rcvSaddr === b.rcvSaddr;
  }
  const bAny = bAddr !== null && isAny6(bAddr);
  if (bAny && !(other?.v6only === true && isMapped6(addr))) return true;
  if (isAny6(addr) && !(own.v6only && bMapped)) return true;
  return bAddr !== null && addr.equals(bAddr);
}
