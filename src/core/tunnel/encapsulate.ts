/**
 * A tunnel sends (Linux `ip_tunnel_xmit`, `iptunnel_xmit`): a new packet around the old one, routed by the namespace
 * in which the tunnel was made. Tunnels are byte edges: what is in them are the bytes of the inner packet.
 *
 * TX 5/5. From: `link/output.ts` To: `network/ipv4/output.ts`
 */
import { drop } from '../drop.ts';
import { segment } from '../link/gso.ts';
import type { NetDevice } from '../link/net-device.ts';
import { icmpSend } from '../network/ipv4/icmp.ts';
import { ipLocalOut } from '../network/ipv4/output.ts';
import { icmp6Send } from '../network/ipv6/icmp.ts';
import { updatePmtu } from '../network/route/exception.ts';
import { routeOutput } from '../network/route/output.ts';
import type { Route } from '../network/route/route.ts';
import { updatePmtu6 } from '../network/route6/exception.ts';
import { ipLength, type Packet } from '../packet.ts';
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts';
import { frameBytes, ipBytes } from '../wire/frame.ts';
import { ETH_P_TEB, GRE_SEQ, greBytes, greLength, IPPROTO_GRE } from '../wire/gre.ts';
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED } from '../wire/icmp.ts';
import { ICMPV6_PKT_TOOBIG } from '../wire/icmpv6.ts';
import { IP_DF, IPV4_HLEN, Ipv4Header } from '../wire/ipv4.ts';
import { IPV6_MIN_MTU } from '../wire/ipv6.ts';
import { ecnEncapsulate } from './ecn.ts';
import type { Tunnel, TunnelKind, TunnelTable } from './table.ts';

/** Linux IPPROTO_IPIP, IPPROTO_IPV6 */
export const IPPROTO_IPIP = 4;
export const IPPROTO_IPV6 = 41;

/** Tunnels inside one another (Linux `XMIT_RECURSION_LIMIT`). */
const RECURSION_LIMIT = 8;
/** How long errors of the path are passed on to senders (`IPTUNNEL_ERR_TIMEO`). */
const ERR_TIMEO_US = 30_000_000;

/** Bytes between the outer IP header and the inner packet. */
export function tunnelHlen(kind: TunnelKind, oflags: number): number {
  return kind === 'gre' || kind === 'gretap' ? greLength(oflags) : 0;
}

/** `ops.xmit` of every tunnel. */
export function tunnelXmit(pkt: Packet, dev: NetDevice): void {
  const parts = pkt.gsoSize > 0 ? segment(pkt) : [pkt];
  for (const part of parts) xmitOne(part, dev, dev.priv as Tunnel);
}

function xmitOne(pkt: Packet, dev: NetDevice, t: Tunnel): void {
  const { params, net } = t;
  const { stats } = dev;
  if (!carries(t.kind, pkt)) {
    fail(pkt, dev, 'protocol');
    return;
  }
  const dst = destination(pkt, t);
  if (dst === 0) {
    fail(pkt, dev, 'no remote');
    return;
  }
  const inherited = innerTos(pkt);
  const tos = (params.tos & 1) !== 0 ? inherited : params.tos;
  const oif = params.link?.ifindex ?? 0;
  const route = routeOutput(net, dst, params.local, oif, tos & 0x1c);
  if (typeof route === 'number') {
    stats.txCarrierErrors++;
    fail(pkt, dev, 'no route');
    return;
  }
  if (route.dev === dev) {
    stats.collisions++;
    fail(pkt, dev, 'route through itself');
    return;
  }
  const df = params.pmtudisc || (!params.ignoreDf && ((pkt.ip?.frag ?? 0) & IP_DF) !== 0);
  if (!fits(pkt, t, route, df)) {
    fail(pkt, dev, 'too big');
    return;
  }
  tellOfErrors(pkt, t);
  const outer = new Ipv4Header(
    params.local || route.src,
    dst,
    protocolOf(t.kind),
    params.ttl || innerTtl(pkt, net.sysctl.ipDefaultTtl),
    ecnEncapsulate(tos, inherited),
  );
  // A path whose MTU is below the smallest that is believed gets no DF.
  if (df && !route.pmtuLocked) outer.frag = IP_DF;
  send(pkt, t, outer, route);
}

function send(pkt: Packet, t: Tunnel, outer: Ipv4Header, route: Route): void {
  const { dev, net } = t;
  const len = ipLength(pkt);
  const table = net.tunnels as TunnelTable;
  if (table.depth >= RECURSION_LIMIT) {
    fail(pkt, dev, 'dead loop');
    return;
  }
  const out = net.kernel.newPacket(ETH_P_IP);
  out.ip = outer;
  const bytes = payload(pkt, t);
  out.data = [bytes];
  out.len = bytes.length;
  out.route = route;
  out.priority = pkt.priority;
  if (dev.net === net) out.mark = pkt.mark;
  table.depth++;
  const result = ipLocalOut(net, out);
  table.depth--;
  if (result < 0) {
    dev.stats.txErrors++;
    return;
  }
  dev.stats.txPackets++;
  dev.stats.txBytes += len;
}

function payload(pkt: Packet, t: Tunnel): Uint8Array {
  const { oflags, okey } = t.params;
  const seq = (oflags & GRE_SEQ) === 0 ? 0 : t.oseq++;
  if (t.kind === 'gretap')
    return greBytes({ flags: oflags, proto: ETH_P_TEB, key: okey, seq }, frameBytes(pkt));
  const bytes = ipBytes(pkt);
  return t.kind === 'gre'
    ? greBytes({ flags: oflags, proto: pkt.proto, key: okey, seq }, bytes)
    : bytes;
}

function protocolOf(kind: TunnelKind): number {
  if (kind === 'ipip') return IPPROTO_IPIP;
  return kind === 'sit' ? IPPROTO_IPV6 : IPPROTO_GRE;
}

function carries(kind: TunnelKind, pkt: Packet): boolean {
  if (kind === 'gretap') return pkt.eth !== null;
  if (kind === 'ipip') return pkt.ip !== null;
  if (kind === 'sit') return pkt.ip6 !== null;
  return pkt.proto === ETH_P_IP || pkt.proto === ETH_P_IPV6;
}

/** The far end; where it may be anybody, the next hop, or an IPv4 address inside the IPv6 one. 0: there is none. */
function destination(pkt: Packet, t: Tunnel): number {
  if (t.params.remote !== 0) return t.params.remote;
  if (t.kind === 'gretap') return 0;
  if (pkt.ip !== null) return pkt.route?.gateway || pkt.ip.dst;
  const hop = pkt.route6?.gateway ?? pkt.ip6?.dst;
  // ::a.b.c.d (RFC 4213 §3)
  return hop !== undefined && hop.a === 0 && hop.b === 0 && hop.c === 0 && hop.d !== 1 ? hop.d : 0;
}

function innerTos(pkt: Packet): number {
  return pkt.ip?.tos ?? pkt.ip6?.tclass ?? 0;
}

function innerTtl(pkt: Packet, otherwise: number): number {
  return pkt.ip?.ttl ?? pkt.ip6?.hopLimit ?? otherwise;
}

/** Is it small enough (`tnl_update_pmtu`)? Its sender is told otherwise. */
function fits(pkt: Packet, t: Tunnel, route: Route, df: boolean): boolean {
  const { dev, net } = t;
  const eth = t.kind === 'gretap' ? ETH_HLEN : 0;
  const overhead = IPV4_HLEN + tunnelHlen(t.kind, t.params.oflags) + eth;
  const { nowUs } = net.kernel;
  const mtu = df ? route.mtu(nowUs) - overhead : (pkt.route?.mtu(nowUs) ?? dev.mtu);
  const size = ipLength(pkt);
  if (pkt.ip !== null) {
    if ((pkt.ip.frag & IP_DF) === 0 || size <= mtu) return true;
    // A sender of this namespace knows at once.
    if (pkt.route !== null && eth === 0) updatePmtu(dev.net, pkt.ip.dst, mtu, pkt.route);
    icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    return false;
  }
  if (pkt.ip6 === null || mtu < IPV6_MIN_MTU || size <= mtu) return true;
  if (pkt.route6 !== null && eth === 0) updatePmtu6(dev.net, pkt.ip6.dst, mtu, pkt.route6);
  icmp6Send(pkt, ICMPV6_PKT_TOOBIG, 0, mtu);
  return false;
}

/** What ICMP said of the tunnel's path is passed on, once for each error, for a while. */
function tellOfErrors(pkt: Packet, t: Tunnel): void {
  if (t.errCount === 0) return;
  const { kernel } = t.net;
  if (kernel.nowUs >= t.errTimeUs + ERR_TIMEO_US) {
    t.errCount = 0;
    return;
  }
  t.errCount--;
  // The report takes its packet; this one goes on.
  if (pkt.eth === null) kernel.protocols.linkFailure(pkt.clone());
}

function fail(pkt: Packet, dev: NetDevice, why: string): void {
  dev.stats.txErrors++;
  drop(dev.net, pkt, 'NOT_SPECIFIED', `${dev.name} ${why}`);
}
