/**
 * Segments sent without a socket: RST and ACK that answer a segment directly (Linux
 * `tcp_v4_send_reset`, `tcp_v4_send_ack`, `ip_send_unicast_reply`).
 */
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { RTN_LOCAL } from '../../network/route/route.ts';
import type { Packet } from '../../packet.ts';
import {
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  TcpHeader,
  TcpOptions,
  tcpOptionsLen,
} from '../../wire/tcp.ts';
import { lookupConnection } from './connection-lookup.ts';
import { TCP_NEW_SYN_RECV, TCP_TIME_WAIT } from './constants.ts';
import { count } from './count.ts';
import { familyOfPacket } from './families.ts';
import { md5KeyOfSender } from './md5-keys.ts';
import { signatureOf, signReply, withSignature } from './md5sig.ts';
import type { TcpSock } from './sock.ts';
import type { TimeWaitSock } from './time-wait-sock.ts';

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

/** What came by a layer-3 master is answered by way of it. */
function replyOif(pkt: Packet): number {
  return pkt.slave === null ? 0 : (pkt.dev?.ifindex ?? 0);
}

/** Sends `reply` to where `pkt` came from. */
export function sendReply(net: NetNs, pkt: Packet, reply: Reply, oif = 0): void {
  const { tcp } = pkt;
  if (tcp === null) return;
  let options: TcpOptions | null = null;
  if (reply.ts !== null) {
    options = new TcpOptions();
    options.timestamps = true;
    options.tsVal = reply.ts[0];
    options.tsEcr = reply.ts[1];
  }
  const key = net.tcp.md5Needed ? replyKey(net, pkt) : null;
  if (key !== null) options = withSignature(options);
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
  if (key !== null) signReply(key, pkt, hdr);
  const af = familyOfPacket(pkt);
  const out = net.kernel.newPacket(af.etherType);
  out.tcp = hdr;
  out.timeUs = net.kernel.nowUs;
  if (af.reply(net, pkt, out, { tos: reply.tos, ttl: reply.ttl, oif: oif || replyOif(pkt) }))
    count(net, MIB.TcpOutSegs);
}

/** The key with which whoever `pkt` is for signs what goes to its sender. */
function replyKey(net: NetNs, pkt: Packet): Uint8Array | null {
  const { tcp, dev } = pkt;
  if (tcp === null || dev === null) return null;
  const c = lookupConnection(net, pkt, tcp, dev.ifindex);
  if (c !== null && c.state === TCP_TIME_WAIT) return (c as TimeWaitSock).md5Key;
  if (c !== null && c.state !== TCP_NEW_SYN_RECV) return md5KeyOfSender(c as TcpSock, pkt);
  for (const sk of net.tcp.listeners.get(tcp.dport) ?? []) {
    const key = md5KeyOfSender(sk, pkt);
    if (key !== null) return key;
  }
  return null;
}

/** Answers a segment that belongs to nothing (RFC 9293 §3.10.7.1). Never answers a RST. */
export function sendReset(net: NetNs, pkt: Packet, forSocket: boolean): void {
  const { tcp, ip6 } = pkt;
  if (tcp === null || (tcp.flags & TCP_RST) !== 0) return;
  if (!forSocket && !isForUs(pkt)) return;
  // A signed segment for nobody: whoever signed it would not believe us.
  if (!forSocket && signatureOf(tcp) !== null) return;
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
    tos: ip6 === null ? 0 : ip6.tclass,
    ttl: -1,
  });
}

/** Is the packet to an address of ours, and not to a group? */
export function isForUs(pkt: Packet): boolean {
  return (pkt.ip6 === null ? pkt.route : pkt.route6)?.type === RTN_LOCAL;
}
