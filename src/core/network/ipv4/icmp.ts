/**
 * Sending ICMP (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3.2; Linux `__icmp_send`, `icmp_reply`): whom to tell,
 * from which address, how much of the packet to quote, and how often.
 */

import { segment } from '../../link/gso.ts';
import { l3Oif } from '../../link/l3mdev.ts';
import { IFF_LOOPBACK, type NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { PACKET_HOST, type Packet, type Payload } from '../../packet.ts';
import { ETH_P_IP } from '../../wire/ethernet.ts';
import { ipBytes } from '../../wire/frame.ts';
import {
  ICMP_ADDRESS,
  ICMP_ADDRESSREPLY,
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_HLEN,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMP_TIME_EXCEEDED,
  ICMP_TIMESTAMP,
  ICMP_TIMESTAMPREPLY,
  IcmpHeader,
} from '../../wire/icmp.ts';
import { IP_OFFSET, IPPROTO_ICMP, IPV4_HLEN, Ipv4Header } from '../../wire/ipv4.ts';
import { RT_SCOPE_LINK } from '../route/fib.ts';
import { routeOutput } from '../route/output.ts';
import { type Route, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from '../route/route.ts';
import type { FlowKeys } from '../rule/fib-rule.ts';
import { NR_ICMP_TYPES } from './icmp-limit.ts';
import { echoOptions } from './options.ts';
import { ipLocalOut } from './output.ts';
import { inetSelectAddr } from './select-addr.ts';
import { specDst } from './spec-dst.ts';

/** What rules see of a message of ours. */
const ICMP_FLOW: FlowKeys = { mark: 0, protocol: IPPROTO_ICMP, sport: 0, dport: 0 };
/** Largest error, from its IP header on (RFC 1812 §4.3.2.3). */
const MAX_ERROR = 576;
/** Precedence of errors: internetwork control (RFC 1812 §4.3.2.5). */
const IPTOS_PREC_INTERNETCONTROL = 0xc0;
/** What errors keep of the packet's TOS. */
const IPTOS_TOS_MASK = 0x1e;
/** 192.0.0.8: who has no address of its own speaks from here (RFC 7600 §4.8). */
const INADDR_DUMMY: number = 0xc0000008 | 0;
/** By type: is it an error, which must not be answered by an error (`icmp_pointers[].error`)? */
const ERROR_TYPES = 0b1_1110_1111_1110;

/** A message about to be sent. */
interface Message {
  readonly header: IcmpHeader;
  readonly data: Payload;
  readonly len: number;
  readonly options: Uint8Array | null;
}

/**
 * Tells the sender of `pkt` what became of it, unless a rule or a limit forbids it. `rest` is the header's
 * second word: the MTU, the gateway, the pointer. Does not take ownership; `pkt.dev` and, for what was routed,
 * `pkt.route` are set.
 */
export function icmpSend(pkt: Packet, type: number, code: number, rest: number): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  const { ip } = pkt;
  if (ip === null || !mayAnswer(pkt, ip)) return;
  const { icmpLimit } = net.ipv4;
  const limited = (dev.flags & IFF_LOOPBACK) === 0 && icmpLimit.applies(type, code);
  if (limited && !icmpLimit.allow()) {
    net.mib[MIB.IcmpOutRateLimitGlobal]++;
    return;
  }
  const source = errorSource(pkt, ip, dev);
  const tos = (ip.tos & IPTOS_TOS_MASK) | IPTOS_PREC_INTERNETCONTROL;
  const route = routeOutput(net, ip.src, source, l3Oif(dev), tos & 0x1c, ICMP_FLOW);
  if (typeof route === 'number' || (limited && !mayHear(net, route, ip.src))) return;
  const header = new Ipv4Header(source || route.src || INADDR_DUMMY, ip.src, IPPROTO_ICMP, 0, tos);
  // Options that were the trouble are not sent back.
  const echoed = ip.options === null || type === ICMP_PARAMETERPROB ? null : ip.options;
  const options = echoed === null ? null : echoOptions(echoed, net, header.src);
  const limit = Math.min(route.mtu(net.kernel.nowUs), MAX_ERROR);
  const room = limit - IPV4_HLEN - (options?.length ?? 0) - ICMP_HLEN;
  if (room <= IPV4_HLEN) return;
  const quoted = quote(pkt, room);
  const message = {
    header: new IcmpHeader(type, code, rest),
    data: [quoted],
    len: quoted.length,
    options,
  };
  push(net, route, header, message);
}

/** Answers a request with `header` and the packet's payload as it is now (`icmp_reply`). */
export function icmpReply(pkt: Packet, dev: NetDevice, header: IcmpHeader): void {
  const { net } = dev;
  const from = pkt.ip as Ipv4Header;
  const limited = net.ipv4.icmpLimit.applies(header.type, header.code);
  if (limited && !net.ipv4.icmpLimit.allow()) {
    net.mib[MIB.IcmpOutRateLimitGlobal]++;
    return;
  }
  const source = specDst(pkt, dev, from);
  const route = routeOutput(net, from.src, source, l3Oif(dev), from.tos & 0x1c, ICMP_FLOW);
  if (typeof route === 'number' || (limited && !mayHear(net, route, from.src))) return;
  const ip = new Ipv4Header(source || route.src, from.src, IPPROTO_ICMP, 0, from.tos);
  const options = from.options === null ? null : echoOptions(from.options, net, ip.src);
  push(net, route, ip, { header, data: pkt.data, len: pkt.len, options });
}

function push(net: NetNs, route: Route, ip: Ipv4Header, message: Message): void {
  const out = net.kernel.newPacket(ETH_P_IP);
  ip.ttl = route.hoplimit !== 0 ? route.hoplimit : net.sysctl.ipDefaultTtl;
  ip.options = message.options;
  out.ip = ip;
  out.icmp = message.header;
  out.data = message.data;
  out.len = message.len;
  out.route = route;
  icmpOutCount(net, message.header.type);
  ipLocalOut(net, out);
}

/** Does the limit of this destination allow it (`icmpv4_xrlim_allow`)? Whom lo carries it to has none. */
function mayHear(net: NetNs, route: Route, dst: number): boolean {
  const { ipv4 } = net;
  if ((route.dev.flags & IFF_LOOPBACK) === 0 && !ipv4.peers.allowIcmp(dst)) {
    net.mib[MIB.IcmpOutRateLimitHost]++;
    return false;
  }
  ipv4.icmpLimit.consume();
  return true;
}

/** RFC 1122 §3.2.2: never about errors, fragments but the first, or what went to many. */
function mayAnswer(pkt: Packet, ip: Ipv4Header): boolean {
  if (pkt.pktType !== PACKET_HOST) return false;
  const type = pkt.route?.type;
  if (type === RTN_BROADCAST || type === RTN_MULTICAST) return false;
  if ((ip.frag & IP_OFFSET) !== 0 || ip.src === 0) return false;
  return ip.protocol !== IPPROTO_ICMP || !isError(innerType(pkt));
}

/** Type of an ICMP message that may not have been parsed; -1: not even that is there. */
function innerType(pkt: Packet): number {
  if (pkt.icmp !== null) return pkt.icmp.type;
  for (const slice of pkt.data) if (slice.length > 0) return slice[0] as number;
  return -1;
}

/** What nobody knows, or cannot be seen, is taken for an error. */
function isError(type: number): boolean {
  return type < 0 || type > NR_ICMP_TYPES || ((ERROR_TYPES >>> type) & 1) === 1;
}

/** The address that was asked, if it is ours; else the route decides, or net.ipv4.icmp_errors_use_inbound_ifaddr. */
function errorSource(pkt: Packet, ip: Ipv4Header, dev: NetDevice): number {
  if (pkt.route?.type === RTN_LOCAL) return ip.dst;
  if (dev.net.sysctl.icmpErrorsUseInboundIfaddr === 0) return 0;
  return inetSelectAddr(dev, ip.src, RT_SCOPE_LINK);
}

/** The packet as it came, its IP header included, at most `room` bytes. */
function quote(pkt: Packet, room: number): Uint8Array {
  const first = pkt.gsoSize > 0 ? (segment(pkt.clone())[0] as Packet) : pkt;
  const bytes = ipBytes(first);
  return bytes.length > room ? bytes.subarray(0, room) : bytes;
}

/** Counts a message that leaves, by type (`icmp_out_count`). */
export function icmpOutCount(net: NetNs, type: number): void {
  const { mib } = net;
  mib[MIB.IcmpOutMsgs]++;
  switch (type) {
    case ICMP_ECHO:
      mib[MIB.IcmpOutEchos]++;
      break;
    case ICMP_ECHOREPLY:
      mib[MIB.IcmpOutEchoReps]++;
      break;
    case ICMP_DEST_UNREACH:
      mib[MIB.IcmpOutDestUnreachs]++;
      break;
    case ICMP_TIME_EXCEEDED:
      mib[MIB.IcmpOutTimeExcds]++;
      break;
    case ICMP_PARAMETERPROB:
      mib[MIB.IcmpOutParmProbs]++;
      break;
    case ICMP_SOURCE_QUENCH:
      mib[MIB.IcmpOutSrcQuenchs]++;
      break;
    case ICMP_REDIRECT:
      mib[MIB.IcmpOutRedirects]++;
      break;
    case ICMP_TIMESTAMP:
      mib[MIB.IcmpOutTimestamps]++;
      break;
    case ICMP_TIMESTAMPREPLY:
      mib[MIB.IcmpOutTimestampReps]++;
      break;
    case ICMP_ADDRESS:
      mib[MIB.IcmpOutAddrMasks]++;
      break;
    case ICMP_ADDRESSREPLY:
      mib[MIB.IcmpOutAddrMaskReps]++;
      break;
    default:
      break;
  }
}
