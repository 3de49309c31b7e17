/** Raw sockets over IPv6: what they send and receive begins behind the IP header (Linux `net/ipv6/raw.c`; RFC 3542). */

import { drop } from '../../drop.ts';
import { EDESTADDRREQ, EINVAL, EMSGSIZE, ENETUNREACH, EOPNOTSUPP, EPIPE } from '../../errno.ts';
import { isBoundTo, sdifOf } from '../../link/l3mdev.ts';
import { icmp6OutCount } from '../../network/ipv6/icmp.ts';
import { ip6LocalOut } from '../../network/ipv6/output.ts';
import { BAD_L4_CSUM, NO_PAYLOAD, type Packet } from '../../packet.ts';
import type { Icmp6Error } from '../../protocols.ts';
import {
  IN6ADDR_LOOPBACK,
  type Ip6Addr,
  isAny6,
  isMapped6,
  isMulticast6,
  needsScope,
} from '../../util/ip6-addr.ts';
import { ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { parseIpv6Packet, parseL4 } from '../../wire/frame.ts';
import { IPPROTO_ICMPV6, IPV6_HLEN, IPV6_MAXPLEN, Ipv6Header } from '../../wire/ipv6.ts';
import { FROM_TRANSPORT, filterPasses } from '../filter/socket-filter.ts';
import { reportIcmp6 } from '../icmp6-report.ts';
import { hopLimitFor, lookUp6, route6To } from '../inet6.ts';
import { readControl6, receivedBy, type SendOptions6 } from '../inet6-cmsg.ts';
import type { Inet6 } from '../inet6-state.ts';
import { acceptsGroup6 } from '../membership6.ts';
import { type ControlMessage, MSG_OOB, SEND_SHUTDOWN, type SockAddrIn } from '../sock.ts';
import { IP_PMTUDISC_DO, IP_PMTUDISC_PROBE } from '../sockopt-names.ts';
import type { RawSock } from './sock.ts';

/** Sends `data` behind an IPv6 header, or with the one that it begins with. Linux `rawv6_sendmsg`. */
export function raw6Sendmsg(
  sk: RawSock,
  v6: Inet6,
  data: Uint8Array,
  flags: number,
  message: { readonly to: SockAddrIn | null; readonly control: readonly ControlMessage[] | null },
): number {
  const { to, control } = message;
  if (data.length > IPV6_MAXPLEN) return -EMSGSIZE;
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if (to === null && !sk.connected) return -EDESTADDRREQ;
  if (to !== null && to.addr6 === undefined) return -EINVAL;
  const asked = to?.addr6 ?? v6.daddr;
  if (isMapped6(asked)) return -ENETUNREACH;
  const options = control === null ? null : readControl6(control);
  if (typeof options === 'number') return options;
  const dst = isAny6(asked) ? IN6ADDR_LOOPBACK : asked;
  const pkt = prepare(sk, v6, data, dst, { options, scopeId: to?.scopeId ?? 0 });
  if (typeof pkt === 'number') return pkt;
  if (sk.err !== 0) return -sk.takeError();
  if ((sk.shutdownMask & SEND_SHUTDOWN) !== 0) return -EPIPE;
  const err = ip6LocalOut(sk.net, pkt);
  return err < 0 ? err : data.length;
}

function prepare(
  sk: RawSock,
  v6: Inet6,
  data: Uint8Array,
  dst: Ip6Addr,
  how: { readonly options: SendOptions6 | null; readonly scopeId: number },
): Packet | number {
  const { options } = how;
  let oif = options?.oif ?? 0;
  if (oif === 0 && needsScope(dst)) oif = how.scopeId;
  const found =
    options !== null && !isAny6(options.src)
      ? lookUp6(sk, v6, dst, options.src, oif)
      : route6To(sk, v6, dst, oif);
  if (typeof found === 'number') return found;
  const { route } = found;
  const pkt = sk.net.kernel.newPacket(ETH_P_IPV6);
  const mayCut = v6.pmtudisc < IP_PMTUDISC_DO && !v6.dontFrag && !sk.rare.hdrIncl;
  const size = data.length + (sk.rare.hdrIncl ? 0 : IPV6_HLEN);
  if (!mayCut && size > route.mtu(sk.net.kernel.nowUs)) return -EMSGSIZE;
  if (sk.rare.hdrIncl) {
    parseIpv6Packet(sk.copyIn.copy(data), pkt);
    if (pkt.ip6 === null) return -EINVAL;
  } else {
    const said = options !== null && options.hopLimit >= 0 ? options.hopLimit : -1;
    const hops = said >= 0 ? said : hopLimitFor(v6, dst, route);
    const tclass = options !== null && options.tclass >= 0 ? options.tclass : v6.tclass;
    const ip = new Ipv6Header(found.src, dst, sk.protocol & 0xff, hops, tclass);
    ip.flowLabel = sk.net.ipv6.flowLabel(found.src, dst, sk.protocol, 0);
    pkt.ip6 = ip;
    putPayload(sk, pkt, data);
  }
  pkt.route6 = route;
  pkt.ignoreDf = mayCut;
  pkt.linkMtu = v6.pmtudisc >= IP_PMTUDISC_PROBE;
  pkt.noLoop = !v6.mcastLoop;
  pkt.mark = sk.mark;
  pkt.priority = sk.priority;
  return pkt;
}

/** What follows the header that was made for it. */
function putPayload(sk: RawSock, pkt: Packet, data: Uint8Array): void {
  pkt.data = data.length === 0 ? NO_PAYLOAD : [sk.copyIn.copy(data)];
  pkt.len = data.length;
  if (pkt.len > 0) parseL4(pkt);
  // RFC 3542 §3.1: the checksum of ICMPv6 is always the kernel's.
  if (sk.protocol !== IPPROTO_ICMPV6) return;
  pkt.flags &= ~BAD_L4_CSUM;
  if (data.length > 0) icmp6OutCount(sk.net, data[0] as number);
}

/** Gives each AF_INET6 socket of the packet's protocol a copy; true: there was one (`ipv6_raw_deliver`). */
export function raw6Input(pkt: Packet): boolean {
  const { dev, ip6 } = pkt;
  if (dev === null || ip6 === null) return false;
  const { socks } = dev.net.raw;
  if (socks.size === 0) return false;
  let taken = false;
  const ifindex = receivedBy(pkt);
  const sdif = sdifOf(pkt, dev.net.sysctl.rawL3mdevAccept);
  for (const sk of socks.get(ip6.protocol) ?? []) {
    if (!matches6(sk, ip6.src, ip6.dst, ifindex, sdif)) continue;
    taken = true;
    deliver(sk, pkt.clone());
  }
  return taken;
}

function deliver(sk: RawSock, pkt: Packet): void {
  const { rareMaybe } = sk;
  if (rareMaybe !== null && rareMaybe.filter !== null)
    if (!filterPasses(sk, rareMaybe.filter, pkt, FROM_TRANSPORT, 1)) {
      sk.drops++;
      drop(sk.net, pkt, 'SOCKET_FILTER');
      return;
    }
  if (!sk.enqueue(pkt)) drop(sk.net, pkt, 'SOCKET_RCVBUFF');
}

/** Linux `raw_v6_match` */
function matches6(
  sk: RawSock,
  remote: Ip6Addr,
  local: Ip6Addr,
  ifindex: number,
  sdif: number,
): boolean {
  const v6 = sk.inet6;
  if (v6 === null || (!isAny6(v6.daddr) && !v6.daddr.equals(remote))) return false;
  if (!isBoundTo(sk.boundDevIf, ifindex, sdif)) return false;
  if (!isAny6(v6.rcvSaddr) && !v6.rcvSaddr.equals(local)) return false;
  return !isMulticast6(local) || acceptsGroup6(v6, local, remote, ifindex);
}

/** ICMPv6 errors about what raw sockets sent (Linux `rawv6_err`). */
export function raw6Error(pkt: Packet, error: Icmp6Error): void {
  const { dev } = pkt;
  if (dev === null) return;
  const sdif = sdifOf(pkt, dev.net.sysctl.rawL3mdevAccept);
  for (const sk of dev.net.raw.socks.get(error.protocol) ?? []) {
    if (matches6(sk, error.dst, error.src, receivedBy(pkt), sdif))
      reportIcmp6(sk, pkt, error, 0, 0);
  }
}
