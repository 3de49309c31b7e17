/**
 * Received UDP over IPv6 (RFC 8200 §8.1; Linux `__udp6_lib_rcv`). RX 4/4. From: `network/ipv6/input.ts`. To: the queue
 * of a socket.
 */
import { drop } from '../../drop.ts';
import { isBoundTo, sdifOf } from '../../link/l3mdev.ts';
import { MIB6 } from '../../mib6.ts';
import { icmp6Send } from '../../network/ipv6/icmp.ts';
import { BAD_L4_CSUM, NO_UDP_CSUM, type Packet } from '../../packet.ts';
import type { Icmp6Error } from '../../protocols.ts';
import { isAny6, isMulticast6 } from '../../util/ip6-addr.ts';
import { ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH } from '../../wire/icmpv6.ts';
import { UDP_HLEN } from '../../wire/udp.ts';
import { FROM_TRANSPORT, filterPasses } from '../filter/socket-filter.ts';
import { reportIcmp6 } from '../icmp6-report.ts';
import { receivedBy } from '../inet6-cmsg.ts';
import { acceptsGroup6 } from '../membership6.ts';
import { lookup6 } from './lookup6.ts';
import type { UdpSock } from './sock.ts';

export function udp6Input(pkt: Packet): void {
  const { ip6, udp, dev } = pkt;
  if (ip6 === null || dev === null) return;
  const { net } = dev;
  const { mib } = net.ipv6;
  if (udp === null) {
    mib[MIB6.Udp6InErrors]++;
    drop(net, pkt, 'PKT_TOO_SMALL');
    return;
  }
  // IPv6 has no checksum of its own: a datagram without one is worth nothing (RFC 8200 §8.1).
  if ((pkt.flags & (BAD_L4_CSUM | NO_UDP_CSUM)) !== 0) {
    mib[MIB6.Udp6InCsumErrors]++;
    mib[MIB6.Udp6InErrors]++;
    drop(net, pkt, 'UDP_CSUM');
    return;
  }
  if (isMulticast6(ip6.dst)) {
    deliverToAll(pkt);
    return;
  }
  const sk = lookup6(net, {
    mark: pkt.mark,
    src: ip6.src,
    sport: udp.sport,
    dst: ip6.dst,
    dport: udp.dport,
    ifindex: receivedBy(pkt),
    sdif: sdifOf(pkt, net.sysctl.udpL3mdevAccept),
  });
  if (sk !== null) {
    deliver(sk, pkt);
    return;
  }
  mib[MIB6.Udp6NoPorts]++;
  icmp6Send(pkt, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0);
  drop(net, pkt, 'NO_SOCKET');
}

function deliver(sk: UdpSock, pkt: Packet): void {
  const { mib } = sk.net.ipv6;
  const { rareMaybe } = sk;
  if (rareMaybe !== null && rareMaybe.filter !== null)
    if (!filterPasses(sk, rareMaybe.filter, pkt, FROM_TRANSPORT, UDP_HLEN)) {
      sk.drops++;
      mib[MIB6.Udp6InErrors]++;
      drop(sk.net, pkt, 'SOCKET_FILTER');
      return;
    }
  if (sk.enqueue(pkt)) return;
  mib[MIB6.Udp6RcvbufErrors]++;
  mib[MIB6.Udp6InErrors]++;
  drop(sk.net, pkt, 'SOCKET_RCVBUFF');
}

/** A copy for every socket that wants it (`__udp6_lib_mcast_deliver`). */
function deliverToAll(pkt: Packet): void {
  const { udp, dev } = pkt;
  if (udp === null || dev === null) return;
  const { net } = dev;
  let last: UdpSock | null = null;
  let sk = net.udp.idle ? null : net.udp.table.atPort(udp.dport);
  for (; sk !== null; sk = sk.nextByPort) {
    if (!wants(sk, pkt)) continue;
    if (last !== null) deliver(last, pkt.clone());
    last = sk;
  }
  if (last !== null) {
    deliver(last, pkt);
    return;
  }
  net.ipv6.mib[MIB6.Udp6IgnoredMulti]++;
  drop(net, pkt, 'NO_SOCKET');
}

function wants(sk: UdpSock, pkt: Packet): boolean {
  const { ip6, udp } = pkt;
  const v6 = sk.inet6;
  if (ip6 === null || udp === null || v6 === null || sk.sport !== udp.dport) return false;
  if (!isAny6(v6.daddr) && !v6.daddr.equals(ip6.src)) return false;
  if (sk.dport !== 0 && sk.dport !== udp.sport) return false;
  if (!isAny6(v6.rcvSaddr) && !v6.rcvSaddr.equals(ip6.dst)) return false;
  const ifindex = receivedBy(pkt);
  if (!isBoundTo(sk.boundDevIf, ifindex)) return false;
  // A group is nobody's own address: what counts is the mark.
  if (sk.domain !== null && !sk.domain.hearsMark(pkt.mark)) return false;
  return acceptsGroup6(v6, ip6.dst, ip6.src, ifindex);
}

/** ICMPv6 errors about datagrams that we sent (Linux `__udp6_lib_err`). */
export function udp6Error(pkt: Packet, error: Icmp6Error): void {
  const { dev } = pkt;
  if (dev === null) return;
  const { net } = dev;
  const { bytes } = error;
  const sport = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  const dport = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  const sk = lookup6(net, {
    mark: pkt.mark,
    src: error.dst,
    sport: dport,
    dst: error.src,
    dport: sport,
    ifindex: receivedBy(pkt),
    sdif: sdifOf(pkt, net.sysctl.udpL3mdevAccept),
  });
  if (sk === null) {
    net.ipv6.mib[MIB6.Icmp6InErrors]++;
    return;
  }
  reportIcmp6(sk, pkt, error, dport, UDP_HLEN);
}
