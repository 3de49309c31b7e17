/**
 * The result of a routing decision (Linux `struct rtable`), kept by sockets and carried by packets.
 * Valid while `generation` equals its namespace's `net.ipv4.generation`: any change of routes,
 * addresses or devices there makes a new decision necessary, and in no other namespace (S7).
 */
import type { Neighbour } from '../../link/neighbour.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { IP_MAX_MTU } from '../../wire/ipv4.ts';
import { NO_METRICS, type RouteMetrics } from './fib-info.ts';

/** Types of routes (`include/uapi/linux/rtnetlink.h`). */
export const RTN_UNSPEC = 0;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_ANYCAST = 4;
export const RTN_MULTICAST = 5;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;
export const RTN_PROHIBIT = 8;
export const RTN_THROW = 9;

export class Route {
  /** `RTN_UNICAST`, `RTN_LOCAL`, `RTN_BROADCAST` or `RTN_MULTICAST`, or a refusing type on input. */
  readonly type: number;
  /** Where the packet leaves; lo for a local destination. */
  readonly dev: NetDevice;
  /** Next hop; 0: the destination itself is on the link. */
  readonly gateway: number;
  /** Preferred source address for packets that have none yet. */
  readonly src: number;
  /** MTU metric of the route; 0: the device's. On a refusing route, the errno. */
  mtuMetric = 0;
  /** Advertised-MSS metric; 0: from the MTU. */
  advmss = 0;
  /** What the route says of transport: all of its metrics. */
  metrics: RouteMetrics = NO_METRICS;
  /** `net.ipv4.generation` when this was decided. */
  readonly generation: number;
  /** Path MTU learnt for this destination (RFC 1191 §3); 0: none. */
  pmtu = 0;
  /** When `pmtu` expires, microseconds. */
  pmtuExpiresUs = 0;
  /** `pmtu` was below min_pmtu: packets are sent without DF (`rt_mtu_locked`). */
  pmtuLocked = false;
  /** Entry of the next hop, so that the data path does not look it up again; check `dead`. */
  neigh: Neighbour | null = null;
  /** Initial congestion window metric, segments; 0: 10. */
  initcwnd = 0;
  /** Initial receive window metric, segments; 0: none. */
  initrwnd = 0;
  /** Shortest retransmission timeout metric, µs; 0: the connection's own. */
  rtoMinUs = 0;
  /** TCP acknowledges each segment at once. */
  quickack = false;
  /** TTL metric; 0: net.ipv4.ip_default_ttl. */
  hoplimit = 0;
  /** Path MTU discovery leaves this route alone: its MTU was given with `lock`. */
  mtuLock = false;

  /** The sender is directly on the link on which the packet came in: it may be sent a redirect. */
  onLinkSource = false;

  constructor(type: number, dev: NetDevice, gateway: number, src: number, generation: number) {
    this.type = type;
    this.dev = dev;
    this.gateway = gateway;
    this.src = src;
    this.generation = generation;
  }

  /** Largest IP packet on this route in bytes (Linux `dst_mtu`). */
  mtu(nowUs: number): number {
    if (this.pmtu !== 0 && nowUs < this.pmtuExpiresUs) return this.pmtu;
    return this.linkMtu();
  }

  /** The same without what path MTU discovery learnt (`ip_dst_mtu_maybe_forward`). */
  linkMtu(): number {
    const mtu = this.mtuMetric !== 0 ? this.mtuMetric : this.dev.mtu;
    return mtu < IP_MAX_MTU ? mtu : IP_MAX_MTU;
  }
}
