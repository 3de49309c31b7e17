/**
 * Neighbour Discovery messages (RFC 4861 §4): what follows the first eight bytes, which are an `IcmpHeader`.
 * Options that do not parse make a message worthless; unknown ones are passed over (§4.6).
 */
import { getIp6, type Ip6Addr, putIp6 } from '../util/ip6-addr.ts';
import { getMac, putMac } from './ethernet.ts';

export const ND_OPT_SOURCE_LL_ADDR = 1;
export const ND_OPT_TARGET_LL_ADDR = 2;
export const ND_OPT_PREFIX_INFO = 3;
export const ND_OPT_REDIRECT_HDR = 4;
export const ND_OPT_MTU = 5;
/** RFC 3971 §5.3.2; Linux puts one into DAD probes (RFC 7527). */
export const ND_OPT_NONCE = 14;
export const ND_OPT_ROUTE_INFO = 24;
/** Name servers and search domains (RFC 8106), 6LoWPAN contexts, captive portals, NAT64 prefixes. */
export const ND_OPT_RDNSS = 25;
export const ND_OPT_DNSSL = 31;
const ND_OPT_6CO = 34;
const ND_OPT_CAPTIVE_PORTAL = 37;
const ND_OPT_PREF64 = 38;

/** Flags of a neighbour advertisement, in `IcmpHeader.rest`. */
export const NA_ROUTER: number = 0x80000000 | 0;
export const NA_SOLICITED = 0x40000000;
export const NA_OVERRIDE = 0x20000000;

/** A prefix that a router announces (RFC 4861 §4.6.2). */
export interface PrefixInfo {
  readonly prefix: Ip6Addr;
  readonly prefixLen: number;
  readonly onlink: boolean;
  readonly autoconf: boolean;
  /** RFC 9762: addresses are rather had by DHCPv6-PD. */
  readonly preferPd: boolean;
  /** Seconds; 0xffffffff: for ever. */
  readonly validLft: number;
  readonly preferredLft: number;
}

/** A prefix to which a router leads (RFC 4191 §2.3). */
export interface RouteInfoOption {
  readonly prefix: Ip6Addr;
  readonly prefixLen: number;
  /** Two bits: 0 medium, 1 high, 3 low. */
  readonly pref: number;
  /** Seconds; 0xffffffff: for ever. */
  readonly lifetime: number;
  /** Of the option, in units of eight bytes. */
  readonly length: number;
}

/** The options of one message; what was not there is null or empty. */
export interface NdOptions {
  /** -1: none. */
  sourceMac: number;
  targetMac: number;
  prefixes: PrefixInfo[];
  routes: RouteInfoOption[];
  /** -1: none. */
  mtu: number;
  /** Six bytes as a number; -1: none. */
  nonce: number;
  /** Where the packet that a redirect quotes begins; -1: none. */
  redirectAt: number;
  /** Options that user space reads (`ndisc_is_useropt`), whole. */
  user: Uint8Array[];
  /** Option types that were not understood. */
  unknown: number[];
}

/** Reads options from `at` to the end of `bytes`; null when one is broken (`ndisc_parse_options`). */
export function parseNdOptions(bytes: Uint8Array, at: number): NdOptions | null {
  const out: NdOptions = {
    sourceMac: -1,
    targetMac: -1,
    prefixes: [],
    routes: [],
    mtu: -1,
    nonce: -1,
    redirectAt: -1,
    user: [],
    unknown: [],
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let i = at;
  while (i < bytes.length) {
    if (bytes.length - i < 2) return null;
    const len = (bytes[i + 1] as number) * 8;
    if (len === 0 || i + len > bytes.length) return null;
    const type = bytes[i] as number;
    if (isUserOption(type)) out.user.push(bytes.slice(i, i + len));
    else readOption(out, type, view, i, len);
    if (type === ND_OPT_PREFIX_INFO) readOption(out, type, view, i, len);
    i += len;
  }
  return out;
}

function readOption(out: NdOptions, type: number, view: DataView, at: number, len: number): void {
  switch (type) {
    case ND_OPT_SOURCE_LL_ADDR:
      if (out.sourceMac < 0 && len === 8) out.sourceMac = getMac(view, at + 2);
      break;
    case ND_OPT_TARGET_LL_ADDR:
      if (out.targetMac < 0 && len === 8) out.targetMac = getMac(view, at + 2);
      break;
    case ND_OPT_NONCE:
      if (out.nonce < 0 && len === 8) out.nonce = getMac(view, at + 2);
      break;
    case ND_OPT_MTU:
      if (out.mtu < 0 && len === 8) out.mtu = view.getUint32(at + 4);
      break;
    case ND_OPT_REDIRECT_HDR:
      if (out.redirectAt < 0) out.redirectAt = at + 8;
      break;
    case ND_OPT_PREFIX_INFO:
      if (len === 32) out.prefixes.push(readPrefix(view, at));
      break;
    case ND_OPT_ROUTE_INFO:
      out.routes.push(readRoute(view, at, len));
      break;
    default:
      out.unknown.push(type);
  }
}

function readPrefix(view: DataView, at: number): PrefixInfo {
  const flags = view.getUint8(at + 3);
  return {
    prefixLen: view.getUint8(at + 2),
    onlink: (flags & 0x80) !== 0,
    autoconf: (flags & 0x40) !== 0,
    preferPd: (flags & 0x10) !== 0,
    validLft: view.getUint32(at + 4),
    preferredLft: view.getUint32(at + 8),
    prefix: getIp6(view, at + 16),
  };
}

function isUserOption(type: number): boolean {
  switch (type) {
    case ND_OPT_PREFIX_INFO:
    case ND_OPT_RDNSS:
    case ND_OPT_DNSSL:
    case ND_OPT_6CO:
    case ND_OPT_CAPTIVE_PORTAL:
    case ND_OPT_PREF64:
      return true;
    default:
      return false;
  }
}

/** What of the prefix is not sent is zero. */
function readRoute(view: DataView, at: number, len: number): RouteInfoOption {
  const prefix = new Uint8Array(16);
  for (let i = 0; i < Math.min(len - 8, 16); i++) prefix[i] = view.getUint8(at + 8 + i);
  return {
    prefixLen: view.getUint8(at + 2),
    pref: (view.getUint8(at + 3) >>> 3) & 3,
    lifetime: view.getUint32(at + 4),
    prefix: getIp6(new DataView(prefix.buffer), 0),
    length: len / 8,
  };
}

/** The body of a solicitation or advertisement: the target and one link-layer address option; -1: none. */
export function ndBody(target: Ip6Addr | null, option: number, mac: number): Uint8Array {
  const at = target === null ? 0 : 16;
  const out = new Uint8Array(at + (mac < 0 ? 0 : 8));
  const view = new DataView(out.buffer);
  if (target !== null) putIp6(view, 0, target);
  if (mac >= 0) putLinkOption(view, at, option, mac);
  return out;
}

/** Writes an option of eight bytes that holds a link-layer address, or a nonce. */
export function putLinkOption(view: DataView, at: number, option: number, mac: number): void {
  view.setUint8(at, option);
  view.setUint8(at + 1, 1);
  putMac(view, at + 2, mac);
}
