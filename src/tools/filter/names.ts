/** Names that filters know: constants, protocols, EtherTypes and services (pcap-filter(7), `scanner.l` of libpcap). */
import { portNumber, portProtocol } from '../ss-services.ts';

/** Offsets of fields and the values that they take. */
export const CONSTANTS: ReadonlyMap<string, number> = new Map([
  ['icmptype', 0],
  ['icmpcode', 1],
  ['icmp-echoreply', 0],
  ['icmp-unreach', 3],
  ['icmp-sourcequench', 4],
  ['icmp-redirect', 5],
  ['icmp-echo', 8],
  ['icmp-routeradvert', 9],
  ['icmp-routersolicit', 10],
  ['icmp-timxceed', 11],
  ['icmp-paramprob', 12],
  ['icmp-tstamp', 13],
  ['icmp-tstampreply', 14],
  ['icmp-ireq', 15],
  ['icmp-ireqreply', 16],
  ['icmp-maskreq', 17],
  ['icmp-maskreply', 18],
  ['icmp6type', 0],
  ['icmp6code', 1],
  ['icmp6-destinationunreach', 1],
  ['icmp6-packettoobig', 2],
  ['icmp6-timeexceeded', 3],
  ['icmp6-parameterproblem', 4],
  ['icmp6-echo', 128],
  ['icmp6-echoreply', 129],
  ['icmp6-multicastlistenerquery', 130],
  ['icmp6-multicastlistenerreportv1', 131],
  ['icmp6-multicastlistenerdone', 132],
  ['icmp6-routersolicit', 133],
  ['icmp6-routeradvert', 134],
  ['icmp6-neighborsolicit', 135],
  ['icmp6-neighboradvert', 136],
  ['icmp6-redirect', 137],
  ['icmp6-routerrenum', 138],
  ['icmp6-nodeinformationquery', 139],
  ['icmp6-nodeinformationresponse', 140],
  ['icmp6-ineighbordiscoverysolicit', 141],
  ['icmp6-ineighbordiscoveryadvert', 142],
  ['icmp6-multicastlistenerreportv2', 143],
  ['icmp6-homeagentdiscoveryrequest', 144],
  ['icmp6-homeagentdiscoveryreply', 145],
  ['icmp6-mobileprefixsolicit', 146],
  ['icmp6-mobileprefixadvert', 147],
  ['icmp6-certpathsolicit', 148],
  ['icmp6-certpathadvert', 149],
  ['icmp6-multicastrouteradvert', 151],
  ['icmp6-multicastroutersolicit', 152],
  ['icmp6-multicastrouterterm', 153],
  ['tcpflags', 13],
  ['tcp-fin', 1],
  ['tcp-syn', 2],
  ['tcp-rst', 4],
  ['tcp-push', 8],
  ['tcp-ack', 16],
  ['tcp-urg', 32],
  ['tcp-ece', 64],
  ['tcp-cwr', 128],
]);

/** Protocols over IP that are words of the language, and over which of IPv4 and IPv6 they are looked for. */
export const IP_PROTOCOLS: ReadonlyMap<
  string,
  readonly [number: number, over: 'ip' | 'ip6' | 'both']
> = new Map([
  ['icmp', [1, 'ip']],
  ['igmp', [2, 'ip']],
  ['tcp', [6, 'both']],
  ['igrp', [9, 'ip']],
  ['udp', [17, 'both']],
  ['esp', [50, 'both']],
  ['ah', [51, 'both']],
  ['icmp6', [58, 'ip6']],
  ['pim', [103, 'both']],
  ['vrrp', [112, 'ip']],
  ['carp', [112, 'ip']],
  ['sctp', [132, 'both']],
]);

/** Names behind `ip proto`, as `/etc/protocols` has them. */
const PROTOCOL_NAMES: ReadonlyMap<string, number> = new Map([
  ['ip', 0],
  ['icmp', 1],
  ['igmp', 2],
  ['ggp', 3],
  ['ipencap', 4],
  ['tcp', 6],
  ['egp', 8],
  ['igp', 9],
  ['udp', 17],
  ['dccp', 33],
  ['ipv6', 41],
  ['ipv6-route', 43],
  ['ipv6-frag', 44],
  ['rsvp', 46],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
  ['ipv6-icmp', 58],
  ['ipv6-nonxt', 59],
  ['ipv6-opts', 60],
  ['eigrp', 88],
  ['ospf', 89],
  ['ipip', 94],
  ['pim', 103],
  ['ipcomp', 108],
  ['vrrp', 112],
  ['l2tp', 115],
  ['sctp', 132],
  ['udplite', 136],
]);

/** EtherTypes by name; what is below 1501 is an LLC SAP (`nametoaddr.c`). */
export const ETHER_TYPES: ReadonlyMap<string, number> = new Map([
  ['ip', 0x0800],
  ['arp', 0x0806],
  ['rarp', 0x8035],
  ['ip6', 0x86dd],
  ['aarp', 0x80f3],
  ['decnet', 0x6003],
  ['lat', 0x6004],
  ['mopdl', 0x6001],
  ['moprc', 0x6002],
  ['sca', 0x6007],
  ['loopback', 0x9000],
  ['stp', 0x42],
]);

/** Which of these stand alone as a word of the language. */
export const LINK_WORDS: readonly string[] = [
  'ip',
  'arp',
  'rarp',
  'ip6',
  'aarp',
  'decnet',
  'lat',
  'mopdl',
  'moprc',
  'sca',
  'stp',
];

export function protocolNumber(name: string): number | undefined {
  return PROTOCOL_NAMES.get(name.toLowerCase());
}

/** A port by name or number, and the one protocol that a name is registered for. */
export function portOf(
  text: string,
): { readonly port: number; readonly only: 'tcp' | 'udp' | undefined } | undefined {
  const port = portNumber(text);
  if (port === undefined) return undefined;
  return { port, only: /^\d+$/.test(text) ? undefined : portProtocol(text) };
}
