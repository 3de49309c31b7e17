/** The counters of IPv6 by Linux's names, in the order of `/proc/net/snmp6` (`snmp6_seq_show`, `snmp6_seq_show_icmpv6msg`). */
import { MIB6 } from '../mib6.ts';
import type { NetNs } from '../net.ts';

/** Types of ICMPv6 that have a name (`icmp6type2name`). */
const ICMP6_NAMES: readonly (readonly [type: number, name: string])[] = [
  [1, 'DestUnreachs'],
  [2, 'PktTooBigs'],
  [3, 'TimeExcds'],
  [4, 'ParmProblems'],
  [128, 'Echos'],
  [129, 'EchoReplies'],
  [130, 'GroupMembQueries'],
  [131, 'GroupMembResponses'],
  [132, 'GroupMembReductions'],
  [133, 'RouterSolicits'],
  [134, 'RouterAdvertisements'],
  [135, 'NeighborSolicits'],
  [136, 'NeighborAdvertisements'],
  [137, 'Redirects'],
  [143, 'MLDv2Reports'],
];
const TYPES = 256;

/** `Ip6.InReceives`, `Icmp6.InEchos`, `Icmp6.InType128`, `Udp6.InDatagrams` …; nothing is made to count in. */
export function stats6(net: NetNs): Readonly<Record<string, number>> {
  const v6 = net.ipv6Maybe;
  const out: Record<string, number> = {};
  const names = Object.entries(MIB6);
  const put = (wanted: (name: string) => boolean): void => {
    for (const [name, index] of names)
      if (wanted(name)) out[name.replace(/6(?=[A-Z])/, '6.')] = v6?.mib[index] ?? 0;
  };
  put((name) => !name.startsWith('Udp6'));
  for (const sent of [false, true])
    for (const [type, name] of ICMP6_NAMES)
      out[`Icmp6.${sent ? 'Out' : 'In'}${name}`] = v6?.icmpTypes.get(type, sent) ?? 0;
  for (const sent of [false, true])
    for (let type = 0; type < TYPES; type++) {
      const n = v6?.icmpTypes.get(type, sent) ?? 0;
      if (n !== 0) out[`Icmp6.${sent ? 'Out' : 'In'}Type${type}`] = n;
    }
  put((name) => name.startsWith('Udp6'));
  return out;
}
