/** Messages of IGMP leave: TTL 1, with a router alert (RFC 2236 §2, RFC 3376 §4; Linux `igmpv3_newpack`, `igmp_send_report`). */
import type { NetDevice } from '../../link/net-device.ts';
import { ETH_P_IP } from '../../wire/ethernet.ts';
import {
  IGMP_HLEN,
  IGMP_HOST_LEAVE_MESSAGE,
  IGMPV3_GREC_LEN,
  type IgmpRecord,
  igmpMessage,
  igmpReport,
} from '../../wire/igmp.ts';
import { IP_DF, IPPROTO_IGMP, IPV4_HLEN, Ipv4Header } from '../../wire/ipv4.ts';
import { routeOutput } from '../route/output.ts';
import { ipLocalOut } from './output.ts';

/** 224.0.0.2, 224.0.0.22 */
const ALL_ROUTERS: number = 0xe0000002 | 0;
const V3_ROUTERS: number = 0xe0000016 | 0;
/** Internetwork control. */
const IGMP_TOS = 0xc0;

/** Router alert (RFC 2113), made anew: option objects are shared with headers. */
function routerAlert(): Uint8Array {
  return Uint8Array.of(148, 4, 0, 0);
}

function send(dev: NetDevice, dst: number, message: Uint8Array): void {
  const { net } = dev;
  const route = routeOutput(net, dst, 0, dev.ifindex, 0);
  if (typeof route === 'number') return;
  const pkt = net.kernel.newPacket(ETH_P_IP);
  pkt.ip = new Ipv4Header(route.src, dst, IPPROTO_IGMP, 1, IGMP_TOS);
  pkt.ip.options = routerAlert();
  pkt.ip.frag = IP_DF;
  pkt.data = [message];
  pkt.len = message.length;
  pkt.route = route;
  ipLocalOut(net, pkt);
}

/** A report of version 1 or 2, or a leave. */
export function sendIgmp(dev: NetDevice, type: number, group: number): void {
  send(dev, type === IGMP_HOST_LEAVE_MESSAGE ? ALL_ROUTERS : group, igmpMessage(type, group));
}

/** Reports of version 3 with these records: as many as the MTU makes necessary. */
export function sendIgmpReport(dev: NetDevice, records: readonly IgmpRecord[]): void {
  const room = Math.max(dev.mtu - IPV4_HLEN - 4 - IGMP_HLEN, IGMPV3_GREC_LEN + 4);
  let batch: IgmpRecord[] = [];
  let used = 0;
  const flush = (): void => {
    if (batch.length > 0) send(dev, V3_ROUTERS, igmpReport(batch));
    batch = [];
    used = 0;
  };
  for (const record of records)
    for (const part of split(record, room)) {
      const size = IGMPV3_GREC_LEN + 4 * part.sources.length;
      if (used + size > room) flush();
      batch.push(part);
      used += size;
    }
  flush();
}

/** A list of senders that fills more than a packet is told in several records (RFC 3376 §4.2.16). */
function split(record: IgmpRecord, room: number): readonly IgmpRecord[] {
  const most = Math.floor((room - IGMPV3_GREC_LEN) / 4);
  if (record.sources.length <= most) return [record];
  const parts: IgmpRecord[] = [];
  for (let i = 0; i < record.sources.length; i += most)
    parts.push({ ...record, sources: record.sources.slice(i, i + most) });
  return parts;
}
