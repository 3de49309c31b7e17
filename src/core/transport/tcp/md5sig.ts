/**
 * Signatures of segments (RFC 2385; Linux `tcp_v4_md5_hash_skb`, `tcp_v6_md5_hash_skb`, `tcp_inbound_hash`): the
 * option of what is sent, the check of what comes. `md5-keys.ts` has the keys.
 */
import { type DropReason, drop } from '../../drop.ts';
import { MIB } from '../../mib.ts';
import { NO_PAYLOAD, type Packet, type Payload } from '../../packet.ts';
import { type Ip6Addr, putIp6 } from '../../util/ip6-addr.ts';
import { MD5_SIZE, Md5 } from '../../util/md5.ts';
import { IPPROTO_TCP } from '../../wire/ipv4.ts';
import { TCP_HLEN, type TcpHeader, TcpOptions } from '../../wire/tcp.ts';
import { count } from './count.ts';
import type { Tuple } from './family.ts';
import { md5KeyOfSender } from './md5-keys.ts';
import type { TcpSock } from './sock.ts';

/** The option with its padding (`TCPOLEN_MD5SIG_ALIGNED`). */
export const TCPOLEN_MD5SIG_ALIGNED = 20;
/** `TCPOLEN_MD5SIG` */
const OPTION_LEN = 18;
const TCPOPT_EOL = 0;
const TCPOPT_NOP = 1;
const TCPOPT_MD5SIG = 19;
const TCPOPT_AO = 29;
/** Bytes of `struct tcp_ao_hdr`. */
const AO_HEADER = 4;

/** Bytes of the pseudo-headers (RFC 2385 §2.0 of IPv4's; RFC 8200 §8.1). */
const PSEUDO4 = 12;
const PSEUDO6 = 40;

interface SignedData {
  readonly slices: Payload;
  readonly len: number;
}

/** What is signed before the data, with IPv4's pseudo-header. */
function head4(src: number, dst: number, hdr: TcpHeader, len: number): Uint8Array {
  const head = new Uint8Array(PSEUDO4 + TCP_HLEN);
  const view = new DataView(head.buffer);
  view.setInt32(0, src);
  view.setInt32(4, dst);
  view.setUint16(8, IPPROTO_TCP);
  view.setUint16(10, hdr.headerLen() + len);
  putHeader(view, PSEUDO4, hdr);
  return head;
}

function head6(src: Ip6Addr, dst: Ip6Addr, hdr: TcpHeader, len: number): Uint8Array {
  const head = new Uint8Array(PSEUDO6 + TCP_HLEN);
  const view = new DataView(head.buffer);
  putIp6(view, 0, src);
  putIp6(view, 16, dst);
  view.setUint32(32, hdr.headerLen() + len);
  view.setUint32(36, IPPROTO_TCP);
  putHeader(view, PSEUDO6, hdr);
  return head;
}

/** The header without its options, and as if its checksum were 0. */
function putHeader(view: DataView, at: number, hdr: TcpHeader): void {
  view.setUint16(at, hdr.sport);
  view.setUint16(at + 2, hdr.dport);
  view.setInt32(at + 4, hdr.seq);
  view.setInt32(at + 8, hdr.ack);
  view.setUint16(at + 12, (hdr.headerLen() << 10) | (hdr.flags & 0xfff));
  view.setUint16(at + 14, hdr.window);
  view.setUint16(at + 18, hdr.urg);
}

/** RFC 2385 §2.0: pseudo-header, header without options, data, key; into the 16 bytes of `out`. */
function hashSegment(out: Uint8Array, key: Uint8Array, head: Uint8Array, data: SignedData): void {
  const md5 = new Md5();
  md5.update(head);
  for (let i = 0; i < data.slices.length; i++) md5.update(data.slices[i] as Uint8Array);
  md5.update(key);
  md5.digest(out);
}

/** Makes room for a signature in the options of a segment; `signSegment` fills it. */
export function withSignature(options: TcpOptions | null): TcpOptions {
  const o = options ?? new TcpOptions();
  o.md5 = new Uint8Array(MD5_SIZE);
  return o;
}

/** Signs a segment of a connection whose options have room for it. */
export function signSegment(key: Uint8Array, of: Tuple, hdr: TcpHeader, data: SignedData): void {
  const out = hdr.options === null ? null : hdr.options.md5;
  if (out === null) return;
  const { ends } = of;
  const head =
    ends === null
      ? head4(of.saddr, of.daddr, hdr, data.len)
      : head6(ends.local, ends.remote, hdr, data.len);
  hashSegment(out, key, head, data);
}

/** Signs an answer without data to a packet. */
export function signReply(key: Uint8Array, to: Packet, hdr: TcpHeader): void {
  const out = hdr.options === null ? null : hdr.options.md5;
  const { ip, ip6 } = to;
  if (out === null) return;
  if (ip6 !== null) hashSegment(out, key, head6(ip6.dst, ip6.src, hdr, 0), NO_DATA);
  else if (ip !== null) hashSegment(out, key, head4(ip.dst, ip.src, hdr, 0), NO_DATA);
}

const NO_DATA: SignedData = { slices: NO_PAYLOAD, len: 0 };

/** What the options say of signatures: none, the one at this place, or nonsense. */
const NO_SIGNATURE = -1;
const BAD_OPTIONS = -2;

/** Where the signature is among the bytes of options (`tcp_do_parse_auth_options`). */
function findSignature(bytes: Uint8Array): number {
  let found = NO_SIGNATURE;
  let auth = false;
  let at = 0;
  while (bytes.length - at >= OPTION_LEN) {
    const kind = bytes[at] as number;
    if (kind === TCPOPT_EOL) break;
    if (kind === TCPOPT_NOP) {
      at++;
      continue;
    }
    const size = bytes[at + 1] as number;
    if (size < 2 || at + size > bytes.length) return BAD_OPTIONS;
    if (kind === TCPOPT_MD5SIG || kind === TCPOPT_AO) {
      const isWhole = kind === TCPOPT_MD5SIG ? size === OPTION_LEN : size > AO_HEADER;
      if (!isWhole || auth) return BAD_OPTIONS;
      auth = true;
      if (kind === TCPOPT_MD5SIG) found = at + 2;
    }
    at += size;
  }
  return found;
}

/** The signature of a segment; null: none; undefined: the options are nonsense (`tcp_parse_auth_options`). */
export function signatureOf(hdr: TcpHeader): Uint8Array | null | undefined {
  const o = hdr.options;
  if (o === null || o.raw === null) return o === null ? null : o.md5;
  if (o.raw.length < OPTION_LEN) return null;
  const at = findSignature(o.raw);
  if (at === BAD_OPTIONS) return undefined;
  return at === NO_SIGNATURE ? null : o.raw.subarray(at, at + MD5_SIZE);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  let diff = 0;
  for (let i = 0; i < MD5_SIZE; i++) diff |= (a[i] as number) ^ (b[i] as number);
  return diff === 0;
}

/**
 * Whether a segment is signed as the keys of `sk` (of its listener, before there is a connection) demand; one
 * that is not is dropped and counted (`tcp_inbound_hash`).
 */
export function isSignedRight(sk: TcpSock, pkt: Packet, hdr: TcpHeader): boolean {
  const signature = signatureOf(hdr);
  // The usual case: neither key nor signature.
  if (signature === null && sk.md5Keys === null) return true;
  if (signature === undefined) return refuse(sk, pkt, 'TCP_AUTH_HDR', -1);
  const { ip, ip6 } = pkt;
  const key = md5KeyOfSender(sk, pkt);
  if (signature === null)
    return key === null || refuse(sk, pkt, 'TCP_MD5NOTFOUND', MIB.TcpExtTCPMD5NotFound);
  if (key === null) return refuse(sk, pkt, 'TCP_MD5UNEXPECTED', MIB.TcpExtTCPMD5Unexpected);
  const want = new Uint8Array(MD5_SIZE);
  if (ip6 !== null) hashSegment(want, key, head6(ip6.src, ip6.dst, hdr, pkt.len), signed(pkt));
  else if (ip !== null) hashSegment(want, key, head4(ip.src, ip.dst, hdr, pkt.len), signed(pkt));
  if (equal(want, signature)) return true;
  return refuse(sk, pkt, 'TCP_MD5FAILURE', MIB.TcpExtTCPMD5Failure);
}

function signed(pkt: Packet): SignedData {
  return { slices: pkt.data, len: pkt.len };
}

function refuse(sk: TcpSock, pkt: Packet, reason: DropReason, counter: number): boolean {
  if (counter >= 0) count(sk.net, counter);
  drop(sk.net, pkt, reason);
  return false;
}
