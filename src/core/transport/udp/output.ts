/**
 * Sending UDP (Linux `udp_sendmsg`, `ip_make_skb`, `udp_send_skb`). TX 1/4. From:
 * `socket/socket.ts`. To: `network/ipv4/output.ts`.
 */
import {
  EACCES,
  EAGAIN,
  EDESTADDRREQ,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  EOPNOTSUPP,
  EPIPE,
} from '../../errno.ts';
import { MIB } from '../../mib.ts';
import { buildOptions } from '../../network/ipv4/options.ts';
import { ipLocalOut } from '../../network/ipv4/output.ts';
import { type Route, RTN_BROADCAST } from '../../network/route/route.ts';
import { NO_PAYLOAD, NO_UDP_CSUM, type Packet, type Payload } from '../../packet.ts';
import { INADDR_LOOPBACK } from '../../util/address.ts';
import { ETH_P_IP } from '../../wire/ethernet.ts';
import { IP_DF, IP_MAX_MTU, IPPROTO_UDP, IPV4_HLEN, Ipv4Header } from '../../wire/ipv4.ts';
import { UDP_HLEN, UdpHeader } from '../../wire/udp.ts';
import { slicePayload } from '../datagram.ts';
import { queueLocalError } from '../error-queue.ts';
import { readControl, SendOptions } from '../send-options.ts';
import { type ControlMessage, MSG_MORE, MSG_OOB, SEND_SHUTDOWN, type SockAddrIn } from '../sock.ts';
import { IP_PMTUDISC_PROBE } from '../sockopt-names.ts';
import { Cork } from './cork.ts';
import type { UdpSock } from './sock.ts';

/** Most datagrams that one UDP_SEGMENT send is cut into (`UDP_MAX_SEGMENTS`). */
const UDP_MAX_SEGMENTS = 128;

/** Sends a datagram, or adds to the one that is corked. Returns `data.length` or `-errno`. */
export function udpSendmsg(
  sk: UdpSock,
  data: Uint8Array,
  flags: number,
  to: SockAddrIn | null,
  control: readonly ControlMessage[] | null,
): number {
  if (sk.sport === 0 && sk.autobind() < 0) return -EAGAIN;
  if (data.length > 0xffff) return -EMSGSIZE;
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if (sk.cork !== null) return append(sk, sk.cork, data, flags);
  if (to !== null && to.port === 0) return -EINVAL;
  if (to === null && !sk.connected) return -EDESTADDRREQ;
  if (control !== null || (flags & MSG_MORE) !== 0 || sk.gsoSize !== 0)
    return sendSlow(sk, data, flags, to, control);
  return sendWhole(sk, data, to);
}

/** The usual case: one send, one datagram. */
function sendWhole(sk: UdpSock, data: Uint8Array, to: SockAddrIn | null): number {
  const len = data.length;
  const asked = to === null ? sk.daddr : to.addr;
  const route = sk.routeTo(asked, to === null ? sk.dport : to.port);
  if (typeof route === 'number') return route;
  if (route.type === RTN_BROADCAST && !sk.broadcast) return -EACCES;
  const daddr = asked === 0 ? sk.saddr || INADDR_LOOPBACK : asked;
  const err = refusal(sk, route, len, daddr);
  if (err !== 0) return -err;
  const dport = to === null ? sk.dport : to.port;
  const saddr = sk.sourceFor(daddr, asked, route);
  const pkt = makePacket(sk, route, saddr, daddr, dport);
  pkt.len = len;
  if (len !== 0) pkt.data = [sk.copyIn.copy(data)];
  return transmit(sk, pkt, route) || len;
}

/** Positive errno when a datagram of `len` bytes cannot be sent now, in the order of `ip_make_skb`. */
function refusal(sk: UdpSock, route: Route, len: number, daddr: number): number {
  const size = len + UDP_HLEN + IPV4_HLEN;
  if (size > maxSize(sk, route)) return tooLong(sk, route, daddr);
  if (sk.err !== 0) return sk.takeError();
  return (sk.shutdownMask & SEND_SHUTDOWN) !== 0 ? EPIPE : 0;
}

/** Longest IP packet without options that may be sent at all, cut or not. */
function maxSize(sk: UdpSock, route: Route): number {
  const { ipOptions } = sk.rare;
  const limit = sk.mayFragment() ? IP_MAX_MTU : sk.mtuOf(route);
  return ipOptions === null ? limit : limit - ipOptions.length;
}

function tooLong(sk: UdpSock, route: Route, daddr: number): number {
  queueLocalError(sk, EMSGSIZE, daddr, sk.dport, sk.mtuOf(route));
  return EMSGSIZE;
}

/** A packet with headers and no data. */
function makePacket(
  sk: UdpSock,
  route: Route,
  saddr: number,
  daddr: number,
  dport: number,
): Packet {
  const pkt = sk.net.kernel.newPacket(ETH_P_IP);
  pkt.ip = new Ipv4Header(saddr, daddr, IPPROTO_UDP, sk.ttlFor(daddr), sk.tos);
  pkt.udp = headerTo(sk, dport);
  pkt.route = route;
  return pkt;
}

function headerTo(sk: UdpSock, dport: number): UdpHeader {
  const last = sk.lastHeader;
  if (last !== null && last.dport === dport && last.sport === sk.sport) return last;
  const header = new UdpHeader(sk.sport, dport);
  sk.lastHeader = header;
  return header;
}

/** Linux `udp_send_skb`; 0 or `-errno`. */
function transmit(sk: UdpSock, pkt: Packet, route: Route): number {
  const { net } = sk;
  const ip = pkt.ip as Ipv4Header;
  if (sk.dontFragment(route, pkt.len + UDP_HLEN + IPV4_HLEN)) ip.frag = IP_DF;
  pkt.ignoreDf = sk.mayFragment();
  pkt.linkMtu = sk.pmtudisc >= IP_PMTUDISC_PROBE;
  const { rareMaybe } = sk;
  if (rareMaybe !== null) {
    const { ipOptions } = rareMaybe;
    if (ipOptions !== null && ip.options === null)
      ip.options = buildOptions(ipOptions, net, ip.src);
    if (rareMaybe.noCheck) pkt.flags = NO_UDP_CSUM;
    pkt.noLoop = !rareMaybe.mcLoop;
  }
  pkt.mark = sk.mark;
  pkt.priority = sk.priority;
  const err = ipLocalOut(net, pkt);
  if (err >= 0) {
    net.mib[MIB.UdpOutDatagrams]++;
    return 0;
  }
  if (err !== -ENOBUFS) return err;
  net.mib[MIB.UdpSndbufErrors]++;
  return sk.recverr ? err : 0;
}

/** Control messages, MSG_MORE, UDP_SEGMENT. */
function sendSlow(
  sk: UdpSock,
  data: Uint8Array,
  flags: number,
  to: SockAddrIn | null,
  control: readonly ControlMessage[] | null,
): number {
  const options = control === null ? new SendOptions() : readControl(sk.net, control);
  if (typeof options === 'number') return options;
  const asked = to === null ? sk.daddr : to.addr;
  const special = options.oif !== 0 || options.addr !== 0;
  const daddr = asked === 0 ? options.addr || sk.saddr || INADDR_LOOPBACK : asked;
  const dport = to === null ? sk.dport : to.port;
  const route = special
    ? sk.lookUpRoute(daddr, options.addr, options.oif, dport)
    : sk.routeTo(asked, dport);
  if (typeof route === 'number') return route;
  if (route.type === RTN_BROADCAST && !sk.broadcast) return -EACCES;
  const cork = new Cork({
    route,
    saddr: options.addr === 0 ? sk.sourceFor(daddr, asked, route) : options.addr,
    daddr,
    dport,
    ttl: options.ttl,
    tos: options.tos,
    gsoSize: options.gsoSize < 0 ? sk.gsoSize : options.gsoSize,
    ipOptions: options.ipOptions,
  });
  sk.cork = cork;
  return append(sk, cork, data, flags);
}

function append(sk: UdpSock, cork: Cork, data: Uint8Array, flags: number): number {
  const len = data.length;
  const err = refusal(sk, cork.route, cork.gsoSize === 0 ? cork.len + len : 0, cork.daddr);
  if (err !== 0 || cork.len + len > IP_MAX_MTU - IPV4_HLEN - UDP_HLEN) {
    sk.cork = null;
    return err === 0 ? -EMSGSIZE : -err;
  }
  if (len > 0) cork.data.push(sk.copyIn.copy(data));
  cork.len += len;
  if ((flags & MSG_MORE) !== 0) return len;
  return udpPushPending(sk) || len;
}

/** Sends what is corked (`udp_push_pending_frames`); 0 or `-errno`. */
export function udpPushPending(sk: UdpSock): number {
  const { cork } = sk;
  if (cork === null) return 0;
  sk.cork = null;
  const { gsoSize } = cork;
  if (gsoSize === 0 || cork.len <= gsoSize) return sendPart(sk, cork, cork.data, cork.len);
  if (gsoSize + UDP_HLEN + IPV4_HLEN > sk.mtuOf(cork.route)) return -EMSGSIZE;
  if (cork.len > gsoSize * UDP_MAX_SEGMENTS) return -EINVAL;
  for (let at = 0; at < cork.len; at += gsoSize) {
    const len = Math.min(gsoSize, cork.len - at);
    const err = sendPart(sk, cork, slicePayload(cork.data, at, len), len);
    if (err < 0) return err;
  }
  return 0;
}

function sendPart(sk: UdpSock, cork: Cork, data: Payload, len: number): number {
  const pkt = makePacket(sk, cork.route, cork.saddr, cork.daddr, cork.dport);
  const ip = pkt.ip as Ipv4Header;
  if (cork.ttl >= 0) ip.ttl = cork.ttl;
  if (cork.tos >= 0) ip.tos = cork.tos;
  if (cork.ipOptions !== null) ip.options = buildOptions(cork.ipOptions, sk.net, ip.src);
  pkt.data = len === 0 ? NO_PAYLOAD : data;
  pkt.len = len;
  return transmit(sk, pkt, cork.route);
}
