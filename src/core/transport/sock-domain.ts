/**
 * The domain of a socket: of which packets it may hear, and whom it is in the way of. A context (V1) owns
 * addresses; a tag (V2) is the mark that the host's policy gives packets. A socket without a domain hears all,
 * as on Linux, and pays one comparison with null.
 */
import type { Packet } from '../packet.ts';
import { type Ip6Addr, isAny6 } from '../util/ip6-addr.ts';
import type { Inet6 } from './inet6-state.ts';

export class SockDomain {
  /** Addresses of its own: INADDR_ANY means these; null: whatever the namespace has. */
  readonly addrs4: ReadonlySet<number> | null;
  readonly addrs6: readonly Ip6Addr[] | null;
  /** Packets have this mark; null: any, or none. */
  readonly mark: number | null;

  constructor(
    addrs4: ReadonlySet<number> | null,
    addrs6: readonly Ip6Addr[] | null,
    mark: number | null,
  ) {
    this.addrs4 = addrs4;
    this.addrs6 = addrs6;
    this.mark = mark;
  }

  /** May a socket of this domain hear a packet to its own address? */
  hears(pkt: Packet): boolean {
    if (!this.hearsMark(pkt.mark)) return false;
    if (pkt.ip !== null) return this.has4(pkt.ip.dst);
    return pkt.ip6 === null || this.has6(pkt.ip6.dst);
  }

  hearsMark(mark: number): boolean {
    return this.mark === null || this.mark === mark;
  }

  has4(addr: number): boolean {
    return this.addrs4?.has(addr) ?? true;
  }

  has6(addr: Ip6Addr): boolean {
    return this.addrs6?.some((a) => a.equals(addr)) ?? true;
  }
}

/** What two sockets on one port have been bound to. */
interface Bound {
  readonly rcvSaddr: number;
  readonly inet6: Pick<Inet6, 'rcvSaddr'> | null;
  readonly domain: SockDomain | null;
}

/** No packet could be for both: neither is in the other's way, whatever their addresses look like. */
export function domainsApart(a: Bound, b: Bound): boolean {
  const { domain } = a;
  const other = b.domain;
  if (domain === null && other === null) return false;
  if (domain !== null && other !== null && domain.mark !== null && other.mark !== null)
    if (domain.mark !== other.mark) return true;
  return apart4(a, b) && apart6(a, b);
}

function isAnyBound6(x: Bound): boolean {
  return x.inet6 !== null && isAny6(x.inet6.rcvSaddr);
}

function apart4(a: Bound, b: Bound): boolean {
  if (a.rcvSaddr !== 0) return b.rcvSaddr === 0 && !(b.domain?.has4(a.rcvSaddr) ?? true);
  if (b.rcvSaddr !== 0) return !(a.domain?.has4(b.rcvSaddr) ?? true);
  const own = a.domain?.addrs4 ?? null;
  const theirs = b.domain?.addrs4 ?? null;
  // Whoever has all addresses, as the host itself, meets everybody.
  if (own === null || theirs === null) return false;
  for (const addr of own) if (theirs.has(addr)) return false;
  return true;
}

function apart6(a: Bound, b: Bound): boolean {
  if (a.inet6 === null || b.inet6 === null) return true;
  if (!isAnyBound6(a) && !isAnyBound6(b)) return !a.inet6.rcvSaddr.equals(b.inet6.rcvSaddr);
  if (!isAnyBound6(a)) return !(b.domain?.has6(a.inet6.rcvSaddr) ?? true);
  if (!isAnyBound6(b)) return !(a.domain?.has6(b.inet6.rcvSaddr) ?? true);
  const own = a.domain?.addrs6 ?? null;
  const theirs = b.domain?.addrs6 ?? null;
  if (own === null || theirs === null) return false;
  return !own.some((addr) => theirs.some((other) => other.equals(addr)));
}
