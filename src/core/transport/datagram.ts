/**
 * What UDP, ping and raw sockets have in common: a queue of received packets, an association with a
 * peer, errors (Linux `net/ipv4/datagram.c`, `net/core/datagram.c`, `inet_dgram_ops`).
 */
import { EACCES, EAGAIN, EDESTADDRREQ, ENETUNREACH, ENOTCONN } from '../errno.ts';
import { MIB } from '../mib.ts';
import { isDeep, routeOutput } from '../network/route/output.ts';
import { type Route, RTN_BROADCAST } from '../network/route/route.ts';
import { flowTo } from '../network/rule/flow.ts';
import { NO_PAYLOAD, type Packet, type Payload } from '../packet.ts';
import { INADDR_LOOPBACK, isMulticast } from '../util/address.ts';
import { IN6ADDR_ANY } from '../util/ip6-addr.ts';
import { IP_MAX_MTU } from '../wire/ipv4.ts';
import { controlOf } from './ancillary.ts';
import { CopyIn } from './copy-in.ts';
import { hasQueuedErrors } from './error-queue.ts';
import type { Inet6 } from './inet6-state.ts';
import { leaveAllGroups } from './membership.ts';
import { leaveAllGroups6 } from './membership6.ts';
import { PacketQueue } from './packet-queue.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  EPOLLRDNORM,
  EPOLLWRBAND,
  EPOLLWRNORM,
  MSG_PEEK,
  MSG_TRUNC,
  RCV_SHUTDOWN,
  type Received,
  SEND_SHUTDOWN,
  Sock,
  type SockAddrIn,
} from './sock.ts';
import {
  IP_PMTUDISC_DO,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IP_PMTUDISC_WANT,
} from './sockopt-names.ts';
import { datagramTruesize } from './truesize.ts';

/** Bits of TOS that routes can depend on. */
const ROUTE_TOS = 0x1c;
const SHUTDOWN_MASK: number = RCV_SHUTDOWN | SEND_SHUTDOWN;

export abstract class DatagramSock extends Sock {
  readonly queue: PacketQueue = new PacketQueue();
  /** Bytes charged for what waits in the queue (`sk_rmem_alloc`). */
  rmemAlloc = 0;
  /** Packets that found the queue full (`sk_drops`). */
  drops = 0;
  /** connect() was called (`TCP_ESTABLISHED`). */
  connected = false;
  /** bind() chose the address / the port (`SOCK_BINDADDR_LOCK`, `SOCK_BINDPORT_LOCK`). */
  bindAddrLocked = false;
  bindPortLocked = false;
  /** The last destination of a socket without peer, as it was asked for, and the way to it. */
  protected lastDst = 0;
  protected route: Route | null = null;
  /** What copies the application's bytes. */
  readonly copyIn: CopyIn = new CopyIn();

  /** Makes the socket found where its addresses say (`sk_prot->rehash`). */
  abstract rehash(): void;
  /** Gives the port back (`sk_prot->unhash`). */
  protected abstract unhash(): void;
  /** Chooses a port if there is none; 0 or -EAGAIN (`inet_autobind`). */
  abstract autobind(): number;
  /** The bytes that a reader sees of a packet, and its source. */
  protected abstract payloadOf(pkt: Packet): Payload;
  protected abstract sourceOf(pkt: Packet): SockAddrIn;

  /** Options or addresses changed: the next packet asks for its way again (`sk_dst_reset`). */
  override resetRoute(): void {
    this.route = null;
    if (this.inet6 !== null) this.inet6.route = null;
  }

  /** `__ip4_datagram_connect` */
  override connect(addr: number, port: number): number {
    if (this.autobind() < 0) return -EAGAIN;
    const daddr = addr === 0 ? this.saddr || INADDR_LOOPBACK : addr;
    const route = this.lookUpRoute(daddr, 0, 0, port);
    if (typeof route === 'number') return route;
    if (route.type === RTN_BROADCAST && !this.broadcast) return -EACCES;
    const src = this.sourceFor(daddr, addr, route);
    if (this.saddr === 0) this.saddr = src;
    if (this.rcvSaddr === 0) this.rcvSaddr = src;
    this.daddr = daddr;
    this.dport = port;
    this.connected = true;
    this.route = route;
    this.rehash();
    return 0;
  }

  /** `__udp_disconnect` */
  override disconnect(): number {
    this.connected = false;
    this.daddr = 0;
    this.dport = 0;
    if (this.inet6 !== null) forget6(this.inet6, this.bindAddrLocked);
    this.boundDevIf = 0;
    this.route = null;
    if (!this.bindAddrLocked) {
      this.rcvSaddr = 0;
      this.saddr = 0;
    }
    if (this.bindPortLocked) this.rehash();
    else {
      this.unhash();
      this.sport = 0;
    }
    return 0;
  }

  /** The route of a connected socket or to the last destination, if it still holds. */
  protected cachedRoute(): Route | null {
    const { route } = this;
    if (route === null) return null;
    return route.generation === this.net.ipv4.generation && !route.dev.dead ? route : null;
  }

  /** The way to `asked`, 0 meaning this host: the cached one, or a new one that is then kept. */
  routeTo(asked: number, dport: number = this.dport): Route | number {
    const cached = this.connected || !isDeep(this.net) ? this.cachedRoute() : null;
    if (cached !== null && (this.connected ? this.daddr : this.lastDst) === asked) return cached;
    const daddr = asked === 0 ? this.saddr || INADDR_LOOPBACK : asked;
    const route = this.lookUpRoute(daddr, 0, 0, dport);
    if (typeof route === 'number') return route;
    if (!this.connected || this.daddr === asked) {
      this.route = route;
      this.lastDst = asked;
    }
    return route;
  }

  /** IP_MTU: of the way to the peer; -ENOTCONN without one. */
  override pathMtu(): number {
    const { inet6 } = this;
    if (inet6 !== null && this.connected && !inet6.isMapped)
      return inet6.route === null ? -ENOTCONN : inet6.route.mtu(this.net.kernel.nowUs);
    const route = this.connected ? this.routeTo(this.daddr) : null;
    if (route === null || typeof route === 'number') return -ENOTCONN;
    return route.mtu(this.net.kernel.nowUs);
  }

  /** Looks the way up, with what options say about it; `oif` and `src`: 0, or what a message says. */
  lookUpRoute(daddr: number, src: number, oif: number, dport: number = this.dport): Route | number {
    const { rare } = this;
    let via = oif === 0 ? this.boundDevIf : oif;
    let saddr = src === 0 ? this.saddr : src;
    if (isMulticast(daddr)) {
      if (via === 0) via = rare.mcIndex;
      if (saddr === 0) saddr = rare.mcAddr;
    } else if (via === 0) via = rare.unicastIf;
    const flow = flowTo(this, dport);
    const route = routeOutput(this.net, daddr, saddr, via, this.tos & ROUTE_TOS, flow);
    if (route === -ENETUNREACH) this.net.mib[MIB.IpOutNoRoutes]++;
    return route;
  }

  /** Source address of packets to `daddr`; `asked` is what the application wrote for it. */
  sourceFor(daddr: number, asked: number, route: Route): number {
    if (this.saddr !== 0) return this.saddr;
    if (isMulticast(daddr) && this.rare.mcAddr !== 0) return this.rare.mcAddr;
    return asked === 0 ? daddr : route.src;
  }

  /** Where to without an address: -EDESTADDRREQ, or 0. */
  protected needPeer(): number {
    return this.connected ? 0 : -EDESTADDRREQ;
  }

  ttlFor(daddr: number): number {
    if (isMulticast(daddr)) return this.rare.mcTtl;
    return this.ttl >= 0 ? this.ttl : this.net.sysctl.ipDefaultTtl;
  }

  /** May what is larger than the path be cut (`ip_sk_ignore_df`)? */
  mayFragment(): boolean {
    return this.pmtudisc < IP_PMTUDISC_DO || this.pmtudisc === IP_PMTUDISC_OMIT;
  }

  /** Largest IP packet that need not be cut, by IP_MTU_DISCOVER (`ip_sk_use_pmtu`). */
  mtuOf(route: Route): number {
    const mtu =
      this.pmtudisc < IP_PMTUDISC_PROBE ? route.mtu(this.net.kernel.nowUs) : route.dev.mtu;
    return mtu > IP_MAX_MTU ? IP_MAX_MTU : mtu;
  }

  /** May a packet of `len` bytes be cut (`ip_make_skb`, `ip_dont_fragment`)? */
  dontFragment(route: Route, len: number): boolean {
    const { pmtudisc } = this;
    if (pmtudisc === IP_PMTUDISC_DO || pmtudisc === IP_PMTUDISC_PROBE) return true;
    if (pmtudisc !== IP_PMTUDISC_WANT || route.pmtuLocked) return false;
    return len <= route.mtu(this.net.kernel.nowUs);
  }

  /** Queues a received packet; false: the buffer is full (`sock_queue_rcv_skb`). */
  enqueue(pkt: Packet): boolean {
    const size = this.sizeOf(pkt);
    if (!this.hasRoom(size)) {
      this.drops++;
      return false;
    }
    this.rmemAlloc += size;
    this.queue.push(pkt);
    if (this.onEvent !== null) this.onEvent(EPOLLIN | EPOLLRDNORM);
    return true;
  }

  /** One packet may exceed the limit. */
  protected hasRoom(_size: number): boolean {
    return this.rmemAlloc < this.rcvbuf;
  }

  protected sizeOf(pkt: Packet): number {
    return datagramTruesize(pkt.len);
  }

  /** A packet of `size` bytes left the queue. */
  protected release(size: number): void {
    this.rmemAlloc -= size;
  }

  /** Told when a packet reached its reader. */
  protected delivered(_pkt: Packet): void {}

  override recvmsg(max: number, flags: number): Received | number {
    if (this.err !== 0) return -this.takeError();
    const { queue } = this;
    const peek = (flags & MSG_PEEK) !== 0;
    const pkt = queue.peek();
    if (pkt === undefined) return -EAGAIN;
    if (!peek) {
      queue.shift();
      this.release(this.sizeOf(pkt));
      this.delivered(pkt);
    }
    const payload = this.payloadOf(pkt);
    const fullLen = lengthOf(payload, pkt);
    const { rareMaybe } = this;
    if (rareMaybe !== null && rareMaybe.peekOff >= 0)
      return this.readFrom(pkt, payload, fullLen, max, peek);
    const len = fullLen < max ? fullLen : max;
    return {
      data: len === fullLen ? payload : slicePayload(payload, 0, len),
      len,
      fullLen,
      from: this.sourceOf(pkt),
      flags: len < fullLen ? MSG_TRUNC : 0,
      control: controlOf(this, pkt),
    };
  }

  /** SO_PEEK_OFF is on: peeks go on where the last one ended, reads take them back. */
  private readFrom(
    pkt: Packet,
    payload: Payload,
    fullLen: number,
    max: number,
    peek: boolean,
  ): Received {
    const rare = this.ownRare();
    const off = peek ? Math.min(rare.peekOff, fullLen) : 0;
    const len = Math.min(max, fullLen - off);
    rare.peekOff = peek ? rare.peekOff + len : Math.max(0, rare.peekOff - fullLen);
    return {
      data: slicePayload(payload, off, len),
      len,
      fullLen,
      from: this.sourceOf(pkt),
      flags: off + len < fullLen ? MSG_TRUNC : 0,
      control: controlOf(this, pkt),
    };
  }

  /** `inet_shutdown` of a socket without stream: the bits are set even when it says ENOTCONN. */
  override shutdown(how: number): number {
    this.shutdownMask |= how + 1;
    this.wake(EPOLLIN | EPOLLOUT | EPOLLHUP);
    return this.connected ? 0 : -ENOTCONN;
  }

  override close(): void {
    this.orphan = true;
    this.onEvent = null;
    leaveAllGroups(this);
    if (this.inet6 !== null) leaveAllGroups6(this, this.inet6);
    this.unhash();
    this.queue.clear();
    this.rmemAlloc = 0;
    this.errorQueue = null;
  }

  /** Linux `datagram_poll` */
  override poll(): number {
    let mask = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    if (this.err !== 0 || hasQueuedErrors(this)) mask |= EPOLLERR;
    if ((this.shutdownMask & RCV_SHUTDOWN) !== 0) mask |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
    if (this.shutdownMask === SHUTDOWN_MASK) mask |= EPOLLHUP;
    if (this.queue.length > 0) mask |= EPOLLIN | EPOLLRDNORM;
    return mask;
  }

  /** An error that the next call reports (`sk_error_report`). */
  fail(errno: number): void {
    this.err = errno;
    this.wake(EPOLLERR);
  }
}

/** The association ends; a bound address stays. */
function forget6(v6: Inet6, bound: boolean): void {
  v6.daddr = IN6ADDR_ANY;
  v6.route = null;
  v6.lastDst = null;
  if (bound) return;
  v6.rcvSaddr = IN6ADDR_ANY;
  v6.saddr = IN6ADDR_ANY;
}

function lengthOf(payload: Payload, pkt: Packet): number {
  if (payload === pkt.data) return pkt.len;
  let len = 0;
  for (let i = 0; i < payload.length; i++) len += (payload[i] as Uint8Array).length;
  return len;
}

/** `len` bytes of a payload from `from` on. */
export function slicePayload(data: Payload, from: number, len: number): Payload {
  if (len === 0) return NO_PAYLOAD;
  const out: Uint8Array[] = [];
  let skip = from;
  let left = len;
  for (let i = 0; i < data.length && left > 0; i++) {
    const slice = data[i] as Uint8Array;
    if (skip >= slice.length) {
      skip -= slice.length;
      continue;
    }
    const part = slice.subarray(skip, Math.min(slice.length, skip + left));
    out.push(part);
    left -= part.length;
    skip = 0;
  }
  return out;
}
