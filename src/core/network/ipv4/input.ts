/**
 * An IPv4 packet arrives (RFC 791 §3.2, RFC 1812 §5.2; Linux `net/ipv4/ip_input.c`): is it sound, for whom is
 * it, and which protocol takes it.
 *
 * RX 3/4. From: `link/input.ts` To: `transport/tcp/input.ts`
 */
import { drop } from '../../drop.ts';
import { segmentCount } from '../../link/gso.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB, type Mib } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import {
  BAD_IP_CSUM,
  ipLength,
  PACKET_BROADCAST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  type Packet,
} from '../../packet.ts';
import { isMulticast } from '../../util/address.ts';
import { flatten } from '../../wire/frame.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_PARAMETERPROB,
  ICMP_PROT_UNREACH,
  ICMP_SR_FAILED,
} from '../../wire/icmp.ts';
import { IPV4_HLEN, type Ipv4Header } from '../../wire/ipv4.ts';
import { routeInput, routeMulticast } from '../route/input.ts';
import { isDeep } from '../route/output.ts';
import type { Route } from '../route/route.ts';
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from '../route/route.ts';
import { flowOf } from '../rule/flow.ts';
import { ipForward } from './forward.ts';
import { icmpSend } from './icmp.ts';
import { compileOptions, hasSourceRoute } from './options.ts';
import { ipError } from './refuse.ts';
import { specDst } from './spec-dst.ts';

/** Takes a packet that `pkt.dev` received (`ip_rcv`). */
export function ipInput(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  if (pkt.pktType === PACKET_OTHERHOST) {
    drop(net, pkt, 'OTHERHOST', dev.name);
    return;
  }
  net.mib[MIB.IpInReceives]++;
  const { ip } = pkt;
  if (ip === null || (pkt.flags & BAD_IP_CSUM) !== 0) {
    badHeader(pkt, net);
    return;
  }
  countInput(net.mib, pkt, ip);
  if (dev.l3Receive === null) received(pkt, dev, ip);
  else received(pkt, dev.l3Receive(pkt), ip);
}

/** The namespace of `dev` looks where a sound packet goes (`ip_rcv_finish`). */
function received(pkt: Packet, dev: NetDevice, ip: Ipv4Header): void {
  const { net } = dev;
  // What lo gives back still has the route by which it left.
  const looped = pkt.route !== null;
  const route = pkt.route ?? findRoute(pkt, dev, ip);
  if (route === null) return;
  pkt.route = route;
  if (ip.options !== null && !acceptOptions(pkt, dev, ip)) return;
  if (!isForUs(pkt, dev, route)) return;
  switch (route.type) {
    case RTN_LOCAL:
    case RTN_BROADCAST:
    case RTN_MULTICAST:
      ipLocalDeliver(pkt);
      return;
    case RTN_UNICAST:
      // LINUX: such a route has no input (`dst_discard`); forwarding it would go round and round.
      if (looped) drop(net, pkt, 'NOT_SPECIFIED', dev.name);
      else ipForward(pkt);
      return;
    default:
      ipError(pkt, dev, route);
  }
}

function countInput(mib: Mib, pkt: Packet, ip: Ipv4Header): void {
  mib[MIB.IpExtInOctets] += ipLength(pkt);
  // The four counters stand in the order of the two ECN bits (RFC 3168 §5).
  const counter = MIB.IpExtInNoECTPkts + (ip.tos & 3);
  mib[counter] = (mib[counter] ?? 0) + segmentCount(pkt);
}

/** The header did not parse, or its checksum is wrong: told apart as `ip_rcv_core` does. */
function badHeader(pkt: Packet, net: NetNs): void {
  const { mib } = net;
  mib[MIB.IpExtInOctets] += pkt.ip === null ? pkt.len : ipLength(pkt);
  if ((pkt.flags & BAD_IP_CSUM) !== 0) {
    mib[MIB.IpExtInCsumErrors]++;
    mib[MIB.IpInHdrErrors]++;
    drop(net, pkt, 'IP_CSUM');
    return;
  }
  if (isTruncated(flatten(pkt.data, pkt.len))) {
    mib[MIB.IpExtInTruncatedPkts]++;
    drop(net, pkt, 'PKT_TOO_SMALL');
    return;
  }
  mib[MIB.IpInHdrErrors]++;
  drop(net, pkt, 'IP_INHDR');
}

/** A sound header that claims more bytes than came. */
function isTruncated(bytes: Uint8Array): boolean {
  const headerLen = ((bytes[0] ?? 0) & 15) * 4;
  const sound = bytes.length >= headerLen && headerLen >= IPV4_HLEN && (bytes[0] ?? 0) >> 4 === 4;
  return sound && (((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)) > bytes.length;
}

function findRoute(pkt: Packet, dev: NetDevice, ip: Ipv4Header): Route | null {
  if (dev.ipv4 === null) {
    drop(dev.net, pkt, 'NOT_SPECIFIED', dev.name);
    return null;
  }
  const route = isMulticast(ip.dst)
    ? routeMulticast(dev, ip.dst, ip.src, ip.protocol)
    : routeInput(dev, ip.dst, ip.src, ip.tos & 0x1c, isDeep(dev.net) ? flowOf(pkt) : null);
  if (typeof route !== 'string') return route;
  if (route === 'IP_RPFILTER') dev.net.mib[MIB.TcpExtIPReversePathFilter]++;
  drop(dev.net, pkt, route, dev.name);
  return null;
}

/** Linux `ip_rcv_options`; false: the packet is gone, and its sender told what was wrong. */
function acceptOptions(pkt: Packet, dev: NetDevice, ip: Ipv4Header): boolean {
  const { net } = dev;
  const bad = compileOptions(ip, net, specDst(pkt, dev, ip));
  if (bad >= 0) {
    net.mib[MIB.IpInHdrErrors]++;
    icmpSend(pkt, ICMP_PARAMETERPROB, 0, bad << 24);
    drop(net, pkt, 'IP_INHDR', 'options');
    return false;
  }
  if (!hasSourceRoute(ip.options as Uint8Array)) return true;
  // DEVIATION: a source route that accept_source_route would allow is answered, not followed (RFC 7126 §4.3).
  const allowed = net.ipv4ConfAll.acceptSourceRoute !== 0 && dev.ipv4?.conf.acceptSourceRoute !== 0;
  if (allowed) icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_SR_FAILED, 0);
  drop(net, pkt, 'IP_INHDR', 'source route');
  return false;
}

/** Group counters, and the frames that a group address of layer 2 brought to a unicast one of layer 3. */
function isForUs(pkt: Packet, dev: NetDevice, route: Route): boolean {
  const { net } = dev;
  if (route.type === RTN_MULTICAST) {
    net.mib[MIB.IpExtInMcastPkts]++;
    net.mib[MIB.IpExtInMcastOctets] += ipLength(pkt);
    return true;
  }
  if (route.type === RTN_BROADCAST) {
    net.mib[MIB.IpExtInBcastPkts]++;
    net.mib[MIB.IpExtInBcastOctets] += ipLength(pkt);
    return true;
  }
  if (pkt.pktType !== PACKET_MULTICAST && pkt.pktType !== PACKET_BROADCAST) return true;
  // RFC 1122 §3.3.6
  const strict = dev.ipv4?.conf.dropUnicastInL2Multicast ?? 0;
  if (strict === 0 && net.ipv4ConfAll.dropUnicastInL2Multicast === 0) return true;
  drop(net, pkt, 'UNICAST_IN_L2_MULTICAST', dev.name);
  return false;
}

/** Fragments are put together; then the protocol takes the packet (`ip_local_deliver`). */
export function ipLocalDeliver(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  let whole: Packet | null = pkt;
  if ((pkt.ip as Ipv4Header).isFragment()) {
    whole = net.ipv4.reassembly.add(pkt);
    if (whole === null) return;
  }
  deliver(whole, dev, whole.ip as Ipv4Header);
}

function deliver(pkt: Packet, dev: NetDevice, ip: Ipv4Header): void {
  const { net } = dev;
  const { protocols } = net.kernel;
  const taken = protocols.raw(pkt);
  const handler = protocols.inet[ip.protocol];
  if (handler !== undefined) {
    net.mib[MIB.IpInDelivers]++;
    handler(pkt);
    return;
  }
  if (taken) {
    net.mib[MIB.IpInDelivers]++;
    return;
  }
  net.mib[MIB.IpInUnknownProtos]++;
  icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
  drop(net, pkt, 'IP_NOPROTO', String(ip.protocol));
}
