/** Received IGMP (Linux `igmp_rcv`). RX 4/4. From: `network/ipv4/input.ts`. To: `network/ipv4/igmp.ts`. */
import { drop } from '../../drop.ts';
import { PACKET_BROADCAST, PACKET_MULTICAST, type Packet } from '../../packet.ts';
import { sumPayload } from '../../wire/checksum.ts';
import { flatten } from '../../wire/frame.ts';
import {
  IGMP_HLEN,
  IGMP_HOST_MEMBERSHIP_QUERY,
  IGMP_HOST_MEMBERSHIP_REPORT,
  IGMPV2_HOST_MEMBERSHIP_REPORT,
  parseIgmpQuery,
} from '../../wire/igmp.ts';

export function igmpInput(pkt: Packet): void {
  const { dev } = pkt;
  if (dev === null) return;
  const igmp = dev.ipv4?.igmp ?? null;
  if (pkt.len < IGMP_HLEN || sumPayload(pkt.data, 0) !== 0xffff) {
    drop(dev.net, pkt, 'NOT_SPECIFIED', 'igmp');
    return;
  }
  // Without groups there is nothing to answer, and nothing to keep quiet about.
  if (igmp === null) return;
  const bytes = flatten(pkt.data, pkt.len);
  const type = bytes[0];
  if (type === IGMP_HOST_MEMBERSHIP_QUERY) {
    const query = parseIgmpQuery(bytes);
    if (query === null) drop(dev.net, pkt, 'NOT_SPECIFIED', 'igmp');
    else igmp.query(query);
    return;
  }
  const isReport = type === IGMP_HOST_MEMBERSHIP_REPORT || type === IGMPV2_HOST_MEMBERSHIP_REPORT;
  if (!isReport || pkt.looped) return;
  if (pkt.pktType !== PACKET_MULTICAST && pkt.pktType !== PACKET_BROADCAST) return;
  igmp.report(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getInt32(4));
}
