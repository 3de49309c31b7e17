/** Echo replies for ping sockets (Linux `ping_rcv`). */
import { drop } from '../../drop.ts';
import type { Packet } from '../../packet.ts';

/** Gives the reply to the socket that asked; true: there is one. The packet stays the caller's. */
export function pingInput(pkt: Packet): boolean {
  const { icmp, ip, dev } = pkt;
  if (icmp === null || ip === null || dev === null) return false;
  const { ping } = dev.net;
  if (ping.socks.size === 0) return false;
  const sk = ping.lookup(icmp.rest >>> 16, ip.dst, dev.ifindex);
  if (sk === null) return false;
  const copy = pkt.clone();
  if (!sk.enqueue(copy)) drop(dev.net, copy, 'SOCKET_RCVBUFF');
  return true;
}
