/** Active open of an AF_INET6 socket, over either protocol (Linux `tcp_v6_connect`). */
import { EAFNOSUPPORT, EINVAL, ENETUNREACH } from '../../errno.ts';
import { INADDR_LOOPBACK } from '../../util/address.ts';
import {
  IN6ADDR_LOOPBACK,
  type Ip6Addr,
  isAny6,
  isLinkLocal6,
  isMapped6,
  isMulticast6,
  mappedAddr,
} from '../../util/ip6-addr.ts';
import { lookUp6 } from '../inet6.ts';
import type { Inet6 } from '../inet6-state.ts';
import { AF_INET6, type SockAddrIn } from '../sock.ts';
import { beginConnection, connectSock } from './connect.ts';
import { Ends6 } from './family.ts';
import { FAMILY6 } from './family6.ts';
import type { TcpSock } from './sock.ts';

/** As `connectSock`. */
export function connectSock6(sk: TcpSock, v6: Inet6, to: SockAddrIn): number {
  if (to.family !== AF_INET6 || to.addr6 === undefined) return -EAFNOSUPPORT;
  let dst = to.addr6;
  // `::` is this host (a habit of BSD), by the protocol that the socket is bound to.
  if (isAny6(dst)) dst = isMapped6(v6.rcvSaddr) ? mappedAddr(INADDR_LOOPBACK) : IN6ADDR_LOOPBACK;
  if (isMulticast6(dst)) return -ENETUNREACH;
  if (isLinkLocal6(dst)) {
    const { scopeId = 0 } = to;
    if (scopeId !== 0) {
      if (sk.boundDevIf !== 0 && sk.boundDevIf !== scopeId) return -EINVAL;
      sk.boundDevIf = scopeId;
    }
    if (sk.boundDevIf === 0) return -EINVAL;
  }
  return isMapped6(dst) ? connectMapped(sk, v6, dst, to.port) : connectOver6(sk, v6, dst, to.port);
}

function connectMapped(sk: TcpSock, v6: Inet6, dst: Ip6Addr, port: number): number {
  if (v6.v6only) return -ENETUNREACH;
  const err = connectSock(sk, dst.d, port);
  if (sk.dport === 0) sk.af = FAMILY6;
  return err;
}

function connectOver6(sk: TcpSock, v6: Inet6, dst: Ip6Addr, port: number): number {
  const { net } = sk;
  const found = lookUp6(sk, v6, dst, v6.rcvSaddr, 0, port);
  if (typeof found === 'number') return found;
  sk.af = FAMILY6;
  sk.ends = new Ends6(found.src, dst);
  sk.saddr = net.tcp.secrets.digest(found.src);
  sk.daddr = net.tcp.secrets.digest(dst);
  v6.saddr = found.src;
  v6.rcvSaddr = found.src;
  v6.daddr = dst;
  return beginConnection(sk, found.route, port);
}
