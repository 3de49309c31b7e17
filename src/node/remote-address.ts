/** Addresses that came through JSON from another process, brought into shape. */
import { AF_INET, AF_INET6, type SockAddr, type SockAddrIn } from '../core/transport/sock.ts';
import { Ip6Addr } from '../core/util/ip6-addr.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Four numbers are an IPv6 address; undefined: they are none. */
export function reviveIp6(value: unknown): Ip6Addr | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { a, b, c, d } = value as Fields;
  if (d === undefined) return undefined;
  return new Ip6Addr(Number(a) | 0, Number(b) | 0, Number(c) | 0, Number(d) | 0);
}

/** What a call was given: of any family. */
export function reviveSockAddr(value: unknown): SockAddr {
  const fields = (value ?? {}) as Fields;
  const family = Number(fields['family']) | 0;
  return family === AF_INET6 ? revive(fields, AF_INET6) : { ...revive(fields, AF_INET), family };
}

/** What a call gave back. */
export function reviveName(value: unknown): SockAddrIn {
  const fields = (value ?? {}) as Fields;
  return revive(fields, Number(fields['family']) === AF_INET6 ? AF_INET6 : AF_INET);
}

function revive(fields: Fields, family: SockAddrIn['family']): SockAddrIn {
  const name = { family, addr: Number(fields['addr']) | 0, port: Number(fields['port']) & 0xffff };
  const addr6 = reviveIp6(fields['addr6']);
  if (addr6 === undefined) return name;
  return { ...name, addr6, scopeId: Number(fields['scopeId']) | 0 };
}

/** The value of an option: that of a group has an address in it. */
export function reviveOption(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const multiaddr = reviveIp6((value as Fields)['multiaddr']);
  return multiaddr === undefined ? value : { ...value, multiaddr };
}
