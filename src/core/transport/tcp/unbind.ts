/** The addresses of a socket whose connection is over, or never began (Linux `inet_bhash2_reset_saddr`). */
import { IN6ADDR_ANY } from '../../util/ip6-addr.ts';
import type { TcpSock } from './sock.ts';

/** Our own address stays if bind() chose it. */
export function forgetPeer(sk: TcpSock): void {
  const v6 = sk.inet6;
  sk.daddr = 0;
  sk.ends = null;
  if (!sk.bindAddrLocked) {
    sk.rcvSaddr = 0;
    if (v6 !== null) v6.rcvSaddr = IN6ADDR_ANY;
  }
  sk.saddr = sk.rcvSaddr;
  if (v6 === null) return;
  v6.saddr = v6.rcvSaddr;
  v6.daddr = IN6ADDR_ANY;
}
