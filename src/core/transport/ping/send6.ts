/** Echo requests of ping sockets over IPv6 (Linux `ping_v6_sendmsg`). */
import {
  EAGAIN,
  EDESTADDRREQ,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  EOPNOTSUPP,
  EPIPE,
} from '../../errno.ts';
import { icmp6OutCount } from '../../network/ipv6/icmp.ts';
import { ip6LocalOut } from '../../network/ipv6/output.ts';
import type { Packet } from '../../packet.ts';
import type { Icmp6Error } from '../../protocols.ts';
import { IN6ADDR_LOOPBACK, isAny6, isMapped6, needsScope } from '../../util/ip6-addr.ts';
import { ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { ICMP_HLEN, IcmpHeader } from '../../wire/icmp.ts';
import { ICMPV6_ECHO_REQUEST } from '../../wire/icmpv6.ts';
import { IPPROTO_ICMPV6, IPV6_HLEN, Ipv6Header } from '../../wire/ipv6.ts';
import { reportIcmp6 } from '../icmp6-report.ts';
import { hopLimitFor, route6To } from '../inet6.ts';
import type { Inet6 } from '../inet6-state.ts';
import { MSG_OOB, SEND_SHUTDOWN, type SockAddrIn } from '../sock.ts';
import { IP_PMTUDISC_DO, IP_PMTUDISC_PROBE } from '../sockopt-names.ts';
import type { PingSock } from './sock.ts';

/** Sends what the application wrote from its ICMPv6 header on. Returns `data.length` or `-errno`. */
export function ping6Sendmsg(
  sk: PingSock,
  v6: Inet6,
  data: Uint8Array,
  flags: number,
  to: SockAddrIn | null,
): number {
  if (sk.autobind() < 0) return -EAGAIN;
  if (data.length > 0xffff) return -EMSGSIZE;
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if (data.length < ICMP_HLEN || data[0] !== ICMPV6_ECHO_REQUEST || data[1] !== 0) return -EINVAL;
  if (to === null && !sk.connected) return -EDESTADDRREQ;
  const asked = to?.addr6 ?? v6.daddr;
  if (to !== null && to.addr6 === undefined) return -EINVAL;
  if (isMapped6(asked)) return -ENETUNREACH;
  const dst = isAny6(asked) ? IN6ADDR_LOOPBACK : asked;
  const oif = to !== null && needsScope(dst) ? (to.scopeId ?? 0) : 0;
  const found = route6To(sk, v6, dst, oif);
  if (typeof found === 'number') return found;
  const { route, src } = found;
  const mayCut = v6.pmtudisc < IP_PMTUDISC_DO && !v6.dontFrag;
  if (!mayCut && IPV6_HLEN + data.length > route.mtu(sk.net.kernel.nowUs)) return -EMSGSIZE;
  if (sk.err !== 0) return -sk.takeError();
  if ((sk.shutdownMask & SEND_SHUTDOWN) !== 0) return -EPIPE;
  const { net } = sk;
  const pkt = net.kernel.newPacket(ETH_P_IPV6);
  pkt.ip6 = new Ipv6Header(src, dst, IPPROTO_ICMPV6, hopLimitFor(v6, dst, route), v6.tclass);
  pkt.ip6.flowLabel = net.ipv6.flowLabel(src, dst, IPPROTO_ICMPV6, sk.sport);
  const sequence = ((data[6] as number) << 8) | (data[7] as number);
  pkt.icmp = new IcmpHeader(ICMPV6_ECHO_REQUEST, 0, (sk.sport << 16) | sequence);
  pkt.len = data.length - ICMP_HLEN;
  if (pkt.len > 0) pkt.data = [sk.copyIn.copy(data.subarray(ICMP_HLEN))];
  pkt.ignoreDf = mayCut;
  pkt.linkMtu = v6.pmtudisc >= IP_PMTUDISC_PROBE;
  pkt.noLoop = !v6.mcastLoop;
  pkt.mark = sk.mark;
  pkt.priority = sk.priority;
  pkt.route6 = route;
  icmp6OutCount(net, ICMPV6_ECHO_REQUEST);
  const err = ip6LocalOut(net, pkt);
  return err < 0 ? err : data.length;
}

/** ICMPv6 errors about our echo requests (Linux `ping_err`). */
export function ping6Error(pkt: Packet, error: Icmp6Error): void {
  const { dev } = pkt;
  const { bytes } = error;
  if (dev === null || bytes[0] !== ICMPV6_ECHO_REQUEST) return;
  const ident = ((bytes[4] ?? 0) << 8) | (bytes[5] ?? 0);
  const sk = dev.net.ping.lookup6(ident, error.src, dev.ifindex);
  if (sk !== null) reportIcmp6(sk, pkt, error, 0, ICMP_HLEN);
}
