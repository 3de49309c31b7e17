/**
 * Errors about packets of our own (RFC 1122 §3.2.2.1; Linux `icmp_unreach`, `icmp_redirect`): the transport whose
 * packet is quoted is told. What it learns of the path it keeps with `learnPmtu`, if it believes the quote.
 */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import type { IcmpError } from '../../protocols.ts';
import { flatten } from '../../wire/frame.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_EXC_FRAGTIME,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  type IcmpHeader,
} from '../../wire/icmp.ts';
import { IPPROTO_RAW, IPPROTO_TCP, IPV4_HLEN, type Ipv4Header } from '../../wire/ipv4.ts';
import { inetAddrType } from '../route/addr-type.ts';
import { updatePmtu } from '../route/exception.ts';
import { routeOutput } from '../route/output.ts';
import { RTN_BROADCAST, RTN_LOCAL } from '../route/route.ts';
import { acceptRedirect } from './redirect.ts';

/** Bytes of the transport header that must be quoted (RFC 792). */
const MIN_QUOTE = 8;
/** Largest code of a destination unreachable (`NR_ICMP_UNREACH`). */
const NR_ICMP_UNREACH = 15;
/** Value of net.ipv4.ip_no_pmtu_disc: errors about size are thrown away. */
const NO_PMTU_IGNORE = 2;
/** Value of it: they count only for transports that can check the quote. */
const NO_PMTU_STRICT = 3;
/** Value of it: their MTU is not believed, the smallest is taken. */
const NO_PMTU_MINIMUM = 1;

/** Takes an error that is addressed to us. */
export function icmpErrorInput(pkt: Packet, dev: NetDevice, icmp: IcmpHeader): void {
  const { net } = dev;
  const bytes = flatten(pkt.data, pkt.len);
  const headerLen = ((bytes[0] ?? 0) & 0xf) * 4;
  if (bytes.length < IPV4_HLEN || headerLen < IPV4_HLEN) {
    net.mib[MIB.IcmpInErrors]++;
    drop(net, pkt, bytes.length < IPV4_HLEN ? 'PKT_TOO_SMALL' : 'IP_INHDR');
    return;
  }
  const protocol = bytes[9] as number;
  if (!isHeard(net, icmp, protocol)) return;
  // An IP header and eight bytes more, so that transports need not look.
  if (bytes.length < headerLen + MIN_QUOTE || protocol === IPPROTO_RAW) {
    net.mib[MIB.IcmpInErrors]++;
    return;
  }
  const error = readError(bytes, headerLen, net, icmp);
  if (isBogus(net, icmp, error)) return;
  if (icmp.type === ICMP_REDIRECT && icmp.code <= 3 && inetAddrType(net, error.src) === RTN_LOCAL)
    acceptRedirect(net, dev, (pkt.ip as Ipv4Header).src, error.dst, icmp.rest);
  net.kernel.protocols.inetError[protocol]?.(pkt, error);
}

/** Errors that mean nothing to a transport end here, without a word. */
function isHeard(net: NetNs, icmp: IcmpHeader, protocol: number): boolean {
  if (icmp.type === ICMP_TIME_EXCEEDED) return icmp.code !== ICMP_EXC_FRAGTIME;
  if (icmp.type !== ICMP_DEST_UNREACH) return true;
  if (icmp.code === ICMP_FRAG_NEEDED) {
    const mode = net.sysctl.ipNoPmtuDisc;
    if (mode === NO_PMTU_IGNORE || (mode === NO_PMTU_STRICT && protocol !== IPPROTO_TCP))
      return false;
  }
  return icmp.code <= NR_ICMP_UNREACH;
}

/** RFC 1122 §3.2.2: nobody may complain of what was sent to many. */
function isBogus(net: NetNs, icmp: IcmpHeader, error: IcmpError): boolean {
  if (icmp.type === ICMP_REDIRECT || net.sysctl.icmpIgnoreBogusErrorResponses !== 0) return false;
  return inetAddrType(net, error.dst) === RTN_BROADCAST;
}

function readError(bytes: Uint8Array, headerLen: number, net: NetNs, icmp: IcmpHeader): IcmpError {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    type: icmp.type,
    code: icmp.code,
    info: infoOf(net, icmp),
    src: view.getInt32(12),
    dst: view.getInt32(16),
    bytes: bytes.subarray(headerLen),
  };
}

function infoOf(net: NetNs, icmp: IcmpHeader): number {
  switch (icmp.type) {
    case ICMP_DEST_UNREACH:
      if (icmp.code !== ICMP_FRAG_NEEDED || net.sysctl.ipNoPmtuDisc === NO_PMTU_MINIMUM) return 0;
      return icmp.rest & 0xffff;
    case ICMP_PARAMETERPROB:
      return icmp.rest >>> 24;
    case ICMP_REDIRECT:
      return icmp.rest;
    default:
      return 0;
  }
}

/**
 * Keeps the MTU that a router named for the way to the quoted packet's destination (RFC 1191 §4; Linux
 * `ipv4_sk_update_pmtu`). Called by the transport that knows the quoted packet for its own.
 */
export function learnPmtu(net: NetNs, error: IcmpError): void {
  const route = routeOutput(net, error.dst, error.src, 0, 0);
  if (typeof route !== 'number') updatePmtu(net, error.dst, error.info, route);
}
