/** Echo replies for ping sockets (Linux `ping_rcv`). */

import { drop } from '../../drop.ts';
import { sdifOf } from '../../link/l3mdev.ts';
import type { Packet } from '../../packet.ts';
import { FROM_TRANSPORT, filterPasses } from '../filter/socket-filter.ts';
import { ifindexOf } from '../inet6-cmsg.ts';

/** Gives the reply to the socket that asked; true: there is one. The packet stays the caller's. */
export function pingInput(pkt: Packet): boolean {
  const { icmp, ip, ip6, dev } = pkt;
  if (icmp === null || dev === null) return false;
  const { ping } = dev.net;
  if (ping.socks.size === 0) return false;
  const ident = icmp.rest >>> 16;
  const sk =
    ip6 !== null
      ? ping.lookup6(ident, ip6.dst, ifindexOf(pkt))
      : ip === null
        ? null
        : ping.lookup(ident, ip.dst, dev.ifindex, sdifOf(pkt, 1));
  if (sk === null) return false;
  const copy = pkt.clone();
  const { rareMaybe } = sk;
  if (rareMaybe !== null && rareMaybe.filter !== null)
    if (!filterPasses(sk, rareMaybe.filter, copy, FROM_TRANSPORT, 1)) {
      sk.drops++;
      drop(dev.net, copy, 'SOCKET_FILTER');
      return true;
    }
  if (!sk.enqueue(copy)) drop(dev.net, copy, 'SOCKET_RCVBUFF');
  return true;
}
