/** The calls of `socket.ts` on AF_INET6 sockets (Linux `inet6_bind`, `ip6_datagram_connect`, `inet6_getname`). */
import { EAFNOSUPPORT, EINVAL, ENETUNREACH } from '../errno.ts';
import { bindAddressType } from '../transport/bind-address.ts';
import type { DatagramSock } from '../transport/datagram.ts';
import {
  type BindableSock,
  bindAddr6,
  connect6,
  setBound6,
  showMapped,
} from '../transport/inet6.ts';
import { sockaddr6 } from '../transport/inet6-cmsg.ts';
import type { Inet6 } from '../transport/inet6-state.ts';
import { AF_INET, AF_INET6, type Sock, type SockAddr, type SockAddrIn } from '../transport/sock.ts';
import {
  IN6ADDR_ANY,
  type Ip6Addr,
  isAny6,
  isMapped6,
  mappedAddr,
  needsScope,
} from '../util/ip6-addr.ts';

/** The address that a call was given, or -EAFNOSUPPORT, -EINVAL. */
function target(to: SockAddr): (SockAddrIn & { readonly addr6: Ip6Addr }) | number {
  if (to.family !== AF_INET6) return -EAFNOSUPPORT;
  const { addr6 } = to as Partial<SockAddrIn>;
  if (addr6 === undefined) return -EINVAL;
  return { ...(to as SockAddrIn), addr6 };
}

/** Validates the address; the port is the caller's. The address to bind, or `-errno`. */
export function checkBind6(sk: Sock, v6: Inet6, to: SockAddr): Ip6Addr | number {
  const addr = target(to);
  if (typeof addr === 'number') return addr;
  const { addr6, scopeId = 0 } = addr;
  const err = bindAddr6(sk, v6, addr6, scopeId);
  if (err < 0) return err;
  if (!isMapped6(addr6)) return addr6;
  const type = bindAddressType(sk, addr6.d);
  return type < 0 ? type : addr6;
}

/** Binds to what `checkBind6` allowed. */
export function bind6(sk: BindableSock, v6: Inet6, addr: Ip6Addr, port: number): number {
  const { v6only } = v6;
  // Whoever has an address of IPv6 alone hears IPv6 alone.
  if (!isAny6(addr) && !isMapped6(addr)) v6.v6only = true;
  v6.rcvSaddr = addr;
  v6.saddr = addr;
  // IP_BIND_ADDRESS_NO_PORT leaves the port to connect().
  const waits = port === 0 && sk.bindAddressNoPort;
  const err = waits ? 0 : sk.bind(isMapped6(addr) ? addr.d : 0, port);
  if (err < 0) {
    v6.rcvSaddr = IN6ADDR_ANY;
    v6.saddr = IN6ADDR_ANY;
    v6.v6only = v6only;
    return err;
  }
  setBound6(sk, v6, addr);
  return 0;
}

/** Connects to an IPv6 peer, or to an IPv4 one by its mapped address. */
export function connectTo6(sk: DatagramSock, v6: Inet6, to: SockAddr): number {
  // LINUX: an address of the other family connects over it (`__ip6_datagram_connect`).
  const addr = to.family === AF_INET ? mappedFrom(to as SockAddrIn) : target(to);
  if (typeof addr === 'number') return addr;
  const { addr6, port, scopeId = 0 } = addr;
  if (!isMapped6(addr6)) return connect6(sk, v6, addr6, port, scopeId);
  if (v6.v6only) return -ENETUNREACH;
  if (!isAny6(v6.saddr) && !isMapped6(v6.saddr)) return -EINVAL;
  const err = sk.connect(addr6.d, port);
  if (err < 0) return err;
  showMapped(sk, v6);
  sk.rehash();
  return 0;
}

function mappedFrom(to: SockAddrIn): SockAddrIn & { readonly addr6: Ip6Addr } {
  return { ...to, addr6: mappedAddr(to.addr) };
}

/** Where a datagram is to go: AF_INET too; or -EAFNOSUPPORT. */
export function destination6(to: SockAddr): SockAddrIn | number {
  return to.family === AF_INET ? (to as SockAddrIn) : target(to);
}

/** `inet6_getname`: our own address. */
export function sockName6(sk: Sock, v6: Inet6): SockAddrIn {
  const addr = isAny6(v6.rcvSaddr) ? v6.saddr : v6.rcvSaddr;
  return sockaddr6(addr, sk.sport, needsScope(addr) ? sk.boundDevIf : 0);
}

/** `inet6_getname`: the peer's. */
export function peerName6(sk: Sock, v6: Inet6): SockAddrIn {
  return sockaddr6(v6.daddr, sk.dport, needsScope(v6.daddr) ? sk.boundDevIf : 0);
}
