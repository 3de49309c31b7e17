/** Addresses as Node writes them ↔ addresses as the stack holds them. */
import { EINVAL } from '../core/errno.ts';
import type { NetNs } from '../core/net.ts';
import { AF_INET, AF_INET6, type SockAddr, type SockAddrIn } from '../core/transport/sock.ts';
import { formatIpv4, parseIpv4 } from '../core/util/address.ts';
import { parseIpv6 } from '../core/util/ip6-addr.ts';

/** What the handles' `getsockname` and `getpeername` fill in, in Node's order. */
export interface AddressInfo {
  address?: string;
  family?: string;
  port?: number;
}

/**
 * The socket address that `text` and a port write; a negated Linux number if they do not. A scope is the name or the
 * number of a device of `net`.
 */
export function toSockAddr(
  net: NetNs,
  text: string,
  wide: number,
  family: number,
): SockAddr | number {
  // As htons: whoever comes through Node's own checks with more loses it.
  const port = wide & 0xffff;
  if (family !== AF_INET6) {
    const addr = parseIpv4(text);
    return addr === undefined ? -EINVAL : ({ family: AF_INET, addr, port } satisfies SockAddrIn);
  }
  const [address = '', scope = ''] = text.split('%');
  const addr6 = parseIpv6(address);
  if (addr6 === undefined) return -EINVAL;
  const scopeId = net.devs.find(scope)?.ifindex ?? (Number(scope) || 0);
  return { family: AF_INET6, addr: 0, addr6, port, scopeId } satisfies SockAddrIn;
}

/** The text of an address, with the device of one that needs it. */
export function addressText(net: NetNs, addr: SockAddrIn): string {
  if (addr.addr6 === undefined) return formatIpv4(addr.addr);
  const dev = addr.scopeId === undefined ? undefined : net.devs.findIndex(addr.scopeId);
  return dev === undefined ? String(addr.addr6) : `${addr.addr6}%${dev.name}`;
}

/** Fills in `out`, as libuv's wrappers do. */
export function fillAddress(net: NetNs, out: AddressInfo, addr: SockAddrIn): void {
  out.address = addressText(net, addr);
  out.family = addr.addr6 === undefined ? 'IPv4' : 'IPv6';
  out.port = addr.port;
}
