/**
 * Keys for signatures (RFC 2385; Linux `tcp_v4_parse_md5_keys`, `tcp_v6_parse_md5_keys`, `tcp_md5_do_add`,
 * `tcp_md5_do_lookup`): a socket has them by its peers' addresses or prefixes, and by layer-3 master. An AF_INET6
 * socket has keys of both families: those of v4-mapped addresses are IPv4's.
 */
import { EINVAL, ENOENT, ENOMEM } from '../../errno.ts';
import { isL3Master, l3OifOf } from '../../link/l3mdev.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import { getIp6, type Ip6Addr, isMapped6, samePrefix } from '../../util/ip6-addr.ts';
import type { OptionValue } from '../sock.ts';
import { TCP_MD5SIG_EXT } from '../sockopt-names.ts';
import type { Tuple } from './family.ts';
import type { TcpSock } from './sock.ts';

/** `struct tcp_md5sig`: an address, flags, prefix length, key length, device, key. */
const SIG_BYTES = 216;
const AT_ADDR4 = 4;
const AT_ADDR6 = 8;
const AT_FLAGS = 128;
const AT_PREFIX = 129;
const AT_KEYLEN = 130;
const AT_IFINDEX = 132;
const AT_KEY = 136;
const AF_INET = 2;
const AF_INET6 = 10;
const MAXKEYLEN = 80;
const FLAG_PREFIX = 1;
const FLAG_IFINDEX = 2;
/** Memory that Linux takes for a key (`struct tcp_md5sig_key`); net.core.optmem_max limits the sum. */
const KEY_BYTES = 136;

/** Keys of peers whose address begins alike. */
export interface Md5Key {
  /** IPv4 address; of no meaning with `addr6`. */
  readonly addr: number;
  /** Null: IPv4. */
  readonly addr6: Ip6Addr | null;
  readonly prefixLen: number;
  /** For peers behind this layer-3 master only (TCP_MD5SIG_FLAG_IFINDEX). */
  readonly bound: boolean;
  readonly l3index: number;
  key: Uint8Array;
}

/** TCP_MD5SIG, TCP_MD5SIG_EXT: 0 or `-errno`. */
export function setMd5Key(sk: TcpSock, name: number, value: OptionValue): number {
  if (!(value instanceof Uint8Array) || value.length < SIG_BYTES) return -EINVAL;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const family = view.getUint16(0, true);
  if (family !== sk.family || (family !== AF_INET && family !== AF_INET6)) return -EINVAL;
  const given = family === AF_INET6 ? getIp6(view, AT_ADDR6) : null;
  const isMapped = given !== null && isMapped6(given);
  const addr6 = isMapped ? null : given;
  const longest = addr6 === null ? 32 : 128;
  const flags = view.getUint8(AT_FLAGS);
  const hasPrefix = name === TCP_MD5SIG_EXT && (flags & FLAG_PREFIX) !== 0;
  const prefixLen = hasPrefix ? view.getUint8(AT_PREFIX) : longest;
  if (prefixLen > longest) return -EINVAL;
  const bound = (flags & FLAG_IFINDEX) !== 0;
  const l3index = name === TCP_MD5SIG_EXT && bound ? view.getInt32(AT_IFINDEX, true) : 0;
  if (l3index !== 0 && !isMaster(sk.net, l3index)) return -EINVAL;
  const len = view.getUint16(AT_KEYLEN, true);
  if (len > MAXKEYLEN) return -EINVAL;
  const addr = isMapped ? given.d : view.getInt32(AT_ADDR4);
  const key = value.slice(AT_KEY, AT_KEY + len);
  const made: Md5Key = { addr, addr6, prefixLen, bound, l3index, key };
  return len === 0 ? deleteKey(sk, made) : addKey(sk, made);
}

function isMaster(net: NetNs, ifindex: number): boolean {
  const dev = net.devs.findIndex(ifindex);
  return dev !== undefined && isL3Master(dev);
}

function sameAddress(a: Md5Key, b: Md5Key): boolean {
  if (a.addr6 === null || b.addr6 === null) return a.addr6 === b.addr6 && a.addr === b.addr;
  return a.addr6.equals(b.addr6);
}

function indexOf(keys: readonly Md5Key[], of: Md5Key): number {
  return keys.findIndex(
    (k) =>
      k.prefixLen === of.prefixLen &&
      k.bound === of.bound &&
      k.l3index === of.l3index &&
      sameAddress(k, of),
  );
}

/** Linux `tcp_md5_do_add` */
function addKey(sk: TcpSock, made: Md5Key): number {
  const keys = sk.md5Keys ?? [];
  const at = indexOf(keys, made);
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

function deleteKey(sk: TcpSock, of: Md5Key): number {
  const keys = sk.md5Keys ?? [];
  const at = indexOf(keys, of);
  if (at < 0) return -ENOENT;
  keys.splice(at, 1);
  return 0;
}

/** The key for what belongs to a connection; null: none. */
export function md5KeyFor(sk: TcpSock, to: Tuple): Uint8Array | null {
  if (sk.md5Keys === null) return null;
  return lookup(sk.md5Keys, to.daddr, to.ends?.remote ?? null, l3OifOf(sk.net, sk.boundDevIf));
}

/** The key for who sent a packet (`tcp_inbound_hash`). */
export function md5KeyOfSender(sk: TcpSock, pkt: Packet): Uint8Array | null {
  if (sk.md5Keys === null) return null;
  const l3index = pkt.slave === null ? 0 : (pkt.dev?.ifindex ?? 0);
  const { ip, ip6 } = pkt;
  if (ip6 !== null) return lookup(sk.md5Keys, 0, ip6.src, l3index);
  return ip === null ? null : lookup(sk.md5Keys, ip.src, null, l3index);
}

/** The one of the longest prefix; those of a layer-3 master rule (`tcp_md5_do_lookup`). */
function lookup(
  keys: readonly Md5Key[],
  addr: number,
  addr6: Ip6Addr | null,
  l3index: number,
): Uint8Array | null {
  let best: Md5Key | null = null;
  for (let i = 0; i < keys.length; i++) {
    const k = keys[i] as Md5Key;
    if (k.bound && k.l3index !== l3index) continue;
    if (covers(k, addr, addr6) && (best === null || isBetter(k, best))) best = k;
  }
  return best === null ? null : best.key;
}

function covers(k: Md5Key, addr: number, addr6: Ip6Addr | null): boolean {
  if (k.addr6 !== null) return addr6 !== null && samePrefix(addr6, k.addr6, k.prefixLen);
  if (addr6 !== null) return false;
  return k.prefixLen === 0 || (k.addr ^ addr) >>> (32 - k.prefixLen) === 0;
}

function isBetter(k: Md5Key, best: Md5Key): boolean {
  if ((k.l3index !== 0) !== (best.l3index !== 0)) return k.l3index !== 0;
  return k.prefixLen > best.prefixLen;
}

/** A child takes the key of its peer along (`tcp_md5_key_copy`). */
export function inheritMd5Key(sk: TcpSock, child: TcpSock): void {
  const key = md5KeyFor(sk, child);
  if (key === null) return;
  const addr6 = child.ends?.remote ?? null;
  const l3index = l3OifOf(sk.net, child.boundDevIf);
  const prefixLen = addr6 === null ? 32 : 128;
  addKey(child, { addr: child.daddr, addr6, prefixLen, bound: l3index !== 0, l3index, key });
}
