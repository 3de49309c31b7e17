/**
 * The IPv6 counters of a namespace (Linux `/proc/net/snmp6`, in the order in which it prints them; RFC 4293,
 * RFC 2466). `net.ipv6.mib[MIB6.Ip6InReceives]++`. Apart from those of IPv4, so that a namespace that has no
 * IPv6 traffic does not hold them. ICMPv6 messages are counted by type too.
 */
import { SmallMap } from './util/small-map.ts';

export const MIB6 = {
  Ip6InReceives: 0,
  Ip6InHdrErrors: 1,
  Ip6InTooBigErrors: 2,
  Ip6InNoRoutes: 3,
  Ip6InAddrErrors: 4,
  Ip6InUnknownProtos: 5,
  Ip6InTruncatedPkts: 6,
  Ip6InDiscards: 7,
  Ip6InDelivers: 8,
  Ip6OutForwDatagrams: 9,
  Ip6OutRequests: 10,
  Ip6OutDiscards: 11,
  Ip6OutNoRoutes: 12,
  Ip6ReasmTimeout: 13,
  Ip6ReasmReqds: 14,
  Ip6ReasmOKs: 15,
  Ip6ReasmFails: 16,
  Ip6FragOKs: 17,
  Ip6FragFails: 18,
  Ip6FragCreates: 19,
  Ip6InMcastPkts: 20,
  Ip6OutMcastPkts: 21,
  Ip6InOctets: 22,
  Ip6OutOctets: 23,
  Ip6InMcastOctets: 24,
  Ip6OutMcastOctets: 25,
  Ip6InBcastOctets: 26,
  Ip6OutBcastOctets: 27,
  Ip6InNoECTPkts: 28,
  Ip6InECT1Pkts: 29,
  Ip6InECT0Pkts: 30,
  Ip6InCEPkts: 31,
  Ip6OutTransmits: 32,
  Icmp6InMsgs: 33,
  Icmp6InErrors: 34,
  Icmp6OutMsgs: 35,
  Icmp6OutErrors: 36,
  Icmp6InCsumErrors: 37,
  Icmp6OutRateLimitHost: 38,
  Udp6InDatagrams: 39,
  Udp6NoPorts: 40,
  Udp6InErrors: 41,
  Udp6OutDatagrams: 42,
  Udp6RcvbufErrors: 43,
  Udp6SndbufErrors: 44,
  Udp6InCsumErrors: 45,
  Udp6IgnoredMulti: 46,
  Udp6MemErrors: 47,
} as const;

/** Number of counters with a name. */
export const MIB6_MAX = 48;

export type Mib6 = Float64Array & Record<(typeof MIB6)[keyof typeof MIB6], number>;

/** ICMPv6 messages by type, of which few are ever seen: `Icmp6InType128` and the like. */
export class Icmp6Types {
  private readonly counts: SmallMap<number, number> = new SmallMap();

  /** Counts a message that was received, or one that was sent. */
  count(type: number, sent: boolean): void {
    const key = sent ? type + 256 : type;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  get(type: number, sent: boolean): number {
    return this.counts.get(sent ? type + 256 : type) ?? 0;
  }
}
