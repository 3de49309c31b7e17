/**
 * POSIX's calls on a socket with Linux's checks and results: 0 or a value, or `-errno`. Nothing blocks
 * and nothing throws; `blocking.ts` has what waits. TX and RX begin and end here for applications.
 */
import {
  EACCES,
  EAFNOSUPPORT,
  EBADF,
  EINVAL,
  ENOPROTOOPT,
  ENOTCONN,
  EOPNOTSUPP,
} from '../errno.ts';
import type { NetNs } from '../net.ts';
import { bindAddressType, isGroupType } from '../transport/bind-address.ts';
import { DatagramSock } from '../transport/datagram.ts';
import { receiveError } from '../transport/error-queue.ts';
import type { BindableSock } from '../transport/inet6.ts';
import type { Inet6 } from '../transport/inet6-state.ts';
import { leaveAllGroups } from '../transport/membership.ts';
import { PacketSock } from '../transport/packet/sock.ts';
import { RawSock } from '../transport/raw/sock.ts';
import {
  AF_INET,
  AF_UNSPEC,
  type ControlMessage,
  MSG_ERRQUEUE,
  MSG_FASTOPEN,
  type OptionValue,
  type Received,
  type Sock,
  type SockAddr,
  type SockAddrIn,
  type SockAddrLl,
} from '../transport/sock.ts';
import {
  SO_MARK,
  SO_PEEK_OFF,
  SO_PRIORITY,
  SOL_IP,
  SOL_IPV6,
  SOL_PACKET,
  SOL_RAW,
  SOL_SOCKET,
  SOL_TCP,
  SOL_UDP,
  TCP_NOTSENT_LOWAT,
  TCP_REPAIR_WINDOW,
  TCP_TIMESTAMP,
} from '../transport/sockopt-names.ts';
import { TCP_CLOSE, TCP_SYN_SENT } from '../transport/tcp/constants.ts';
import { TcpSock } from '../transport/tcp/sock.ts';
import { SS_CONNECTED, streamConnect } from '../transport/tcp/stream-connect.ts';
import { createSock } from './create.ts';
import { type Credentials, effective, ROOT } from './credentials.ts';
import { getIpOption, setIpOption } from './ip-option.ts';
import { getIpv6Option, setIpv6Option } from './ipv6-option.ts';
import { optionBytes } from './option-bytes.ts';
import { toInt } from './option-value.ts';
import { getSocketOption, setSocketOption } from './socket-option.ts';
import { bind6, checkBind6, connectTo6, destination6, peerName6, sockName6 } from './socket6.ts';
import { streamDisconnect, streamListen, streamShutdown } from './stream.ts';
import { setTcpOption } from './tcp-option.ts';

/** What an address says; `AF_UNSPEC` may come with or without the rest. */
function partsOf(to: SockAddr): SockAddrIn {
  const { addr = 0, port = 0 } = to as Partial<SockAddrIn>;
  return { family: AF_INET, addr, port };
}

/** Options whose value may be any number: what is negative is no refusal. */
function isSignedOption(level: number, name: number): boolean {
  return level === SOL_SOCKET
    ? name === SO_MARK || name === SO_PRIORITY || name === SO_PEEK_OFF
    : level === SOL_TCP && (name === TCP_TIMESTAMP || name === TCP_NOTSENT_LOWAT);
}

export class Socket {
  readonly sk: Sock;
  private readonly maker: Credentials;
  private closed = false;

  private constructor(sk: Sock, cred: Credentials) {
    this.sk = sk;
    this.maker = cred;
    // A socket keeps its namespace alive; those of TCP do so until their connection is over.
    if (!(sk instanceof TcpSock)) sk.net.hold();
  }

  /** What its maker may do now. */
  private get cred(): Credentials {
    return effective(this.sk.net, this.maker);
  }

  /** A new socket of `net`, for life; or `-errno`. */
  static create(
    net: NetNs,
    family: number,
    type: number,
    protocol = 0,
    cred: Credentials = ROOT,
  ): Socket | number {
    const sk = createSock(net, family, type, protocol, effective(net, cred));
    if (typeof sk === 'number') return sk;
    const refused = cred.hooks?.create?.(sk) ?? 0;
    if (refused < 0) {
      sk.close();
      return refused;
    }
    return new Socket(sk, cred);
  }

  /** Linux `__inet_bind`, `raw_bind`, `ping_bind` */
  bind(addr: SockAddr): number {
    if (this.closed) return -EBADF;
    const { sk } = this;
    const refused = this.hook('bind', addr);
    if (refused < 0) return refused;
    if (sk instanceof PacketSock) return sk.bindTo(addr);
    if (sk.inet6 !== null) return this.bind6(sk as BindableSock, sk.inet6, addr);
    const to = partsOf(addr);
    if (addr.family !== AF_INET && (addr.family !== AF_UNSPEC || to.addr !== 0))
      return -EAFNOSUPPORT;
    const type = bindAddressType(sk, to.addr);
    if (type < 0) return type;
    if (sk instanceof RawSock) {
      if (sk.connected) return -EINVAL;
    } else {
      if (this.isPrivileged(to.port)) return -EACCES;
      if (this.isBound()) return -EINVAL;
    }
    const err = this.bindPort(to);
    if (err === 0 && isGroupType(type)) sk.saddr = 0;
    return err;
  }

  private bind6(sk: BindableSock, v6: Inet6, to: SockAddr): number {
    const addr = checkBind6(sk, v6, to);
    if (typeof addr === 'number') return addr;
    const { port } = to as SockAddrIn;
    if (sk instanceof RawSock) return sk.connected ? -EINVAL : bind6(sk, v6, addr, 0);
    if (this.isPrivileged(port)) return -EACCES;
    return this.isBound() ? -EINVAL : bind6(sk, v6, addr, port);
  }

  private isPrivileged(port: number): boolean {
    const { sysctl } = this.sk.net;
    return port !== 0 && port < sysctl.ipUnprivilegedPortStart && !this.cred.capNetBindService;
  }

  private isBound(): boolean {
    const { sk } = this;
    if (sk.sport !== 0) return true;
    return sk instanceof TcpSock ? sk.state !== TCP_CLOSE : false;
  }

  /** IP_BIND_ADDRESS_NO_PORT leaves the port to connect(). */
  private bindPort(to: SockAddrIn): number {
    const { sk } = this;
    if (to.port !== 0 || !sk.bindAddressNoPort) return sk.bind(to.addr, to.port);
    sk.rcvSaddr = to.addr;
    sk.saddr = to.addr;
    if (sk instanceof TcpSock || sk instanceof DatagramSock) sk.bindAddrLocked = to.addr !== 0;
    sk.resetRoute();
    return 0;
  }

  /** What the filters of its maker say of an address. */
  private hook(call: 'bind' | 'connect' | 'sendmsg', to: SockAddr): number {
    const hook = this.maker.hooks?.[call];
    if (hook === undefined || to.family === AF_UNSPEC) return 0;
    const { addr6 = null } = to as Partial<SockAddrIn>;
    return hook(this.sk, { ...partsOf(to), addr6 });
  }

  /** 0, or -EINPROGRESS for a stream. */
  connect(addr: SockAddr): number {
    if (this.closed) return -EBADF;
    const { sk } = this;
    if (sk instanceof PacketSock) return -EOPNOTSUPP;
    if (addr.family === AF_UNSPEC)
      return sk instanceof TcpSock ? streamDisconnect(sk) : sk.disconnect();
    const refused = this.hook('connect', addr);
    if (refused < 0) return refused;
    if (!(sk instanceof TcpSock)) {
      if (sk.inet6 !== null) return connectTo6(sk as DatagramSock, sk.inet6, addr);
      const to = partsOf(addr);
      return addr.family === AF_INET ? sk.connect(to.addr, to.port) : -EAFNOSUPPORT;
    }
    const err =
      addr.family === sk.family || sk.fileState !== 0
        ? streamConnect(sk, addr as SockAddrIn)
        : -EAFNOSUPPORT;
    sk.net.kernel.softirq();
    return err;
  }

  listen(backlog: number): number {
    if (this.closed) return -EBADF;
    const { sk } = this;
    return sk instanceof TcpSock ? streamListen(sk, backlog) : -EOPNOTSUPP;
  }

  /** The next connection, or -EAGAIN when there is none. */
  accept(): Socket | number {
    if (this.closed) return -EBADF;
    const child = this.sk.accept();
    if (typeof child === 'number') return child;
    if (child instanceof TcpSock) child.fileState = SS_CONNECTED;
    return new Socket(child, this.maker);
  }

  /** Bytes taken, of which the socket has a copy; -EAGAIN when none fits. */
  send(data: Uint8Array, flags = 0): number {
    return this.sendto(data, flags, null);
  }

  /** A stream ignores `to`, unless MSG_FASTOPEN connects it. */
  sendto(
    data: Uint8Array,
    flags: number,
    to: SockAddr | null,
    control?: readonly ControlMessage[],
  ): number {
    if (this.closed) return -EBADF;
    const { sk } = this;
    if (sk instanceof PacketSock) {
      const sent = sk.sendTo(data, flags, to);
      sk.net.kernel.softirq();
      return sent;
    }
    let dst: SockAddrIn | null = null;
    if (to !== null && (!(sk instanceof TcpSock) || (flags & MSG_FASTOPEN) !== 0)) {
      if (sk instanceof TcpSock && to.family === AF_UNSPEC) return -EOPNOTSUPP;
      const refused = this.hook('sendmsg', to);
      if (refused < 0) return refused;
      if (sk.inet6 !== null) {
        const six = destination6(to);
        if (typeof six === 'number') return six;
        dst = six;
      } else if (to.family === AF_INET) dst = to as SockAddrIn;
      else if (to.family !== AF_UNSPEC) return -EAFNOSUPPORT;
      else dst = partsOf(to);
    }
    const sent =
      control === undefined ? sk.sendmsg(data, flags, dst) : sk.sendmsg(data, flags, dst, control);
    sk.net.kernel.softirq();
    return sent;
  }

  /** At most `max` bytes. A stream at its end gives `len` 0. */
  recv(max: number, flags = 0): Received | number {
    if (this.closed) return -EBADF;
    if ((flags & MSG_ERRQUEUE) !== 0) return receiveError(this.sk, max);
    return this.sk.recvmsg(max, flags);
  }

  /** 0: no more reading, 1: no more writing, 2: neither (`inet_shutdown`). */
  shutdown(how: number): number {
    if (this.closed) return -EBADF;
    const { sk } = this;
    if (sk instanceof PacketSock) return sk.shutdown();
    if (how < 0 || how > 2) return -EINVAL;
    return sk instanceof TcpSock ? streamShutdown(sk, how) : sk.shutdown(how);
  }

  /** Gives the socket up; what it has to finish it does by itself. */
  close(): number {
    if (this.closed) return -EBADF;
    this.closed = true;
    this.sk.onEvent = null;
    leaveAllGroups(this.sk);
    const { sk } = this;
    sk.close();
    if (!(sk instanceof TcpSock)) sk.net.release();
    sk.net.kernel.softirq();
    return 0;
  }

  /** 0 or `-errno`. */
  setsockopt(level: number, name: number, value: OptionValue): number {
    if (this.closed) return -EBADF;
    const { sk, cred } = this;
    if (level === SOL_SOCKET) return setSocketOption(sk, cred, name, value);
    if (level === SOL_IPV6)
      return sk.inet6 === null ? -ENOPROTOOPT : setIpv6Option(sk, sk.inet6, cred, name, value);
    if (level === SOL_IP && !(sk instanceof PacketSock)) return setIpOption(sk, cred, name, value);
    if (!this.hasLevel(level)) return -ENOPROTOOPT;
    if (sk instanceof TcpSock) return setTcpOption(sk, cred, name, value);
    return sk.setOption(name, level === SOL_UDP ? (toInt(value) ?? value) : value);
  }

  /** The value, or `-errno`; -1 is a value, no option is refused with EPERM here. */
  getsockopt(level: number, name: number): OptionValue {
    if (this.closed) return -EBADF;
    if (level === SOL_SOCKET) return getSocketOption(this.sk, name);
    if (level === SOL_IPV6) {
      const { inet6 } = this.sk;
      return inet6 === null ? -ENOPROTOOPT : getIpv6Option(this.sk, inet6, name);
    }
    if (level === SOL_IP && !(this.sk instanceof PacketSock)) return getIpOption(this.sk, name);
    return this.hasLevel(level) ? this.sk.getOption(name) : -ENOPROTOOPT;
  }

  /**
   * The same as bytes in C's layout, `length` at most, as getsockopt(2) copies them; or `-errno`. What is
   * too short for an option that has to be read whole is taken from the socket all the same, as there.
   */
  getsockoptBytes(level: number, name: number, length: number): Uint8Array | number {
    const value = this.getsockopt(level, name);
    const refused = typeof value === 'number' && (value < -1 || this.closed);
    if (refused && !isSignedOption(level, name)) return value;
    // -EPERM here: the value is never a number.
    if (typeof value === 'number' && level === SOL_TCP && name === TCP_REPAIR_WINDOW) return value;
    return optionBytes(level, name, value, length);
  }

  private hasLevel(level: number): boolean {
    if (this.sk instanceof PacketSock) return level === SOL_PACKET;
    return this.sk instanceof RawSock ? level === SOL_RAW : level === this.sk.protocol;
  }

  getsockname(): SockAddrIn {
    const { inet6 } = this.sk;
    if (inet6 !== null) return sockName6(this.sk, inet6);
    const { rcvSaddr, saddr, sport } = this.sk;
    return { family: AF_INET, addr: rcvSaddr === 0 ? saddr : rcvSaddr, port: sport };
  }

  /** The same of a packet socket, `struct sockaddr_ll`; -EOPNOTSUPP of others. */
  linkName(): SockAddrLl | number {
    return this.sk instanceof PacketSock ? this.sk.linkName() : -EOPNOTSUPP;
  }

  /** -ENOTCONN when there is no peer (any more). */
  getpeername(): SockAddrIn | number {
    const { sk } = this;
    if (sk instanceof PacketSock) return -EOPNOTSUPP;
    if (sk.dport === 0) return -ENOTCONN;
    if (sk instanceof TcpSock && (sk.state === TCP_CLOSE || sk.state === TCP_SYN_SENT))
      return -ENOTCONN;
    if (sk.inet6 !== null) return peerName6(sk, sk.inet6);
    return { family: AF_INET, addr: sk.daddr, port: sk.dport };
  }

  /** What the socket is ready for: `EPOLL*`. */
  poll(): number {
    return this.sk.poll();
  }

  /** SIOCINQ, SIOCOUTQ, SIOCATMARK: the number, or `-errno`. */
  ioctl(request: number): number {
    return this.closed ? -EBADF : this.sk.ioctl(request);
  }

  /**
   * Called inside the stack with the `EPOLL*` bits that may have become true: note it, and make calls
   * later.
   */
  set onEvent(callback: ((events: number) => void) | null) {
    this.sk.onEvent = callback;
  }

  get onEvent(): ((events: number) => void) | null {
    return this.sk.onEvent;
  }
}
