/**
 * Does the packet that left match the one that the script expects? Everything is compared that the script
 * writes, and what it leaves out must be absent; only the window, TTL and TOS are free when not written.
 */
import { sameBytes } from './address.ts';
import { describeFlags } from './describe.ts';
import type { Flow } from './flow.ts';
import {
  type ParsedPacket,
  type TcpFields,
  TH_ACK,
  TH_CWR,
  TH_FIN,
  TH_PSH,
  TH_SYN,
} from './packet.ts';
import { icmpNumbers } from './parse-icmp.ts';
import { readQuote } from './quote.ts';
import type { IcmpSpec, IpSpec, PacketAction, QuoteSpec, TcpOption, TcpSpec } from './script.ts';
import { describeTcpOptions, readTcpOptions } from './tcp-options.ts';

const ECN_BITS: Readonly<Record<string, readonly number[]>> = {
  noecn: [0],
  ect1: [1],
  ect0: [2],
  ect01: [1, 2],
  ce: [3],
};

export interface CompareContext {
  readonly tsTickUs: number;
  readonly toleranceUs: number;
}

/** One sentence per difference; none: it matches. */
export function comparePacket(
  action: PacketAction,
  packet: ParsedPacket,
  flow: Flow | null,
  context: CompareContext,
): string[] {
  const faults = packet.fault === null ? [] : [packet.fault];
  const differences = [...faults, ...compareIp(action.ip, packet)];
  const { body } = action;
  if (body.proto !== packet.body.proto)
    return [...differences, `${body.proto} expected, ${packet.body.proto} seen`];
  if (body.proto === 'tcp') {
    if (flow !== null)
      differences.push(...compareTcp(body, packet, packet.body as TcpFields, flow, context));
  } else if (body.proto === 'udp') check(differences, 'length', body.len, packet.payload.length);
  else differences.push(...compareIcmp(body, packet));
  return differences;
}

function check(out: string[], what: string, expected: unknown, seen: unknown): void {
  if (expected !== seen) out.push(`${what} ${String(expected)} expected, ${String(seen)} seen`);
}

function compareIp(spec: IpSpec, packet: ParsedPacket): string[] {
  const out: string[] = [];
  const { ip } = packet;
  if (spec.tos !== null) check(out, 'tos', spec.tos, ip.tos);
  if (spec.ttl !== null) check(out, 'ttl', spec.ttl, ip.ttl);
  if (spec.flowlabel !== null) check(out, 'flowlabel', spec.flowlabel, ip.flowlabel);
  const ecn = spec.ecn === null ? undefined : ECN_BITS[spec.ecn];
  if (ecn !== undefined && !ecn.includes(ip.tos & 3))
    out.push(`${spec.ecn} expected, ECN bits ${ip.tos & 3} seen`);
  return out;
}

function compareTcp(
  spec: TcpSpec,
  packet: ParsedPacket,
  tcp: TcpFields,
  flow: Flow,
  context: CompareContext,
): string[] {
  const out: string[] = [];
  check(out, 'flags', describeFlags(spec.flags), describeFlags(tcp.flags));
  check(out, 'seq', spec.seq, flow.script(tcp.seq));
  check(out, 'length', spec.len, packet.payload.length);
  const isSyn = (spec.flags & TH_SYN) !== 0;
  check(out, 'ack', spec.ack ?? 0, isSyn ? tcp.ack : flow.remoteScript(tcp.ack));
  if (spec.win !== null) check(out, 'win', spec.win, tcp.win);
  check(out, 'urg', spec.urg ?? 0, tcp.urg);
  if (spec.options !== null) compareOptions(out, spec.options, tcp, flow, context);
  return out;
}

function compareOptions(
  out: string[],
  expected: readonly TcpOption[],
  tcp: TcpFields,
  flow: Flow,
  context: CompareContext,
): void {
  const seen = readTcpOptions(tcp.options)?.map((o) => flow.remoteOption(o)) ?? null;
  if (seen === null) {
    out.push('its TCP options are malformed');
    return;
  }
  const value = expected.find((o) => o.kind === 'TS');
  const live = seen.find((o) => o.kind === 'TS');
  const shown = seen.map((o) =>
    o.kind === 'TS' && value !== undefined ? { ...o, val: value.val } : o,
  );
  check(
    out,
    'options',
    describeTcpOptions(withoutPadding(expected)) || 'none',
    describeTcpOptions(withoutPadding(shown)) || 'none',
  );
  const base = flow.timestampBase;
  if (value === undefined || live === undefined || context.tsTickUs === 0 || base === null) return;
  const scriptUs = ((value.val - base[0]) | 0) * context.tsTickUs;
  const liveUs = ((live.val - base[1]) | 0) * context.tsTickUs;
  if (Math.abs(scriptUs - liveUs) > context.toleranceUs + context.tsTickUs)
    out.push(`TS val ${value.val} expected, ${(live.val - base[1] + base[0]) >>> 0} seen`);
}

/** End-of-options that only fills the last word. */
function withoutPadding(options: readonly TcpOption[]): readonly TcpOption[] {
  let end = options.length;
  while (end > 0 && options[end - 1]?.kind === 'eol') end--;
  return options.slice(0, end);
}

function compareIcmp(spec: IcmpSpec, packet: ParsedPacket): string[] {
  const { body, ip } = packet;
  if (body.proto !== 'icmp') return [];
  const out: string[] = [];
  const [type = '', code = null] = spec.name.split(' ');
  const numbers = icmpNumbers(ip.version, type, code);
  check(out, 'type', numbers?.[0], body.type);
  check(out, 'code', numbers?.[1], body.code);
  if (spec.mtu !== null) check(out, 'mtu', spec.mtu, body.rest);
  if (spec.quote !== null) compareQuote(out, spec.quote, packet);
  return out;
}

/** Longest ICMP error (RFC 1812 §4.3.2.3; RFC 4443 §2.4 (c)), with its IP header. */
const MAX_ERROR4 = 576;
const MAX_ERROR6 = 1280;

/** The packet of the script that an error quotes: as much of it as fits must be there. */
function compareQuote(out: string[], spec: QuoteSpec, packet: ParsedPacket): void {
  const quoted = readQuote(packet.payload);
  if (quoted === null) {
    out.push('what it quotes is no IP packet');
    return;
  }
  const { version, src, dst } = packet.ip;
  if (!sameBytes(quoted.src, dst) || !sameBytes(quoted.dst, src))
    out.push('it quotes a packet of other addresses');
  const room = (version === 4 ? MAX_ERROR4 : MAX_ERROR6) - (version === 4 ? 28 : 48);
  check(out, 'bytes quoted', Math.min(room, quoted.total), packet.payload.length);
  if (spec.proto === 'raw') {
    check(out, 'length of the quoted packet', spec.len, quoted.total - quoted.header);
    return;
  }
  check(out, 'protocol of the quoted packet', spec.proto, quoted.proto);
  if (spec.proto === 'tcp') check(out, 'quoted seq', spec.seq, quoted.seq);
  check(out, 'length of the quoted packet', spec.len, quoted.len);
}

/** Flags that the pieces of one expected segment may differ in. */
const PIECE_FLAGS = TH_FIN | TH_PSH | TH_CWR;

/**
 * Several live segments as the one that the script expects (TSO: what the sender queued as one packet
 * reaches the device in pieces). Null: `piece` does not continue `whole`.
 */
export function joinSegments(whole: ParsedPacket, piece: ParsedPacket): ParsedPacket | null {
  const a = whole.body;
  const b = piece.body;
  if (a.proto !== 'tcp' || b.proto !== 'tcp' || piece.fault !== null) return null;
  if ((a.seq + whole.payload.length) >>> 0 !== b.seq) return null;
  if ((a.flags & ~PIECE_FLAGS) !== (b.flags & ~PIECE_FLAGS)) return null;
  if (a.ack !== b.ack || a.options.length !== b.options.length) return null;
  if (piece.payload.length === 0) return null;
  const payload = new Uint8Array(whole.payload.length + piece.payload.length);
  payload.set(whole.payload);
  payload.set(piece.payload, whole.payload.length);
  // CWR is said with the first piece, PSH and FIN with the last one.
  const flags = (b.flags & ~TH_CWR) | (a.flags & TH_CWR);
  return { ...whole, body: { ...b, seq: a.seq, flags }, payload };
}

/** Whether a script may mean several segments by one: more than the largest one that there is. */
export function mayBeJoined(spec: TcpSpec, packet: ParsedPacket, flow: Flow, mtu: number): boolean {
  const { body, ip } = packet;
  if (body.proto !== 'tcp' || spec.len <= packet.payload.length) return false;
  if (packet.payload.length === 0 || (body.flags & (TH_SYN | TH_ACK)) !== TH_ACK) return false;
  const byMtu = Math.min(mtu, flow.pathMtu) - (ip.version === 4 ? 40 : 60);
  const largest = Math.min(byMtu, flow.remoteMss === 0 ? 536 : flow.remoteMss);
  return spec.len > largest - body.options.length;
}
