/**
 * Errors about IPv6 packets of our own (RFC 4443 §3; Linux `icmpv6_notify`): the transport whose packet is quoted is
 * told. What it learns of the path it keeps with `learnPmtu6`, if it believes the quote.
 */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB6 } from '../../mib6.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import type { Icmp6Error } from '../../protocols.ts';
import { isLinkLocal6 } from '../../util/ip6-addr.ts';
import { flatten } from '../../wire/frame.ts';
import type { IcmpHeader } from '../../wire/icmp.ts';
import { IPV6_HLEN, parseIpv6Header } from '../../wire/ipv6.ts';
import { updatePmtu6 } from '../route6/exception.ts';
import { routeOutput6 } from '../route6/output.ts';

/** Bytes of the transport header that must be quoted (`pskb_may_pull(skb, inner_offset + 8)`). */
const MIN_QUOTE = 8;

/** Takes an error that is addressed to us. */
export function icmp6ErrorInput(pkt: Packet, dev: NetDevice, icmp: IcmpHeader): void {
  const { net } = dev;
  const bytes = flatten(pkt.data, pkt.len);
  const error = readError(bytes, icmp, dev);
  if (error === null) {
    net.ipv6.mib[MIB6.Icmp6InErrors]++;
    drop(net, pkt, 'PKT_TOO_SMALL', 'quote');
    return;
  }
  const { protocols } = net.kernel;
  protocols.inet6Error[error.protocol]?.(pkt, error);
  protocols.raw6Error(pkt, error);
}

/** The quoted packet is cut off: its length field says more than came. */
function readError(bytes: Uint8Array, icmp: IcmpHeader, dev: NetDevice): Icmp6Error | null {
  if (bytes.length < IPV6_HLEN) return null;
  const whole = bytes.slice();
  const view = new DataView(whole.buffer);
  const said = view.getUint16(4);
  view.setUint16(4, Math.min(said, whole.length - IPV6_HLEN));
  const ip = parseIpv6Header(whole, view, 0, whole.length);
  if (ip === null || whole.length < ip.headerLen() + MIN_QUOTE) return null;
  return {
    type: icmp.type,
    code: icmp.code,
    info: icmp.rest,
    src: ip.src,
    dst: ip.dst,
    protocol: ip.protocol,
    ifindex: dev.ifindex,
    bytes: whole.subarray(ip.headerLen()),
  };
}

/**
 * Keeps the MTU that a router named for the way to the quoted packet's destination (RFC 8201 §4; Linux
 * `ip6_sk_update_pmtu`). Called by the transport that knows the quoted packet for its own.
 */
export function learnPmtu6(net: NetNs, error: Icmp6Error, oif: number): void {
  const scoped = oif === 0 && isLinkLocal6(error.dst) ? error.ifindex : oif;
  const route = routeOutput6(net, error.dst, error.src, scoped);
  if (typeof route !== 'number') updatePmtu6(net, error.dst, error.info >>> 0, route);
}
