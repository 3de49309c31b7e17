/** TCP over IPv4 (Linux `ipv4_specific`). */
import { EMSGSIZE } from '../../errno.ts';
import type { NetNs } from '../../net.ts';
import { ipLocalOut } from '../../network/ipv4/output.ts';
import { updatePmtu } from '../../network/route/exception.ts';
import { isDeep, routeOutput } from '../../network/route/output.ts';
import type { Route } from '../../network/route/route.ts';
import { answerFlow, flowTo } from '../../network/rule/flow.ts';
import type { Packet } from '../../packet.ts';
import { ETH_P_IP } from '../../wire/ethernet.ts';
import { IP_DF, IPPROTO_TCP, IPV4_HLEN, Ipv4Header } from '../../wire/ipv4.ts';
import { TCP_HLEN } from '../../wire/tcp.ts';
import { IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE } from '../sockopt-names.ts';
import { TCP_MSS_DEFAULT } from './constants.ts';
import type { ReplyFields, TcpFamily, TcpRoute } from './family.ts';
import type { RequestSock } from './request.ts';
import { rebuildRoute, routeOf } from './route-cache.ts';
import type { TcpSock } from './sock.ts';

/** `IP_PMTUDISC_WANT`, `_DO`, `_PROBE`: values of `Sock.pmtudisc` that set DF. */
const DF_OF_PMTUDISC: readonly boolean[] = [false, true, true, true, false, false];

/** ECT(0) of the IP header (RFC 3168 §5). */
const INET_ECN_ECT_0 = 2;

export const FAMILY4: TcpFamily = {
  headerLen: IPV4_HLEN,
  etherType: ETH_P_IP,
  defaultMss: TCP_MSS_DEFAULT,
  cookieMss: [536, 1300, 1440, 1460],

  route: (sk) => routeOutput(sk.net, sk.daddr, sk.saddr, sk.boundDevIf, sk.tos & 0x1c, sk),

  requestRoute: (sk, req) =>
    routeOutput(sk.net, req.daddr, req.saddr, req.boundDevIf, sk.tos & 0x1c, flowTo(sk, req.dport)),

  /** Within net.ipv4.route.min_adv_mss and 65495 (`ipv4_default_advmss`). */
  defaultAdvmss(net: NetNs, route: TcpRoute): number {
    const mtu = route.mtuMetric !== 0 ? route.mtuMetric : route.dev.mtu;
    const mss = Math.max(mtu - IPV4_HLEN - TCP_HLEN, net.sysctl.minAdvMss);
    return Math.min(mss, 65535 - IPV4_HLEN - TCP_HLEN);
  },

  transmit(sk: TcpSock, pkt: Packet, ecn: number, segments: number): number {
    const { net } = sk;
    const route = sk.route as Route;
    const ttl = sk.ttl >= 0 ? sk.ttl : net.sysctl.ipDefaultTtl;
    const ip = new Ipv4Header(sk.saddr, sk.daddr, IPPROTO_TCP, ttl, (sk.tos & 0xfc) | ecn);
    if (DF_OF_PMTUDISC[sk.pmtudisc] === true && !route.pmtuLocked) ip.frag = IP_DF;
    // One id per segment on the wire (Linux `ip_select_ident_segs` for a connected socket).
    ip.id = sk.ipId;
    sk.ipId = (sk.ipId + segments) & 0xffff;
    if (sk.ipId === 0) sk.ipId = 1;
    pkt.ip = ip;
    pkt.route = route;
    return ipLocalOut(net, pkt);
  },

  transmitSynack(sk: TcpSock, req: RequestSock, pkt: Packet): number {
    const { net } = sk;
    const ttl = sk.ttl >= 0 ? sk.ttl : net.sysctl.ipDefaultTtl;
    const tos = net.sysctl.tcpReflectTos === 0 ? sk.tos & 0xfc : req.synTos;
    // DCTCP wants marks on all segments.
    const ect = sk.ca.needsEcn && req.ecnOk ? INET_ECN_ECT_0 : 0;
    pkt.ip = new Ipv4Header(req.saddr, req.daddr, IPPROTO_TCP, ttl, tos | ect);
    if (sk.pmtudisc !== 0) pkt.ip.frag = IP_DF;
    pkt.route = req.route as Route;
    return ipLocalOut(net, pkt);
  },

  reply(net: NetNs, to: Packet, pkt: Packet, fields: ReplyFields): boolean {
    const { ip } = to;
    if (ip === null) return false;
    const flow = isDeep(net) ? answerFlow(to, 0) : null;
    const route = routeOutput(net, ip.src, ip.dst, fields.oif, fields.tos & 0x1c, flow);
    if (typeof route === 'number') return false;
    const ttl = fields.ttl >= 0 ? fields.ttl : net.sysctl.ipDefaultTtl;
    pkt.ip = new Ipv4Header(ip.dst, ip.src, IPPROTO_TCP, ttl, fields.tos);
    pkt.ip.frag = IP_DF;
    pkt.route = route;
    ipLocalOut(net, pkt);
    return true;
  },

  /** Linux `tcp_v4_mtu_reduced` */
  learnPmtu(sk: TcpSock, mtu: number): boolean {
    // IP_PMTUDISC_PROBE, INTERFACE and OMIT believe nobody (`ip_sk_accept_pmtu`).
    if (sk.pmtudisc >= IP_PMTUDISC_PROBE) return false;
    if (rebuildRoute(sk) < 0) return false;
    updatePmtu(sk.net, sk.daddr, mtu, routeOf(sk) as Route);
    if (rebuildRoute(sk) < 0) return false;
    const now = routeOf(sk)?.mtu(sk.net.kernel.nowUs) ?? 0;
    if (mtu < now && sk.pmtudisc !== IP_PMTUDISC_DONT) sk.errSoft = EMSGSIZE;
    return sk.pmtudisc !== IP_PMTUDISC_DONT;
  },

  rehash: () => {},
};
