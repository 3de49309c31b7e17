/** Cutting an IPv6 packet of our own to the size of a path (RFC 8200 §4.5; Linux `ip6_fragment`). */
import type { NetNs } from '../../net.ts';
import type { Packet, Payload } from '../../packet.ts';
import { l4Bytes } from '../../wire/frame.ts';
import {
  extensionLen,
  FRAG_HLEN,
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ROUTING,
  IPV6_HLEN,
  type Ipv6Header,
} from '../../wire/ipv6.ts';

/**
 * Fragments of at most `mtu` bytes, in order; null when not even eight bytes fit. Takes ownership: transport headers
 * become payload.
 */
export function fragment6(pkt: Packet, mtu: number, net: NetNs): Packet[] | null {
  const ip = pkt.ip6 as Ipv6Header;
  const keep = unfragmentable(ip);
  const { ext } = ip;
  const head = ext === null ? new Uint8Array(0) : ext.subarray(0, keep.length);
  const tail = ext === null || ext.length === keep.length ? null : ext.subarray(keep.length);
  const room = (mtu - IPV6_HLEN - head.length - FRAG_HLEN) & ~7;
  if (room < 8) return null;
  const bytes: Payload = tail === null ? l4Bytes(pkt) : [tail, ...l4Bytes(pkt)];
  let total = 0;
  for (const slice of bytes) total += slice.length;
  const id = newId(net);
  const out: Packet[] = [];
  for (let at = 0; at < total; at += room) {
    const len = Math.min(room, total - at);
    const part = pkt.clone();
    part.tcp = null;
    part.udp = null;
    part.icmp = null;
    part.gsoSize = 0;
    part.data = slice(bytes, at, len);
    part.len = len;
    setFragment(part.ip6 as Ipv6Header, head, keep.next, at | (at + len < total ? 1 : 0), id);
    out.push(part);
  }
  return out;
}

/** Never 0 (`__ipv6_select_ident`). */
function newId(net: NetNs): number {
  const random = net.kernel.random(`ipv6-id:${net.id}`);
  for (;;) {
    const id = random.i32();
    if (id !== 0) return id;
  }
}

/** Gives a header its Fragment header behind `head`; `next` is what the fragments carry. */
function setFragment(
  ip: Ipv6Header,
  head: Uint8Array,
  next: number,
  field: number,
  id: number,
): void {
  const ext = new Uint8Array(head.length + FRAG_HLEN);
  ext.set(head);
  const at = head.length;
  const view = new DataView(ext.buffer);
  view.setUint8(at, next);
  view.setUint16(at + 2, field);
  view.setInt32(at + 4, id);
  if (at === 0) ip.extFirst = IPPROTO_FRAGMENT;
  else relink(ext, ip.extFirst, at);
  ip.ext = ext;
  ip.fragAt = at;
  ip.protocol = next;
}

/** The last header before `end` names the Fragment header as its next one. */
function relink(ext: Uint8Array, first: number, end: number): void {
  let type = first;
  let at = 0;
  for (;;) {
    const size = extensionLen(ext, at, type);
    if (at + size >= end) break;
    type = ext[at] as number;
    at += size;
  }
  ext[at] = IPPROTO_FRAGMENT;
}

/** How many bytes of extension headers every fragment repeats, and what follows them (`ip6_find_1stfragopt`). */
function unfragmentable(ip: Ipv6Header): { readonly length: number; readonly next: number } {
  const { ext } = ip;
  if (ext === null) return { length: 0, next: ip.protocol };
  let type = ip.extFirst;
  let at = 0;
  let kept = { length: 0, next: type };
  while (at < ext.length) {
    const next = ext[at] as number;
    if (type !== IPPROTO_HOPOPTS && type !== IPPROTO_ROUTING && type !== IPPROTO_DSTOPTS) break;
    at += extensionLen(ext, at, type);
    // Destination options count only in front of a routing header.
    if (type !== IPPROTO_DSTOPTS) kept = { length: at, next };
    type = next;
  }
  return kept;
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
