/**
 * Extension headers of a packet that is for us, or whose hop-by-hop options every router reads (RFC 8200 §4; Linux
 * `net/ipv6/exthdrs.c`). What is wrong is told to its sender where the RFC says so.
 */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB6 } from '../../mib6.ts';
import type { NetNs } from '../../net.ts';
import { PACKET_HOST, type Packet } from '../../packet.ts';
import { isMulticast6 } from '../../util/ip6-addr.ts';
import { ICMPV6_HDR_FIELD, ICMPV6_PARAMPROB, ICMPV6_UNK_OPTION } from '../../wire/icmpv6.ts';
import {
  extensionLen,
  IPPROTO_DSTOPTS,
  IPPROTO_HOPOPTS,
  IPPROTO_ROUTING,
  IPV6_HLEN,
  type Ipv6Header,
} from '../../wire/ipv6.ts';
import { icmp6Send } from './icmp.ts';

const IPV6_TLV_PAD1 = 0;
const IPV6_TLV_PADN = 1;
const IPV6_TLV_ROUTERALERT = 5;
const IPV6_TLV_JUMBO = 194;
const IPV6_TLV_HAO = 201;
/** Padding of eight bytes or more hides something (`ip6_parse_tlv`). */
const MAX_PADDING = 7;

/** Reads hop-by-hop options, which come first; false: the packet is gone. */
export function parseHopByHop(pkt: Packet, dev: NetDevice, ip: Ipv6Header): boolean {
  const { ext } = ip;
  if (ext === null || ip.extFirst !== IPPROTO_HOPOPTS) return true;
  const { sysctl } = dev.net.ipv6;
  const len = extensionLen(ext, 0, IPPROTO_HOPOPTS);
  if (len > sysctl.maxHbhLength) return lose(pkt, dev.net, 'hop-by-hop length');
  return parseOptions(pkt, dev, ext, { at: 0, len, max: sysctl.maxHbhOptsNumber, hopByHop: true });
}

/** Reads all headers but the hop-by-hop options; false: the packet is gone. */
export function parseExtensions(pkt: Packet, dev: NetDevice, ip: Ipv6Header): boolean {
  const { ext } = ip;
  if (ext === null) return true;
  let type = ip.extFirst;
  for (let at = 0; at < ext.length; ) {
    const len = extensionLen(ext, at, type);
    if (type === IPPROTO_DSTOPTS && !destinationOptions(pkt, dev, ext, at, len)) return false;
    if (type === IPPROTO_ROUTING && !routingHeader(pkt, dev, ext, at)) return false;
    type = ext[at] as number;
    at += len;
  }
  return true;
}

function destinationOptions(
  pkt: Packet,
  dev: NetDevice,
  ext: Uint8Array,
  at: number,
  len: number,
): boolean {
  const { sysctl } = dev.net.ipv6;
  if (len > sysctl.maxDstOptsLength) return lose(pkt, dev.net, 'destination options length');
  return parseOptions(pkt, dev, ext, { at, len, max: sysctl.maxDstOptsNumber, hopByHop: false });
}

/** Nothing of a routing header is done but passing over one that is used up (RFC 5095; `ipv6_rthdr_rcv`). */
function routingHeader(pkt: Packet, dev: NetDevice, ext: Uint8Array, at: number): boolean {
  const { net } = dev;
  const segmentsLeft = ext[at + 3] as number;
  if (isMulticast6((pkt.ip6 as Ipv6Header).dst) || pkt.pktType !== PACKET_HOST) {
    net.ipv6.mib[MIB6.Ip6InAddrErrors]++;
    drop(net, pkt, 'IP_INADDRERRORS', 'routing header');
    return false;
  }
  if (segmentsLeft === 0) return true;
  net.ipv6.mib[MIB6.Ip6InHdrErrors]++;
  icmp6Send(pkt, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, IPV6_HLEN + at + 2);
  drop(net, pkt, 'IP_INHDR', 'routing header');
  return false;
}

interface OptionArea {
  readonly at: number;
  readonly len: number;
  /** How many options that are no padding there may be; negative: and none that is unknown. */
  readonly max: number;
  readonly hopByHop: boolean;
}

/** Linux `ip6_parse_tlv`. */
function parseOptions(pkt: Packet, dev: NetDevice, ext: Uint8Array, area: OptionArea): boolean {
  const end = area.at + area.len;
  const limit = Math.abs(area.max);
  let count = 0;
  let padding = 0;
  let i = area.at + 2;
  while (i < end) {
    const type = ext[i] as number;
    if (type === IPV6_TLV_PAD1) {
      padding++;
      i++;
      if (padding > MAX_PADDING) return lose(pkt, dev.net, 'padding');
      continue;
    }
    const size = i + 2 > end ? Number.POSITIVE_INFINITY : (ext[i + 1] as number) + 2;
    if (i + size > end) return lose(pkt, dev.net, 'option length');
    if (type === IPV6_TLV_PADN) {
      padding += size;
      if (padding > MAX_PADDING || !isZero(ext, i + 2, i + size))
        return lose(pkt, dev.net, 'padding');
    } else {
      padding = 0;
      if (++count > limit) return lose(pkt, dev.net, 'number of options');
      if (!takeOption(pkt, dev, type, area, i)) return false;
    }
    i += size;
  }
  return true;
}

/** An option that is no padding, at byte `at` of the extension header. */
function takeOption(
  pkt: Packet,
  dev: NetDevice,
  type: number,
  area: OptionArea,
  at: number,
): boolean {
  if (knownOption(type, area.hopByHop))
    return type !== IPV6_TLV_JUMBO || lose(pkt, dev.net, 'jumbogram');
  if (area.max < 0) return lose(pkt, dev.net, 'unknown option');
  return unknownOption(pkt, dev, type, IPV6_HLEN + at);
}

function isZero(ext: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (ext[i] !== 0) return false;
  return true;
}

function knownOption(type: number, hopByHop: boolean): boolean {
  if (hopByHop) return type === IPV6_TLV_ROUTERALERT || type === IPV6_TLV_JUMBO;
  return type === IPV6_TLV_HAO;
}

/** The two highest bits say what to do with an option that nobody knows (RFC 8200 §4.2; `ip6_tlvopt_unknown`). */
function unknownOption(pkt: Packet, dev: NetDevice, type: number, offset: number): boolean {
  const action = type >>> 6;
  if (action === 0) return true;
  const tells = action === 2 || (action === 3 && !isMulticast6((pkt.ip6 as Ipv6Header).dst));
  dev.net.ipv6.mib[MIB6.Ip6InHdrErrors]++;
  if (tells) icmp6Send(pkt, ICMPV6_PARAMPROB, ICMPV6_UNK_OPTION, offset);
  drop(dev.net, pkt, 'UNHANDLED_PROTO', `option ${type}`);
  return false;
}

function lose(pkt: Packet, net: NetNs, why: string): false {
  net.ipv6.mib[MIB6.Ip6InHdrErrors]++;
  drop(net, pkt, 'IP_INHDR', why);
  return false;
}
