/** Addresses as Node writes them ↔ addresses as the stack holds them. */
import { isIPv6 } from 'node:net';
import { EAFNOSUPPORT, EINVAL } from '../core/errno.ts';
import { AF_INET, AF_INET6, type SockAddr, type SockAddrIn } from '../core/transport/sock.ts';
import { formatIpv4, parseIpv4 } from '../core/util/address.ts';

/** What the handles' `getsockname` and `getpeername` fill in, in Node's order. */
export interface AddressInfo {
  address?: string;
  family?: string;
  port?: number;
}

/** The socket address that `text` and `port` write; a negated Linux number if they do not. */
export function toSockAddr(text: string, port: number, family: number): SockAddr | number {
  if (family === AF_INET6) return isIPv6(text) ? -EAFNOSUPPORT : -EINVAL;
  const addr = parseIpv4(text);
  return addr === undefined ? -EINVAL : ({ family: AF_INET, addr, port } satisfies SockAddrIn);
}

/** Fills in `out`, as libuv's wrappers do. */
export function fillAddress(out: AddressInfo, addr: SockAddrIn): void {
  out.address = formatIpv4(addr.addr);
  out.family = 'IPv4';
  out.port = addr.port;
}
