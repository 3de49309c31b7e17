/** Packets that a script sends, as bytes: its numbers become live ones. */
import { parseAddress } from './address.ts';
import type { Config } from './config.ts';
import type { Flow } from './flow.ts';
import { buildPacket, type IpFields, TH_ACK, TH_FIN, TH_SYN, type WirePacket } from './packet.ts';
import { icmpNumbers } from './parse-icmp.ts';
import type { IcmpSpec, IpSpec, PacketAction, QuoteSpec, TcpOption, TcpSpec } from './script.ts';
import { tcpOptionBytes } from './tcp-options.ts';

const ECN_BITS: Readonly<Record<string, number>> = { noecn: 0, ect1: 1, ect0: 2, ect01: 2, ce: 3 };
const INBOUND_TTL = 255;
/** Bytes of a TCP header that an ICMP error quotes at least (RFC 792). */
const QUOTED = 8;

/** The two ends as they are on the wire. */
export interface Wire {
  readonly version: 4 | 6;
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
}

export function wireOf(config: Config): Wire {
  const version = config.ipVersion === 'ipv6' ? 6 : 4;
  const empty = new Uint8Array(version === 4 ? 4 : 16);
  return {
    version,
    local: parseAddress(config.localIp) ?? empty,
    remote: parseAddress(config.remoteIp) ?? empty,
  };
}

function ipOf(wire: Wire, spec: IpSpec, direction: 'in' | 'out'): IpFields {
  const ecn = spec.ecn === null ? 0 : (ECN_BITS[spec.ecn] ?? 0);
  return {
    version: wire.version,
    src: direction === 'in' ? wire.remote : wire.local,
    dst: direction === 'in' ? wire.local : wire.remote,
    tos: spec.tos ?? ecn,
    ttl: spec.ttl ?? INBOUND_TTL,
    flowlabel: spec.flowlabel ?? 0,
  };
}

export function inboundBytes(wire: Wire, action: PacketAction, flow: Flow | null): Uint8Array {
  const { body } = action;
  const ip = ipOf(wire, action.ip, 'in');
  if (body.proto === 'icmp') {
    if (flow !== null && body.mtu !== null) flow.pathMtu = Math.min(flow.pathMtu, body.mtu);
    return buildPacket(icmpPacket(wire, ip, body, flow));
  }
  const ports = { sport: flow?.remotePort ?? 0, dport: flow?.localPort ?? 0 };
  const payload = new Uint8Array(body.len);
  if (body.proto === 'udp') return buildPacket({ ip, body: { proto: 'udp', ...ports }, payload });
  return buildPacket({ ip, body: tcpFields(body, flow, ports), payload });
}

function tcpFields(
  spec: TcpSpec,
  flow: Flow | null,
  ports: { readonly sport: number; readonly dport: number },
): WirePacket['body'] {
  const hasAck = (spec.flags & TH_ACK) !== 0;
  const isSyn = (spec.flags & TH_SYN) !== 0;
  const options = (spec.options ?? []).map((o) => (flow === null ? o : liveOption(o, flow)));
  return {
    proto: 'tcp',
    ...ports,
    seq: flow === null || isSyn ? spec.seq : flow.remoteLive(spec.seq),
    ack: hasAck && flow !== null ? flow.live(spec.ack ?? 0) : (spec.ack ?? 0),
    flags: spec.flags,
    win: spec.win ?? 0,
    urg: spec.urg ?? 0,
    options: tcpOptionBytes(options, true),
  };
}

/** What an option says about the other side's numbers. */
function liveOption(o: TcpOption, flow: Flow): TcpOption {
  if (o.kind === 'TS') return { ...o, ecr: flow.liveEcho(o.ecr) };
  if (o.kind !== 'sack') return o;
  return { kind: 'sack', blocks: o.blocks.map(([a, b]) => [flow.live(a), flow.live(b)] as const) };
}

/** Keeps what a packet of the script says about its side. */
export function noteInbound(spec: TcpSpec, flow: Flow): void {
  const isSyn = (spec.flags & TH_SYN) !== 0;
  if (isSyn && (spec.flags & TH_ACK) === 0) flow.mayReanchor = true;
  if (isSyn) flow.noteRemoteSyn(spec.seq);
  else {
    flow.settleRemote(spec.seq, flow.remoteNext);
    if (spec.ack !== null) flow.settleLocal(spec.ack, flow.localNext);
  }
  const mss = spec.options?.find((o) => o.kind === 'mss');
  if (isSyn && mss?.kind === 'mss') flow.remoteMss = mss.value;
  const isFin = (spec.flags & TH_FIN) !== 0;
  const seq = isSyn ? spec.seq : flow.remoteLive(spec.seq);
  flow.remoteNext = (seq + spec.len + (isSyn ? 1 : 0) + (isFin ? 1 : 0)) >>> 0;
}

/** An ICMP message; an error quotes a packet that the local side is said to have sent. */
function icmpPacket(wire: Wire, ip: IpFields, spec: IcmpSpec, flow: Flow | null): WirePacket {
  const [type = '', code = null] = spec.name.split(' ');
  const numbers = icmpNumbers(wire.version, type, code) ?? [spec.type, spec.code];
  const isEcho = spec.quote === null && spec.mtu === null && type.startsWith('echo');
  return {
    ip,
    body: {
      proto: 'icmp',
      type: numbers[0],
      code: numbers[1],
      rest: isEcho ? 0x00010001 : (spec.mtu ?? 0),
    },
    payload: spec.quote === null ? new Uint8Array(spec.len) : quoted(wire, spec.quote, flow),
  };
}

function quoted(wire: Wire, quote: QuoteSpec, flow: Flow | null): Uint8Array {
  const none: IpSpec = { ecn: null, tos: null, ttl: 64, flowlabel: null };
  const ip = ipOf(wire, none, 'out');
  const ports = { sport: flow?.localPort ?? 0, dport: flow?.remotePort ?? 0 };
  const payload = new Uint8Array(quote.len);
  const header = wire.version === 4 ? 20 : 40;
  if (quote.proto !== 'tcp') {
    const whole = buildPacket({ ip, body: { proto: 'udp', ...ports }, payload });
    // A raw datagram has no header of its own.
    if (quote.proto === 'raw') return whole.slice(0, header + quote.len);
    return whole.slice(0, header + QUOTED);
  }
  const body: WirePacket['body'] = {
    proto: 'tcp',
    ...ports,
    seq: flow === null ? quote.seq : flow.live(quote.seq),
    ack: 0,
    flags: TH_ACK,
    win: 0,
    urg: 0,
    options: new Uint8Array(0),
  };
  return buildPacket({ ip, body, payload }).slice(0, header + QUOTED);
}

/** The RST that ends what a script left open. */
export function resetBytes(wire: Wire, flow: Flow): Uint8Array {
  const none: IpSpec = { ecn: null, tos: null, ttl: null, flowlabel: null };
  return buildPacket({
    ip: ipOf(wire, none, 'in'),
    body: {
      proto: 'tcp',
      sport: flow.remotePort,
      dport: flow.localPort,
      seq: flow.localAck ?? flow.remoteNext,
      ack: flow.localNext,
      flags: 0x14,
      win: 0,
      urg: 0,
      options: new Uint8Array(0),
    },
    payload: new Uint8Array(0),
  });
}
