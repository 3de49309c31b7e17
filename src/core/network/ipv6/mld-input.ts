/** Received MLD (Linux `igmp6_event_query`, `igmp6_event_report`). */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { PACKET_BROADCAST, PACKET_LOOPBACK, PACKET_MULTICAST, type Packet } from '../../packet.ts';
import { getIp6, isAny6, isLinkLocal6, isMulticast6 } from '../../util/ip6-addr.ts';
import { flatten } from '../../wire/frame.ts';
import type { IcmpHeader } from '../../wire/icmp.ts';
import { IPPROTO_HOPOPTS, type Ipv6Header } from '../../wire/ipv6.ts';
import { parseMldQuery } from '../../wire/mld.ts';
import { mldOf } from './mld.ts';

const IPV6_TLV_ROUTERALERT = 5;

/** RFC 3810 §5.1.14, §6.2: what did not come from this link, or is not marked for routers, is not believed. */
export function mldQueryInput(pkt: Packet, icmp: IcmpHeader): void {
  const dev = pkt.dev as NetDevice;
  const ip = pkt.ip6 as Ipv6Header;
  const { ipv6 } = dev;
  const query = parseMldQuery(icmp.rest, flatten(pkt.data, pkt.len));
  const sound = isLinkLocal6(ip.src) && ip.hopLimit === 1 && hasRouterAlert(ip) && query !== null;
  if (!sound || !(isAny6(query.group) || isMulticast6(query.group))) {
    drop(dev.net, pkt, 'NOT_SPECIFIED', 'mld query');
    return;
  }
  if (ipv6 !== null && ipv6.groups.size > 0) mldOf(ipv6).query(query);
}

/** The option of RFC 2711 with the value 0: MLD. */
function hasRouterAlert({ ext, extFirst }: Ipv6Header): boolean {
  if (ext === null || extFirst !== IPPROTO_HOPOPTS) return false;
  const end = 8 * ((ext[1] as number) + 1);
  for (let i = 2; i + 3 < end; i += ext[i] === 0 ? 1 : (ext[i + 1] as number) + 2)
    if (ext[i] === IPV6_TLV_ROUTERALERT) return ext[i + 2] === 0 && ext[i + 3] === 0;
  return false;
}

/** Another host of version 1 has the group. */
export function mldReportInput(pkt: Packet): void {
  const { dev } = pkt;
  const mld = dev?.ipv6?.mld ?? null;
  if (mld === null || pkt.pktType === PACKET_LOOPBACK) return;
  if (pkt.pktType !== PACKET_MULTICAST && pkt.pktType !== PACKET_BROADCAST) return;
  const bytes = flatten(pkt.data, pkt.len);
  if (bytes.length < 16) return;
  mld.reported(getIp6(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0));
}
