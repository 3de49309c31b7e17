/**
 * Which UDP socket a datagram is for (Linux `udp_table`; `net/ipv4/udp.c`: `udp_lib_get_port`,
 * `__udp4_lib_lookup`, `compute_score`). Three chained hash tables over the same sockets: by port (who
 * is in the way of a bind, who gets a multicast), by address and port, and by all four for sockets with
 * a peer. Nothing is allocated until the first bind.
 */
import { isBoundTo } from '../../link/l3mdev.ts';
import type { NetNs } from '../../net.ts';
import { mix32 } from '../../util/random.ts';
import type { SockDomain } from '../sock-domain.ts';
import type { UdpSock } from './sock.ts';

const FIRST_SIZE = 8;

/** Most points that `score` gives: four things fixed, and the family. */
const NO_MATCH = -1;

export class UdpTable {
  /** Mark and destination of the datagram in hand, for sockets of a domain. */
  mark = 0;
  private daddr = 0;
  /** Sockets with a port. */
  size = 0;
  private readonly secret: number;
  private mask = 0;
  private byPort: (UdpSock | null)[] = [];
  private byAddr: (UdpSock | null)[] = [];
  private byPeer: (UdpSock | null)[] = [];
  /** Sockets in `byPeer`. */
  private peers = 0;

  constructor(net: NetNs) {
    this.secret = net.kernel.random('udp-hash').i32();
  }

  /** The sockets of a port, chained by `nextByPort`, the latest first. */
  atPort(port: number): UdpSock | null {
    return this.size === 0 ? null : (this.byPort[this.portSlot(port)] as UdpSock | null);
  }

  add(sk: UdpSock): void {
    if (this.size >= this.byPort.length) this.grow();
    this.size++;
    sk.hashed = true;
    const slot = this.portSlot(sk.sport);
    sk.nextByPort = this.byPort[slot] as UdpSock | null;
    this.byPort[slot] = sk;
    this.link(sk);
  }

  remove(sk: UdpSock): void {
    if (!sk.hashed) return;
    sk.hashed = false;
    this.size--;
    const slot = this.portSlot(sk.sport);
    let at = this.byPort[slot] as UdpSock | null;
    if (at === sk) this.byPort[slot] = sk.nextByPort;
    else {
      while (at !== null && at.nextByPort !== sk) at = at.nextByPort;
      if (at !== null) at.nextByPort = sk.nextByPort;
    }
    sk.nextByPort = null;
    this.unlink(sk);
  }

  /** The addresses of `sk` changed (`udp_lib_rehash`). */
  rehash(sk: UdpSock): void {
    if (!sk.hashed) return;
    this.unlink(sk);
    this.link(sk);
  }

  /**
   * The socket for a datagram from `saddr:sport` to `daddr:dport` that came in through `ifindex`, or
   * null: one with this peer, else the best that is bound to the address, else the best that is not.
   */
  lookup(
    saddr: number,
    sport: number,
    daddr: number,
    dport: number,
    ifindex: number,
  ): UdpSock | null {
    if (this.size === 0) return null;
    this.daddr = daddr;
    if (this.peers !== 0) {
      const found = this.lookupPeer(saddr, sport, daddr, dport, ifindex);
      if (found !== null) return found;
    }
    const exact = this.lookupBound(saddr, sport, daddr, dport, ifindex);
    if (exact !== null) return exact;
    return this.lookupBound(saddr, sport, 0, dport, ifindex);
  }

  /** Every socket, in no particular order. */
  values(): UdpSock[] {
    const out: UdpSock[] = [];
    for (const head of this.byPort)
      for (let sk = head; sk !== null; sk = sk.nextByPort) out.push(sk);
    return out;
  }

  private lookupPeer(
    saddr: number,
    sport: number,
    daddr: number,
    dport: number,
    ifindex: number,
  ): UdpSock | null {
    let best: UdpSock | null = null;
    let sk = this.byPeer[this.peerSlot(saddr, sport, daddr, dport)] as UdpSock | null;
    for (; sk !== null; sk = sk.nextByAddr) {
      if (sk.daddr !== saddr || sk.dport !== sport || sk.rcvSaddr !== daddr || sk.sport !== dport)
        continue;
      if (!isBoundTo(sk.boundDevIf, ifindex)) continue;
      if (sk.boundDevIf !== 0) return sk;
      if (best === null) best = sk;
    }
    return best;
  }

  /** Of those bound to exactly this address, 0 being a wildcard (`udp4_lib_lookup2`). */
  private lookupBound(
    saddr: number,
    sport: number,
    bound: number,
    dport: number,
    ifindex: number,
  ): UdpSock | null {
    const head = this.byAddr[this.addrSlot(bound, dport)] as UdpSock | null;
    let best: UdpSock | null = null;
    let bestScore = NO_MATCH;
    for (let sk = head; sk !== null; sk = sk.nextByAddr) {
      if (sk.sport !== dport || sk.rcvSaddr !== bound) continue;
      if (sk.domain !== null && !this.isHeard(sk.domain)) continue;
      const points = score(sk, saddr, sport, ifindex);
      if (points > bestScore) {
        bestScore = points;
        best = sk;
      }
    }
    if (best === null || !best.reusePort || best.connected) return best;
    return this.selectOfGroup(head, best, this.flowHash(saddr, sport, bound, dport));
  }

  private isHeard(domain: SockDomain): boolean {
    return domain.hearsMark(this.mark) && domain.has4(this.daddr);
  }

  /** One of the sockets that share `model`'s address by SO_REUSEPORT (`reuseport_select_sock`). */
  private selectOfGroup(head: UdpSock | null, model: UdpSock, hash: number): UdpSock {
    let n = 0;
    for (let sk = head; sk !== null; sk = sk.nextByAddr) if (isOfGroup(sk, model)) n++;
    let pick = Math.floor(((hash >>> 0) / 2 ** 32) * n);
    for (let sk = head; sk !== null; sk = sk.nextByAddr)
      if (isOfGroup(sk, model) && pick-- === 0) return sk;
    return model;
  }

  private flowHash(saddr: number, sport: number, daddr: number, dport: number): number {
    return mix32(saddr ^ this.secret, mix32(daddr, (sport << 16) | dport));
  }

  private portSlot(port: number): number {
    return mix32(port, this.secret) & this.mask;
  }

  private addrSlot(addr: number, port: number): number {
    return mix32(addr ^ this.secret, port) & this.mask;
  }

  private peerSlot(saddr: number, sport: number, daddr: number, dport: number): number {
    return this.flowHash(saddr, sport, daddr, dport) & this.mask;
  }

  private slotOf(sk: UdpSock): number {
    return sk.hashedByPeer
      ? this.peerSlot(sk.daddrHashed, sk.dportHashed, sk.addrHashed, sk.sport)
      : this.addrSlot(sk.addrHashed, sk.sport);
  }

  private link(sk: UdpSock): void {
    sk.hashed4 = sk.inet6 === null || sk.inet6.hears4;
    if (!sk.hashed4) return;
    sk.hashedByPeer = sk.connected && sk.dport !== 0 && sk.rcvSaddr !== 0;
    sk.addrHashed = sk.rcvSaddr;
    sk.daddrHashed = sk.daddr;
    sk.dportHashed = sk.dport;
    const table = sk.hashedByPeer ? this.byPeer : this.byAddr;
    if (sk.hashedByPeer) this.peers++;
    const slot = this.slotOf(sk);
    sk.nextByAddr = table[slot] as UdpSock | null;
    table[slot] = sk;
  }

  private unlink(sk: UdpSock): void {
    if (!sk.hashed4) return;
    const table = sk.hashedByPeer ? this.byPeer : this.byAddr;
    if (sk.hashedByPeer) this.peers--;
    const slot = this.slotOf(sk);
    let at = table[slot] as UdpSock | null;
    if (at === sk) table[slot] = sk.nextByAddr;
    else {
      while (at !== null && at.nextByAddr !== sk) at = at.nextByAddr;
      if (at !== null) at.nextByAddr = sk.nextByAddr;
    }
    sk.nextByAddr = null;
  }

  /** Twice as many chains; the order of binding, which decides ties, is kept. */
  private grow(): void {
    const all = this.values();
    all.sort((a, b) => a.hashOrder - b.hashOrder);
    const size = Math.max(FIRST_SIZE, this.byPort.length * 2);
    this.mask = size - 1;
    this.byPort = new Array<UdpSock | null>(size).fill(null);
    this.byAddr = new Array<UdpSock | null>(size).fill(null);
    this.byPeer = new Array<UdpSock | null>(size).fill(null);
    this.size = 0;
    this.peers = 0;
    for (const sk of all) this.add(sk);
  }
}

/** How well a socket that is bound to the right address and port fits (`compute_score`). */
function score(sk: UdpSock, saddr: number, sport: number, ifindex: number): number {
  let points = sk.inet6 === null ? 2 : 1;
  if (sk.daddr !== 0) {
    if (sk.daddr !== saddr) return NO_MATCH;
    points += 4;
  }
  if (sk.dport !== 0) {
    if (sk.dport !== sport) return NO_MATCH;
    points += 4;
  }
  if (!isBoundTo(sk.boundDevIf, ifindex)) return NO_MATCH;
  if (sk.boundDevIf !== 0) points += 4;
  return points;
}

function isOfGroup(sk: UdpSock, model: UdpSock): boolean {
  return (
    sk.reusePort &&
    !sk.connected &&
    sk.sport === model.sport &&
    sk.rcvSaddr === model.rcvSaddr &&
    sk.boundDevIf === model.boundDevIf &&
    sk.domain === model.domain
  );
}
