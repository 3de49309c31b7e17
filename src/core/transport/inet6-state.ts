/** What an AF_INET6 socket has besides (Linux `struct ipv6_pinfo`, `sk_v6_rcv_saddr`, `sk_v6_daddr`). */
import type { Route6 } from '../network/route6/route.ts';
import type { SourceFilter } from '../network/source-filter.ts';
import { IN6ADDR_ANY, type Ip6Addr, isAny6, isMapped6 } from '../util/ip6-addr.ts';

/** A group that a socket joined. */
export interface Membership6 {
  readonly group: Ip6Addr;
  readonly ifindex: number;
  /** From whom. */
  readonly filter: SourceFilter<Ip6Addr>;
}

/** What an AF_INET6 socket is bound to. */
export interface BoundAddr6 {
  readonly rcvSaddr: Ip6Addr;
  readonly v6only: boolean;
}

export class Inet6 implements BoundAddr6 {
  /** Bound, source and peer address; `::`: none. */
  rcvSaddr: Ip6Addr = IN6ADDR_ANY;
  saddr: Ip6Addr = IN6ADDR_ANY;
  daddr: Ip6Addr = IN6ADDR_ANY;
  /** IPV6_V6ONLY, or bound to an address that is IPv6's alone. */
  v6only: boolean;
  /** IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS; -1: the route's. */
  hops = -1;
  mcastHops = 1;
  mcastLoop = true;
  /** IPV6_MULTICAST_IF, IPV6_UNICAST_IF; 0: the route's. */
  mcastOif = 0;
  unicastOif = 0;
  tclass = 0;
  /** IPV6_MTU_DISCOVER, IPV6_DONTFRAG */
  pmtudisc = 1;
  dontFrag = false;
  /** IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS */
  recvPktInfo = false;
  recvHopLimit = false;
  recvTclass = false;
  /** IPV6_RECVERR */
  recvErr = false;
  /** IPV6_AUTOFLOWLABEL: 1 or 0; -1: what net.ipv6.auto_flowlabels says. */
  autoFlowLabel = -1;
  /** IPV6_MULTICAST_ALL: also what others of this host joined. */
  mcastAll = true;
  memberships: readonly Membership6[] = [];
  /** The way to the peer, or to the last destination. */
  route: Route6 | null = null;
  lastDst: Ip6Addr | null = null;

  constructor(v6only: boolean) {
    this.v6only = v6only;
  }

  /** Does an IPv4 packet reach the socket at all? */
  get hears4(): boolean {
    if (this.v6only) return false;
    return isEither(this.rcvSaddr) && isEither(this.daddr);
  }

  /** A copy of what stays bound when the socket is gone. */
  boundAddr(): BoundAddr6 {
    return { rcvSaddr: this.rcvSaddr, v6only: this.v6only };
  }

  /** What the socket of an accepted connection takes over from its listener. */
  inherit(from: Inet6): void {
    this.v6only = from.v6only;
    this.hops = from.hops;
    this.mcastHops = from.mcastHops;
    this.mcastLoop = from.mcastLoop;
    this.mcastAll = from.mcastAll;
    this.unicastOif = from.unicastOif;
    this.tclass = from.tclass;
    this.pmtudisc = from.pmtudisc;
    this.dontFrag = from.dontFrag;
    this.recvPktInfo = from.recvPktInfo;
    this.recvHopLimit = from.recvHopLimit;
    this.recvTclass = from.recvTclass;
    this.recvErr = from.recvErr;
    this.autoFlowLabel = from.autoFlowLabel;
  }

  /** Is the peer an IPv4 host? */
  get isMapped(): boolean {
    return isMapped6(this.daddr);
  }
}

/** Unspecified or mapped: means something to IPv4 too. */
function isEither(x: Ip6Addr): boolean {
  return isAny6(x) || isMapped6(x);
}
