/**
 * Segments sent without a socket: RST and ACK that answer a segment directly (Linux
 * `tcp_v4_send_reset`, `tcp_v4_send_ack`, `ip_send_unicast_reply`).
 */
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { ipLocalOut } from '../../network/ipv4/output.ts';
import { routeOutput } from '../../network/route/output.ts';
import { RTN_LOCAL } from '../../network/route/route.ts';
import type { Packet } from '../../packet.ts';
import { ETH_P_IP } from '../../wire/ethernet.ts';
import { IP_DF, IPPROTO_TCP, Ipv4Header } from '../../wire/ipv4.ts';
import {
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  TcpHeader,
  TcpOptions,
  tcpOptionsLen,
} from '../../wire/tcp.ts';
import { count } from './count.ts';

/** What a reply says; addresses and ports are those of the segment answered, turned round. */
export interface Reply {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  /** TSval and TSecr, or null. */
  readonly ts: readonly [number, number] | null;
  readonly tos: number;
  readonly ttl: number;
}

/** Sends `reply` to where `pkt` came from. */
export function sendReply(net: NetNs, pkt: Packet, reply: Reply, oif = 0): void {
  const { ip, tcp } = pkt;
  if (ip === null || tcp === null) return;
  let options: TcpOptions | null = null;
  if (reply.ts !== null) {
    options = new TcpOptions();
    options.timestamps = true;
    options.tsVal = reply.ts[0];
    options.tsEcr = reply.ts[1];
  }
  const hdr = new TcpHeader(
    tcp.dport,
    tcp.sport,
    reply.seq,
    reply.ack,
    reply.flags,
    reply.window,
    0,
    options,
    options === null ? 0 : tcpOptionsLen(options),
  );
  const route = routeOutput(net, ip.src, ip.dst, oif, reply.tos & 0x1c);
  if (typeof route === 'number') return;
  const out = net.kernel.newPacket(ETH_P_IP);
  const ttl = reply.ttl >= 0 ? reply.ttl : net.sysctl.ipDefaultTtl;
  out.ip = new Ipv4Header(ip.dst, ip.src, IPPROTO_TCP, ttl, reply.tos);
  out.ip.frag = IP_DF;
  out.tcp = hdr;
  out.route = route;
  out.timeUs = net.kernel.nowUs;
  count(net, MIB.TcpOutSegs);
  ipLocalOut(net, out);
}

/** Answers a segment that belongs to nothing (RFC 9293 §3.10.7.1). Never answers a RST. */
export function sendReset(net: NetNs, pkt: Packet, forSocket: boolean): void {
  const { tcp, ip } = pkt;
  if (tcp === null || ip === null || (tcp.flags & TCP_RST) !== 0) return;
  if (!forSocket && (pkt.route === null || pkt.route.type !== RTN_LOCAL)) return;
  const hasAck = (tcp.flags & TCP_ACK) !== 0;
  const syn = (tcp.flags & TCP_SYN) !== 0 ? 1 : 0;
  const fin = (tcp.flags & TCP_FIN) !== 0 ? 1 : 0;
  count(net, MIB.TcpOutRsts);
  sendReply(net, pkt, {
    seq: hasAck ? tcp.ack : 0,
    ack: hasAck ? 0 : (tcp.seq + pkt.len + syn + fin) | 0,
    flags: hasAck ? TCP_RST : TCP_RST | TCP_ACK,
    window: 0,
    ts: null,
    tos: 0,
    ttl: -1,
  });
}
