/**
 * Whole packets between bytes and fields: what a byte edge (tun, tap, captures, packet and raw sockets,
 * fragments, corruption, ICMP quotes) calls. Checksums exist here only: a packet that this kernel
 * built leaves with right ones, one that came in with a wrong one keeps a flag and leaves with a wrong
 * one. Nothing here throws for what came from outside: what does not parse stays raw bytes, with a
 * flag, for the layer that Linux would drop it in.
 *
 * Header options and payload are slices of the bytes that are parsed, which nobody may change any more.
 */
import {
  BAD_IP_CSUM,
  BAD_L3,
  BAD_L4,
  BAD_L4_CSUM,
  ipLength,
  NO_PAYLOAD,
  NO_UDP_CSUM,
  type Packet,
  type Payload,
} from '../packet.ts';
import { ARP_LEN, parseArp, putArp } from './arp.ts';
import {
  foldChecksum,
  foldSum,
  pseudoSum,
  pseudoSum6,
  spoilChecksum,
  sum16,
  sumPayload,
  sumView,
  swapSum,
} from './checksum.ts';
import {
  ETH_HLEN,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  EthHeader,
  parseEth,
  putEth,
} from './ethernet.ts';
import { parseIcmp, putIcmp } from './icmp.ts';
import {
  IP_MAX_MTU,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV4_HLEN,
  parseIpv4,
  putIpv4,
} from './ipv4.ts';
import {
  IPPROTO_ICMPV6,
  IPV6_HLEN,
  IPV6_MAXPLEN,
  type Ipv6Header,
  parseIpv6Header,
  putIpv6Header,
} from './ipv6.ts';
import { parseTcp, putTcp } from './tcp.ts';
import { parseUdp, putUdp, UDP_HLEN } from './udp.ts';
import { isVlanType, parseTags, putTags, tagsLength } from './vlan.ts';

/** What the transport's part of `parse*` may set. */
const L4_FLAGS: number = BAD_L4 | BAD_L4_CSUM | NO_UDP_CSUM;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Fills a packet from an Ethernet frame without its check sequence. Padding behind an ARP or IP packet
 * is dropped, as `ip_rcv` does. A frame shorter than its header leaves `eth` null, with `BAD_L3`.
 */
export function parseFrame(bytes: Uint8Array, pkt: Packet): void {
  clearHeaders(pkt);
  if (bytes.length < ETH_HLEN) {
    pkt.eth = null;
    pkt.proto = 0;
    setRaw(pkt, bytes, 0);
    pkt.flags = BAD_L3;
    return;
  }
  const view = viewOf(bytes);
  let eth = parseEth(view, 0);
  let at = ETH_HLEN;
  if (isVlanType(eth.proto)) {
    pkt.vlan = parseTags(view, ETH_HLEN, eth.proto);
    at += tagsLength(pkt.vlan);
    if (at > ETH_HLEN) eth = new EthHeader(eth.dst, eth.src, view.getUint16(at - 2));
  }
  pkt.eth = eth;
  pkt.proto = eth.proto;
  if (eth.proto === ETH_P_IP) parseIpv4At(bytes, view, at, pkt);
  else if (eth.proto === ETH_P_IPV6) parseIpv6At(bytes, view, at, pkt);
  else if (eth.proto === ETH_P_ARP) parseArpAt(bytes, view, at, pkt);
  else setRaw(pkt, bytes, at);
}

/** Fills a packet from the IPv4 header on; `pkt.eth` is left as it is. */
export function parseIpv4Packet(bytes: Uint8Array, pkt: Packet): void {
  clearHeaders(pkt);
  pkt.proto = ETH_P_IP;
  parseIpv4At(bytes, viewOf(bytes), 0, pkt);
}

/** Fills a packet from the IPv6 header on; `pkt.eth` is left as it is. */
export function parseIpv6Packet(bytes: Uint8Array, pkt: Packet): void {
  clearHeaders(pkt);
  pkt.proto = ETH_P_IPV6;
  parseIpv6At(bytes, viewOf(bytes), 0, pkt);
}

/** Fills a packet of EtherType `proto` from what follows the link-layer header; `pkt.eth` is left as it is. */
export function parseNetwork(bytes: Uint8Array, proto: number, pkt: Packet): void {
  if (proto === ETH_P_IP) parseIpv4Packet(bytes, pkt);
  else if (proto === ETH_P_IPV6) parseIpv6Packet(bytes, pkt);
  else {
    clearHeaders(pkt);
    pkt.proto = proto;
    setRaw(pkt, bytes, 0);
  }
}

/**
 * Parses the transport header again, from `pkt.data`, which begins behind the IP header: after
 * reassembly. Does not look at the fragment field.
 */
export function parseL4(pkt: Packet): void {
  if (pkt.ip === null && pkt.ip6 === null) return;
  pkt.tcp = null;
  pkt.udp = null;
  pkt.icmp = null;
  pkt.flags &= ~L4_FLAGS;
  const head = pullHeader(pkt);
  const data = pkt.data;
  const rest = data.length > 1 ? data.slice(1) : NO_PAYLOAD;
  parseTransport(head, viewOf(head), 0, pkt, rest);
}

/** Longest transport header: TCP with all its options. */
const L4_HLEN_MAX = 60;

/** Makes the first slice of `pkt.data` hold the transport header (Linux `pskb_may_pull`). */
function pullHeader(pkt: Packet): Uint8Array {
  const first = pkt.data[0];
  if (first !== undefined && (first.length === pkt.len || first.length >= L4_HLEN_MAX))
    return first;
  const all = flatten(pkt.data, pkt.len);
  pkt.data = [all];
  return all;
}

/** The bytes of a payload of `len` bytes in one piece; the slice itself if there is one only. */
export function flatten(data: Payload, len: number): Uint8Array {
  const first = data[0];
  if (first !== undefined && data.length === 1) return first;
  const all = new Uint8Array(len);
  putPayload(all, 0, data);
  return all;
}

function clearHeaders(pkt: Packet): void {
  pkt.vlan = null;
  pkt.arp = null;
  pkt.ip = null;
  pkt.ip6 = null;
  pkt.tcp = null;
  pkt.udp = null;
  pkt.icmp = null;
  pkt.flags = 0;
  pkt.gsoSize = 0;
}

function setRaw(pkt: Packet, bytes: Uint8Array, at: number): void {
  pkt.data = at === bytes.length ? NO_PAYLOAD : [at === 0 ? bytes : bytes.subarray(at)];
  pkt.len = bytes.length - at;
}

function parseArpAt(bytes: Uint8Array, view: DataView, at: number, pkt: Packet): void {
  pkt.arp = parseArp(view, at, bytes.length - at);
  if (pkt.arp === null) {
    setRaw(pkt, bytes, at);
    pkt.flags = BAD_L3;
  } else {
    pkt.data = NO_PAYLOAD;
    pkt.len = 0;
  }
}

function parseIpv4At(bytes: Uint8Array, view: DataView, at: number, pkt: Packet): void {
  const len = bytes.length - at;
  const ip = parseIpv4(bytes, view, at, len);
  pkt.ip = ip;
  if (ip === null) {
    setRaw(pkt, bytes, at);
    pkt.flags = hasBadHeaderSum(view, at, len) ? BAD_L3 | BAD_IP_CSUM : BAD_L3;
    return;
  }
  const l4 = at + ip.headerLen();
  const end = at + view.getUint16(at + 2);
  if (sumView(view, at, l4, 0) !== 0xffff) pkt.flags = BAD_IP_CSUM;
  const whole = end === bytes.length ? bytes : bytes.subarray(0, end);
  if (ip.isFragment()) setRaw(pkt, whole, l4);
  else parseTransport(whole, view, l4, pkt, NO_PAYLOAD);
}

function parseIpv6At(bytes: Uint8Array, view: DataView, at: number, pkt: Packet): void {
  const ip6 = parseIpv6Header(bytes, view, at, bytes.length - at);
  pkt.ip6 = ip6;
  if (ip6 === null) {
    setRaw(pkt, bytes, at);
    pkt.flags = BAD_L3;
    return;
  }
  const end = at + IPV6_HLEN + view.getUint16(at + 4);
  const whole = end === bytes.length ? bytes : bytes.subarray(0, end);
  const l4 = at + ip6.headerLen();
  if (ip6.isFragment()) setRaw(pkt, whole, l4);
  else parseTransport(whole, view, l4, pkt, NO_PAYLOAD);
}

/** Linux looks at the checksum before it looks at the total length, and counts accordingly. */
function hasBadHeaderSum(view: DataView, at: number, len: number): boolean {
  if (len < IPV4_HLEN) return false;
  const first = view.getUint8(at);
  const headerLen = (first & 15) * 4;
  if (first >>> 4 !== 4 || headerLen < IPV4_HLEN || headerLen > len) return false;
  return sumView(view, at, at + headerLen, 0) !== 0xffff;
}

/**
 * Parses the transport header at `bytes[at]` and makes what follows it, then `rest`, the payload. A
 * header that does not parse leaves all of it as payload.
 */
function parseTransport(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  pkt: Packet,
  rest: Payload,
): void {
  const protocol = protocolOf(pkt);
  const icmp = pkt.ip === null ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  let len = bytes.length - at;
  if (rest !== NO_PAYLOAD) len = pkt.len;
  let header = 0;
  if (protocol === IPPROTO_TCP) header = parseTcpAt(bytes, view, at, pkt);
  else if (protocol === IPPROTO_UDP) header = parseUdpAt(view, at, len, pkt);
  else if (protocol === icmp) header = parseIcmpAt(view, at, len, pkt);
  // What is longer than a UDP header claims is not part of the datagram (`pskb_trim_rcsum`).
  const end = pkt.udp === null ? len : view.getUint16(at + 4);
  if (header > 0) checkTransport(view, at, end, pkt, rest);
  setPayload(pkt, bytes, at + header, end - header, rest);
}

function protocolOf(pkt: Packet): number {
  return pkt.ip !== null ? pkt.ip.protocol : (pkt.ip6 as Ipv6Header).protocol;
}

/** Sum of the pseudo-header over `len` bytes of transport header and data; ICMP over IPv4 has none. */
function pseudoOf(pkt: Packet, len: number): number {
  const { ip } = pkt;
  if (ip === null) return pseudoSum6(pkt.ip6 as Ipv6Header, protocolOf(pkt), len);
  return pkt.icmp === null ? pseudoSum(ip, ip.protocol, len) : 0;
}

function parseTcpAt(bytes: Uint8Array, view: DataView, at: number, pkt: Packet): number {
  pkt.tcp = parseTcp(bytes, view, at, bytes.length - at);
  if (pkt.tcp !== null) return pkt.tcp.headerLen();
  pkt.flags |= BAD_L4;
  return 0;
}

function parseUdpAt(view: DataView, at: number, len: number, pkt: Packet): number {
  pkt.udp = parseUdp(view, at, len);
  if (pkt.udp !== null) return UDP_HLEN;
  pkt.flags |= BAD_L4;
  return 0;
}

function parseIcmpAt(view: DataView, at: number, len: number, pkt: Packet): number {
  pkt.icmp = parseIcmp(view, at, len);
  if (pkt.icmp !== null) return 8;
  pkt.flags |= BAD_L4;
  return 0;
}

/** Sets `BAD_L4_CSUM` or `NO_UDP_CSUM`; `len` is that of transport header and data. */
function checkTransport(view: DataView, at: number, len: number, pkt: Packet, rest: Payload): void {
  if (pkt.udp !== null && view.getUint16(at + 6) === 0) {
    pkt.flags |= NO_UDP_CSUM;
    return;
  }
  let sum = pseudoOf(pkt, len);
  const here = Math.min(view.byteLength - at, len);
  sum = sumView(view, at, at + here, sum);
  if (len > here) {
    const tail = sumPayload(clip(rest, len - here), 0);
    sum = foldSum(sum + ((here & 1) === 1 ? swapSum(tail) : tail));
  }
  if (sum !== 0xffff) pkt.flags |= BAD_L4_CSUM;
}

function setPayload(
  pkt: Packet,
  bytes: Uint8Array,
  from: number,
  len: number,
  rest: Payload,
): void {
  pkt.len = len;
  if (len === 0) {
    pkt.data = NO_PAYLOAD;
    return;
  }
  const here = Math.min(bytes.length - from, len);
  const first = bytes.subarray(from, from + here);
  if (here === len) pkt.data = [first];
  else pkt.data = here === 0 ? clip(rest, len) : [first, ...clip(rest, len - here)];
}

/** The first `len` bytes of a payload. */
function clip(data: Payload, len: number): Payload {
  const out: Uint8Array[] = [];
  let left = len;
  for (let i = 0; i < data.length && left > 0; i++) {
    const slice = data[i] as Uint8Array;
    out.push(slice.length <= left ? slice : slice.subarray(0, left));
    left -= slice.length;
  }
  return out;
}

/** Bytes from the network header on; more than 65535 for the largest GSO packets. */
function networkLength(pkt: Packet): number {
  return pkt.arp === null ? ipLength(pkt) : ARP_LEN + pkt.len;
}

/** Bytes of the frame that `frameBytes` would write, but for VLAN tags, which count nowhere (`skb->len`). */
export function frameLength(pkt: Packet): number {
  return (pkt.eth === null ? 0 : ETH_HLEN) + networkLength(pkt);
}

/** The whole frame; without Ethernet header if the packet has none. See `ipBytes` about GSO. */
export function frameBytes(pkt: Packet): Uint8Array {
  const len = networkLength(pkt);
  const at = pkt.eth === null ? 0 : ETH_HLEN + tagsLength(pkt.vlan);
  const bytes = new Uint8Array(at + len);
  const view = new DataView(bytes.buffer);
  if (pkt.eth !== null) {
    putEth(view, 0, pkt.eth);
    if (pkt.vlan !== null) putTags(view, ETH_HLEN - 2, pkt.vlan, pkt.eth.proto);
  }
  putNetwork(pkt, bytes, view, at, len);
  return bytes;
}

/**
 * The bytes from the IP header of either version on, with checksums.
 * @throws RangeError if there are more than 65535, which no total length can say: `segment` it first
 */
export function ipBytes(pkt: Packet): Uint8Array {
  const len = networkLength(pkt);
  const bytes = new Uint8Array(len);
  putNetwork(pkt, bytes, new DataView(bytes.buffer), 0, len);
  return bytes;
}

/**
 * Transport header, with its checksum, and data as slices: what follows the IP header. The header is
 * a new array, the data are the packet's own slices.
 */
export function l4Bytes(pkt: Packet): Payload {
  const header = l4HeaderLen(pkt);
  if (header === 0) return pkt.data;
  const bytes = new Uint8Array(header);
  putTransport(pkt, bytes, new DataView(bytes.buffer), 0, sumPayload(pkt.data, 0));
  const out: Uint8Array[] = [bytes];
  for (let i = 0; i < pkt.data.length; i++) out.push(pkt.data[i] as Uint8Array);
  return out;
}

function putNetwork(pkt: Packet, bytes: Uint8Array, view: DataView, at: number, len: number): void {
  const ip = pkt.ip;
  if (ip === null) {
    if (pkt.ip6 !== null) {
      putIpv6(pkt, bytes, view, at, len);
      return;
    }
    if (pkt.arp !== null) putArp(view, at, pkt.arp);
    putPayload(bytes, at + len - pkt.len, pkt.data);
    return;
  }
  if (len > IP_MAX_MTU) throw new RangeError(`a packet of ${len} bytes has to be segmented first`);
  putIpv4(bytes, view, at, ip, len);
  const l4 = at + ip.headerLen();
  const sum = foldChecksum(sumView(view, at, l4, 0));
  view.setUint16(at + 10, (pkt.flags & BAD_IP_CSUM) === 0 ? sum : spoilChecksum(sum));
  const data = at + len - pkt.len;
  putPayload(bytes, data, pkt.data);
  if (data > l4) putTransport(pkt, bytes, view, l4, sumView(view, data, at + len, 0));
}

function putIpv6(pkt: Packet, bytes: Uint8Array, view: DataView, at: number, len: number): void {
  const ip6 = pkt.ip6 as Ipv6Header;
  const payloadLen = len - IPV6_HLEN;
  if (payloadLen > IPV6_MAXPLEN)
    throw new RangeError(`a packet of ${len} bytes has to be segmented first`);
  putIpv6Header(bytes, view, at, ip6, payloadLen);
  const data = at + len - pkt.len;
  putPayload(bytes, data, pkt.data);
  const l4 = at + ip6.headerLen();
  if (data > l4) putTransport(pkt, bytes, view, l4, sumView(view, data, at + len, 0));
}

function putPayload(bytes: Uint8Array, start: number, data: Payload): void {
  let at = start;
  for (let i = 0; i < data.length; i++) {
    const slice = data[i] as Uint8Array;
    bytes.set(slice, at);
    at += slice.length;
  }
}

function l4HeaderLen(pkt: Packet): number {
  if (pkt.ip === null && pkt.ip6 === null) return 0;
  if (pkt.tcp !== null) return pkt.tcp.headerLen();
  return pkt.udp !== null || pkt.icmp !== null ? 8 : 0;
}

/** Writes the transport header; `dataSum` is the sum of what follows it. */
function putTransport(
  pkt: Packet,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  dataSum: number,
): void {
  let sum = dataSum;
  let field = at + 2;
  let len = 8;
  if (pkt.tcp !== null) {
    putTcp(bytes, view, at, pkt.tcp);
    field = at + 16;
    len = pkt.tcp.headerLen();
  } else if (pkt.udp !== null) {
    putUdp(view, at, pkt.udp, len + pkt.len);
    // RFC 768: no checksum is sent as zero.
    if ((pkt.flags & NO_UDP_CSUM) !== 0) return;
    field = at + 6;
  } else if (pkt.icmp !== null) putIcmp(view, at, pkt.icmp);
  sum += pseudoOf(pkt, len + pkt.len);
  let csum = foldChecksum(sum16(bytes, at, at + len, sum));
  if ((pkt.flags & BAD_L4_CSUM) !== 0) csum = spoilChecksum(csum);
  // RFC 768: a computed zero is sent as all ones.
  else if (csum === 0 && pkt.udp !== null) csum = 0xffff;
  view.setUint16(field, csum);
}
