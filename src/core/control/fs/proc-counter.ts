/**
 * /proc/net files that count: snmp, netstat, snmp6, sockstat, sockstat6, softnet_stat, protocols (Linux
 * `net/ipv4/proc.c`, `net/ipv6/proc.c`, `softnet_seq_show`, `proto_seq_show`).
 */
import { MIB, MIB_GROUPS } from '../../mib.ts';
import { MIB6 } from '../../mib6.ts';
import type { NetNs } from '../../net.ts';
import type { DatagramSock } from '../../transport/datagram.ts';
import { TCP_LISTEN, TCP_NEW_SYN_RECV, TCP_TIME_WAIT } from '../../transport/tcp/constants.ts';
import type { TcpSock } from '../../transport/tcp/sock.ts';
import { hex } from './hex.ts';

/** Figures of a group that are settings, or are not kept as counters. */
function fixedValue(net: NetNs, name: string): number | undefined {
  switch (name) {
    case 'IpForwarding':
      return net.ipv4ConfAll.forwarding === 0 ? 2 : 1;
    case 'IpDefaultTTL':
      return net.sysctl.ipDefaultTtl;
    case 'TcpRtoAlgorithm':
      return 1;
    case 'TcpRtoMin':
      return 200;
    case 'TcpRtoMax':
      return 120_000;
    case 'TcpMaxConn':
      return -1;
    default:
      return undefined;
  }
}

/** Two lines: names, and figures. */
function groupLines(net: NetNs, group: string): string {
  const names = MIB_GROUPS[group] ?? [];
  const figures = names.map((name) => {
    const key = `${group}${name}`;
    return fixedValue(net, key) ?? net.mib[MIB[key as keyof typeof MIB]];
  });
  return `${group}: ${names.join(' ')}\n${group}: ${figures.join(' ')}\n`;
}

/** ICMP's types by number, and the counters that count them (`icmp_put`). */
const ICMP_TYPES: readonly (readonly [type: number, name: string])[] = [
  [0, 'EchoReps'],
  [3, 'DestUnreachs'],
  [4, 'SrcQuenchs'],
  [5, 'Redirects'],
  [8, 'Echos'],
  [11, 'TimeExcds'],
  [12, 'ParmProbs'],
  [13, 'Timestamps'],
  [14, 'TimestampReps'],
  [17, 'AddrMasks'],
  [18, 'AddrMaskReps'],
];

/** Only types that were seen are told. */
function icmpMsgLines(net: NetNs): string {
  const names: string[] = [];
  const figures: number[] = [];
  for (const way of ['In', 'Out'])
    for (const [type, name] of ICMP_TYPES) {
      const n = net.mib[MIB[`Icmp${way}${name}` as keyof typeof MIB]] as number;
      if (n === 0) continue;
      names.push(`${way}Type${type}`);
      figures.push(n);
    }
  if (names.length === 0) return '';
  return `IcmpMsg: ${names.join(' ')}\nIcmpMsg: ${figures.join(' ')}\n`;
}

export function* snmpLines(net: NetNs): Generator<string> {
  yield groupLines(net, 'Ip');
  yield groupLines(net, 'Icmp');
  yield icmpMsgLines(net);
  yield groupLines(net, 'Tcp');
  yield groupLines(net, 'Udp');
  // UDP-Lite is not spoken here.
  const names = MIB_GROUPS['Udp'] ?? [];
  yield `UdpLite: ${names.join(' ')}\nUdpLite: ${names.map(() => 0).join(' ')}\n`;
}

export function* netstatLines(net: NetNs): Generator<string> {
  yield groupLines(net, 'TcpExt');
  yield groupLines(net, 'IpExt');
}

/** ICMPv6's types with a name, in the order of the file (`icmp6type2name`). */
const ICMP6_TYPES: readonly (readonly [type: number, name: string])[] = [
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
const UDPLITE6 = [
  'InDatagrams',
  'NoPorts',
  'InErrors',
  'OutDatagrams',
  'RcvbufErrors',
  'SndbufErrors',
  'InCsumErrors',
  'MemErrors',
];

function line6(name: string, n: number): string {
  return `${name.padEnd(32)}\t${n}\n`;
}

export function* snmp6Lines(net: NetNs): Generator<string> {
  const mib = net.ipv6Maybe?.mib ?? null;
  const get = (i: number): number => mib?.[i] ?? 0;
  const names = Object.entries(MIB6);
  for (const [name, i] of names) if (!name.startsWith('Udp')) yield line6(name, get(i));
  const types = net.ipv6Maybe?.icmpTypes ?? null;
  for (const [way, sent] of [
    ['In', false],
    ['Out', true],
  ] as const)
    for (const [type, name] of ICMP6_TYPES)
      yield line6(`Icmp6${way}${name}`, types?.get(type, sent) ?? 0);
  for (const [way, sent] of [
    ['In', false],
    ['Out', true],
  ] as const)
    for (let type = 0; type < 256; type++) {
      const n = types?.get(type, sent) ?? 0;
      if (n !== 0) yield line6(`Icmp6${way}Type${type}`, n);
    }
  for (const [name, i] of names) if (name.startsWith('Udp')) yield line6(name, get(i));
  for (const name of UDPLITE6) yield line6(`UdpLite6${name}`, 0);
}

/** Bytes of memory that are charged at once (`SK_MEM_QUANTUM`). */
const PAGE = 4096;

interface TcpUse {
  /** Sockets that listen or are connected, by family. */
  inuse4: number;
  inuse6: number;
  /** All that were made and are not gone. */
  alloc: number;
  pages: number;
}

function tcpUse(net: NetNs): TcpUse {
  const use = { inuse4: 0, inuse6: 0, alloc: 0, pages: 0 };
  const count = (sk: TcpSock): void => {
    if (sk.inet6 === null) use.inuse4++;
    else use.inuse6++;
  };
  for (const sk of net.tcp.socks) {
    use.alloc++;
    use.pages += Math.ceil((sk.rmemAlloc + sk.wmemQueued) / PAGE);
    if (sk.state === TCP_LISTEN) count(sk);
  }
  for (const c of net.tcp.connections.values())
    if (c.state !== TCP_TIME_WAIT && c.state !== TCP_NEW_SYN_RECV) count(c as TcpSock);
  return use;
}

function udpSocks(net: NetNs): readonly DatagramSock[] {
  return net.udp.idle ? [] : net.udp.table.values();
}

function rawSocks(net: NetNs): readonly DatagramSock[] {
  return [...net.raw.socks.values()].flat();
}

function ofFamily(socks: readonly DatagramSock[], v6: boolean): number {
  return socks.filter((sk) => (sk.inet6 !== null) === v6).length;
}

export function* sockstatLines(net: NetNs): Generator<string> {
  const tcp = tcpUse(net);
  const udp = udpSocks(net);
  const raw = rawSocks(net);
  const ping = [...net.ping.socks.values()].flat();
  // What nobody has an open file for any more is no socket of a program.
  const used = tcp.alloc - net.tcp.orphanCount + udp.length + raw.length + ping.length;
  let pages = 0;
  for (const sk of udp) pages += Math.ceil(sk.rmemAlloc / PAGE);
  const frag = net.ipv4.reassemblyMaybe;
  yield `sockets: used ${used}\n`;
  yield `TCP: inuse ${tcp.inuse4} orphan ${net.tcp.orphanCount} tw ${net.tcp.twCount} alloc ${tcp.alloc} mem ${tcp.pages}\n`;
  yield `UDP: inuse ${ofFamily(udp, false)} mem ${pages}\n`;
  yield 'UDPLITE: inuse 0\n';
  yield `RAW: inuse ${ofFamily(raw, false)}\n`;
  yield `FRAG: inuse ${frag?.pending ?? 0} memory ${frag?.memory ?? 0}\n`;
}

export function* sockstat6Lines(net: NetNs): Generator<string> {
  const frag = net.ipv6Maybe?.reassemblyMaybe ?? null;
  yield `TCP6: inuse ${tcpUse(net).inuse6}\n`;
  yield `UDP6: inuse ${ofFamily(udpSocks(net), true)}\n`;
  yield 'UDPLITE6: inuse 0\n';
  yield `RAW6: inuse ${ofFamily(rawSocks(net), true)}\n`;
  yield `FRAG6: inuse ${frag?.pending ?? 0} memory ${frag?.memory ?? 0}\n`;
}

/**
 * One line, as of one processor: packets that this namespace's devices took from their queues, and what did not
 * fit into them. LINUX: of the machine, one line for each processor.
 */
export function* softnetLines(net: NetNs): Generator<string> {
  let packets = 0;
  let waiting = 0;
  for (const dev of net.devs) {
    packets += dev.stats.rxPackets;
    waiting += dev.backlog.length - dev.backlogHead;
  }
  const dropped = net.drops.get('CPU_BACKLOG') ?? 0;
  const figures = [packets, dropped, 0, 0, 0, 0, 0, 0, 0, 0, 0, waiting, 0, waiting, 0];
  yield `${figures.map((n) => hex(n, 8).toLowerCase()).join(' ')}\n`;
}

/** Name, `sizeof` of the socket on Linux 6.18, whether it may wait for memory, longest header, methods it has. */
const PROTOCOLS: readonly (readonly [string, number, boolean, number, string])[] = [
  ['PINGv6', 1344, false, 0, 'y  y  y  n  n  y  n  n  y  y  y  y  y  y  n  y  y  n'],
  ['RAWv6', 1344, false, 0, 'y  y  y  n  y  y  y  n  y  y  y  y  y  y  y  y  n  n'],
  ['UDPv6', 1472, true, 0, 'y  y  y  n  y  y  y  n  y  y  y  y  n  n  y  y  y  n'],
  ['TCPv6', 2432, true, 192, 'y  y  y  y  y  y  y  y  y  y  y  y  n  y  y  y  y  y'],
  ['PING', 1016, false, 0, 'y  y  y  n  n  y  n  n  y  y  y  y  y  y  n  y  y  n'],
  ['RAW', 1152, false, 0, 'y  y  y  n  y  y  y  n  y  y  y  y  y  y  y  y  n  n'],
  ['UDP', 1344, true, 0, 'y  y  y  n  y  y  y  n  y  y  y  y  n  n  y  y  y  n'],
  ['TCP', 2304, true, 192, 'y  y  y  y  y  y  y  y  y  y  y  y  n  y  y  y  y  y'],
];

export function* protocolsLines(net: NetNs): Generator<string> {
  yield 'protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re bi br ha uh gp em\n';
  const tcp = tcpUse(net);
  const ping = [...net.ping.socks.values()].flat();
  const raw = rawSocks(net);
  const udp = udpSocks(net);
  let udpPages = 0;
  for (const sk of udp) udpPages += Math.ceil(sk.rmemAlloc / PAGE);
  const families: Readonly<Record<string, number>> = {
    PINGv6: ofFamily(ping, true),
    PING: ofFamily(ping, false),
    RAWv6: ofFamily(raw, true),
    RAW: ofFamily(raw, false),
    UDPv6: ofFamily(udp, true),
    UDP: ofFamily(udp, false),
    TCPv6: tcp.inuse6,
    TCP: tcp.inuse4,
  };
  for (const [name, size, charged, maxHeader, methods] of PROTOCOLS) {
    const memory = !charged ? -1 : name.startsWith('TCP') ? tcp.pages : udpPages;
    const press = name.startsWith('TCP') ? 'no' : 'NI';
    const sockets = String(families[name] ?? 0).padStart(6);
    yield `${name.padEnd(9)} ${String(size).padStart(4)} ${sockets}  ${String(memory).padStart(6)}   ${press.padEnd(3)} ${String(maxHeader).padStart(6)}   yes  kernel      ${methods}\n`;
  }
}
