/**
 * Addresses as numbers. IPv4: one signed 32-bit integer in host order, `0x7f000001` is 127.0.0.1
 * (signed, because V8 keeps a larger one as a heap object). MAC: one integer of 48 bits.
 */

export const INADDR_ANY = 0;
export const INADDR_BROADCAST: number = -1;
export const INADDR_LOOPBACK = 0x7f000001;
/** 224.0.0.1 */
export const INADDR_ALLHOSTS_GROUP: number = 0xe0000001 | 0;
/** ff:ff:ff:ff:ff:ff */
export const MAC_BROADCAST = 0xffffffffffff;
/** 00:00:00:00:00:00 */
export const MAC_ZERO = 0;

/** Dotted-quad text of an IPv4 address. */
export function formatIpv4(addr: number): string {
  return `${(addr >>> 24) & 255}.${(addr >>> 16) & 255}.${(addr >>> 8) & 255}.${addr & 255}`;
}

/** The address that `text` writes as four decimal numbers; undefined if it does not. */
export function parseIpv4(text: string): number | undefined {
  const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (m === null) return undefined;
  let addr = 0;
  for (let i = 1; i <= 4; i++) {
    const octet = Number(m[i]);
    if (octet > 255) return undefined;
    addr = (addr << 8) | octet;
  }
  return addr;
}

/** The address that a literal of the program's own source writes; for constants and tests. */
export function ipv4(text: string): number {
  const addr = parseIpv4(text);
  if (addr === undefined) throw new TypeError(`"${text}" is not an IPv4 address`);
  return addr;
}

/** The netmask of a prefix length of 0 to 32 (Linux `inet_make_mask`). */
export function maskOf(prefixLen: number): number {
  return prefixLen === 0 ? 0 : (-1 << (32 - prefixLen)) | 0;
}

/** 127.0.0.0/8 */
export function isLoopback(addr: number): boolean {
  return addr >>> 24 === 127;
}

/** 224.0.0.0/4 */
export function isMulticast(addr: number): boolean {
  return addr >>> 28 === 14;
}

/** 255.255.255.255 */
export function isLimitedBroadcast(addr: number): boolean {
  return addr === -1;
}

/** 240.0.0.0/4 without the limited broadcast (Linux `ipv4_is_lbcast` is separate). */
export function isReserved(addr: number): boolean {
  return addr >>> 28 === 15 && addr !== -1;
}

/** 0.0.0.0. LINUX: since 5.3 the rest of 0.0.0.0/8 is ordinary unicast. */
export function isZeronet(addr: number): boolean {
  return addr === 0;
}

/** Lower-case text of a MAC address, `02:00:00:00:00:01`. */
export function formatMac(mac: number): string {
  const hex = mac.toString(16).padStart(12, '0');
  return hex.replace(/..(?!$)/g, '$&:');
}

/** The MAC address that `text` writes as six hexadecimal pairs; undefined if it does not. */
export function parseMac(text: string): number | undefined {
  if (!/^[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){5}$/i.test(text)) return undefined;
  let mac = 0;
  for (const pair of text.split(/[:-]/)) mac = mac * 256 + Number.parseInt(pair, 16);
  return mac;
}

/** The group bit of the first octet: multicast or broadcast. */
export function isGroupMac(mac: number): boolean {
  return (Math.floor(mac / 2 ** 40) & 1) === 1;
}

/** The MAC of an IPv4 multicast group (RFC 1112 §6.4). */
export function multicastMac(group: number): number {
  return 0x01005e000000 + (group & 0x7fffff);
}
