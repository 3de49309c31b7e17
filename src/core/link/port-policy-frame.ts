/**
 * Whose addresses a frame claims, and what it claims to be: ARP (RFC 826), IPv4 and IPv6 sources, neighbour
 * discovery (RFC 4861), DHCP servers and routers. What hides behind fragments or extension headers is
 * refused (RFC 6980, RFC 7112, RFC 7113).
 */
import { BAD_L3, BAD_L4, type Packet } from '../packet.ts';
import { maskOf } from '../util/address.ts';
import { getIp6, type Ip6Addr, isAny6, isLinkLocal6, samePrefix } from '../util/ip6-addr.ts';
import { ETH_P_ARP, ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts';
import { flatten } from '../wire/frame.ts';
import {
  ICMPV6_MGM_QUERY,
  ICMPV6_MGM_REDUCTION,
  ICMPV6_MGM_REPORT,
  ICMPV6_MLD2_REPORT,
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_NEIGHBOUR_SOLICITATION,
  NDISC_REDIRECT,
  NDISC_ROUTER_ADVERTISEMENT,
  NDISC_ROUTER_SOLICITATION,
} from '../wire/icmpv6.ts';
import { IPPROTO_IGMP, IPPROTO_TCP, IPPROTO_UDP, type Ipv4Header } from '../wire/ipv4.ts';
import { IPPROTO_ICMPV6, type Ipv6Header, isExtension } from '../wire/ipv6.ts';
import { ND_OPT_SOURCE_LL_ADDR, ND_OPT_TARGET_LL_ADDR, parseNdOptions } from '../wire/ndisc.ts';
import type { PolicyPrefix, PortPolicySpec, Refusal } from './port-policy.ts';

const DHCP_SERVER = 67;
const DHCP_CLIENT = 68;
const DHCPV6_SERVER = 547;
const IGMP_QUERY = 0x11;
const ICMP_REDIRECT = 5;
const ICMP_ROUTER_ADVERTISEMENT = 9;
const IPPROTO_ICMP = 1;

export function judgeAddresses(pkt: Packet, spec: PortPolicySpec): Refusal | null {
  if (pkt.arp !== null) return judgeArp(pkt, spec);
  if (pkt.ip !== null) return judgeIpv4(pkt, pkt.ip, spec);
  if (pkt.ip6 !== null) return judgeIpv6(pkt, pkt.ip6, spec);
  const { proto } = pkt;
  // What claims to be one of these and cannot be read might be read by others.
  if (
    (pkt.flags & BAD_L3) !== 0 ||
    proto === ETH_P_ARP ||
    proto === ETH_P_IP ||
    proto === ETH_P_IPV6
  )
    return 'broken';
  // Spanning tree, LACP, LLDP and all else: not for a guest whose addresses are told.
  return spec.addrs === undefined && spec.macs === undefined ? null : 'proto';
}

function allows4(spec: PortPolicySpec, addr: number): boolean {
  return spec.addrs?.some((p) => !p.v6 && inPrefix4(p, addr)) ?? true;
}

function inPrefix4(p: PolicyPrefix & { readonly v6: false }, addr: number): boolean {
  return (addr & maskOf(p.len)) === (p.addr & maskOf(p.len));
}

function allows6(spec: PortPolicySpec, addr: Ip6Addr, mac: number): boolean {
  if (spec.addrs === undefined) return true;
  // The address that follows from its MAC is always its own.
  if (isLinkLocal6(addr) && isFromMac(addr, mac)) return true;
  return spec.addrs.some((p) => p.v6 && samePrefix(p.addr, addr, p.len));
}

/** fe80::/64 with the modified EUI-64 of `mac` (RFC 4291, appendix A). */
function isFromMac(addr: Ip6Addr, mac: number): boolean {
  const high = Math.floor(mac / 0x1000000) ^ 0x020000;
  const c = (high * 256 + 0xff) | 0;
  const d = (0xfe000000 + (mac % 0x1000000)) | 0;
  return addr.b === 0 && (addr.a & 0xffff) === 0 && addr.c === c && addr.d === d;
}

function judgeArp(pkt: Packet, spec: PortPolicySpec): Refusal | null {
  const { arp, eth } = pkt;
  if (arp === null || eth === null) return null;
  if (spec.macs !== undefined || spec.addrs !== undefined) if (arp.sha !== eth.src) return 'arp';
  // A probe says nothing of its sender (RFC 5227).
  return arp.spa === 0 || allows4(spec, arp.spa) ? null : 'arp';
}

function judgeIpv4(pkt: Packet, ip: Ipv4Header, spec: PortPolicySpec): Refusal | null {
  const asksForLease =
    ip.src === 0 &&
    pkt.udp !== null &&
    pkt.udp.sport === DHCP_CLIENT &&
    pkt.udp.dport === DHCP_SERVER;
  // Membership may be reported before there is an address (RFC 3376 §4.2.13).
  const reports = ip.src === 0 && ip.protocol === IPPROTO_IGMP;
  if (!asksForLease && !reports && !allows4(spec, ip.src)) return 'ip';
  const first = ip.isFragment() || (pkt.flags & BAD_L4) !== 0 ? rawHead(pkt, ip) : null;
  if (first === 'hidden') return 'broken';
  if (!spec.dhcpServer) {
    const sport = pkt.udp?.sport ?? (ip.protocol === IPPROTO_UDP ? portOf(first) : 0);
    if (sport === DHCP_SERVER) return 'dhcp';
  }
  return spec.router || !speaksAsRouter4(pkt, ip, first) ? null : 'router';
}

/** The bytes behind the IP header of a first fragment, or of what did not parse. */
function rawHead(pkt: Packet, ip: Ipv4Header): Uint8Array | 'hidden' | null {
  if ((ip.frag & 0x1fff) !== 0) {
    // A fragment at 8 could overwrite the end of a header that was looked at (RFC 3128).
    return ip.protocol === IPPROTO_TCP && (ip.frag & 0x1fff) === 1 ? 'hidden' : null;
  }
  const looked = [IPPROTO_UDP, IPPROTO_IGMP, IPPROTO_ICMP].includes(ip.protocol);
  if (pkt.len < 8) return looked ? 'hidden' : null;
  return flatten(pkt.data, pkt.len);
}

function portOf(head: Uint8Array | null): number {
  return head === null ? 0 : ((head[0] ?? 0) << 8) | (head[1] ?? 0);
}

function speaksAsRouter4(pkt: Packet, ip: Ipv4Header, first: Uint8Array | null): boolean {
  if (ip.protocol === IPPROTO_IGMP) {
    const head = first ?? (pkt.len > 0 ? flatten(pkt.data, pkt.len) : null);
    return head?.[0] === IGMP_QUERY;
  }
  if (ip.protocol !== IPPROTO_ICMP) return false;
  const type = pkt.icmp?.type ?? first?.[0];
  return type === ICMP_REDIRECT || type === ICMP_ROUTER_ADVERTISEMENT;
}

function judgeIpv6(pkt: Packet, ip: Ipv6Header, spec: PortPolicySpec): Refusal | null {
  const mac = pkt.eth?.src ?? 0;
  const type = pkt.icmp?.type ?? -1;
  const unspecified = isAny6(ip.src);
  if (unspecified ? !mayBeNameless(type) : !allows6(spec, ip.src, mac)) return 'ip';
  // A chain of headers that does not end in the first fragment hides what is behind it.
  if (isExtension(ip.protocol)) return 'broken';
  const fragment = ip.isFragment();
  const first = fragment && (ip.fragField() & 0xfff8) === 0;
  const head = first || (pkt.flags & BAD_L4) !== 0 ? flatten(pkt.data, pkt.len) : null;
  if (first && pkt.len < 8) return 'broken';
  if (ip.protocol === IPPROTO_UDP && !spec.dhcpServer) {
    if ((pkt.udp?.sport ?? portOf(head)) === DHCPV6_SERVER) return 'dhcp';
  }
  if (ip.protocol !== IPPROTO_ICMPV6) return null;
  return judgeIcmp6(pkt, fragment, head?.[0] ?? type, mac, spec);
}

/** Without an address one may look for duplicates, for routers, and report membership. */
function mayBeNameless(type: number): boolean {
  return (
    type === NDISC_NEIGHBOUR_SOLICITATION ||
    type === NDISC_ROUTER_SOLICITATION ||
    type === ICMPV6_MGM_REPORT ||
    type === ICMPV6_MGM_REDUCTION ||
    type === ICMPV6_MLD2_REPORT
  );
}

function judgeIcmp6(
  pkt: Packet,
  fragment: boolean,
  type: number,
  mac: number,
  spec: PortPolicySpec,
): Refusal | null {
  const isRouter =
    type === NDISC_ROUTER_ADVERTISEMENT || type === NDISC_REDIRECT || type === ICMPV6_MGM_QUERY;
  if (isRouter && !spec.router) return 'router';
  const isNd = type >= NDISC_ROUTER_SOLICITATION && type <= NDISC_REDIRECT;
  if (!isNd) return null;
  // RFC 6980: neighbour discovery is not cut into pieces.
  if (fragment || pkt.icmp === null) return 'nd';
  return judgeNd(pkt, type, mac, spec);
}

/** Of whom an advertisement speaks, and which MAC the options name. */
function judgeNd(pkt: Packet, type: number, mac: number, spec: PortPolicySpec): Refusal | null {
  if (spec.addrs === undefined && spec.macs === undefined) return null;
  const bytes = flatten(pkt.data, pkt.len);
  const isNeighbour =
    type === NDISC_NEIGHBOUR_SOLICITATION || type === NDISC_NEIGHBOUR_ADVERTISEMENT;
  const fixed = isNeighbour
    ? 16
    : type === NDISC_REDIRECT
      ? 32
      : type === NDISC_ROUTER_ADVERTISEMENT
        ? 8
        : 0;
  if (bytes.length < fixed) return 'broken';
  const options = parseNdOptions(bytes, fixed);
  if (options === null) return 'broken';
  if (namesOther(bytes, fixed, mac)) return 'nd';
  if (type !== NDISC_NEIGHBOUR_ADVERTISEMENT) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return allows6(spec, getIp6(view, 0), mac) ? null : 'nd';
}

/** Some link-layer address option, the first or a later one, names another MAC. */
function namesOther(bytes: Uint8Array, from: number, mac: number): boolean {
  for (let at = from; at + 8 <= bytes.length; ) {
    const len = (bytes[at + 1] ?? 0) * 8;
    if (len === 0) return true;
    const type = bytes[at];
    if (type === ND_OPT_SOURCE_LL_ADDR || type === ND_OPT_TARGET_LL_ADDR) {
      let named = 0;
      for (let i = 2; i < 8; i++) named = named * 256 + (bytes[at + i] ?? 0);
      if (named !== mac) return true;
    }
    at += len;
  }
  return false;
}
