/** `<` or `>`, what the IP header says, ports, and TCP, UDP or ICMP. */

import { TH_ACK, TH_AE, TH_CWR, TH_ECE, TH_FIN, TH_PSH, TH_RST, TH_SYN, TH_URG } from './packet.ts';
import { isQuote, parseIcmp, parseQuote } from './parse-icmp.ts';
import { parseInteger } from './parse-number.ts';
import { parseTcpOptions } from './parse-tcp-options.ts';
import type { Scanner } from './scanner.ts';
import type { Ecn, IpSpec, PacketAction, QuoteSpec, TcpSpec, Time, UdpSpec } from './script.ts';

const FLAGS = /([FSRPUEWA.]+)([0-7])?(?=[\s<])|-(?=\s)/y;
const PORTS = /(\d+)\s*>\s*(\d+)(?=\s)/y;
const FLAG_BITS: Readonly<Record<string, number>> = {
  F: TH_FIN,
  S: TH_SYN,
  R: TH_RST,
  P: TH_PSH,
  '.': TH_ACK,
  U: TH_URG,
  E: TH_ECE,
  W: TH_CWR,
  A: TH_AE,
};
const ECN_WORDS: readonly string[] = ['ect0', 'ect1', 'ect01', 'ce', 'noecn'];
/** What other dialects carry packets in, refused by name. */
const ENCAPSULATIONS: readonly string[] = [
  'ipv4',
  'ipv6',
  'gre',
  'mpls',
  'vxlan',
  'sctp',
  'dccp',
  'udplite',
  'psp',
];

export function parsePacket(s: Scanner, at: Time): PacketAction {
  const position = s.position();
  const direction = s.sign('<') ? 'in' : 'out';
  if (direction === 'out') s.expectSign('>', 'before a packet');
  if (direction === 'in' && at.endUs !== null)
    s.fail('a packet that the script sends goes at one time, not in a range', position);
  if (direction === 'in' && at.kind === 'any')
    s.fail('a packet that the script sends needs a time', position);
  let quote = parseEarlyQuote(s);
  const ip = parseIp(s);
  quote ??= parseEarlyQuote(s);
  const ports = parsePorts(s);
  const word = s.peekWord();
  if (word !== null && ENCAPSULATIONS.includes(word))
    s.fail(`"${word}" packets are not supported: only TCP, UDP and ICMP over one IP header`);
  if (word === 'icmp' || word === 'icmpv6') {
    s.word();
    return { kind: 'packet', direction, ip, ports, body: parseIcmp(s, quote) };
  }
  if (quote !== null) s.fail('only an ICMP message quotes a packet');
  if (word === 'udp') return parseUdpPacket(s, direction, ip, ports);
  const body = parseTcp(s, direction);
  return { kind: 'packet', direction, ip, ports, body };
}

/** `< [1:1001(1000)] icmp unreachable frag_needed mtu 1200` */
function parseEarlyQuote(s: Scanner): QuoteSpec | null {
  if (!isQuote(s)) return null;
  s.expectSign('[', 'before what an ICMP message quotes');
  return parseQuote(s);
}

function parseUdpPacket(
  s: Scanner,
  direction: 'in' | 'out',
  ip: IpSpec,
  early: readonly [number, number] | null,
): PacketAction {
  s.word();
  const ports = early ?? parsePorts(s);
  s.expectSign('(', 'before the length of a UDP payload');
  const len = parseInteger(s, 'the length of a UDP payload', 0, 65507);
  s.expectSign(')', 'after the length of a UDP payload');
  const body: UdpSpec = { proto: 'udp', len };
  return { kind: 'packet', direction, ip, ports, body };
}

/** `[ect0]`, `[tos 0x10, ttl 5]`, also in parentheses. */
function parseIp(s: Scanner): IpSpec {
  let ecn: Ecn | null = null;
  let tos: number | null = null;
  let ttl: number | null = null;
  let flowlabel: number | null = null;
  const close = s.sign('[') ? ']' : s.sign('(') ? ')' : null;
  if (close !== null) {
    do {
      s.skip();
      const position = s.position();
      const word = s.word();
      if (word !== null && ECN_WORDS.includes(word)) ecn = word as Ecn;
      else if (word === 'tos') tos = parseInteger(s, 'tos', 0, 255);
      else if (word === 'ttl' || word === 'hlim') ttl = parseInteger(s, word, 0, 255);
      else if (word === 'flowlabel') flowlabel = parseInteger(s, 'flowlabel', 0, 0xfffff);
      else if (word === null) s.fail(`a field of the IP header is missing; found ${s.found()}`);
      else s.fail(`"${word}" is no field of the IP header that scripts can name`, position);
      s.sign(',');
    } while (!s.sign(close));
  }
  return { ecn, tos, ttl, flowlabel };
}

function parsePorts(s: Scanner): readonly [number, number] | null {
  const position = s.position();
  const found = s.next(PORTS);
  if (found === null) return null;
  const ports = [Number(found[1]), Number(found[2])] as const;
  if (ports[0] > 65535 || ports[1] > 65535) s.fail('a port is at most 65535', position);
  return ports;
}

function parseTcp(s: Scanner, direction: 'in' | 'out'): TcpSpec {
  s.skip();
  const position = s.position();
  const flags = parseFlags(s);
  const seq = parseInteger(s, 'a sequence number');
  s.expectSign(':', 'between two sequence numbers');
  const end = parseInteger(s, 'a sequence number');
  s.expectSign('(', 'before the length of the payload');
  const len = parseInteger(s, 'the length of the payload', 0, 65535);
  s.expectSign(')', 'after the length of the payload');
  if ((seq + len) >>> 0 !== end) s.fail(`${seq}:${end}(${len}) does not add up`, position);
  const ack = s.keyword('ack') ? parseInteger(s, 'ack') : null;
  const win = s.keyword('win') ? parseInteger(s, 'win', 0, 65535) : null;
  const urg = s.keyword('urg') ? parseInteger(s, 'urg', 0, 65535) : null;
  if (win === null && direction === 'in')
    s.fail('a TCP packet that the script sends must have "win"', position);
  const options = parseTcpOptions(s);
  if (options === null && direction === 'in')
    s.fail('"<...>" says nothing in a packet that the script sends', position);
  return { proto: 'tcp', flags, seq, len, ack, win, urg, options };
}

function parseFlags(s: Scanner): number {
  const position = s.position();
  const found = s.take(FLAGS);
  if (found === null) return s.fail(`TCP flags are missing; found ${s.found()}`);
  let flags = 0;
  for (const letter of found[1] ?? '') flags |= FLAG_BITS[letter] as number;
  const ace = found[2];
  if (ace === undefined) return flags;
  if ((flags & (TH_AE | TH_CWR | TH_ECE)) !== 0)
    s.fail('the ACE field is written as a digit or as letters, not both', position);
  const value = Number(ace);
  return flags | (value & 4 ? TH_AE : 0) | (value & 2 ? TH_CWR : 0) | (value & 1 ? TH_ECE : 0);
}
