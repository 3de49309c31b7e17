/**
 * Signatures of segments (RFC 2385; Linux `tcp_md5_do_add`, `tcp_md5_do_lookup`, `tcp_v4_md5_hash_skb`,
 * `tcp_inbound_hash`): keys of a socket by the peer's address, the option of what is sent, the check of what
 * comes.
 */
import { type DropReason, drop } from '../../drop.ts';
import { EINVAL, ENOENT, ENOMEM } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import type { Packet, Payload } from '../../packet.ts';
import { MD5_SIZE, Md5 } from '../../util/md5.ts';
import { IPPROTO_TCP } from '../../wire/ipv4.ts';
import { TCP_HLEN, type TcpHeader, TcpOptions } from '../../wire/tcp.ts';
import type { OptionValue } from '../sock.ts';
import { TCP_MD5SIG_EXT } from '../sockopt-names.ts';
import { count } from './count.ts';
import type { Tuple } from './family.ts';
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

/** `struct tcp_md5sig`: an address, flags, prefix length, key length, device, key. */
const SIG_BYTES = 216;
const AT_FLAGS = 128;
const AT_PREFIX = 129;
const AT_KEYLEN = 130;
const AT_IFINDEX = 132;
const AT_KEY = 136;
const AF_INET = 2;
const MAXKEYLEN = 80;
const FLAG_PREFIX = 1;
const FLAG_IFINDEX = 2;
/** Memory that Linux takes for a key (`struct tcp_md5sig_key`); net.core.optmem_max limits the sum. */
const KEY_BYTES = 136;

/** Keys of peers whose address begins alike. */
export interface Md5Key {
  readonly addr: number;
  readonly prefixLen: number;
  readonly bound: boolean;
  key: Uint8Array;
}

function maskOf(prefixLen: number): number {
  return prefixLen === 0 ? 0 : -1 << (32 - prefixLen);
}

/** TCP_MD5SIG, TCP_MD5SIG_EXT (`tcp_v4_parse_md5_keys`): 0 or `-errno`. */
export function setMd5Key(sk: TcpSock, name: number, value: OptionValue): number {
  if (!(value instanceof Uint8Array) || value.length < SIG_BYTES) return -EINVAL;
  if (sk.family !== AF_INET) return -EINVAL;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  if (view.getUint16(0, true) !== AF_INET) return -EINVAL;
  const flags = name === TCP_MD5SIG_EXT ? view.getUint8(AT_FLAGS) : 0;
  const prefixLen = (flags & FLAG_PREFIX) !== 0 ? view.getUint8(AT_PREFIX) : 32;
  if (prefixLen > 32) return -EINVAL;
  // A device must be the master of a VRF, and there are none.
  if ((flags & FLAG_IFINDEX) !== 0 && view.getInt32(AT_IFINDEX, true) !== 0) return -EINVAL;
  const len = view.getUint16(AT_KEYLEN, true);
  if (len > MAXKEYLEN) return -EINVAL;
  const bound = (view.getUint8(AT_FLAGS) & FLAG_IFINDEX) !== 0;
  const addr = view.getInt32(4);
  if (len === 0) return deleteKey(sk, addr, prefixLen, bound);
  return addKey(sk, { addr, prefixLen, bound, key: value.slice(AT_KEY, AT_KEY + len) });
}

function indexOf(keys: readonly Md5Key[], addr: number, prefixLen: number, bound: boolean): number {
  return keys.findIndex((k) => k.addr === addr && k.prefixLen === prefixLen && k.bound === bound);
}

/** Linux `tcp_md5_do_add` */
export function addKey(sk: TcpSock, made: Md5Key): number {
  const keys = sk.md5Keys ?? [];
  const at = indexOf(keys, made.addr, made.prefixLen, made.bound);
  if (at >= 0) {
    (keys[at] as Md5Key).key = made.key;
    return 0;
  }
  if ((keys.length + 1) * KEY_BYTES >= sk.net.sysctl.optmemMax) return -ENOMEM;
  keys.push(made);
  sk.md5Keys = keys;
  sk.net.tcp.md5Needed = true;
  return 0;
}

function deleteKey(sk: TcpSock, addr: number, prefixLen: number, bound: boolean): number {
  const keys = sk.md5Keys ?? [];
  const at = indexOf(keys, addr, prefixLen, bound);
  if (at < 0) return -ENOENT;
  keys.splice(at, 1);
  return 0;
}

/**
 * The key for what belongs to a connection; null: none. DEVIATION: over IPv6 nothing is signed, and no key is taken.
 */
export function md5KeyFor(sk: TcpSock, to: Tuple): Uint8Array | null {
  return sk.md5Keys === null || to.ends !== null ? null : md5KeyOf(sk, to.daddr);
}

/** The key for a peer: that of the longest prefix (`tcp_md5_do_lookup`). */
export function md5KeyOf(sk: TcpSock, addr: number): Uint8Array | null {
  const keys = sk.md5Keys;
  if (keys === null) return null;
  let best: Md5Key | null = null;
  for (let i = 0; i < keys.length; i++) {
    const k = keys[i] as Md5Key;
    if (((k.addr ^ addr) & maskOf(k.prefixLen)) !== 0) continue;
    if (best === null || k.prefixLen > best.prefixLen) best = k;
  }
  return best === null ? null : best.key;
}

/** A child takes the key of its peer along (`tcp_md5_key_copy`). */
export function inheritMd5Key(sk: TcpSock, child: TcpSock): void {
  const key = md5KeyFor(sk, child);
  if (key !== null) addKey(child, { addr: child.daddr, prefixLen: 32, bound: false, key });
}

/** RFC 2385 §2.0: pseudo-header, header without options, data, key; into the 16 bytes of `out`. */
function hashSegment(
  out: Uint8Array,
  key: Uint8Array,
  addrs: { readonly src: number; readonly dst: number },
  hdr: TcpHeader,
  data: { readonly slices: Payload; readonly len: number },
): void {
  const head = new Uint8Array(12 + TCP_HLEN);
  const view = new DataView(head.buffer);
  view.setInt32(0, addrs.src);
  view.setInt32(4, addrs.dst);
  view.setUint16(8, IPPROTO_TCP);
  view.setUint16(10, hdr.headerLen() + data.len);
  view.setUint16(12, hdr.sport);
  view.setUint16(14, hdr.dport);
  view.setInt32(16, hdr.seq);
  view.setInt32(20, hdr.ack);
  view.setUint16(24, (hdr.headerLen() << 10) | (hdr.flags & 0xfff));
  view.setUint16(26, hdr.window);
  view.setUint16(30, hdr.urg);
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

/** Signs a segment whose options have room for it. */
export function signSegment(
  key: Uint8Array,
  src: number,
  dst: number,
  hdr: TcpHeader,
  data: { readonly slices: Payload; readonly len: number },
): void {
  const out = hdr.options === null ? null : hdr.options.md5;
  if (out !== null) hashSegment(out, key, { src, dst }, hdr, data);
}

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
  const { ip } = pkt;
  const key = ip === null ? null : md5KeyOf(sk, ip.src);
  if (signature === null)
    return key === null || refuse(sk, pkt, 'TCP_MD5NOTFOUND', MIB.TcpExtTCPMD5NotFound);
  if (key === null || ip === null)
    return refuse(sk, pkt, 'TCP_MD5UNEXPECTED', MIB.TcpExtTCPMD5Unexpected);
  const want = new Uint8Array(MD5_SIZE);
  hashSegment(want, key, ip, hdr, { slices: pkt.data, len: pkt.len });
  if (equal(want, signature)) return true;
  return refuse(sk, pkt, 'TCP_MD5FAILURE', MIB.TcpExtTCPMD5Failure);
}

function refuse(sk: TcpSock, pkt: Packet, reason: DropReason, counter: number): boolean {
  if (counter >= 0) count(sk.net, counter);
  drop(sk.net, pkt, reason);
  return false;
}
