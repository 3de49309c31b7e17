/**
 * Which AF_INET6 socket a datagram is for (Linux `__udp6_lib_lookup`, `compute_score`). All sockets of a port are looked
 * at: a port has few.
 */
import { isBoundTo } from '../../link/l3mdev.ts';
import type { NetNs } from '../../net.ts';
import { type Ip6Addr, isAny6 } from '../../util/ip6-addr.ts';
import type { UdpSock } from './sock.ts';

/** Four-tuple of a received datagram, and the device by which it came. */
export interface Flow6 {
  readonly src: Ip6Addr;
  readonly sport: number;
  readonly dst: Ip6Addr;
  readonly dport: number;
  readonly ifindex: number;
  /** `sdifOf` */
  readonly sdif: number;
  /** Of the packet. */
  readonly mark: number;
}

/** A socket that is bound to the address beats every one that is not. */
const BOUND = 16;

/** The best socket; null: none. */
export function lookup6(net: NetNs, flow: Flow6): UdpSock | null {
  if (net.udp.idle) return null;
  const head = net.udp.table.atPort(flow.dport);
  let best: UdpSock | null = null;
  let bestScore = -1;
  let sharing = 0;
  for (let sk = head; sk !== null; sk = sk.nextByPort) {
    const points = score(sk, flow);
    if (points > bestScore) {
      best = sk;
      bestScore = points;
      sharing = 1;
    } else if (points === bestScore && points >= 0 && sk.reusePort) sharing++;
  }
  if (best === null || !best.reusePort || best.connected || sharing < 2) return best;
  return pick(head, flow, bestScore, sharing);
}

/** One of the sockets that share an address by SO_REUSEPORT. */
function pick(head: UdpSock | null, flow: Flow6, points: number, sharing: number): UdpSock | null {
  const hash = flow.src.hash(flow.dst.hash((flow.sport << 16) | flow.dport)) >>> 0;
  let n = Math.floor((hash / 2 ** 32) * sharing);
  let last: UdpSock | null = null;
  for (let sk = head; sk !== null; sk = sk.nextByPort) {
    if (score(sk, flow) !== points || !sk.reusePort) continue;
    last = sk;
    if (n-- === 0) return sk;
  }
  return last;
}

function score(sk: UdpSock, flow: Flow6): number {
  const v6 = sk.inet6;
  if (v6 === null || sk.sport !== flow.dport) return -1;
  const { domain } = sk;
  if (domain !== null && !(domain.hearsMark(flow.mark) && domain.has6(flow.dst))) return -1;
  let points = 0;
  if (!isAny6(v6.rcvSaddr)) {
    if (!v6.rcvSaddr.equals(flow.dst)) return -1;
    points += BOUND;
  }
  if (sk.dport !== 0) {
    if (sk.dport !== flow.sport) return -1;
    points++;
  }
  if (!isAny6(v6.daddr)) {
    if (!v6.daddr.equals(flow.src)) return -1;
    points++;
  }
  if (!isBoundTo(sk.boundDevIf, flow.ifindex, flow.sdif)) return -1;
  if (sk.boundDevIf !== 0) points++;
  return points;
}
