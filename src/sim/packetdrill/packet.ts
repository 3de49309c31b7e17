/**
 * IP packets as bytes and back, for both versions: what a runner puts on the wire and reads from it. Kept
 * apart from the stack's own wire layer on purpose, so that a mistake there is seen here. RFC 791, 8200,
 * 9293, 768, 792, 4443.
 */

export const TH_FIN = 0x01;
export const TH_SYN = 0x02;
export const TH_RST = 0x04;
export const TH_PSH = 0x08;
export const TH_ACK = 0x10;
export const TH_URG = 0x20;
export const TH_ECE = 0x40;
export const TH_CWR = 0x80;
export const TH_AE = 0x100;

export const PROTO_ICMP = 1;
export const PROTO_TCP = 6;
export const PROTO_UDP = 17;
export const PROTO_ICMPV6 = 58;

export interface IpFields {
  readonly version: 4 | 6;
  /** 4 or 16 bytes. */
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly tos: number;
  readonly ttl: number;
  readonly flowlabel: number;
}

export interface TcpFields {
  readonly proto: 'tcp';
  readonly sport: number;
  readonly dport: number;
  /** Unsigned. */
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly win: number;
  readonly urg: number;
  readonly options: Uint8Array;
}

export interface UdpFields {
  readonly proto: 'udp';
  readonly sport: number;
  readonly dport: number;
}

export interface IcmpFields {
  readonly proto: 'icmp';
  readonly type: number;
  readonly code: number;
  /** The four bytes after the checksum. */
  readonly rest: number;
}

export interface WirePacket {
  readonly ip: IpFields;
  readonly body: TcpFields | UdpFields | IcmpFields;
  readonly payload: Uint8Array;
}

/** What a packet from the wire says beside its fields. */
export interface ParsedPacket extends WirePacket {
  /** Why it is malformed; null: it is not. */
  readonly fault: string | null;
}

const IPV4_LEN = 20;
const IPV6_LEN = 40;
const TCP_LEN = 20;
const UDP_LEN = 8;
const ICMP_LEN = 8;

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The Internet checksum's sum over bytes (RFC 1071), without the final complement. */
function sum(bytes: Uint8Array, from: number, to: number, start: number): number {
  let total = start;
  for (let i = from; i + 1 < to; i += 2)
    total += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
  if ((to - from) % 2 === 1) total += (bytes[to - 1] as number) << 8;
  return total;
}

function fold(total: number): number {
  let rest = total;
  while (rest > 0xffff) rest = (rest & 0xffff) + Math.floor(rest / 0x10000);
  return rest;
}

function pseudoSum(ip: IpFields, protocol: number, length: number): number {
  const addresses = sum(ip.dst, 0, ip.dst.length, sum(ip.src, 0, ip.src.length, 0));
  return addresses + protocol + (length >>> 16) + (length & 0xffff);
}

/** Builds a packet with its checksums. */
export function buildPacket(packet: WirePacket): Uint8Array {
  const { ip, body, payload } = packet;
  const ipLength = ip.version === 4 ? IPV4_LEN : IPV6_LEN;
  const header = headerLength(body);
  const out = new Uint8Array(ipLength + header + payload.length);
  const v = view(out);
  const protocol = protocolOf(body, ip.version);
  if (ip.version === 4) putIpv4(out, v, ip, protocol);
  else putIpv6(out, v, ip, protocol);
  out.set(payload, ipLength + header);
  putBody(out, v, ipLength, body);
  const isIcmp4 = body.proto === 'icmp' && ip.version === 4;
  const start = isIcmp4 ? 0 : pseudoSum(ip, protocol, out.length - ipLength);
  let check = 0xffff - fold(sum(out, ipLength, out.length, start));
  if (body.proto === 'udp' && check === 0) check = 0xffff;
  v.setUint16(ipLength + checksumOffset(body), check);
  return out;
}

function headerLength(body: WirePacket['body']): number {
  if (body.proto === 'tcp') return TCP_LEN + body.options.length;
  return body.proto === 'udp' ? UDP_LEN : ICMP_LEN;
}

function protocolOf(body: WirePacket['body'], version: 4 | 6): number {
  if (body.proto === 'tcp') return PROTO_TCP;
  if (body.proto === 'udp') return PROTO_UDP;
  return version === 4 ? PROTO_ICMP : PROTO_ICMPV6;
}

function checksumOffset(body: WirePacket['body']): number {
  if (body.proto === 'tcp') return 16;
  return body.proto === 'udp' ? 6 : 2;
}

function putIpv4(out: Uint8Array, v: DataView, ip: IpFields, protocol: number): void {
  out[0] = 0x45;
  out[1] = ip.tos;
  v.setUint16(2, out.length);
  out[8] = ip.ttl;
  out[9] = protocol;
  out.set(ip.src, 12);
  out.set(ip.dst, 16);
  v.setUint16(10, 0xffff - fold(sum(out, 0, IPV4_LEN, 0)));
}

function putIpv6(out: Uint8Array, v: DataView, ip: IpFields, protocol: number): void {
  v.setUint32(0, 0x60000000 + ip.tos * 0x100000 + ip.flowlabel);
  v.setUint16(4, out.length - IPV6_LEN);
  out[6] = protocol;
  out[7] = ip.ttl;
  out.set(ip.src, 8);
  out.set(ip.dst, 24);
}

function putBody(out: Uint8Array, v: DataView, at: number, body: WirePacket['body']): void {
  if (body.proto === 'icmp') {
    out[at] = body.type;
    out[at + 1] = body.code;
    v.setUint32(at + 4, body.rest);
    return;
  }
  v.setUint16(at, body.sport);
  v.setUint16(at + 2, body.dport);
  if (body.proto === 'udp') {
    v.setUint16(at + 4, out.length - at);
    return;
  }
  v.setUint32(at + 4, body.seq);
  v.setUint32(at + 8, body.ack);
  const words = (TCP_LEN + body.options.length) >> 2;
  v.setUint16(at + 12, (words << 12) | (body.flags & 0x1ff));
  v.setUint16(at + 14, body.win);
  v.setUint16(at + 18, body.urg);
  out.set(body.options, at + TCP_LEN);
}

/** Reads a packet; null when it is no TCP, UDP or ICMP, or too short to say what it is. */
export function parsePacketBytes(bytes: Uint8Array): ParsedPacket | null {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4) return bytes.length < IPV4_LEN ? null : parseIpv4Bytes(bytes);
  return version === 6 && bytes.length >= IPV6_LEN ? parseIpv6Bytes(bytes) : null;
}

function parseIpv4Bytes(bytes: Uint8Array): ParsedPacket | null {
  const v = view(bytes);
  const header = ((bytes[0] as number) & 15) * 4;
  if (header < IPV4_LEN || header > bytes.length) return null;
  let fault: string | null = null;
  const total = v.getUint16(2);
  if (total !== bytes.length) fault = `its IP length says ${total} of ${bytes.length} bytes`;
  else if (fold(sum(bytes, 0, header, 0)) !== 0xffff) fault = 'its IP checksum is wrong';
  else if ((v.getUint16(6) & 0x3fff) !== 0) fault = 'it is a fragment';
  const ip: IpFields = {
    version: 4,
    src: bytes.subarray(12, 16),
    dst: bytes.subarray(16, 20),
    tos: bytes[1] as number,
    ttl: bytes[8] as number,
    flowlabel: 0,
  };
  return parseBody(bytes, header, bytes[9] as number, ip, fault);
}

function parseIpv6Bytes(bytes: Uint8Array): ParsedPacket | null {
  const v = view(bytes);
  const first = v.getUint32(0);
  const length = v.getUint16(4) + IPV6_LEN;
  const fault =
    length === bytes.length ? null : `its IP length says ${length} of ${bytes.length} bytes`;
  const ip: IpFields = {
    version: 6,
    src: bytes.subarray(8, 24),
    dst: bytes.subarray(24, 40),
    tos: (first >>> 20) & 0xff,
    ttl: bytes[7] as number,
    flowlabel: first & 0xfffff,
  };
  return parseBody(bytes, IPV6_LEN, bytes[6] as number, ip, fault);
}

function parseBody(
  bytes: Uint8Array,
  at: number,
  protocol: number,
  ip: IpFields,
  ipFault: string | null,
): ParsedPacket | null {
  const v = view(bytes);
  const body = bodyOf(bytes, v, at, protocol, ip.version);
  if (body === null) return null;
  const header = headerLength(body);
  const fault = ipFault ?? checksumFault(bytes, v, at, body, ip);
  return { ip, body, payload: bytes.subarray(at + header), fault };
}

function bodyOf(
  bytes: Uint8Array,
  v: DataView,
  at: number,
  protocol: number,
  version: 4 | 6,
): WirePacket['body'] | null {
  const room = bytes.length - at;
  if (protocol === PROTO_TCP && room >= TCP_LEN) {
    const header = ((bytes[at + 12] as number) >> 4) * 4;
    if (header < TCP_LEN || header > room) return null;
    return {
      proto: 'tcp',
      sport: v.getUint16(at),
      dport: v.getUint16(at + 2),
      seq: v.getUint32(at + 4),
      ack: v.getUint32(at + 8),
      flags: v.getUint16(at + 12) & 0x1ff,
      win: v.getUint16(at + 14),
      urg: v.getUint16(at + 18),
      options: bytes.subarray(at + TCP_LEN, at + header),
    };
  }
  if (protocol === PROTO_UDP && room >= UDP_LEN)
    return { proto: 'udp', sport: v.getUint16(at), dport: v.getUint16(at + 2) };
  const isIcmp = version === 4 ? protocol === PROTO_ICMP : protocol === PROTO_ICMPV6;
  if (!isIcmp || room < ICMP_LEN) return null;
  return {
    proto: 'icmp',
    type: bytes[at] as number,
    code: bytes[at + 1] as number,
    rest: v.getUint32(at + 4),
  };
}

function checksumFault(
  bytes: Uint8Array,
  v: DataView,
  at: number,
  body: WirePacket['body'],
  ip: IpFields,
): string | null {
  const length = bytes.length - at;
  if (body.proto === 'udp') {
    if (v.getUint16(at + 4) !== length)
      return `its UDP length says ${v.getUint16(at + 4)} of ${length} bytes`;
    if (v.getUint16(at + 6) === 0) return ip.version === 4 ? null : 'it has no UDP checksum';
  }
  const isIcmp4 = body.proto === 'icmp' && ip.version === 4;
  const start = isIcmp4 ? 0 : pseudoSum(ip, protocolOf(body, ip.version), length);
  if (fold(sum(bytes, at, bytes.length, start)) === 0xffff) return null;
  return `its ${body.proto.toUpperCase()} checksum is wrong`;
}
