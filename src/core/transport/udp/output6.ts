/**
 * Sending UDP over IPv6 (Linux `udpv6_sendmsg`, `ip6_make_skb`). TX 1/4. From: `socket/socket.ts`. To:
 * `network/ipv6/output.ts`.
 */
import {
  EAGAIN,
  EDESTADDRREQ,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  EOPNOTSUPP,
  EPIPE,
} from '../../errno.ts';
import { MIB6 } from '../../mib6.ts';
import { ip6LocalOut } from '../../network/ipv6/output.ts';
import type { Route6 } from '../../network/route6/route.ts';
import { NO_PAYLOAD, type Payload } from '../../packet.ts';
import {
  IN6ADDR_LOOPBACK,
  type Ip6Addr,
  isAny6,
  isMapped6,
  needsScope,
} from '../../util/ip6-addr.ts';
import { ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { IPPROTO_UDP } from '../../wire/ipv4.ts';
import { IPV6_HLEN, IPV6_MAXPLEN, Ipv6Header } from '../../wire/ipv6.ts';
import { UDP_HLEN, UdpHeader } from '../../wire/udp.ts';
import { slicePayload } from '../datagram.ts';
import { hopLimitFor, lookUp6, route6To } from '../inet6.ts';
import { readControl6, type SendOptions6 } from '../inet6-cmsg.ts';
import type { Inet6 } from '../inet6-state.ts';
import {
  AF_INET,
  type ControlMessage,
  MSG_MORE,
  MSG_OOB,
  SEND_SHUTDOWN,
  type SockAddrIn,
} from '../sock.ts';
import { IP_PMTUDISC_DO, IP_PMTUDISC_PROBE, SOL_UDP, UDP_SEGMENT } from '../sockopt-names.ts';
import { udpSendmsg } from './output.ts';
import type { UdpSock } from './sock.ts';

/** Most datagrams that one UDP_SEGMENT send is cut into (`UDP_MAX_SEGMENTS`). */
const UDP_MAX_SEGMENTS = 128;

/** A datagram that is being put together, or is about to leave. */
export interface Cork6 {
  readonly route: Route6;
  readonly src: Ip6Addr;
  readonly dst: Ip6Addr;
  readonly dport: number;
  readonly hopLimit: number;
  readonly tclass: number;
  readonly gsoSize: number;
  readonly data: Uint8Array[];
  len: number;
}

/** Sends a datagram, or adds to the one that is corked. Returns `data.length` or `-errno`. */
export function udp6Sendmsg(
  sk: UdpSock,
  data: Uint8Array,
  flags: number,
  to: SockAddrIn | null,
  control: readonly ControlMessage[] | null,
): number {
  const v6 = sk.inet6 as Inet6;
  if (sk.cork6 === null && isOver4(v6, to)) {
    if (v6.v6only) return -ENETUNREACH;
    return udpSendmsg(sk, data, flags, to === null ? null : over4(to), control);
  }
  if (sk.sport === 0 && sk.autobind() < 0) return -EAGAIN;
  if (data.length > 0xffff) return -EMSGSIZE;
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if (sk.cork6 !== null) return append(sk, sk.cork6, data, flags);
  if (to !== null && to.port === 0) return -EINVAL;
  if (to === null && !sk.connected) return -EDESTADDRREQ;
  const cork = begin(sk, v6, to, control);
  if (typeof cork === 'number') return cork;
  return append(sk, cork, data, flags);
}

/** Does the datagram go to an IPv4 host? */
function isOver4(v6: Inet6, to: SockAddrIn | null): boolean {
  if (to === null) return v6.isMapped;
  return to.addr6 === undefined ? to.family === AF_INET : isMapped6(to.addr6);
}

function over4(to: SockAddrIn): SockAddrIn {
  return { family: AF_INET, addr: to.addr6 === undefined ? to.addr : to.addr6.d, port: to.port };
}

/** Where the datagram goes, and how. */
function begin(
  sk: UdpSock,
  v6: Inet6,
  to: SockAddrIn | null,
  control: readonly ControlMessage[] | null,
): Cork6 | number {
  const options = control === null ? null : readControl6(control);
  if (typeof options === 'number') return options;
  const asked = to?.addr6 ?? v6.daddr;
  const dst = isAny6(asked) ? IN6ADDR_LOOPBACK : asked;
  let oif = options?.oif ?? 0;
  if (oif === 0 && to !== null && needsScope(dst)) oif = to.scopeId ?? 0;
  const dport = to === null ? sk.dport : to.port;
  const found =
    options !== null && !isAny6(options.src)
      ? lookUp6(sk, v6, dst, options.src, oif, dport)
      : route6To(sk, v6, dst, oif, dport);
  if (typeof found === 'number') return found;
  return {
    route: found.route,
    src: found.src,
    dst,
    dport,
    hopLimit: chosen(options, 'hopLimit') ?? hopLimitFor(v6, dst, found.route),
    tclass: chosen(options, 'tclass') ?? v6.tclass,
    gsoSize: gsoSizeOf(sk, control),
    data: [],
    len: 0,
  };
}

function chosen(options: SendOptions6 | null, key: 'hopLimit' | 'tclass'): number | undefined {
  return options === null || options[key] < 0 ? undefined : options[key];
}

function gsoSizeOf(sk: UdpSock, control: readonly ControlMessage[] | null): number {
  const said = control?.find((c) => c.level === SOL_UDP && c.type === UDP_SEGMENT)?.value;
  return typeof said === 'number' ? said : sk.gsoSize;
}

function append(sk: UdpSock, cork: Cork6, data: Uint8Array, flags: number): number {
  const err = refusal(sk, cork, cork.len + data.length);
  if (err !== 0) {
    sk.cork6 = null;
    return -err;
  }
  if (data.length > 0) cork.data.push(sk.copyIn.copy(data));
  cork.len += data.length;
  sk.cork6 = cork;
  if ((flags & MSG_MORE) !== 0) return data.length;
  return udp6PushPending(sk) || data.length;
}

/** Positive errno when a datagram of `len` bytes cannot be sent now. */
function refusal(sk: UdpSock, cork: Cork6, len: number): number {
  const v6 = sk.inet6 as Inet6;
  const mayCut = v6.pmtudisc < IP_PMTUDISC_DO && !v6.dontFrag;
  const mtu = cork.route.mtu(sk.net.kernel.nowUs);
  const limit = mayCut || cork.gsoSize > 0 ? IPV6_MAXPLEN : mtu - IPV6_HLEN;
  if (len + UDP_HLEN > limit) return EMSGSIZE;
  if (sk.err !== 0) return sk.takeError();
  return (sk.shutdownMask & SEND_SHUTDOWN) !== 0 ? EPIPE : 0;
}

/** Sends what is corked (`udp_v6_push_pending_frames`); 0 or `-errno`. */
export function udp6PushPending(sk: UdpSock): number {
  const cork = sk.cork6;
  if (cork === null) return 0;
  sk.cork6 = null;
  const { gsoSize } = cork;
  if (gsoSize === 0 || cork.len <= gsoSize) return send(sk, cork, cork.data, cork.len);
  if (gsoSize + UDP_HLEN + IPV6_HLEN > cork.route.mtu(sk.net.kernel.nowUs)) return -EMSGSIZE;
  if (cork.len > gsoSize * UDP_MAX_SEGMENTS) return -EINVAL;
  for (let at = 0; at < cork.len; at += gsoSize) {
    const len = Math.min(gsoSize, cork.len - at);
    const err = send(sk, cork, slicePayload(cork.data, at, len), len);
    if (err < 0) return err;
  }
  return 0;
}

function send(sk: UdpSock, cork: Cork6, data: Payload, len: number): number {
  const { net } = sk;
  const v6 = sk.inet6 as Inet6;
  const { src, dst, dport } = cork;
  const pkt = net.kernel.newPacket(ETH_P_IPV6);
  const ip = new Ipv6Header(src, dst, IPPROTO_UDP, cork.hopLimit, cork.tclass);
  ip.flowLabel = net.ipv6.flowLabel(src, dst, IPPROTO_UDP, (sk.sport << 16) | dport);
  pkt.ip6 = ip;
  pkt.udp = new UdpHeader(sk.sport, dport);
  pkt.route6 = cork.route;
  pkt.data = len === 0 ? NO_PAYLOAD : data;
  pkt.len = len;
  pkt.ignoreDf = v6.pmtudisc < IP_PMTUDISC_DO && !v6.dontFrag;
  pkt.linkMtu = v6.pmtudisc >= IP_PMTUDISC_PROBE;
  pkt.noLoop = !v6.mcastLoop;
  pkt.mark = sk.mark;
  pkt.priority = sk.priority;
  const err = ip6LocalOut(net, pkt);
  if (err >= 0) {
    net.ipv6.mib[MIB6.Udp6OutDatagrams]++;
    return 0;
  }
  if (err !== -ENOBUFS) return err;
  net.ipv6.mib[MIB6.Udp6SndbufErrors]++;
  return 0;
}
