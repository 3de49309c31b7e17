/** The connection that a packet belongs to (Linux `__inet_lookup_established`, `__inet6_lookup_established`). */
import { lookupL3 } from '../../link/l3mdev.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import type { TcpHeader } from '../../wire/tcp.ts';
import { ifindexOf } from '../inet6-cmsg.ts';
import type { Connection } from './connection-table.ts';
import { Ends6 } from './family.ts';

/** @param dif the device that the packet came by */
export function lookupConnection(
  net: NetNs,
  pkt: Packet,
  tcp: TcpHeader,
  dif: number,
): Connection | null {
  return pkt.slave === null ? lookup(net, pkt, tcp, dif) : lookupInVrf(net, pkt, tcp);
}

function lookup(net: NetNs, pkt: Packet, tcp: TcpHeader, dif: number): Connection | null {
  const { ip } = pkt;
  if (ip === null) return lookup6(net, pkt, tcp, pkt.slave === null ? ifindexOf(pkt) : dif);
  return net.tcp.connections.lookup(ip.dst, tcp.dport, ip.src, tcp.sport, dif, null);
}

function lookupInVrf(net: NetNs, pkt: Packet, tcp: TcpHeader): Connection | null {
  return lookupL3(pkt, net.sysctl.tcpL3mdevAccept, (dif) => lookup(net, pkt, tcp, dif));
}

/** The connection of a segment that came over IPv6. */
function lookup6(net: NetNs, pkt: Packet, tcp: TcpHeader, dif: number): Connection | null {
  const { ip6 } = pkt;
  const { connections, secrets } = net.tcp;
  if (ip6 === null || connections.count === 0) return null;
  const { src, dst } = ip6;
  const [saddr, daddr] = [secrets.digest(dst), secrets.digest(src)];
  const { sport, dport } = tcp;
  return connections.lookup(saddr, dport, daddr, sport, dif, new Ends6(dst, src));
}
