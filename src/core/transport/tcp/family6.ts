/** TCP over IPv6 (Linux `ipv6_specific`, `net/ipv6/tcp_ipv6.c`). */
import type { NetNs } from '../../net.ts';
import { ip6LocalOut } from '../../network/ipv6/output.ts';
import { updatePmtu6 } from '../../network/route6/exception.ts';
import { isDeep6, routeOutput6 } from '../../network/route6/output.ts';
import type { Route6 } from '../../network/route6/route.ts';
import { answerFlow, flowTo } from '../../network/rule/flow.ts';
import type { Packet } from '../../packet.ts';
import { needsScope } from '../../util/ip6-addr.ts';
import { ETH_P_IPV6 } from '../../wire/ethernet.ts';
import { IPPROTO_TCP } from '../../wire/ipv4.ts';
import { IPV6_HLEN, IPV6_MAXPLEN, IPV6_MIN_MTU, Ipv6Header } from '../../wire/ipv6.ts';
import { TCP_HLEN } from '../../wire/tcp.ts';
import { ifindexOf } from '../inet6-cmsg.ts';
import type { Inet6 } from '../inet6-state.ts';
import { IP_PMTUDISC_INTERFACE } from '../sockopt-names.ts';
import type { Ends6, ReplyFields, TcpFamily, TcpRoute } from './family.ts';
import { tcpMtuToMss } from './mss.ts';
import type { RequestSock } from './request.ts';
import { rebuildRoute, routeOf } from './route-cache.ts';
import type { TcpSock } from './sock.ts';

const ECN_MASK = 3;

/** ECT(0) of the IP header (RFC 3168 §5). */
const INET_ECN_ECT_0 = 2;

export const FAMILY6: TcpFamily = {
  headerLen: IPV6_HLEN,
  etherType: ETH_P_IPV6,
  defaultMss: IPV6_MIN_MTU - IPV6_HLEN - TCP_HLEN,
  cookieMss: [1220, 1420, 1440, 8940],

  route: (sk) => {
    const { local, remote } = sk.ends as Ends6;
    const tclass = sk.inet6?.tclass ?? 0;
    return routeOutput6(sk.net, remote, local, sk.boundDevIf, sk, tclass);
  },

  requestRoute: (sk, req) => {
    const { local, remote } = req.ends as Ends6;
    const tclass = sk.inet6?.tclass ?? 0;
    const flow = flowTo(sk, req.dport);
    return routeOutput6(sk.net, remote, local, req.boundDevIf, flow, tclass);
  },

  /** Within net.ipv6.route.min_adv_mss and all that the length field can say (`ip6_default_advmss`). */
  defaultAdvmss(net: NetNs, route: TcpRoute): number {
    const mss = route.mtu(net.kernel.nowUs) - IPV6_HLEN - TCP_HLEN;
    const least = net.ipv6.sysctl.routeMinAdvmss;
    if (mss < least) return least;
    return mss > IPV6_MAXPLEN - TCP_HLEN ? IPV6_MAXPLEN : mss;
  },

  transmit(sk: TcpSock, pkt: Packet, ecn: number): number {
    const v6 = sk.inet6 as Inet6;
    const route = sk.route as Route6;
    const hops = v6.hops >= 0 ? v6.hops : route.defaultHopLimit();
    const ip = headerOf(sk.ends as Ends6, hops, (v6.tclass & ~ECN_MASK) | ecn);
    ip.flowLabel = labelOf(sk.net, v6, sk.txHash);
    return send(sk.net, pkt, ip, route);
  },

  transmitSynack(sk: TcpSock, req: RequestSock, pkt: Packet): number {
    const { net } = sk;
    const v6 = sk.inet6 as Inet6;
    const route = req.route as Route6;
    const hops = v6.hops >= 0 ? v6.hops : route.defaultHopLimit();
    const tclass = net.sysctl.tcpReflectTos === 0 ? v6.tclass & ~ECN_MASK : req.synTos;
    const ect = sk.ca.needsEcn && req.ecnOk ? INET_ECN_ECT_0 : 0;
    const ip = headerOf(req.ends as Ends6, hops, tclass | ect);
    ip.flowLabel = labelOf(net, v6, req.txHash);
    return send(net, pkt, ip, route);
  },

  /** Linux `tcp_v6_send_response` */
  reply(net: NetNs, to: Packet, pkt: Packet, fields: ReplyFields): boolean {
    const { ip6, tcp } = to;
    if (ip6 === null || tcp === null) return false;
    const oif = fields.oif === 0 && needsScope(ip6.src) ? ifindexOf(to) : fields.oif;
    const flow = isDeep6(net) ? answerFlow(to, 0) : null;
    const route = routeOutput6(net, ip6.src, ip6.dst, oif, flow, fields.tos);
    if (typeof route === 'number') return false;
    const tclass = fields.tos & ~ECN_MASK;
    const ip = new Ipv6Header(ip6.dst, ip6.src, IPPROTO_TCP, route.defaultHopLimit(), tclass);
    const ports = (tcp.dport << 16) | tcp.sport;
    ip.flowLabel = net.ipv6.flowLabel(ip.src, ip.dst, IPPROTO_TCP, ports);
    send(net, pkt, ip, route);
    return true;
  },

  /** Linux `tcp_v6_mtu_reduced` */
  learnPmtu(sk: TcpSock, mtu: number): boolean {
    if ((sk.inet6 as Inet6).pmtudisc >= IP_PMTUDISC_INTERFACE || mtu < IPV6_MIN_MTU) return false;
    // What would not make segments smaller is no news.
    if (tcpMtuToMss(sk, mtu) >= sk.mssCache || rebuildRoute(sk) < 0) return false;
    updatePmtu6(sk.net, (sk.ends as Ends6).remote, mtu, routeOf(sk) as Route6);
    return rebuildRoute(sk) === 0;
  },

  rehash(sk: TcpSock): void {
    sk.txHash = sk.net.tcp.secrets.random.i32();
  },
};

function headerOf(ends: Ends6, hopLimit: number, tclass: number): Ipv6Header {
  return new Ipv6Header(ends.local, ends.remote, IPPROTO_TCP, hopLimit, tclass);
}

/** The flow's hash as its label (RFC 6437 §3; `ip6_make_flowlabel`), if somebody wants one. */
function labelOf(net: NetNs, v6: Inet6, hash: number): number {
  return net.ipv6.wantsFlowLabel(v6.autoFlowLabel) ? hash & 0xfffff : 0;
}

function send(net: NetNs, pkt: Packet, ip: Ipv6Header, route: Route6): number {
  pkt.ip6 = ip;
  pkt.route6 = route;
  // LINUX: what does not fit, because the path became narrower, is cut here (`ip6_xmit`).
  pkt.ignoreDf = true;
  return ip6LocalOut(net, pkt);
}
