/**
 * Ping sockets: SOCK_DGRAM, IPPROTO_ICMP (Linux `net/ipv4/ping.c`). The application writes an echo
 * request from its ICMP header on; the kernel fills in the identifier, which is the socket's port.
 */
import {
  EACCES,
  EADDRINUSE,
  EAGAIN,
  EDESTADDRREQ,
  EINVAL,
  EMSGSIZE,
  ENODEV,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPIPE,
} from '../../errno.ts';
import type { NetNs } from '../../net.ts';
import { icmpOutCount } from '../../network/ipv4/icmp.ts';
import { buildOptions } from '../../network/ipv4/options.ts';
import { ipLocalOut } from '../../network/ipv4/output.ts';
import { type Route, RTN_BROADCAST } from '../../network/route/route.ts';
import type { Packet, Payload } from '../../packet.ts';
import { INADDR_LOOPBACK } from '../../util/address.ts';
import { ETH_P_IP } from '../../wire/ethernet.ts';
import { l4Bytes } from '../../wire/frame.ts';
import { ICMP_ECHO, ICMP_HLEN, IcmpHeader } from '../../wire/icmp.ts';
import { IP_DF, IP_MAX_MTU, IPPROTO_ICMP, IPV4_HLEN, Ipv4Header } from '../../wire/ipv4.ts';
import { IPPROTO_ICMPV6 } from '../../wire/ipv6.ts';
import { DatagramSock } from '../datagram.ts';
import { source6 } from '../inet6-cmsg.ts';
import {
  AF_INET,
  AF_INET6,
  MSG_OOB,
  type OptionValue,
  SEND_SHUTDOWN,
  SOCK_DGRAM,
  type SockAddrIn,
} from '../sock.ts';
import { IP_PMTUDISC_PROBE, SIOCINQ, SIOCOUTQ } from '../sockopt-names.ts';
import { ping6Sendmsg } from './send6.ts';

export class PingSock extends DatagramSock {
  constructor(net: NetNs, family: number) {
    super(net, family, SOCK_DGRAM, family === AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  }

  override bind(addr: number, port: number): number {
    const err = this.getIdent(port);
    if (err < 0) return err;
    this.rcvSaddr = addr;
    this.saddr = addr;
    this.bindAddrLocked = addr !== 0;
    this.bindPortLocked = port !== 0;
    this.resetRoute();
    return 0;
  }

  override autobind(): number {
    return this.sport !== 0 || this.getIdent(0) === 0 ? 0 : -EAGAIN;
  }

  /** Linux `ping_get_port` */
  private getIdent(wanted: number): number {
    const { ping } = this.net;
    const ident = wanted === 0 ? ping.freeIdent() : wanted;
    if (ident === 0) return -EADDRINUSE;
    const owners = ping.socks.get(ident) ?? [];
    const own = owners.filter((o) => o.family === this.family);
    if (own.some((o) => !o.reuseAddr || !this.reuseAddr)) return -EADDRINUSE;
    this.sport = ident;
    ping.add(this);
    return 0;
  }

  override rehash(): void {}

  protected override unhash(): void {
    this.net.ping.remove(this);
  }

  /** Linux `ping_v4_sendmsg` */
  override sendmsg(data: Uint8Array, flags: number, to: SockAddrIn | null): number {
    if (this.inet6 !== null) return ping6Sendmsg(this, this.inet6, data, flags, to);
    if (this.autobind() < 0) return -EAGAIN;
    if (data.length > 0xffff) return -EMSGSIZE;
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
    if (data.length < ICMP_HLEN || data[0] !== ICMP_ECHO || data[1] !== 0) return -EINVAL;
    if (to === null && !this.connected) return -EDESTADDRREQ;
    const asked = to === null ? this.daddr : to.addr;
    const route = this.routeTo(asked);
    if (typeof route === 'number') return route;
    if (route.type === RTN_BROADCAST && !this.broadcast) return -EACCES;
    if (IPV4_HLEN + data.length > (this.mayFragment() ? IP_MAX_MTU : this.mtuOf(route)))
      return -EMSGSIZE;
    if (this.err !== 0) return -this.takeError();
    if ((this.shutdownMask & SEND_SHUTDOWN) !== 0) return -EPIPE;
    icmpOutCount(this.net, ICMP_ECHO);
    const err = ipLocalOut(this.net, this.makePacket(data, asked, route));
    return err < 0 ? err : data.length;
  }

  private makePacket(data: Uint8Array, asked: number, route: Route): Packet {
    const daddr = asked === 0 ? this.saddr || INADDR_LOOPBACK : asked;
    const saddr = this.sourceFor(daddr, asked, route);
    const pkt = this.net.kernel.newPacket(ETH_P_IP);
    pkt.ip = new Ipv4Header(saddr, daddr, IPPROTO_ICMP, this.ttlFor(daddr), this.tos);
    const { ipOptions } = this.rare;
    if (ipOptions !== null) pkt.ip.options = buildOptions(ipOptions, this.net, pkt.ip.src);
    if (this.dontFragment(route, IPV4_HLEN + data.length)) pkt.ip.frag = IP_DF;
    pkt.ignoreDf = this.mayFragment();
    pkt.linkMtu = this.pmtudisc >= IP_PMTUDISC_PROBE;
    pkt.noLoop = !this.rare.mcLoop;
    const sequence = ((data[6] as number) << 8) | (data[7] as number);
    pkt.icmp = new IcmpHeader(ICMP_ECHO, 0, (this.sport << 16) | sequence);
    pkt.len = data.length - ICMP_HLEN;
    if (pkt.len > 0) pkt.data = [this.copyIn.copy(data.subarray(ICMP_HLEN))];
    pkt.mark = this.mark;
    pkt.priority = this.priority;
    pkt.route = route;
    return pkt;
  }

  /** A reader sees the ICMP header too. */
  protected override payloadOf(pkt: Packet): Payload {
    return l4Bytes(pkt);
  }

  protected override sourceOf(pkt: Packet): SockAddrIn {
    if (this.inet6 !== null) return source6(pkt, 0);
    return { family: AF_INET, addr: pkt.ip === null ? 0 : pkt.ip.src, port: 0 };
  }

  override setOption(_name: number, _value: OptionValue): number {
    return -ENOPROTOOPT;
  }

  override getOption(_name: number): OptionValue {
    return -ENOPROTOOPT;
  }

  override ioctl(request: number): number {
    if (request === SIOCINQ) {
      const next = this.queue.peek();
      return next === undefined ? 0 : next.len + ICMP_HLEN;
    }
    return request === SIOCOUTQ ? 0 : -ENODEV;
  }
}
