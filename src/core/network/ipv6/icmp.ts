/**
 * Sending ICMPv6 (RFC 4443 §2.4; Linux `icmp6_send`, `icmpv6_echo_reply`): whom to tell, from which address, how much of
 * the packet to quote, and how often.
 */

import { segment } from '../../link/gso.ts';
import { l3Oif } from '../../link/l3mdev.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../link/net-device.ts';
import { MIB6 } from '../../mib6.ts';
import type { NetNs } from '../../net.ts';
import { PACKET_HOST, type Packet, type Payload } from '../../packet.ts';
import {
  IN6ADDR_ANY,
  type Ip6Addr,
  isAny6,
  isMulticast6,
  needsScope,
} from '../../util/ip6-addr.ts';
import { ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { ipBytes } from '../../wire/frame.ts';
import { ICMP_HLEN, IcmpHeader } from '../../wire/icmp.ts';
import {
  ICMPV6_ECHO_REPLY,
  ICMPV6_INFOMSG_MASK,
  ICMPV6_PARAMPROB,
  ICMPV6_PKT_TOOBIG,
  ICMPV6_UNK_OPTION,
} from '../../wire/icmpv6.ts';
import { IPPROTO_ICMPV6, IPV6_HLEN, IPV6_MIN_MTU, Ipv6Header } from '../../wire/ipv6.ts';
import { RTN_ANYCAST, RTN_LOCAL, RTN_MULTICAST } from '../route/route.ts';
import { routeOutput6, sourceOf6 } from '../route6/output.ts';
import type { Route6 } from '../route6/route.ts';
import type { FlowKeys } from '../rule/fib-rule.ts';
import { ip6LocalOut } from './output.ts';

/** What rules see of a message of ours. */
const ICMP_FLOW: FlowKeys = { mark: 0, protocol: IPPROTO_ICMPV6, sport: 0, dport: 0 };
/** RFC 4443 §2.4(c): an error is never larger than the smallest MTU. */
const MAX_QUOTE: number = IPV6_MIN_MTU - IPV6_HLEN - ICMP_HLEN;
/** The highest bit of an option says that even who was asked with many may complain. */
const TELLS_OF_GROUPS = 0x80;

/**
 * Tells the sender of `pkt` what became of it, unless a rule or a limit forbids it. `rest` is the header's second word:
 * the MTU, the pointer. Does not take ownership; `pkt.dev` is set.
 */
export function icmp6Send(pkt: Packet, type: number, code: number, rest: number): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  const ip = pkt.ip6;
  if (ip === null || !mayAnswer(pkt, ip, type, code, rest)) return;
  const limited = type !== ICMPV6_PKT_TOOBIG && (dev.flags & IFF_LOOPBACK) === 0;
  if (limited && !net.ipv4.icmpLimit.allow()) return;
  const asked = pkt.route6?.type;
  const isOurs = asked === RTN_LOCAL && !isMulticast6(ip.dst);
  const iif = (pkt.route6?.type === RTN_LOCAL ? pkt.route6.idev : dev).ifindex;
  const oif = needsScope(ip.src) ? iif : l3Oif(dev);
  const route = routeOutput6(net, ip.src, isOurs ? ip.dst : IN6ADDR_ANY, oif, ICMP_FLOW);
  if (typeof route === 'number') return;
  const src = isOurs ? ip.dst : sourceOf6(net, route, ip.src);
  if (src === null || (limited && !mayHear(net, route, ip.src))) return;
  const quoted = quote(pkt);
  push(net, route, new Ipv6Header(src, ip.src, IPPROTO_ICMPV6, 0, ip.tclass), {
    header: new IcmpHeader(type, code, rest),
    data: [quoted],
    len: quoted.length,
    mark: pkt.mark,
  });
}

/** Answers an echo request (`icmpv6_echo_reply`). */
export function icmp6EchoReply(pkt: Packet, dev: NetDevice, request: IcmpHeader): void {
  const { net } = dev;
  const ip = pkt.ip6 as Ipv6Header;
  const unicast = pkt.route6?.type !== RTN_MULTICAST && pkt.route6?.type !== RTN_ANYCAST;
  const from = unicast ? ip.dst : IN6ADDR_ANY;
  const iif = (pkt.route6?.idev ?? dev).ifindex;
  const oif = needsScope(ip.src) || !unicast ? iif : l3Oif(dev);
  const route = routeOutput6(net, ip.src, from, oif, ICMP_FLOW);
  if (typeof route === 'number') return;
  const src = unicast ? ip.dst : sourceOf6(net, route, ip.src);
  if (src === null) return;
  push(net, route, new Ipv6Header(src, ip.src, IPPROTO_ICMPV6, 0, ip.tclass), {
    header: new IcmpHeader(ICMPV6_ECHO_REPLY, 0, request.rest),
    data: pkt.data,
    len: pkt.len,
    mark: 0,
  });
}

interface Message {
  readonly header: IcmpHeader;
  readonly data: Payload;
  readonly len: number;
  readonly mark: number;
}

function push(net: NetNs, route: Route6, ip: Ipv6Header, message: Message): void {
  const out = net.kernel.newPacket(ETH_P_IPV6);
  const { header } = message;
  ip.hopLimit = route.defaultHopLimit();
  ip.flowLabel = net.ipv6.flowLabel(
    ip.src,
    ip.dst,
    IPPROTO_ICMPV6,
    (header.type << 8) | header.code,
  );
  out.ip6 = ip;
  out.icmp = header;
  out.data = message.data;
  out.len = message.len;
  out.route6 = route;
  out.ignoreDf = true;
  icmp6OutCount(net, header.type);
  ip6LocalOut(net, out);
}

/** RFC 4443 §2.4(e): never about errors, to nobody, or about what went to many. */
function mayAnswer(pkt: Packet, ip: Ipv6Header, type: number, code: number, rest: number): boolean {
  if (isAny6(ip.src) || isMulticast6(ip.src)) return false;
  if ((isMulticast6(ip.dst) || pkt.pktType !== PACKET_HOST) && type !== ICMPV6_PKT_TOOBIG) {
    const isOption = type === ICMPV6_PARAMPROB && code === ICMPV6_UNK_OPTION;
    const option = isOption ? (ip.ext?.[rest - IPV6_HLEN] ?? 0) : 0;
    if ((option & 0xc0) !== TELLS_OF_GROUPS) return false;
  }
  return ip.protocol !== IPPROTO_ICMPV6 || !isIneligible(pkt, ip);
}

/** Is it an error itself? What cannot be seen counts as one, but in a fragment (`is_ineligible`). */
function isIneligible(pkt: Packet, ip: Ipv6Header): boolean {
  if (pkt.icmp !== null) return (pkt.icmp.type & ICMPV6_INFOMSG_MASK) === 0;
  if (ip.isFragment() && (ip.fragField() & 0xfff8) !== 0) return false;
  for (const slice of pkt.data)
    if (slice.length > 0) return ((slice[0] as number) & ICMPV6_INFOMSG_MASK) === 0;
  return !ip.isFragment();
}

/** Does the limit of this destination allow it (`icmpv6_xrlim_allow`)? It is larger for whole networks. */
function mayHear(net: NetNs, route: Route6, dst: Ip6Addr): boolean {
  if ((route.dev.flags & IFF_LOOPBACK) !== 0) return true;
  const { ipv6, ipv4 } = net;
  const costUs = (ipv6.sysctl.icmpRatelimit >> ((128 - route.prefixLen) >> 5)) * 1000;
  if (!ipv6.peers.allow(dst, costUs)) {
    ipv6.mib[MIB6.Icmp6OutRateLimitHost]++;
    return false;
  }
  ipv4.icmpLimit.consume();
  return true;
}

/** The packet as it came, its IP header included. */
function quote(pkt: Packet): Uint8Array {
  const first = pkt.gsoSize > 0 ? (segment(pkt.clone())[0] as Packet) : pkt;
  const bytes = ipBytes(first);
  return bytes.length > MAX_QUOTE ? bytes.subarray(0, MAX_QUOTE) : bytes;
}

/** Counts a message that leaves, by type (`icmpv6_out_count`). */
export function icmp6OutCount(net: NetNs, type: number): void {
  const { mib } = net.ipv6;
  mib[MIB6.Icmp6OutMsgs]++;
  net.ipv6.icmpTypes.count(type, true);
}
