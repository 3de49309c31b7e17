/**
 * What a frame says of multicast membership: IGMP (RFC 2236, RFC 3376) and MLD (RFC 2710, RFC 3810), as a
 * bridge reads them (Linux `ip_mc_check_igmp`, `ipv6_mc_check_mld`).
 */
import { BAD_L4_CSUM, type Packet } from '../packet.ts';
import { INADDR_ALLHOSTS_GROUP, isMulticast } from '../util/address.ts';
import {
  getIp6,
  IN6ADDR_LINKLOCAL_ALLNODES,
  type Ip6Addr,
  isLinkLocal6,
  isMulticast6,
} from '../util/ip6-addr.ts';
import { sumPayload } from '../wire/checksum.ts';
import { flatten } from '../wire/frame.ts';
import {
  ICMPV6_MGM_QUERY,
  ICMPV6_MGM_REDUCTION,
  ICMPV6_MGM_REPORT,
  ICMPV6_MLD2_REPORT,
} from '../wire/icmpv6.ts';
import type { Ipv4Header } from '../wire/ipv4.ts';
import { IPPROTO_HOPOPTS, type Ipv6Header } from '../wire/ipv6.ts';
import type { GroupAddr } from './bridge-mdb.ts';

const IGMP_QUERY = 0x11;
const IGMP_V1_REPORT = 0x12;
const IGMP_V2_REPORT = 0x16;
const IGMP_LEAVE = 0x17;
const IGMP_V3_REPORT = 0x22;
const IGMP_LEN = 8;
const IGMP_V3_QUERY_LEN = 12;
/** Record types: modes and changes to them (RFC 3376 §4.2.12). */
const MODE_IS_INCLUDE = 1;
const CHANGE_TO_INCLUDE = 3;
const ALLOW_NEW_SOURCES = 5;
const BLOCK_OLD_SOURCES = 6;
/** Default of a query that says no time (RFC 2236 §4: an IGMPv1 one). */
const V1_MAX_DELAY_US = 10_000_000;

/** What is to be done. */
export interface MembershipMessage {
  readonly kind: 'query' | 'report';
  /** Who wants, or wants no more; of a query the group that is asked for, none for all. */
  readonly joins: readonly GroupAddr[];
  readonly leaves: readonly GroupAddr[];
  readonly group: GroupAddr | null;
  /** Of a query: how long an answer may take. */
  readonly maxDelayUs: number;
  /** Only routers want to see it. */
  readonly forRouters: boolean;
}

const NONE: readonly GroupAddr[] = Object.freeze([]);

function report(
  joins: readonly GroupAddr[],
  leaves: readonly GroupAddr[],
  forRouters: boolean,
): MembershipMessage {
  return { kind: 'report', joins, leaves, group: null, maxDelayUs: 0, forRouters };
}

function query(group: GroupAddr | null, maxDelayUs: number): MembershipMessage {
  return { kind: 'query', joins: NONE, leaves: NONE, group, maxDelayUs, forRouters: false };
}

/** IGMP: a message, null (none that a bridge knows), or `'bad'`. */
export function readIgmp(pkt: Packet, ip: Ipv4Header): MembershipMessage | null | 'bad' {
  if (pkt.len < IGMP_LEN || ip.isFragment()) return 'bad';
  if (sumPayload(pkt.data, 0) !== 0xffff) return 'bad';
  const bytes = flatten(pkt.data, pkt.len);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const addr = view.getInt32(4);
  const group: GroupAddr = { kind: 'v4', addr };
  switch (bytes[0]) {
    case IGMP_QUERY:
      return igmpQuery(pkt, ip, view, addr);
    case IGMP_V1_REPORT:
    case IGMP_V2_REPORT:
      return isMulticast(addr) ? report([group], NONE, true) : 'bad';
    case IGMP_LEAVE:
      return report(NONE, [group], false);
    case IGMP_V3_REPORT:
      return igmp3Report(view);
    default:
      return null;
  }
}

function igmpQuery(
  pkt: Packet,
  ip: Ipv4Header,
  view: DataView,
  addr: number,
): MembershipMessage | 'bad' {
  if (pkt.len > IGMP_LEN && pkt.len < IGMP_V3_QUERY_LEN) return 'bad';
  // RFC 2236, RFC 3376: a general query goes to all systems.
  if (addr === 0 && ip.dst !== INADDR_ALLHOSTS_GROUP) return 'bad';
  const code = view.getUint8(1);
  const group: GroupAddr | null = addr === 0 ? null : { kind: 'v4', addr };
  if (pkt.len === IGMP_LEN)
    return code === 0 ? query(null, V1_MAX_DELAY_US) : query(group, code * 100_000);
  return query(group, code === 0 ? 1000 : floatCode(code) * 100_000);
}

/** RFC 3376 §4.1.1 */
function floatCode(code: number): number {
  return code < 128 ? code : ((code & 15) | 16) << (((code >> 4) & 7) + 3);
}

function igmp3Report(view: DataView): MembershipMessage | 'bad' {
  const joins: GroupAddr[] = [];
  const leaves: GroupAddr[] = [];
  const count = view.getUint16(6);
  let at = IGMP_LEN;
  for (let i = 0; i < count; i++) {
    if (at + 8 > view.byteLength) return 'bad';
    const type = view.getUint8(at);
    const sources = view.getUint16(at + 2);
    const addr = view.getInt32(at + 4);
    sortRecord({ kind: 'v4', addr }, type, sources, joins, leaves);
    at += 8 + 4 * sources + 4 * view.getUint8(at + 1);
  }
  return at > view.byteLength ? 'bad' : report(joins, leaves, false);
}

/** As a bridge does it that knows of sources nothing (mcast_igmp_version 2): whoever wants some wants all. */
function sortRecord(
  group: GroupAddr,
  type: number,
  sources: number,
  joins: GroupAddr[],
  leaves: GroupAddr[],
): void {
  if (type < MODE_IS_INCLUDE || type > BLOCK_OLD_SOURCES) return;
  const nothing = (type === MODE_IS_INCLUDE || type === CHANGE_TO_INCLUDE) && sources === 0;
  if (nothing) leaves.push(group);
  else if (type <= ALLOW_NEW_SOURCES || type === BLOCK_OLD_SOURCES) joins.push(group);
}

/** The same of MLD. */
export function readMld(pkt: Packet, ip: Ipv6Header): MembershipMessage | null | 'bad' {
  const { icmp } = pkt;
  if (icmp === null || ip.extFirst !== IPPROTO_HOPOPTS || ip.ext === null) return null;
  const { type } = icmp;
  const known =
    type === ICMPV6_MLD2_REPORT || (type >= ICMPV6_MGM_QUERY && type <= ICMPV6_MGM_REDUCTION);
  if (!known) return null;
  if ((pkt.flags & BAD_L4_CSUM) !== 0) return 'bad';
  const bytes = flatten(pkt.data, pkt.len);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === ICMPV6_MLD2_REPORT) return mld2Report(view, icmp.rest & 0xffff);
  if (pkt.len < 16) return 'bad';
  const addr = getIp6(view, 0);
  if (type === ICMPV6_MGM_QUERY) return mldQuery(pkt, ip, view, addr, icmp.rest >>> 16);
  if (!isMulticast6(addr)) return 'bad';
  const list: readonly GroupAddr[] = [{ kind: 'v6', addr }];
  return type === ICMPV6_MGM_REPORT ? report(list, NONE, true) : report(NONE, list, false);
}

function mldQuery(
  pkt: Packet,
  ip: Ipv6Header,
  _view: DataView,
  addr: Ip6Addr,
  code: number,
): MembershipMessage | 'bad' {
  // RFC 2710, RFC 3810: from a link-local address; if all are asked, to all nodes.
  if (!isLinkLocal6(ip.src)) return 'bad';
  const general = !isMulticast6(addr);
  if (general && !ip.dst.equals(IN6ADDR_LINKLOCAL_ALLNODES)) return 'bad';
  const isV1 = pkt.len === 16;
  if (!isV1 && pkt.len < 20) return 'bad';
  const ms = isV1 ? code : Math.max(1, mldFloat(code));
  return query(general ? null : { kind: 'v6', addr }, ms * 1000);
}

/** RFC 3810 §5.1.3 */
function mldFloat(code: number): number {
  return code < 0x8000 ? code : ((code & 0xfff) | 0x1000) << (((code >> 12) & 7) + 3);
}

function mld2Report(view: DataView, count: number): MembershipMessage | 'bad' {
  const joins: GroupAddr[] = [];
  const leaves: GroupAddr[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 20 > view.byteLength) return 'bad';
    const type = view.getUint8(at);
    const sources = view.getUint16(at + 2);
    sortRecord({ kind: 'v6', addr: getIp6(view, at + 4) }, type, sources, joins, leaves);
    at += 20 + 16 * sources + 4 * view.getUint8(at + 1);
  }
  return at > view.byteLength ? 'bad' : report(joins, leaves, false);
}
