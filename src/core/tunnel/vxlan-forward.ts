/**
 * A VXLAN sends and receives Ethernet frames in UDP (RFC 7348; Linux `vxlan_xmit`, `vxlan_rcv`).
 *
 * TX 5/5. From: `link/output.ts` To: `network/ipv4/output.ts`
 * RX. From: `transport/udp/input.ts` To: `link/input.ts`
 */
import { drop } from '../drop.ts';
import { segment } from '../link/gso.ts';
import { IFF_UP, type NetDevice } from '../link/net-device.ts';
import { ipLocalOut } from '../network/ipv4/output.ts';
import { updatePmtu } from '../network/route/exception.ts';
import { routeOutput } from '../network/route/output.ts';
import { ipLength, NO_UDP_CSUM, type Packet, scrubPacket } from '../packet.ts';
import { isGroupMac, isMulticast, MAC_ZERO } from '../util/address.ts';
import { mix32 } from '../util/random.ts';
import { ETH_HLEN, ETH_P_IP, type EthHeader } from '../wire/ethernet.ts';
import { flatten, frameBytes, frameLength, parseFrame } from '../wire/frame.ts';
import { IP_DF, IPPROTO_UDP, IPV4_HLEN, Ipv4Header } from '../wire/ipv4.ts';
import { UDP_HLEN, UdpHeader } from '../wire/udp.ts';
import { parseVxlan, VXLAN_HLEN, vxlanHeader } from '../wire/vxlan.ts';
import { ecnDecapsulate, ecnEncapsulate } from './ecn.ts';
import type { VxlanRemote } from './vxlan-fdb.ts';
import type { Vxlan, VxlanSock } from './vxlan-state.ts';

/** Bytes around the inner IP packet. */
export const VXLAN_HEADROOM: number = IPV4_HLEN + UDP_HLEN + VXLAN_HLEN + ETH_HLEN;
/** VXLANs inside one another (Linux `XMIT_RECURSION_LIMIT`). */
const RECURSION_LIMIT = 8;

export function vxlanXmit(pkt: Packet, dev: NetDevice): void {
  const vxlan = dev.priv as Vxlan;
  const { dst } = pkt.eth as EthHeader;
  const entry = vxlan.fdb.find(dst) ?? vxlan.fdb.find(MAC_ZERO);
  if (entry === undefined) {
    dev.stats.txDropped++;
    drop(dev.net, pkt, 'NO_TX_TARGET', dev.name);
    return;
  }
  const parts = pkt.gsoSize > 0 ? segment(pkt) : [pkt];
  for (const part of parts) for (const remote of entry.remotes) xmitOne(part, vxlan, remote);
}

function setsDf(df: Vxlan['params']['df'], pkt: Packet): boolean {
  return df === 'set' || (df === 'inherit' && ((pkt.ip?.frag ?? 0) & IP_DF) !== 0);
}

/** Linux `vxlan_xmit_one`. The packet stays whole: others may be sent it too. */
function xmitOne(pkt: Packet, vxlan: Vxlan, to: VxlanRemote): void {
  const { dev, net, params } = vxlan;
  const inherited = pkt.ip?.tos ?? pkt.ip6?.tclass ?? 0;
  const tos = params.tos === 1 ? inherited : params.tos;
  const oif = (to.link ?? params.link)?.ifindex ?? 0;
  const route = to.addr === 0 ? -1 : routeOutput(net, to.addr, params.local, oif, tos & 0x1c);
  if (typeof route === 'number') {
    dev.stats.txErrors++;
    if (to.addr !== 0) dev.stats.txCarrierErrors++;
    drop(dev.net, pkt, to.addr === 0 ? 'NO_TX_TARGET' : 'IP_OUTNOROUTES', dev.name);
    return;
  }
  const tunnels = net.vxlans;
  if (route.dev === dev || tunnels === null || tunnels.depth >= RECURSION_LIMIT) {
    dev.stats.txErrors++;
    dev.stats.collisions++;
    drop(dev.net, pkt, 'NOT_SPECIFIED', `${dev.name} loop`);
    return;
  }
  // What does not fit is cut outside; the sender, if it is here, makes smaller ones from now on.
  const mtu = route.mtu(net.kernel.nowUs) - VXLAN_HEADROOM;
  if (pkt.ip !== null && pkt.route !== null && ipLength(pkt) > mtu)
    updatePmtu(dev.net, pkt.ip.dst, mtu, pkt.route);
  const out = net.kernel.newPacket(ETH_P_IP);
  const ttl = params.ttl || (isMulticast(to.addr) ? 1 : net.sysctl.ipDefaultTtl);
  const src = params.local || route.src;
  out.ip = new Ipv4Header(src, to.addr, IPPROTO_UDP, ttl, ecnEncapsulate(tos, inherited));
  if (setsDf(params.df, pkt)) out.ip.frag = IP_DF;
  out.udp = new UdpHeader(sourcePort(pkt, vxlan), to.port || params.port);
  if (!params.udpCsum) out.flags |= NO_UDP_CSUM;
  const frame = frameBytes(pkt);
  out.data = [vxlanHeader(to.vni < 0 ? params.vni : to.vni), frame];
  out.len = VXLAN_HLEN + frame.length;
  out.route = route;
  out.priority = pkt.priority;
  if (dev.net === net) out.mark = pkt.mark;
  tunnels.depth++;
  const result = ipLocalOut(net, out);
  tunnels.depth--;
  if (result < 0) {
    dev.stats.txErrors++;
    return;
  }
  dev.stats.txPackets++;
  dev.stats.txBytes += frameLength(pkt) - ETH_HLEN;
}

/** One flow, one port; so that routers on the way can share flows out (RFC 7348 §5; `udp_flow_src_port`). */
function sourcePort(pkt: Packet, vxlan: Vxlan): number {
  let [low, high] = vxlan.params.portRange;
  if (high <= low) [low, high] = vxlan.net.sysctl.ipLocalPortRange;
  const eth = pkt.eth as EthHeader;
  const ports = pkt.tcp ?? pkt.udp;
  const flow = ports === null ? (pkt.ip?.protocol ?? pkt.proto) : (ports.sport << 16) | ports.dport;
  const ends = pkt.ip === null ? mix32(eth.src | 0, eth.dst | 0) : mix32(pkt.ip.src, pkt.ip.dst);
  return low + Math.floor(((mix32(ends, flow) >>> 0) / 2 ** 32) * (high - low));
}

/** What the kernel's socket received (`vxlan_rcv`). */
export function vxlanReceive(pkt: Packet, sock: VxlanSock): void {
  const { net } = sock;
  const bytes = flatten(pkt.data, pkt.len);
  const vni = parseVxlan(bytes);
  const vxlan = vni < 0 ? undefined : sock.byVni.get(vni);
  if (vxlan === undefined) {
    drop(net, pkt, 'NOT_SPECIFIED', vni < 0 ? 'vxlan header' : `vni ${vni}`);
    return;
  }
  const outer = pkt.ip as Ipv4Header;
  const { dev } = vxlan;
  parseFrame(bytes.subarray(VXLAN_HLEN), pkt);
  pkt.ignoreDf = false;
  const { eth } = pkt;
  // Frames of our own that a group sent back, and those that nobody can have sent.
  if (eth === null || eth.src === dev.mac || eth.src === MAC_ZERO || isGroupMac(eth.src)) {
    dev.stats.rxErrors += eth === null ? 1 : 0;
    drop(dev.net, pkt, 'NOT_SPECIFIED', `${dev.name} source`);
    return;
  }
  if (vxlan.params.learning && !vxlan.fdb.learn(eth.src, outer.src)) {
    drop(dev.net, pkt, 'NOT_SPECIFIED', `${dev.name} moved`);
    return;
  }
  deliver(pkt, vxlan, outer);
}

function deliver(pkt: Packet, vxlan: Vxlan, outer: Ipv4Header): void {
  const { dev, net } = vxlan;
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
  if (dev.net !== net) scrubPacket(pkt);
  pkt.route = null;
  pkt.route6 = null;
  pkt.slave = null;
  if ((dev.flags & IFF_UP) === 0) {
    stats.rxDropped++;
    drop(dev.net, pkt, 'DEV_READY', dev.name);
    return;
  }
  stats.rxPackets++;
  stats.rxBytes += frameLength(pkt) - ETH_HLEN;
  dev.net.kernel.enqueue(pkt, dev);
}
