/** Names that a namespace knows: its own `/etc/hosts`, which the lab fills. */
import { isIP } from 'node:net';
import type { NetNs } from '../core/net.ts';
import { IN6ADDR_LOOPBACK } from '../core/util/ip6-addr.ts';

const tables: WeakMap<NetNs, ReadonlyMap<string, readonly string[]>> = new WeakMap();

/** Sets the names of `net`: for each its addresses, IPv4 or IPv6 in text, in order of preference. */
export function setHosts(net: NetNs, hosts: ReadonlyMap<string, readonly string[]>): void {
  tables.set(net, new Map([...hosts].map(([name, list]) => [name.toLowerCase(), [...list]])));
}

/**
 * The same with a table that many namespaces share: it is not copied, its names are in lower case, and nobody
 * changes it any more.
 */
export function shareHosts(net: NetNs, hosts: ReadonlyMap<string, readonly string[]>): void {
  tables.set(net, hosts);
}

/** What `setHosts` set. */
export function hostsOf(net: NetNs): ReadonlyMap<string, readonly string[]> {
  return tables.get(net) ?? new Map<string, readonly string[]>();
}

export interface HostAddress {
  readonly address: string;
  readonly family: number;
}

/** The addresses of `name` in `net` of a family (0: any); none: not found. */
export function resolveHost(net: NetNs, name: string, family: number): HostAddress[] {
  const key = name.toLowerCase().replace(/\.$/, '');
  const found = tables.get(net)?.get(key) ?? shortAddress(key) ?? builtIn(net, key);
  return found
    .map((address) => ({ address, family: isIP(address) }))
    .filter((a) => family === 0 || a.family === family);
}

/** The ways of inet_aton(3) to write an IPv4 address: `127.1`, `1.2.3`, `0x7f000001`, octal numbers. */
function shortAddress(text: string): readonly string[] | undefined {
  const parts = text.split('.');
  if (parts.length > 4 || !parts.every((p) => /^(0x[\da-f]+|0[0-7]*|[1-9]\d*)$/i.test(p)))
    return undefined;
  const numbers = parts.map((p) => (/^0[0-7]+$/.test(p) ? Number.parseInt(p, 8) : Number(p)));
  const last = numbers.pop() as number;
  if (numbers.some((n) => n > 255) || last >= 256 ** (4 - numbers.length)) return undefined;
  const value = numbers.reduce((sum, n, i) => sum + n * 256 ** (3 - i), last);
  return [[24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')];
}

const LOOPBACK: readonly string[] = ['127.0.0.1', '::1'];

/** Every system knows itself. RFC 6761 §6.3: `localhost` and names below it. */
function builtIn(net: NetNs, name: string): readonly string[] {
  const isLocal =
    name === 'localhost' || name.endsWith('.localhost') || name === net.hostname.toLowerCase();
  if (isLocal) return hasIpv6(net) ? LOOPBACK : LOOPBACK.slice(0, 1);
  const isLocal6 = name === 'ip6-localhost' || name === 'ip6-loopback';
  return isLocal6 && hasIpv6(net) ? LOOPBACK.slice(1) : [];
}

/** ::1 is there from the first moment that `lo` is up, unless IPv6 is switched off. */
function hasIpv6(net: NetNs): boolean {
  return net.devs.find('lo')?.ipv6?.addresses.some((a) => a.addr.equals(IN6ADDR_LOOPBACK)) ?? false;
}

/** The names of `address` in `net`. */
export function namesOf(net: NetNs, address: string): string[] {
  const names = [...hostsOf(net)].filter(([, list]) => list.includes(address)).map(([n]) => n);
  const isLocal = address.startsWith('127.') || address === '::1';
  return names.length === 0 && isLocal ? ['localhost'] : names;
}
