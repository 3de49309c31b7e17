/** GRE header (RFC 2784, RFC 2890; Linux `include/net/gre.h`): two bytes of flags, a type, and up to three fields. */
import { foldChecksum, sum16 } from './checksum.ts';

export const IPPROTO_GRE = 47;
/** Type of what follows: an Ethernet frame (`ETH_P_TEB`). */
export const ETH_P_TEB = 0x6558;

export const GRE_CSUM = 0x8000;
export const GRE_ROUTING = 0x4000;
export const GRE_KEY = 0x2000;
export const GRE_SEQ = 0x1000;
const GRE_VERSION = 0x0007;

/** Bytes of a header with these flags. */
export function greLength(flags: number): number {
  let len = 4;
  for (const field of [GRE_CSUM, GRE_KEY, GRE_SEQ]) if ((flags & field) !== 0) len += 4;
  return len;
}

/** What a header says. */
export interface GreHeader {
  /** `GRE_*` */
  readonly flags: number;
  readonly proto: number;
  /** 0 without `GRE_KEY`. */
  readonly key: number;
  readonly seq: number;
}

/** The packet of header and `payload`, with its checksum if the flags want one. */
export function greBytes(h: GreHeader, payload: Uint8Array): Uint8Array {
  const at = greLength(h.flags);
  const bytes = new Uint8Array(at + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, h.flags);
  view.setUint16(2, h.proto);
  bytes.set(payload, at);
  let next = (h.flags & GRE_CSUM) === 0 ? 4 : 8;
  if ((h.flags & GRE_KEY) !== 0) {
    view.setUint32(next, h.key);
    next += 4;
  }
  if ((h.flags & GRE_SEQ) !== 0) view.setUint32(next, h.seq);
  if ((h.flags & GRE_CSUM) !== 0) view.setUint16(4, foldChecksum(sum16(bytes, 0, bytes.length, 0)));
  return bytes;
}

/** Null: it is short, of another version, or routed. `'csum'`: its checksum is wrong (`gre_parse_header`). */
export function parseGre(bytes: Uint8Array): GreHeader | 'csum' | null {
  if (bytes.length < 4) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(0);
  if ((flags & (GRE_VERSION | GRE_ROUTING)) !== 0 || bytes.length < greLength(flags)) return null;
  if ((flags & GRE_CSUM) !== 0 && foldChecksum(sum16(bytes, 0, bytes.length, 0)) !== 0)
    return 'csum';
  let next = (flags & GRE_CSUM) === 0 ? 4 : 8;
  let key = 0;
  if ((flags & GRE_KEY) !== 0) {
    key = view.getUint32(next);
    next += 4;
  }
  const seq = (flags & GRE_SEQ) === 0 ? 0 : view.getUint32(next);
  return { flags: flags & (GRE_CSUM | GRE_KEY | GRE_SEQ), proto: view.getUint16(2), key, seq };
}
