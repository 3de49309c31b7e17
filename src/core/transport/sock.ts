/**
 * What every socket has, whatever its protocol (Linux `struct sock`, `struct inet_sock`). A socket
 * belongs for life to the namespace it was made in (S8). Methods return 0, a value, or `-errno`, and
 * never block: what would block returns `-EAGAIN` or `-EINPROGRESS`, and an event tells when to retry.
 */
import { ENOTCONN, EOPNOTSUPP } from '../errno.ts';
import type { NetNs } from '../net.ts';
import { NO_PAYLOAD, type Payload } from '../packet.ts';
import type { Ip6Addr } from '../util/ip6-addr.ts';
import type { ErrorQueue } from './error-queue.ts';
import { Inet6 } from './inet6-state.ts';
import { DEFAULT_RARE_OPTIONS, RareOptions } from './rare-options.ts';
import type { SockDomain } from './sock-domain.ts';

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;

/** Bits of `Sock.shutdown`. */
export const RCV_SHUTDOWN = 1;
export const SEND_SHUTDOWN = 2;

/** Bits of `poll()` and of events (`include/uapi/linux/eventpoll.h`). */
export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDNORM = 0x040;
export const EPOLLRDBAND = 0x080;
export const EPOLLWRNORM = 0x100;
export const EPOLLWRBAND = 0x200;
export const EPOLLRDHUP = 0x2000;

/** Flags of send and receive (`include/linux/socket.h`). */
export const MSG_OOB = 0x1;
export const MSG_PEEK = 0x2;
export const MSG_DONTROUTE = 0x4;
export const MSG_CTRUNC = 0x8;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_EOR = 0x80;
export const MSG_WAITALL = 0x100;
export const MSG_ERRQUEUE = 0x2000;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_MORE = 0x8000;
export const MSG_ZEROCOPY = 0x4000000;
export const MSG_FASTOPEN = 0x20000000;

/** `struct sockaddr_in`; where `addr6` is set, `struct sockaddr_in6`. The port is in host order. */
export interface SockAddrIn {
  readonly family: typeof AF_INET | typeof AF_INET6;
  /** Signed 32-bit integer, host order. */
  readonly addr: number;
  readonly port: number;
  /** The address of family AF_INET6; `addr` means nothing then. */
  readonly addr6?: Ip6Addr;
  /** Index of the device that a link-local address is of; 0: none. */
  readonly scopeId?: number;
}

/** `struct sockaddr_ll`: a device, and an address of its link. The protocol is in host order. */
export interface SockAddrLl {
  readonly family: typeof AF_PACKET;
  /** `ETH_P_*` */
  readonly protocol: number;
  /** 0: any device; -1: the device is gone. */
  readonly ifindex: number;
  /** `ARPHRD_*` of the device. */
  readonly hatype: number;
  /** `PACKET_*`: for whom it was, or that it left. */
  readonly pkttype: number;
  /** Bytes of `addr`; 0: there is none. */
  readonly halen: number;
  /** 48-bit integer */
  readonly addr: number;
}

/** Any address that a call may be given; `AF_UNSPEC` dissolves an association. */
export type SockAddr = SockAddrIn | SockAddrLl | { readonly family: number };

/** What `recvmsg` fills in; `data` are slices that nobody changes any more. */
export interface Received {
  readonly data: Payload;
  /** Bytes in `data`. */
  readonly len: number;
  /** Length of the whole datagram, which may exceed `len` (`MSG_TRUNC`). */
  readonly fullLen: number;
  /** Source address of a datagram; null on streams. */
  readonly from: SockAddrIn | null;
  /** Of packet sockets: where a frame came from. */
  readonly link?: SockAddrLl;
  /** `MSG_TRUNC`, `MSG_OOB`, `MSG_ERRQUEUE` … */
  readonly flags: number;
  readonly control: readonly ControlMessage[];
}

/** Nothing: the end of a stream, or of a socket that was shut down. */
export const NO_RECEIVED: Received = Object.freeze({
  data: NO_PAYLOAD,
  len: 0,
  fullLen: 0,
  from: null,
  flags: 0,
  control: [],
});

/** Ancillary data (`struct cmsghdr`). */
export interface ControlMessage {
  readonly level: number;
  readonly type: number;
  readonly value: unknown;
}

/** Value of a socket option: a number, `struct linger`, `struct timeval` in µs, text, bytes, TCP_INFO … */
export type OptionValue = number | string | Uint8Array | object;

export abstract class Sock {
  readonly net: NetNs;
  readonly family: number;
  /** `SOCK_*` */
  readonly type: number;
  /** `IPPROTO_*` */
  readonly protocol: number;
  /** Local and remote address and port; 0: not bound, not connected. Signed 32-bit integers. */
  saddr = 0;
  sport = 0;
  daddr = 0;
  dport = 0;
  /** The address that was bound (`inet_rcv_saddr`); `saddr` may be chosen later. */
  rcvSaddr = 0;
  /** The IPv6 side of an AF_INET6 socket (`pinet6`); null: AF_INET. */
  readonly inet6: Inet6 | null;
  /** SO_BINDTODEVICE: ifindex; 0: any. */
  boundDevIf = 0;
  /** SO_ERROR: positive errno, read once. */
  err = 0;
  /** Reported only when the operation finally fails (`sk_err_soft`). */
  errSoft = 0;
  /** `RCV_SHUTDOWN | SEND_SHUTDOWN` */
  shutdownMask = 0;
  reuseAddr = false;
  reusePort = false;
  broadcast = false;
  keepAlive = false;
  oobInline = false;
  /** SO_LINGER: -1 off, otherwise microseconds. */
  lingerUs = -1;
  /** Buffer limits in bytes as `getsockopt` tells them (twice what was asked for). */
  rcvbuf: number;
  sndbuf: number;
  /** The application set the limit: no autotuning (`SOCK_RCVBUF_LOCK`, `SOCK_SNDBUF_LOCK`). */
  rcvbufLocked = false;
  sndbufLocked = false;
  rcvlowat = 1;
  /** Microseconds; 0: for ever; negative: not at all. Used by whoever makes calls block. */
  rcvTimeoutUs = 0;
  sndTimeoutUs = 0;
  /** SO_MARK, SO_PRIORITY */
  mark = 0;
  priority = 0;
  /** IP_TOS, IP_TTL (-1: the namespace's default), IP_MTU_DISCOVER */
  tos = 0;
  ttl = -1;
  pmtudisc = 1;
  recverr = false;
  freebind = false;
  transparent = false;
  bindAddressNoPort = false;
  /** Of which packets it may hear; null: all that fit (V1, V2). */
  domain: SockDomain | null = null;
  /** IP_LOCAL_PORT_RANGE: lowest port | highest port << 16; 0 in a half: the namespace's bound. */
  localPortRange = 0;
  /** Ancillary data that a receiver asked for: `CMSG_*` of `ancillary.ts`. */
  cmsgFlags = 0;
  /** The user who made it: SO_REUSEPORT is shared among sockets of one user only. */
  uid = 0;
  /** Options that few sockets set; null: all have their defaults. */
  rareMaybe: RareOptions | null = null;
  /** IP_RECVERR: errors that wait for MSG_ERRQUEUE; null: none ever came. */
  errorQueue: ErrorQueue | null = null;
  /** Closed by the application: nobody will read or write any more (`SOCK_DEAD`). */
  orphan = false;
  /** SO_COOKIE-like number, unique in the kernel; orders listings. */
  readonly cookie: number;
  /**
   * Told of every change of readiness (`sk_data_ready`, `sk_write_space`, `sk_state_change`,
   * `sk_error_report`), with the `EPOLL*` bits that may have become true. Runs inside the stack: it
   * may note the event, and nothing else.
   */
  onEvent: ((events: number) => void) | null = null;

  constructor(net: NetNs, family: number, type: number, protocol: number) {
    this.net = net;
    this.family = family;
    this.inet6 = family === AF_INET6 ? new Inet6(net.ipv6.sysctl.bindv6only !== 0) : null;
    this.type = type;
    this.protocol = protocol;
    this.rcvbuf = net.sysctl.rmemDefault;
    this.sndbuf = net.sysctl.wmemDefault;
    this.cookie = net.kernel.nextCookie();
  }

  /** Binds to what `socket/` has validated: a local address (0: any) and a port (0: choose). */
  abstract bind(addr: number, port: number): number;
  /** `-EINPROGRESS` for a stream that is being set up. */
  abstract connect(addr: number, port: number): number;
  /** AF_UNSPEC: dissolves the association. */
  abstract disconnect(): number;
  /**
   * Takes bytes to send; `data` is copied before it returns. Returns bytes taken, `-EAGAIN` when none
   * fits. `to` is null on a connected socket.
   */
  abstract sendmsg(
    data: Uint8Array,
    flags: number,
    to: SockAddrIn | null,
    control?: readonly ControlMessage[],
  ): number;
  /** At most `max` bytes; a stream at its end gives `len` 0. Never returns an empty stream read otherwise. */
  abstract recvmsg(max: number, flags: number): Received | number;
  /** 0: receive, 1: send, 2: both. */
  abstract shutdown(how: number): number;
  /** The application's last reference is gone. Lingering in real time is the caller's business. */
  abstract close(): void;
  /** Readiness, `EPOLL*`. */
  abstract poll(): number;
  /** Options of the protocol's own level; `-ENOPROTOOPT` for an unknown one. */
  abstract setOption(name: number, value: OptionValue): number;
  abstract getOption(name: number): OptionValue;
  /** SIOCINQ, SIOCOUTQ … by number. */
  abstract ioctl(request: number): number;

  /** An option or address changed that a cached route depends on (Linux `sk_dst_reset`). */
  resetRoute(): void {}

  /** SO_KEEPALIVE */
  setKeepAlive(on: boolean): void {
    this.keepAlive = on;
  }

  /** IP_MTU: bytes of the largest IP packet to the peer, -ENOTCONN without one. */
  pathMtu(): number {
    return -ENOTCONN;
  }

  /** For reading: the options that few sockets set. */
  get rare(): Readonly<RareOptions> {
    return this.rareMaybe ?? DEFAULT_RARE_OPTIONS;
  }

  /** For writing. */
  ownRare(): RareOptions {
    this.rareMaybe ??= new RareOptions();
    return this.rareMaybe;
  }

  listen(_backlog: number): number {
    return -EOPNOTSUPP;
  }

  /** The next established connection, `-EAGAIN` when there is none. */
  accept(): Sock | number {
    return -EOPNOTSUPP;
  }

  /** Reads and clears the pending error: 0 or a positive errno (Linux `sock_error`). */
  takeError(): number {
    const err = this.err;
    this.err = 0;
    return err;
  }

  /** Tells the owner that `events` may have become true. */
  wake(events: number): void {
    if (this.onEvent !== null) this.onEvent(events);
  }
}
