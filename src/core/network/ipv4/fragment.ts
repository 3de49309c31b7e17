/** Cutting an IPv4 packet to the size of a link (RFC 791 §3.2; Linux `ip_do_fragment`). */
import type { Packet, Payload } from '../../packet.ts';
import { l4Bytes } from '../../wire/frame.ts';
import { IP_MF, IP_OFFSET, type Ipv4Header } from '../../wire/ipv4.ts';

/** Options that are repeated in every fragment have this bit (RFC 791 §3.1). */
const OPTION_COPIED = 0x80;
const IPOPT_END = 0;
const IPOPT_NOOP = 1;

/**
 * Fragments of at most `mtu` bytes, in order; null when not even eight bytes fit. Takes ownership: transport
 * headers become payload.
 */
export function fragment(pkt: Packet, mtu: number): Packet[] | null {
  const ip = pkt.ip as Ipv4Header;
  const room = mtu - ip.headerLen();
  const step = room & ~7;
  if (step < 8) return null;
  const bytes: Payload = l4Bytes(pkt);
  let total = 0;
  for (const slice of bytes) total += slice.length;
  const first = ip.frag & IP_OFFSET;
  const moreBehind = ip.frag & IP_MF;
  const out: Packet[] = [];
  for (let at = 0; at < total; at += step) {
    const last = at + room >= total;
    const len = last ? total - at : step;
    const part = pkt.clone();
    part.tcp = null;
    part.udp = null;
    part.icmp = null;
    part.gsoSize = 0;
    part.data = slice(bytes, at, len);
    part.len = len;
    const h = part.ip as Ipv4Header;
    h.frag = (first + (at >> 3)) | (last ? moreBehind : IP_MF);
    if (at > 0 && ip.options !== null) h.options = copiedOptions(ip.options);
    out.push(part);
    if (last) break;
  }
  return out;
}

/** `len` bytes from `from` on, as slices of the same buffers. */
function slice(data: Payload, from: number, len: number): Payload {
  const out: Uint8Array[] = [];
  let skip = from;
  let left = len;
  for (const piece of data) {
    if (left === 0) break;
    if (skip >= piece.length) {
      skip -= piece.length;
      continue;
    }
    const part = piece.subarray(skip, Math.min(piece.length, skip + left));
    out.push(part);
    left -= part.length;
    skip = 0;
  }
  return out;
}

/** The options of fragments but the first: those that are not copied become no-ops (`ip_options_fragment`). */
function copiedOptions(options: Uint8Array): Uint8Array {
  const out = options.slice();
  for (let i = 0; i < out.length; ) {
    const type = out[i] ?? IPOPT_END;
    if (type === IPOPT_END) break;
    if (type === IPOPT_NOOP) {
      i++;
      continue;
    }
    const len = out[i + 1] ?? 0;
    if (len < 2 || i + len > out.length) break;
    if ((type & OPTION_COPIED) === 0) out.fill(IPOPT_NOOP, i, i + len);
    i += len;
  }
  return out;
}
