/** Packets in the script's own notation, for reports. */
import type { Flow } from './flow.ts';
import { icmpName } from './icmp-names.ts';
import {
  type ParsedPacket,
  type TcpFields,
  TH_ACK,
  TH_AE,
  TH_CWR,
  TH_ECE,
  TH_FIN,
  TH_PSH,
  TH_RST,
  TH_SYN,
  TH_URG,
} from './packet.ts';
import type { TcpOption } from './script.ts';
import { describeTcpOptions, readTcpOptions } from './tcp-options.ts';

const LETTERS: readonly (readonly [number, string])[] = [
  [TH_FIN, 'F'],
  [TH_SYN, 'S'],
  [TH_RST, 'R'],
  [TH_PSH, 'P'],
  [TH_ACK, '.'],
  [TH_URG, 'U'],
  [TH_ECE, 'E'],
  [TH_CWR, 'W'],
  [TH_AE, 'A'],
];

export function describeFlags(flags: number): string {
  const letters = LETTERS.filter(([bit]) => (flags & bit) !== 0).map(([, letter]) => letter);
  return letters.length === 0 ? '-' : letters.join('');
}

/** SACK blocks of a packet that goes in are about local numbers. */
function scriptOptions(
  options: readonly TcpOption[],
  flow: Flow | null,
  direction: 'in' | 'out',
): readonly TcpOption[] {
  if (flow === null) return options;
  if (direction === 'out') return options.map((o) => flow.remoteOption(o));
  return options.map((o) =>
    o.kind === 'sack'
      ? {
          kind: 'sack',
          blocks: o.blocks.map(([a, b]) => [flow.script(a), flow.script(b)] as const),
        }
      : o,
  );
}

function describeTcp(
  packet: ParsedPacket,
  tcp: TcpFields,
  flow: Flow | null,
  direction: 'in' | 'out',
): string {
  const local = (n: number): number => (flow === null ? n : flow.script(n));
  const isSyn = (tcp.flags & TH_SYN) !== 0;
  const remote = (n: number): number => (flow === null || isSyn ? n : flow.remoteScript(n));
  const seq = direction === 'out' ? local(tcp.seq) : remote(tcp.seq);
  const len = packet.payload.length;
  const words = [describeFlags(tcp.flags), `${seq}:${(seq + len) >>> 0}(${len})`];
  if ((tcp.flags & TH_ACK) !== 0 || tcp.ack !== 0)
    words.push(`ack ${direction === 'out' ? remote(tcp.ack) : local(tcp.ack)}`);
  words.push(`win ${tcp.win}`);
  if (tcp.urg !== 0) words.push(`urg ${tcp.urg}`);
  const options = readTcpOptions(tcp.options);
  if (options === null) words.push('<malformed options>');
  else if (options.length > 0)
    words.push(describeTcpOptions(scriptOptions(options, flow, direction)));
  return words.join(' ');
}

/** `> . 1:1(0) ack 1 win 502` */
export function describePacket(
  packet: ParsedPacket,
  flow: Flow | null,
  direction: 'in' | 'out',
): string {
  const { body } = packet;
  const sign = direction === 'in' ? '<' : '>';
  const ports =
    body.proto !== 'icmp' && (flow === null || flow.written !== null)
      ? `${body.sport} > ${body.dport} `
      : '';
  const ecn = packet.ip.tos === 0 ? '' : `[tos 0x${packet.ip.tos.toString(16)}] `;
  const fault = packet.fault === null ? '' : ` (${packet.fault})`;
  if (body.proto === 'tcp')
    return `${sign} ${ecn}${ports}${describeTcp(packet, body, flow, direction)}${fault}`;
  if (body.proto === 'udp') return `${sign} ${ecn}${ports}udp (${packet.payload.length})${fault}`;
  const { version } = packet.ip;
  const mtu = body.rest === 0 ? '' : ` mtu ${body.rest}`;
  return `${sign} ${ecn}icmp ${icmpName(version, body.type, body.code)}${mtu}${fault}`;
}
