/**
 * ICMP (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3; Linux `net/ipv4/icmp.c`): answers, errors about packets of
 * others, and errors about our own.
 */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import {
  BAD_L4_CSUM,
  type Packet,
  PACKET_HOST,
  PACKET_OUTGOING,
} from '../../packet.ts';
import { ETH_P_IP } from '../../wire/ethernet.ts';
import { flatten, ipv4Bytes } from '../../wire/frame.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMP_TIME_EXCEEDED,
  ICMP_TIMESTAMP,
  ICMP_TIMESTAMPREPLY,
  IcmpHeader,
} from '../../wire/icmp.ts';
import { IP_OFFSET, Ipv4Header, IPPROTO_ICMP } from '../../wire/ipv4.ts';
import { inetAddrType } from '../route/addr-type.ts';
import { segment } from '../../link/gso.ts';
import { routeOutput } from '../route/output.ts';
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from '../route/route.ts';
import { icmpErrorInput } from './icmp-error.ts';
import { timestampMs } from './options.ts';
import { ipLocalOut } from './output.ts';
import { inetSelectAddr } from './select-addr.ts';

/** Largest error, from its IP header on (RFC 1812 §4.3.2.3). */
const MAX_ERROR = 576;
/** TOS of errors: internetwork control (RFC 1812 §4.3.2.5). */
const ERROR_TOS = 0xc0;
const RT_SCOPE_LINK = 253;

/** Takes an ICMP message that is addressed to us (`icmp_rcv`). */
export function icmpInput(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  const { mib } = net;
  mib[MIB.IcmpInMsgs]++;
  const { icmp } = pkt;
  if ((pkt.flags & BAD_L4_CSUM) !== 0) {
    mib[MIB.IcmpInCsumErrors]++;
    mib[MIB.IcmpInErrors]++;
    drop(net, pkt, 'ICMP_CSUM');
    return;
  }
  if (icmp === null) {
    mib[MIB.IcmpInErrors]++;
    drop(net, pkt, 'PKT_TOO_SMALL');
    return;
  }
  const group = pkt.route?.type === RTN_BROADCAST || pkt.route?.type === RTN_MULTICAST;
  if (group && !allowedToGroup(net, icmp.type)) {
    drop(net, pkt, 'INVALID_PROTO', 'icmp_echo_ignore_broadcasts');
    return;
  }
  switch (icmp.type) {
    case ICMP_ECHO:
      mib[MIB.IcmpInEchos]++;
      echo(pkt, dev, icmp);
      return;
    case ICMP_ECHOREPLY:
      mib[MIB.IcmpInEchoReps]++;
      if (!net.kernel.protocols.pingReply(pkt)) drop(net, pkt, 'NO_SOCKET', 'ping');
      return;
    case ICMP_TIMESTAMP:
      mib[MIB.IcmpInTimestamps]++;
      timestamp(pkt, dev, icmp);
      return;
    case ICMP_DEST_UNREACH:
      mib[MIB.IcmpInDestUnreachs]++;
      icmpErrorInput(pkt, dev, icmp);
      return;
    case ICMP_TIME_EXCEEDED:
      mib[MIB.IcmpInTimeExcds]++;
      icmpErrorInput(pkt, dev, icmp);
      return;
    case ICMP_PARAMETERPROB:
      mib[MIB.IcmpInParmProbs]++;
      icmpErrorInput(pkt, dev, icmp);
      return;
    case ICMP_SOURCE_QUENCH:
      mib[MIB.IcmpInSrcQuenchs]++;
      icmpErrorInput(pkt, dev, icmp);
      return;
    case ICMP_REDIRECT:
      mib[MIB.IcmpInRedirects]++;
      icmpErrorInput(pkt, dev, icmp);
      return;
    default:
      if (icmp.type === ICMP_TIMESTAMPREPLY) mib[MIB.IcmpInTimestampReps]++;
      else if (icmp.type === 17) mib[MIB.IcmpInAddrMasks]++;
      else if (icmp.type === 18) mib[MIB.IcmpInAddrMaskReps]++;
      else if (icmp.type > 18) {
        mib[MIB.IcmpInErrors]++;
        drop(net, pkt, 'UNHANDLED_PROTO', `icmp type ${icmp.type}`);
        return;
      }
      drop(net, pkt, 'NOT_SPECIFIED', `icmp type ${icmp.type}`);
  }
}

/** RFC 1122 §3.2.2.6, §3.2.2.8: what may be answered although many were asked. */
function allowedToGroup(net: NetNs, type: number): boolean {
  if (type === ICMP_ECHO || type === ICMP_TIMESTAMP) return net.sysctl.icmpEchoIgnoreBroadcasts === 0;
  return type === ICMP_ECHOREPLY || type === ICMP_TIMESTAMPREPLY || type === 17 || type === 18;
}

function echo(pkt: Packet, dev: NetDevice, icmp: IcmpHeader): void {
  const { net } = dev;
  if (net.sysctl.icmpEchoIgnoreAll !== 0) {
    drop(net, pkt, 'NOT_SPECIFIED', 'icmp_echo_ignore_all');
    return;
  }
  net.mib[MIB.IcmpOutEchoReps]++;
  reply(pkt, dev, new IcmpHeader(ICMP_ECHOREPLY, icmp.code, icmp.rest));
}

/** RFC 792: receive and transmit time are those of the answer. */
function timestamp(pkt: Packet, dev: NetDevice, icmp: IcmpHeader): void {
  if (pkt.len < 4) {
    dev.net.mib[MIB.IpInHdrErrors]++;
    drop(dev.net, pkt, 'PKT_TOO_SMALL');
    return;
  }
  const data = new Uint8Array(12);
  data.set(flatten(pkt.data, pkt.len).subarray(0, 4));
  const view = new DataView(data.buffer);
  const now = timestampMs(dev);
  view.setInt32(4, now);
  view.setInt32(8, now);
  dev.net.mib[MIB.IcmpOutTimestampReps]++;
  pkt.data = [data];
  pkt.len = 12;
  reply(pkt, dev, new IcmpHeader(ICMP_TIMESTAMPREPLY, icmp.code, icmp.rest));
}

/** Back to who sent `pkt`, with its payload (`icmp_reply`). */
function reply(pkt: Packet, dev: NetDevice, header: IcmpHeader): void {
  const { net } = dev;
  const from = pkt.ip as Ipv4Header;
  const ours = inetAddrType(net, from.dst) === RTN_LOCAL ? from.dst : 0;
  const route = routeOutput(net, from.src, ours, 0, from.tos & 0x1c);
  if (typeof route === 'number') {
    drop(net, pkt, 'IP_OUTNOROUTES');
    return;
  }
  const out = net.kernel.newPacket(ETH_P_IP);
  out.ip = new Ipv4Header(
    ours !== 0 ? ours : route.src,
    from.src,
    IPPROTO_ICMP,
    net.sysctl.ipDefaultTtl,
    from.tos,
  );
  out.icmp = header;
  out.data = pkt.data;
  out.len = pkt.len;
  out.route = route;
  out.mark = pkt.mark;
  net.mib[MIB.IcmpOutMsgs]++;
  ipLocalOut(net, out);
}

/**
 * Tells the sender of `pkt` what became of it (`__icmp_send`), unless a rule or a limit forbids it. `rest` is
 * the header's second word: the MTU, the gateway, the pointer. Does not take ownership.
 */
export function icmpSend(pkt: Packet, type: number, code: number, rest: number): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  const ip = pkt.ip;
  if (ip === null || (pkt.pktType !== PACKET_HOST && pkt.pktType !== PACKET_OUTGOING)) return;
  if (!mayAnswer(pkt, ip, net)) return;
  // The limits hold for the address that hears, and not at all on lo.
  const source = errorSource(pkt, ip, dev, net);
  const tos = type === ICMP_REDIRECT || type === ICMP_SOURCE_QUENCH ? ip.tos & 0x1e : (ip.tos & 0x1e) | ERROR_TOS;
  const route = routeOutput(net, ip.src, source, 0, tos & 0x1c);
  if (typeof route === 'number') {
    net.mib[MIB.IcmpOutErrors]++;
    return;
  }
  if (route.dev !== net.loopback) {
    const verdict = net.ipv4.icmpLimits.allow(ip.src, type);
    if (verdict !== 'yes') {
      if (verdict === 'global') net.mib[MIB.IcmpOutRateLimitGlobal]++;
      else net.mib[MIB.IcmpOutRateLimitHost]++;
      return;
    }
  }
  const out = net.kernel.newPacket(ETH_P_IP);
  out.ip = new Ipv4Header(source !== 0 ? source : route.src, ip.src, IPPROTO_ICMP, net.sysctl.ipDefaultTtl, tos);
  out.icmp = new IcmpHeader(type, code, rest);
  const room = Math.min(route.mtu(net.kernel.nowUs), MAX_ERROR) - 28;
  const quoted = quote(pkt, room);
  out.data = [quoted];
  out.len = quoted.length;
  out.route = route;
  countError(net, type);
  net.mib[MIB.IcmpOutMsgs]++;
  ipLocalOut(net, out);
}

/** RFC 1122 §3.2.2: never about errors, fragments but the first, groups, or what has no single sender. */
function mayAnswer(pkt: Packet, ip: Ipv4Header, net: NetNs): boolean {
  const routeType = pkt.route?.type ?? RTN_UNICAST;
  if (routeType === RTN_BROADCAST || routeType === RTN_MULTICAST) return false;
  if ((ip.frag & IP_OFFSET) !== 0) return false;
  if (ip.src === 0) return false;
  if (ip.protocol === IPPROTO_ICMP) {
    const type = pkt.icmp?.type ?? (pkt.len > 0 ? (pkt.data[0]?.[0] ?? 255) : 255);
    if (isError(type)) return false;
  }
  const from = inetAddrType(net, ip.src);
  return from === RTN_UNICAST || from === RTN_LOCAL;
}

function isError(type: number): boolean {
  return (
    type === ICMP_DEST_UNREACH ||
    type === ICMP_SOURCE_QUENCH ||
    type === ICMP_REDIRECT ||
    type === ICMP_TIME_EXCEEDED ||
    type === ICMP_PARAMETERPROB ||
    type > 18
  );
}

/** From the address that was asked, if it is ours; otherwise what the route or icmp_errors_use_inbound_ifaddr says. */
function errorSource(pkt: Packet, ip: Ipv4Header, dev: NetDevice, net: NetNs): number {
  if (pkt.route?.type === RTN_LOCAL && inetAddrType(net, ip.dst) === RTN_LOCAL && pkt.pktType !== PACKET_OUTGOING)
    return ip.dst;
  if (net.sysctl.icmpErrorsUseInboundIfaddr !== 0) return inetSelectAddr(dev, ip.src, RT_SCOPE_LINK);
  return 0;
}

/** The packet as it came, its IP header included, at most `room` bytes. */
function quote(pkt: Packet, room: number): Uint8Array {
  const first = pkt.gsoSize > 0 ? (segment(pkt.clone())[0] as Packet) : pkt;
  const bytes = ipv4Bytes(first);
  return bytes.length > room ? bytes.subarray(0, room) : bytes;
}

function countError(net: NetNs, type: number): void {
  const { mib } = net;
  switch (type) {
    case ICMP_DEST_UNREACH:
      mib[MIB.IcmpOutDestUnreachs]++;
      break;
    case ICMP_TIME_EXCEEDED:
      mib[MIB.IcmpOutTimeExcds]++;
      break;
    case ICMP_PARAMETERPROB:
      mib[MIB.IcmpOutParmProbs]++;
      break;
    case ICMP_REDIRECT:
      mib[MIB.IcmpOutRedirects]++;
      break;
    default:
      break;
  }
}

