/**
 * Received UDP (RFC 768; Linux `__udp4_lib_rcv`, `udp_queue_rcv_skb`). RX 4/4. From:
 * `network/ipv4/input.ts`. To: the queue of a socket.
 */

import { drop } from '../../drop.ts';
import { isBoundTo, lookupL3, sdifOf } from '../../link/l3mdev.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import { icmpSend } from '../../network/ipv4/icmp.ts';
import { wantsFrom } from '../../network/ipv4/membership.ts';
import { RTN_BROADCAST, RTN_MULTICAST } from '../../network/route/route.ts';
import { BAD_L4_CSUM, type Packet } from '../../packet.ts';
import { isMulticast } from '../../util/address.ts';
import { ICMP_DEST_UNREACH, ICMP_PORT_UNREACH } from '../../wire/icmp.ts';
import type { Ipv4Header } from '../../wire/ipv4.ts';
import { UDP_HLEN, type UdpHeader } from '../../wire/udp.ts';
import { FROM_TRANSPORT, filterPasses } from '../filter/socket-filter.ts';
import { acceptsGroup } from '../membership.ts';
import type { UdpSock } from './sock.ts';

export function udpInput(pkt: Packet): void {
  const { ip, udp, dev, route } = pkt;
  if (ip === null || dev === null) return;
  const { net } = dev;
  if (udp === null) {
    net.mib[MIB.UdpInErrors]++;
    drop(net, pkt, 'PKT_TOO_SMALL');
    return;
  }
  if ((pkt.flags & BAD_L4_CSUM) !== 0) {
    net.mib[MIB.UdpInCsumErrors]++;
    net.mib[MIB.UdpInErrors]++;
    drop(net, pkt, 'UDP_CSUM');
    return;
  }
  if (route !== null && (route.type === RTN_BROADCAST || route.type === RTN_MULTICAST)) {
    deliverToAll(pkt);
    return;
  }
  if (!net.udp.idle) net.udp.table.mark = pkt.mark;
  const sk = net.udp.idle ? null : find(pkt, dev, ip, udp);
  if (sk !== null) {
    deliver(sk, pkt);
    return;
  }
  net.mib[MIB.UdpNoPorts]++;
  icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
  drop(net, pkt, 'NO_SOCKET');
}

function find(pkt: Packet, dev: NetDevice, ip: Ipv4Header, udp: UdpHeader): UdpSock | null {
  const { table } = dev.net.udp;
  if (pkt.slave === null) return table.lookup(ip.src, udp.sport, ip.dst, udp.dport, dev.ifindex);
  return lookupL3(pkt, dev.net.sysctl.udpL3mdevAccept, (dif) =>
    table.lookup(ip.src, udp.sport, ip.dst, udp.dport, dif),
  );
}

function deliver(sk: UdpSock, pkt: Packet): void {
  const { rareMaybe } = sk;
  if (rareMaybe !== null && rareMaybe.filter !== null)
    if (!filterPasses(sk, rareMaybe.filter, pkt, FROM_TRANSPORT, UDP_HLEN)) {
      sk.drops++;
      sk.net.mib[MIB.UdpInErrors]++;
      drop(sk.net, pkt, 'SOCKET_FILTER');
      return;
    }
  if (sk.enqueue(pkt)) return;
  sk.net.mib[MIB.UdpRcvbufErrors]++;
  sk.net.mib[MIB.UdpInErrors]++;
  drop(sk.net, pkt, 'SOCKET_RCVBUFF');
}

/** Broadcast and multicast: a copy for every socket that wants it (`__udp4_lib_mcast_deliver`). */
function deliverToAll(pkt: Packet): void {
  const { ip, udp, dev } = pkt;
  if (ip === null || udp === null || dev === null) return;
  const { net } = dev;
  const wanted = !isMulticast(ip.dst) || wantsFrom(dev, ip.dst, ip.src);
  let last: UdpSock | null = null;
  let sk = wanted && !net.udp.idle ? net.udp.table.atPort(udp.dport) : null;
  for (; sk !== null; sk = sk.nextByPort) {
    if (!wants(sk, pkt)) continue;
    if (last !== null) deliver(last, pkt.clone());
    last = sk;
  }
  if (last !== null) {
    deliver(last, pkt);
    return;
  }
  // Nobody wanted it, and nobody is told: not an error.
  net.mib[MIB.UdpIgnoredMulti]++;
  drop(net, pkt, 'NO_SOCKET');
}

function wants(sk: UdpSock, pkt: Packet): boolean {
  const { ip, udp, dev } = pkt;
  if (ip === null || udp === null || dev === null) return false;
  if (sk.sport !== udp.dport || (sk.inet6 !== null && !sk.inet6.hears4)) return false;
  if (sk.daddr !== 0 && sk.daddr !== ip.src) return false;
  if (sk.dport !== 0 && sk.dport !== udp.sport) return false;
  if (sk.rcvSaddr !== 0 && sk.rcvSaddr !== ip.dst) return false;
  const sdif = sdifOf(pkt, dev.net.sysctl.udpL3mdevAccept);
  if (!isBoundTo(sk.boundDevIf, dev.ifindex, sdif)) return false;
  // A group is nobody's own address: what counts is the mark.
  if (sk.domain !== null && !sk.domain.hearsMark(pkt.mark)) return false;
  return acceptsGroup(sk, ip.dst, ip.src, dev.ifindex);
}
