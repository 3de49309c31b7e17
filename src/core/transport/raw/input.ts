/** Copies of received IP packets for raw sockets (Linux `raw_local_deliver`, `raw_v4_input`). */

import { drop } from '../../drop.ts';
import { segment } from '../../link/gso.ts';
import { isBoundTo, sdifOf } from '../../link/l3mdev.ts';
import { ipLength, type Packet } from '../../packet.ts';
import { IP_MAX_MTU, IPPROTO_ICMP } from '../../wire/ipv4.ts';
import { FROM_NETWORK, filterPasses } from '../filter/socket-filter.ts';
import { acceptsGroup } from '../membership.ts';
import type { RawSock } from './sock.ts';

/** Gives each socket of the packet's protocol a copy; true: there was one. The packet stays the caller's. */
export function rawInput(pkt: Packet): boolean {
  const { dev, ip } = pkt;
  if (dev === null || ip === null) return false;
  const { socks } = dev.net.raw;
  if (socks.size === 0) return false;
  const list = socks.get(ip.protocol);
  if (list === undefined) return false;
  let taken = false;
  const sdif = sdifOf(pkt, dev.net.sysctl.rawL3mdevAccept);
  for (const sk of list) {
    if (!matches(sk, ip.src, ip.dst, dev.ifindex, sdif)) continue;
    taken = true;
    if (ip.protocol === IPPROTO_ICMP && isFiltered(sk, pkt)) continue;
    if (ipLength(pkt) <= IP_MAX_MTU) deliver(sk, pkt.clone());
    else for (const part of segment(pkt.clone())) deliver(sk, part);
  }
  return taken;
}

/** IP_ROUTER_ALERT: copies for those who asked for such packets of their protocol (`ip_call_ra_chain`). */
export function rawRouterAlert(pkt: Packet): boolean {
  const { dev, ip } = pkt;
  if (dev === null || ip === null) return false;
  const { routerAlert } = dev.net.raw;
  let taken = false;
  for (let i = 0; i < routerAlert.length; i++) {
    const sk = routerAlert[i] as RawSock;
    if (sk.protocol !== ip.protocol) continue;
    if (sk.boundDevIf !== 0 && sk.boundDevIf !== dev.ifindex) continue;
    deliver(sk, pkt.clone());
    taken = true;
  }
  return taken;
}

function deliver(sk: RawSock, pkt: Packet): void {
  const { rareMaybe } = sk;
  if (rareMaybe !== null && rareMaybe.filter !== null)
    if (!filterPasses(sk, rareMaybe.filter, pkt, FROM_NETWORK, 1)) {
      sk.drops++;
      drop(sk.net, pkt, 'SOCKET_FILTER');
      return;
    }
  if (!sk.enqueue(pkt)) drop(sk.net, pkt, 'SOCKET_RCVBUFF');
}

/** Linux `raw_v4_match` */
export function matches(
  sk: RawSock,
  remote: number,
  local: number,
  ifindex: number,
  sdif = 0,
): boolean {
  if (sk.inet6 !== null || (sk.daddr !== 0 && sk.daddr !== remote)) return false;
  if (sk.rcvSaddr !== 0 && sk.rcvSaddr !== local) return false;
  if (!isBoundTo(sk.boundDevIf, ifindex, sdif)) return false;
  return acceptsGroup(sk, local, remote, ifindex);
}

/** ICMP_FILTER */
function isFiltered(sk: RawSock, pkt: Packet): boolean {
  if (pkt.icmp === null) return true;
  const { type } = pkt.icmp;
  return type < 32 && ((sk.icmpFilter >>> type) & 1) === 1;
}
