/**
 * Errors about packets of our own (RFC 1122 §3.2.2.1; Linux `icmp_unreach`, `icmp_redirect`): what was learnt
 * about the path is kept, and the transport whose packet is quoted is told.
 */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import type { Packet } from '../../packet.ts';
import type { IcmpError } from '../../protocols.ts';
import { flatten } from '../../wire/frame.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_REDIRECT,
  ICMP_SR_FAILED,
  type IcmpHeader,
} from '../../wire/icmp.ts';
import { type Ipv4Header, IPV4_HLEN, IP_OFFSET } from '../../wire/ipv4.ts';
import { inetAddrType } from '../route/addr-type.ts';
import { updatePmtu } from '../route/exception.ts';
import { routeOutput } from '../route/output.ts';
import { RTN_BROADCAST } from '../route/route.ts';
import { acceptRedirect } from './redirect.ts';

/** Bytes of the transport header that must be quoted (RFC 792). */
const MIN_QUOTE = 8;
/** Largest code of a destination unreachable (`NR_ICMP_UNREACH`). */
const MAX_UNREACH_CODE = 15;

/** Takes an error that is addressed to us. */
export function icmpErrorInput(pkt: Packet, dev: NetDevice, icmp: IcmpHeader): void {
  const { net } = dev;
  const bytes = flatten(pkt.data, pkt.len);
  const headerLen = ((bytes[0] ?? 0) & 0xf) * 4;
  if (bytes.length < IPV4_HLEN || headerLen < IPV4_HLEN) {
    net.mib[MIB.IcmpInErrors]++;
    drop(net, pkt, 'PKT_TOO_SMALL');
    return;
  }
  const quoted = readQuoted(bytes, headerLen, icmp);
  const from = (pkt.ip as Ipv4Header).src;
  if (icmp.type === ICMP_REDIRECT) {
    acceptRedirect(net, dev, from, quoted.error.dst, icmp.rest);
    tell(pkt, dev, bytes, headerLen, quoted);
    return;
  }
  if (icmp.type === ICMP_DEST_UNREACH) {
    if (icmp.code > MAX_UNREACH_CODE || icmp.code === ICMP_SR_FAILED) {
      if (icmp.code > MAX_UNREACH_CODE) {
        drop(net, pkt, 'NOT_SPECIFIED', `icmp code ${icmp.code}`);
        return;
      }
    } else if (icmp.code === ICMP_FRAG_NEEDED) {
      if (net.sysctl.ipNoPmtuDisc === 2) return;
      learnPmtu(dev, quoted, icmp);
    }
  }
  // RFC 1122 §3.2.2: an error that claims to come from a broadcast address is a mistake.
  const bogus = inetAddrType(net, quoted.error.dst) === RTN_BROADCAST;
  if (bogus && net.sysctl.icmpIgnoreBogusErrorResponses === 0) {
    drop(net, pkt, 'NOT_SPECIFIED');
    return;
  }
  tell(pkt, dev, bytes, headerLen, quoted);
}

interface Quoted {
  readonly error: IcmpError;
  readonly protocol: number;
  readonly fragmentOffset: number;
  readonly totalLen: number;
}

function readQuoted(bytes: Uint8Array, headerLen: number, icmp: IcmpHeader): Quoted {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    protocol: view.getUint8(9),
    fragmentOffset: view.getUint16(6) & IP_OFFSET,
    totalLen: view.getUint16(2),
    error: {
      type: icmp.type,
      code: icmp.code,
      info: icmp.type === ICMP_DEST_UNREACH ? icmp.rest & 0xffff : icmp.rest,
      src: view.getInt32(12),
      dst: view.getInt32(16),
      bytes: bytes.subarray(headerLen),
    },
  };
}

/**
 * RFC 1191 §4: the MTU that the router names. Transports that check the quote (TCP) learn it themselves; for
 * the others it is kept for the destination.
 */
function learnPmtu(dev: NetDevice, quoted: Quoted, icmp: IcmpHeader): void {
  const { net } = dev;
  const mtu = icmp.rest & 0xffff;
  if (mtu === 0 || net.sysctl.ipNoPmtuDisc === 1 || quoted.protocol === 6) return;
  const route = routeOutput(net, quoted.error.dst, quoted.error.src, 0, 0);
  if (typeof route !== 'number') updatePmtu(net, quoted.error.dst, mtu, route);
}

function tell(
  pkt: Packet,
  dev: NetDevice,
  bytes: Uint8Array,
  headerLen: number,
  quoted: Quoted,
): void {
  const { net } = dev;
  if (bytes.length < headerLen + MIN_QUOTE) {
    net.mib[MIB.IcmpInErrors]++;
    drop(net, pkt, 'PKT_TOO_SMALL');
    return;
  }
  const handler = net.kernel.protocols.inetError[quoted.protocol];
  if (handler === undefined || quoted.fragmentOffset !== 0) {
    drop(net, pkt, 'IP_NOPROTO', String(quoted.protocol));
    return;
  }
  handler(pkt, quoted.error);
}
