/**
 * The listener that a segment is for (Linux `__inet_lookup_listener`, `inet6_lookup_listener`). All of a port's
 * listeners are looked at: a port has few.
 */
import { isBoundTo, lookupL3 } from '../../link/l3mdev.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import { isAny6 } from '../../util/ip6-addr.ts';
import { mix32 } from '../../util/random.ts';
import type { TcpHeader } from '../../wire/tcp.ts';
import { ifindexOf } from '../inet6-cmsg.ts';
import type { TcpSock } from './sock.ts';

/** One that is bound to the address comes before all that are not. */
const BOUND = 4;

/** The listener that fits best; among equals of a SO_REUSEPORT group a hash chooses. */
export function lookupListener(net: NetNs, pkt: Packet, tcp: TcpHeader): TcpSock | null {
  const list = net.tcp.listeners.get(tcp.dport);
  if (list === undefined) return null;
  if (pkt.slave === null) return bestOf(list, pkt, tcp, ifindexOf(pkt));
  return lookupL3(pkt, net.sysctl.tcpL3mdevAccept, (dif) => bestOf(list, pkt, tcp, dif));
}

function bestOf(
  list: readonly TcpSock[],
  pkt: Packet,
  tcp: TcpHeader,
  dif: number,
): TcpSock | null {
  return bestAmong(list, pkt, tcp, dif, true) ?? bestAmong(list, pkt, tcp, dif, false);
}

/**
 * Of those that are bound to the address, or of those that are not (`inet_lhash2_lookup`). LINUX: the first group that
 * fits has it, even if a socket behind it fits better.
 */
function bestAmong(
  list: readonly TcpSock[],
  pkt: Packet,
  tcp: TcpHeader,
  dif: number,
  exact: boolean,
): TcpSock | null {
  let best: TcpSock | null = null;
  let bestScore = 0;
  for (let i = 0; i < list.length; i++) {
    const sk = list[i] as TcpSock;
    const score = scoreOf(sk, pkt, dif);
    if (score <= bestScore || score > BOUND !== exact) continue;
    best = sk;
    bestScore = score;
    if (sk.reusePort) return ofGroup(list, sk, pkt, tcp, dif);
  }
  return best;
}

/** One of the group of `model`, by the hash of the flow. */
function ofGroup(
  list: readonly TcpSock[],
  model: TcpSock,
  pkt: Packet,
  tcp: TcpHeader,
  dif: number,
): TcpSock {
  const score = scoreOf(model, pkt, dif);
  let equals = 0;
  for (let i = 0; i < list.length; i++)
    if (isOfGroup(list[i] as TcpSock, model) && scoreOf(list[i] as TcpSock, pkt, dif) === score)
      equals++;
  if (equals <= 1) return model;
  let n = Math.floor(((flowHash(pkt, tcp) >>> 0) / 2 ** 32) * equals);
  for (let i = 0; i < list.length; i++) {
    const sk = list[i] as TcpSock;
    if (isOfGroup(sk, model) && scoreOf(sk, pkt, dif) === score && n-- === 0) return sk;
  }
  return model;
}

/** Sockets that share one address by SO_REUSEPORT (`inet_reuseport_add_sock`); the address is that of the packet. */
function isOfGroup(sk: TcpSock, model: TcpSock): boolean {
  return (
    sk.reusePort &&
    model.reusePort &&
    sk.family === model.family &&
    sk.boundDevIf === model.boundDevIf &&
    sk.domain === model.domain &&
    sk.inet6?.v6only === model.inet6?.v6only
  );
}

function flowHash(pkt: Packet, tcp: TcpHeader): number {
  const { ip, ip6 } = pkt;
  const ports = (tcp.sport << 16) | tcp.dport;
  if (ip6 !== null) return ip6.src.hash(ip6.dst.hash(ports));
  return mix32(mix32(ip?.src ?? 0, ip?.dst ?? 0), ports);
}

/** 0: does not listen there (Linux `compute_score` of either family). */
function scoreOf(sk: TcpSock, pkt: Packet, dif: number): number {
  if (!isBoundTo(sk.boundDevIf, dif)) return 0;
  if (sk.domain !== null && !sk.domain.hears(pkt)) return 0;
  const score = sk.boundDevIf !== 0 ? 2 : 1;
  const v6 = sk.inet6;
  const { ip6 } = pkt;
  if (ip6 === null) {
    if (v6?.v6only === true) return 0;
    // LINUX: among IPv4 packets' listeners those of AF_INET come first.
    const own = v6 === null ? score + 1 : score;
    if (sk.rcvSaddr !== 0) return sk.rcvSaddr === pkt.ip?.dst ? own + BOUND : 0;
    return v6 === null || isAny6(v6.rcvSaddr) ? own : 0;
  }
  if (v6 === null) return 0;
  if (isAny6(v6.rcvSaddr)) return score;
  return v6.rcvSaddr.equals(ip6.dst) ? score + BOUND : 0;
}
