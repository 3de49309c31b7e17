/** The packet that an ICMP error quotes, as far as it is there (RFC 792, 4443 §3.1). */
import { PROTO_TCP, PROTO_UDP, view } from './packet.ts';

export interface Quoted {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  /** Bytes of the whole packet, and of its IP header. */
  readonly total: number;
  readonly header: number;
  /** `tcp`, `udp`, or the number. */
  readonly proto: string;
  readonly seq: number;
  /** Bytes of its payload. */
  readonly len: number;
}

/** Null: there is no IP header. */
export function readQuote(bytes: Uint8Array): Quoted | null {
  const version = (bytes[0] ?? 0) >> 4;
  const v = view(bytes);
  if (version === 4 && bytes.length >= 20) {
    const header = ((bytes[0] as number) & 15) * 4;
    const ends = { src: bytes.subarray(12, 16), dst: bytes.subarray(16, 20) };
    return { ...ends, ...above(bytes, header, v.getUint16(2), bytes[9] as number) };
  }
  if (version !== 6 || bytes.length < 40) return null;
  const ends = { src: bytes.subarray(8, 24), dst: bytes.subarray(24, 40) };
  return { ...ends, ...above(bytes, 40, 40 + v.getUint16(4), bytes[6] as number) };
}

function above(
  bytes: Uint8Array,
  header: number,
  total: number,
  protocol: number,
): Omit<Quoted, 'src' | 'dst'> {
  const v = view(bytes);
  const room = bytes.length - header;
  const common = { total, header };
  if (protocol === PROTO_UDP && room >= 8)
    return { ...common, proto: 'udp', seq: 0, len: v.getUint16(header + 4) - 8 };
  if (protocol === PROTO_TCP && room >= 8) {
    const own = room > 12 ? ((bytes[header + 12] as number) >> 4) * 4 : 20;
    return { ...common, proto: 'tcp', seq: v.getUint32(header + 4), len: total - header - own };
  }
  return { ...common, proto: String(protocol), seq: 0, len: total - header };
}
