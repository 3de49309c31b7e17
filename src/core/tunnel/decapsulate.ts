/**
 * A tunnel receives (Linux `ip_tunnel_rcv`, `ipip_rcv`, `gre_rcv`): the packet inside is its device's, in whatever
 * namespace that is by now.
 *
 * RX. From: `network/ipv4/input.ts` To: `link/input.ts`
 */
import { drop } from '../drop.ts';
import type { NetDevice } from '../link/net-device.ts';
import { icmpSend } from '../network/ipv4/icmp.ts';
import { learnPmtu } from '../network/ipv4/icmp-error.ts';
import { PACKET_HOST, type Packet, scrubPacket } from '../packet.ts';
import type { IcmpError } from '../protocols.ts';
import { ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts';
import { flatten, frameLength, l4Bytes, parseFrame, parseNetwork } from '../wire/frame.ts';
import { ETH_P_TEB, GRE_CSUM, GRE_SEQ, type GreHeader, greLength, parseGre } from '../wire/gre.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PORT_UNREACH,
  ICMP_TIME_EXCEEDED,
} from '../wire/icmp.ts';
import type { Ipv4Header } from '../wire/ipv4.ts';
import { ecnDecapsulate } from './ecn.ts';
import type { Tunnel, TunnelKind } from './table.ts';

const NO_GRE: GreHeader = { flags: 0, proto: 0, key: 0, seq: 0 };

/** IPPROTO_IPIP */
export function ipipInput(pkt: Packet): void {
  input(pkt, 'ipip', NO_GRE, ETH_P_IP, 0);
}

/** IPPROTO_IPV6 */
export function sitInput(pkt: Packet): void {
  input(pkt, 'sit', NO_GRE, ETH_P_IPV6, 0);
}

/** IPPROTO_GRE */
export function greInput(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  const bytes = flatten(pkt.data, pkt.len);
  const h = parseGre(bytes);
  if (h === null || h === 'csum') {
    drop(dev.net, pkt, 'NOT_SPECIFIED', h === null ? 'gre header' : 'gre checksum');
    return;
  }
  const kind = h.proto === ETH_P_TEB ? 'gretap' : 'gre';
  input(pkt, kind, h, h.proto, greLength(h.flags));
}

function find(pkt: Packet, kind: TunnelKind, h: GreHeader): Tunnel | null {
  const dev = pkt.dev as NetDevice;
  const { src, dst } = pkt.ip as Ipv4Header;
  const { flags, key } = h;
  const query = { kind, remote: src, local: dst, flags, key, link: dev.ifindex };
  return dev.net.tunnels?.lookup(query) ?? null;
}

function input(pkt: Packet, kind: TunnelKind, h: GreHeader, proto: number, skip: number): void {
  const dev = pkt.dev as NetDevice;
  const t = find(pkt, kind, h);
  if (t === null) {
    icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
    drop(dev.net, pkt, 'NOT_SPECIFIED', `no ${kind} tunnel`);
    return;
  }
  if (!isInOrder(t, h)) {
    t.dev.stats.rxErrors++;
    drop(t.dev.net, pkt, 'NOT_SPECIFIED', `${t.dev.name} gre`);
    return;
  }
  const outer = pkt.ip as Ipv4Header;
  const all = l4Bytes(pkt);
  const bytes = flatten(all, pkt.len).subarray(skip);
  if (kind === 'gretap') parseFrame(bytes, pkt);
  else {
    pkt.eth = null;
    parseNetwork(bytes, proto, pkt);
  }
  deliver(pkt, t, outer, dev);
}

/** Checksums that one side has and the other has not, and numbers that went backwards, are refused. */
function isInOrder(t: Tunnel, h: GreHeader): boolean {
  const { iflags } = t.params;
  if ((iflags & GRE_CSUM) !== (h.flags & GRE_CSUM)) return false;
  if ((iflags & GRE_SEQ) === 0) return true;
  if ((h.flags & GRE_SEQ) === 0) return false;
  if (t.iseq !== 0 && ((h.seq - t.iseq) | 0) < 0) return false;
  t.iseq = (h.seq + 1) >>> 0;
  return true;
}

function deliver(pkt: Packet, t: Tunnel, outer: Ipv4Header, from: NetDevice): void {
  const { dev } = t;
  const { stats } = dev;
  const inner = pkt.ip?.tos ?? pkt.ip6?.tclass ?? -1;
  const tos = inner < 0 ? inner : ecnDecapsulate(outer.tos, inner);
  if (inner >= 0 && tos < 0) {
    stats.rxErrors++;
    drop(dev.net, pkt, 'NOT_SPECIFIED', `${dev.name} ecn`);
    return;
  }
  if (pkt.ip !== null) pkt.ip.tos = tos;
  if (pkt.ip6 !== null) pkt.ip6.tclass = tos;
  if (dev.net !== from.net) scrubPacket(pkt);
  pkt.route = null;
  pkt.route6 = null;
  pkt.slave = null;
  pkt.pktType = PACKET_HOST;
  stats.rxPackets++;
  stats.rxBytes += frameLength(pkt);
  dev.net.kernel.enqueue(pkt, dev);
}

/** ICMP about an outer packet (`ipip_err`, `gre_err`): the tunnel remembers it, and the MTU of the way. */
export function tunnelError(kind: TunnelKind, pkt: Packet, error: IcmpError): void {
  const dev = pkt.dev as NetDevice;
  const h = kind === 'gre' ? parseGre(error.bytes) : NO_GRE;
  const known = h === null || h === 'csum' ? NO_GRE : h;
  const { flags, key, proto } = known;
  const t = dev.net.tunnels?.lookup({
    kind: proto === ETH_P_TEB ? 'gretap' : kind,
    remote: error.dst,
    local: error.src,
    flags,
    key,
    link: dev.ifindex,
  });
  if (t === undefined || t === null) return;
  if (error.type === ICMP_DEST_UNREACH && error.code === ICMP_FRAG_NEEDED) {
    learnPmtu(dev.net, error);
    return;
  }
  if (error.type !== ICMP_DEST_UNREACH && error.type !== ICMP_TIME_EXCEEDED) return;
  // LINUX: with a TTL of the inner packet, that it ends on the way is no news.
  if (t.params.remote === 0 || (t.params.ttl === 0 && error.type === ICMP_TIME_EXCEEDED)) return;
  const { nowUs } = dev.net.kernel;
  t.errCount = nowUs < t.errTimeUs + 30_000_000 ? t.errCount + 1 : 1;
  t.errTimeUs = nowUs;
}
