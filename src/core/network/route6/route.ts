/**
 * The result of a routing decision for IPv6 (Linux `struct rt6_info`), kept by sockets and carried by packets.
 * Valid while `generation` equals its namespace's `net.ipv6.generation`.
 */
import type { Neighbour } from '../../link/neighbour.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import { IPV6_HLEN, IPV6_MAXPLEN } from '../../wire/ipv6.ts';
import { NO_METRICS, type RouteMetrics } from '../route/fib-info.ts';

/** Linux `IP6_MAX_MTU` */
export const IP6_MAX_MTU: number = IPV6_HLEN + IPV6_MAXPLEN;

export class Route6 {
  /** `RTN_UNICAST`, `RTN_LOCAL`, `RTN_ANYCAST`, `RTN_MULTICAST`, or a refusing type. */
  readonly type: number;
  /** Where the packet leaves; lo for a local destination. */
  readonly dev: NetDevice;
  /** Whose address or link it is: for a local destination the device that has it (`rt6i_idev`). */
  readonly idev: NetDevice;
  /** Next hop; null: the destination itself is on the link. */
  readonly gateway: Ip6Addr | null;
  /** Preferred source address of the route; null: by RFC 6724. */
  readonly prefsrc: Ip6Addr | null;
  /** Length of the matched prefix: how far ICMP errors are limited depends on it. */
  readonly prefixLen: number;
  /** `net.ipv6.generation` when this was decided. */
  readonly generation: number;
  /** A refusing route: the errno, positive; 0 otherwise. */
  readonly errno: number;
  /** What the route says of transport: all of its metrics. */
  metrics: RouteMetrics = NO_METRICS;
  /** Metrics; 0: not set. */
  mtuMetric = 0;
  advmss = 0;
  initcwnd = 0;
  initrwnd = 0;
  hoplimit = 0;
  /** Shortest retransmission timeout, µs. */
  rtoMinUs = 0;
  /** TCP acknowledges each segment at once. */
  quickack = false;
  mtuLock = false;
  /** Path MTU learnt for this destination (RFC 8201); 0: none. */
  pmtu = 0;
  /** When `pmtu` expires, microseconds. */
  pmtuExpiresUs = 0;
  /** Entry of the next hop, so that the data path does not look it up again; check `dead`. */
  neigh: Neighbour<Ip6Addr> | null = null;
  /** The source address that was chosen for a packet without one; null: not asked yet. */
  src: Ip6Addr | null = null;

  constructor(init: {
    readonly type: number;
    readonly dev: NetDevice;
    readonly idev: NetDevice;
    readonly gateway: Ip6Addr | null;
    readonly prefsrc: Ip6Addr | null;
    readonly prefixLen: number;
    readonly generation: number;
    readonly errno: number;
  }) {
    this.type = init.type;
    this.dev = init.dev;
    this.idev = init.idev;
    this.gateway = init.gateway;
    this.prefsrc = init.prefsrc;
    this.prefixLen = init.prefixLen;
    this.generation = init.generation;
    this.errno = init.errno;
  }

  /** Largest IP packet on this route in bytes (Linux `ip6_mtu`). */
  mtu(nowUs: number): number {
    if (this.pmtu !== 0 && nowUs < this.pmtuExpiresUs) return this.pmtu;
    return this.linkMtu();
  }

  /** The same without what path MTU discovery learnt (`ip6_dst_mtu_maybe_forward`). */
  linkMtu(): number {
    const { mtuMetric } = this;
    if (mtuMetric !== 0) return Math.min(mtuMetric, IP6_MAX_MTU);
    return Math.min(this.dev.ipv6?.mtu ?? this.dev.mtu, IP6_MAX_MTU);
  }

  /** Hop limit of packets that do not say (`ip6_dst_hoplimit`). */
  defaultHopLimit(): number {
    if (this.hoplimit !== 0) return this.hoplimit;
    return this.dev.ipv6?.conf.hopLimit ?? 64;
  }
}
