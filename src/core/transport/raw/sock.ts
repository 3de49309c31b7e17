/** Raw IPv4 sockets (Linux `net/ipv4/raw.c`): any protocol, received with the IP header. */
import {
  EACCES,
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
import { BAD_IP_CSUM, ipLength, NO_PAYLOAD, type Packet, type Payload } from '../../packet.ts';
import { INADDR_LOOPBACK } from '../../util/address.ts';
import { ETH_P_IP } from '../../wire/ethernet.ts';
import { ipBytes, l4Bytes, parseIpv4Packet, parseL4 } from '../../wire/frame.ts';
import {
  IP_DF,
  IP_MAX_MTU,
  IPPROTO_ICMP,
  IPPROTO_RAW,
  IPV4_HLEN,
  Ipv4Header,
} from '../../wire/ipv4.ts';
import { DatagramSock } from '../datagram.ts';
import { queueLocalError } from '../error-queue.ts';
import { source6 } from '../inet6-cmsg.ts';
import { readControl, type SendOptions } from '../send-options.ts';
import {
  AF_INET,
  type ControlMessage,
  MSG_OOB,
  type OptionValue,
  SEND_SHUTDOWN,
  SOCK_RAW,
  type SockAddrIn,
} from '../sock.ts';
import { ICMP_FILTER, IP_PMTUDISC_PROBE, SIOCINQ, SIOCOUTQ } from '../sockopt-names.ts';
import { raw6Sendmsg } from './ipv6.ts';

export class RawSock extends DatagramSock {
  /** ICMP_FILTER: bit n set, ICMP type n is not wanted. */
  icmpFilter = 0;

  constructor(net: NetNs, family: number, protocol: number) {
    super(net, family, SOCK_RAW, protocol);
    this.sport = protocol;
    if (protocol === IPPROTO_RAW) this.ownRare().hdrIncl = true;
    net.raw.add(this);
  }

  /** Linux `raw_bind`: an address; there are no ports, and a later one replaces it. */
  override bind(addr: number, _port: number): number {
    this.rcvSaddr = addr;
    this.saddr = addr;
    this.bindAddrLocked = addr !== 0;
    this.resetRoute();
    return 0;
  }

  override autobind(): number {
    return 0;
  }

  override rehash(): void {}

  protected override unhash(): void {
    this.net.raw.remove(this);
  }

  /** A raw socket is found by its protocol, peer or not. */
  override disconnect(): number {
    super.disconnect();
    this.sport = this.protocol;
    this.net.raw.add(this);
    return 0;
  }

  /** Linux `raw_sendmsg` */
  override sendmsg(
    data: Uint8Array,
    flags: number,
    to: SockAddrIn | null,
    control?: readonly ControlMessage[],
  ): number {
    if (this.inet6 !== null)
      return raw6Sendmsg(this, this.inet6, data, flags, { to, control: control ?? null });
    if (data.length > 0xffff) return -EMSGSIZE;
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
    if (to === null && !this.connected) return -EDESTADDRREQ;
    const options = control === undefined ? null : readControl(this.net, control);
    if (typeof options === 'number') return options;
    const asked = to === null ? this.daddr : to.addr;
    const daddr = asked === 0 ? options?.addr || this.saddr || INADDR_LOOPBACK : asked;
    const special = options !== null && (options.oif !== 0 || options.addr !== 0);
    const route = special
      ? this.lookUpRoute(daddr, options.addr, options.oif)
      : this.routeTo(asked);
    if (typeof route === 'number') return route;
    if (route.type === RTN_BROADCAST && !this.broadcast) return -EACCES;
    const saddr = options?.addr || this.sourceFor(daddr, asked, route);
    const pkt = this.rare.hdrIncl
      ? this.packetWithHeader(data, route, saddr)
      : this.makePacket(data, route, saddr, daddr, options);
    if (typeof pkt === 'number') return pkt;
    pkt.route = route;
    pkt.mark = this.mark;
    pkt.priority = this.priority;
    pkt.noLoop = !this.rare.mcLoop;
    const err = ipLocalOut(this.net, pkt);
    return err < 0 ? err : data.length;
  }

  /** `sk_err`, then EPIPE: what buffer allocation reports; 0 or `-errno`. */
  private refusal(): number {
    if (this.err !== 0) return -this.takeError();
    return (this.shutdownMask & SEND_SHUTDOWN) !== 0 ? -EPIPE : 0;
  }

  private makePacket(
    data: Uint8Array,
    route: Route,
    saddr: number,
    daddr: number,
    options: SendOptions | null,
  ): Packet | number {
    const size = IPV4_HLEN + data.length;
    if (size > (this.mayFragment() ? IP_MAX_MTU : this.mtuOf(route)))
      return this.tooLong(route, daddr);
    const err = this.refusal();
    if (err < 0) return err;
    const pkt = this.net.kernel.newPacket(ETH_P_IP);
    const ttl = options !== null && options.ttl >= 0 ? options.ttl : this.ttlFor(daddr);
    const tos = options !== null && options.tos >= 0 ? options.tos : this.tos;
    pkt.ip = new Ipv4Header(saddr, daddr, this.protocol & 0xff, ttl, tos);
    const said = options === null ? null : options.ipOptions;
    const ipOptions = said ?? this.rare.ipOptions;
    if (ipOptions !== null) pkt.ip.options = buildOptions(ipOptions, this.net, saddr);
    if (this.dontFragment(route, size)) pkt.ip.frag = IP_DF;
    pkt.ignoreDf = this.mayFragment();
    pkt.linkMtu = this.pmtudisc >= IP_PMTUDISC_PROBE;
    pkt.data = data.length === 0 ? NO_PAYLOAD : [this.copyIn.copy(data)];
    pkt.len = data.length;
    if (pkt.len > 0) parseL4(pkt);
    if (this.protocol === IPPROTO_ICMP && data.length > 0)
      icmpOutCount(this.net, data[0] as number);
    return pkt;
  }

  /** IP_HDRINCL: the application wrote the header; it is never cut (Linux `raw_send_hdrinc`). */
  private packetWithHeader(data: Uint8Array, route: Route, saddr: number): Packet | number {
    if (data.length > route.dev.mtu) return this.tooLong(route, this.daddr);
    if (data.length < IPV4_HLEN) return -EINVAL;
    const err = this.refusal();
    if (err < 0) return err;
    const bytes = this.copyIn.copy(data);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // The kernel writes the total length itself; a checksum it would write is not looked at.
    view.setUint16(2, bytes.length);
    if (view.getInt32(12) === 0) view.setInt32(12, saddr);
    const pkt = this.net.kernel.newPacket(ETH_P_IP);
    parseIpv4Packet(bytes, pkt);
    if (pkt.ip === null) return -EINVAL;
    pkt.flags &= ~BAD_IP_CSUM;
    return pkt;
  }

  private tooLong(route: Route, daddr: number): number {
    queueLocalError(this, EMSGSIZE, daddr, 0, this.mtuOf(route));
    return -EMSGSIZE;
  }

  protected override payloadOf(pkt: Packet): Payload {
    return this.inet6 === null ? [ipBytes(pkt)] : l4Bytes(pkt);
  }

  protected override sourceOf(pkt: Packet): SockAddrIn {
    if (this.inet6 !== null) return source6(pkt, 0);
    return { family: AF_INET, addr: pkt.ip === null ? 0 : pkt.ip.src, port: 0 };
  }

  /** Level SOL_RAW. */
  override setOption(name: number, value: OptionValue): number {
    if (name !== ICMP_FILTER) return -ENOPROTOOPT;
    if (this.protocol !== IPPROTO_ICMP) return -EOPNOTSUPP;
    if (typeof value !== 'number') return -EINVAL;
    this.icmpFilter = value | 0;
    return 0;
  }

  override getOption(name: number): OptionValue {
    if (name !== ICMP_FILTER) return -ENOPROTOOPT;
    return this.protocol === IPPROTO_ICMP ? this.icmpFilter : -EOPNOTSUPP;
  }

  override ioctl(request: number): number {
    if (request === SIOCINQ) {
      const next = this.queue.peek();
      if (next === undefined) return 0;
      return ipLength(next) - (next.ip6 === null ? 0 : next.ip6.headerLen());
    }
    return request === SIOCOUTQ ? 0 : -ENODEV;
  }
}
