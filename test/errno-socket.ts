/**
 * Sockets as the program that measured Linux used them (Python's: blocking unless told, timeouts), over
 * ours in virtual time, in the world that the program built.
 */

import { drop } from '../src/core/drop.ts';
import { EAGAIN, errnoName } from '../src/core/errno.ts';
import type { NetDevice } from '../src/core/link/net-device.ts';
import type { NetNs } from '../src/core/net.ts';
import { icmpSend } from '../src/core/network/ipv4/icmp.ts';
import { icmp6Send } from '../src/core/network/ipv6/icmp.ts';
import {
  RTN_BLACKHOLE,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNREACHABLE,
} from '../src/core/network/route/route.ts';
import type { Packet } from '../src/core/packet.ts';
import type { Credentials } from '../src/core/socket/credentials.ts';
import { ROOT } from '../src/core/socket/credentials.ts';
import { Socket } from '../src/core/socket/socket.ts';
import {
  AF_INET,
  AF_INET6,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  MSG_DONTWAIT,
  MSG_TRUNC,
  MSG_WAITALL,
  type OptionValue,
  RCV_SHUTDOWN,
  type Received,
  SOCK_DGRAM,
  SOCK_STREAM,
  type SockAddr,
  type SockAddrIn,
} from '../src/core/transport/sock.ts';
import { SO_ERROR, SO_LINGER, SOL_SOCKET } from '../src/core/transport/sockopt-names.ts';
import { TcpSock } from '../src/core/transport/tcp/sock.ts';
import { formatIpv4, ipv4 } from '../src/core/util/address.ts';
import { formatIpv6, ip6 } from '../src/core/util/ip6-addr.ts';
import { ICMP_DEST_UNREACH } from '../src/core/wire/icmp.ts';
import { ICMPV6_DEST_UNREACH } from '../src/core/wire/icmpv6.ts';
import { IPPROTO_TCP, IPPROTO_UDP } from '../src/core/wire/ipv4.ts';
import { addAddress, addAddress6, addRoute, createWorld, type World } from './world.ts';

/** How long a call without time limit may wait before the test calls it hung, µs. */
const FOREVER_US = 300_000_000;
/** A system call takes a while: what loops back is handled meanwhile. */
const CALL_US = 20;

/** An errno, by name, as a call's result. */
export class Errno extends Error {}

export type Address = readonly [host: string, port: number];

/** `struct sockaddr_in6` */
export function AT6(addr: string, port: number, scopeId = 0): SockAddrIn {
  return { family: AF_INET6, addr: 0, addr6: ip6(addr), port, scopeId };
}

function sockaddr([host, port]: Address): SockAddr {
  return host.includes(':') ? AT6(host, port) : { family: AF_INET, addr: ipv4(host), port };
}

function addressOf({ addr, addr6, port }: SockAddrIn): Address {
  return [addr6 === undefined ? formatIpv4(addr) : formatIpv6(addr6), port];
}

/** The world of the program: `main`, a peer with servers, and a device that is down. */
export class Bench {
  readonly world: World = createWorld({ seed: 7, ipv6: true });
  readonly main: NetNs;
  readonly peer: NetNs;
  readonly veth0: NetDevice;
  /** Packets to these TCP ports of the peer are dropped. */
  readonly dropped: Set<number> = new Set([7300]);
  private readonly open: PySocket[] = [];

  constructor() {
    const { world } = this;
    this.main = world.addNet('main');
    this.peer = world.addNet('peer');
    const [veth0, veth1] = world.wire(
      { net: this.main, name: 'veth0', cidr: '10.9.0.1/24' },
      { net: this.peer, name: 'veth1', cidr: '10.9.0.2/24' },
    );
    this.veth0 = veth0;
    world.wire(
      { net: this.main, name: 'down0', cidr: '10.8.0.1/24', up: false },
      { net: this.main, name: 'down1', up: false },
    );
    addAddress6(this.veth0, 'fd00:9::1/64');
    addAddress6(veth1, 'fd00:9::2/64');
    addRoute(this.main, '10.20.0.0/16', { type: RTN_UNREACHABLE });
    addRoute(this.main, '10.21.0.0/16', { type: RTN_PROHIBIT });
    addRoute(this.main, '10.22.0.0/16', { type: RTN_BLACKHOLE });
    addRoute(this.main, '10.23.0.0/16', { type: RTN_THROW });
    this.peer.sysctl = this.peer.sysctl.with('icmpRatelimit', 0);
    this.peer.ipv6.sysctl = this.peer.ipv6.sysctl.with('icmpRatelimit', 0);
    this.filter();
    this.filter6();
    for (const [port, what] of [
      [7000, 'hold'],
      [7001, 'rst'],
      [7002, 'fin'],
    ] as const)
      this.serve(port, what);
    this.echo();
    world.run(100_000);
  }

  /** REJECT by kind at 7200 …, DROP at 7300, as the program's iptables rules. */
  private filter(): void {
    const { inet } = this.world.kernel.protocols;
    /** net, host, protocol, port unreachable; net, host, administratively prohibited. */
    const codes = [0, 1, 2, 3, 9, 10, 13];
    for (const proto of [IPPROTO_TCP, IPPROTO_UDP]) {
      const next = inet[proto];
      inet[proto] = (pkt: Packet): void => {
        const port = pkt.tcp?.dport ?? pkt.udp?.dport ?? 0;
        const code = codes[port - 7200];
        const isPeer = pkt.dev?.net === this.peer;
        if (isPeer && code !== undefined) icmpSend(pkt, ICMP_DEST_UNREACH, code, 0);
        if (isPeer && (code !== undefined || (pkt.tcp !== null && this.dropped.has(port))))
          drop(this.peer, pkt, 'NOT_SPECIFIED', 'filter of the test');
        else next?.(pkt);
      };
    }
  }

  /** The same over IPv6: no route, prohibited, address, port unreachable, policy, reject route. */
  private filter6(): void {
    const { inet6 } = this.world.kernel.protocols;
    const codes = [0, 1, 3, 4, 5, 6];
    for (const proto of [IPPROTO_TCP, IPPROTO_UDP]) {
      const next = inet6[proto];
      inet6[proto] = (pkt: Packet): void => {
        const code = codes[(pkt.tcp?.dport ?? pkt.udp?.dport ?? 0) - 7200];
        if (pkt.dev?.net !== this.peer || code === undefined) {
          next?.(pkt);
          return;
        }
        icmp6Send(pkt, ICMPV6_DEST_UNREACH, code, 0);
        drop(this.peer, pkt, 'NOT_SPECIFIED', 'filter of the test');
      };
    }
  }

  private serve(port: number, what: 'hold' | 'rst' | 'fin'): void {
    const l = this.socket(SOCK_STREAM, 0, this.peer);
    l.bind(['10.9.0.2', port]);
    l.listen(128);
    l.socket.onEvent = () => {
      // Not from inside the stack.
      this.world.kernel
        .timer(() => {
          const child = l.socket.accept();
          if (typeof child === 'number' || what === 'hold') return;
          if (what === 'rst') child.setsockopt(SOL_SOCKET, SO_LINGER, { onoff: 1, linger: 0 });
          child.close();
        })
        .set(this.world.kernel.nowUs);
    };
  }

  private echo(): void {
    const u = this.socket(SOCK_DGRAM, 0, this.peer);
    u.bind(['10.9.0.2', 7100]);
    u.socket.onEvent = () => {
      this.world.kernel
        .timer(() => {
          const got = u.socket.recv(70000);
          if (typeof got !== 'number' && got.from !== null)
            u.socket.sendto(Buffer.concat(got.data), 0, got.from);
        })
        .set(this.world.kernel.nowUs);
    };
  }

  socket(
    type: number,
    protocol = 0,
    net: NetNs = this.main,
    cred: Credentials = ROOT,
    family: number = AF_INET,
  ): PySocket {
    const made = Socket.create(net, family, type, protocol, cred);
    if (typeof made === 'number') throw new Errno(errnoName(made));
    return this.adopt(made);
  }

  adopt(socket: Socket): PySocket {
    const py = new PySocket(this, socket);
    this.open.push(py);
    return py;
  }

  T4(cred?: Credentials): PySocket {
    return this.socket(SOCK_STREAM, 0, this.main, cred);
  }

  U4(cred?: Credentials): PySocket {
    return this.socket(SOCK_DGRAM, 0, this.main, cred);
  }

  T6(): PySocket {
    return this.socket(SOCK_STREAM, 0, this.main, ROOT, AF_INET6);
  }

  U6(): PySocket {
    return this.socket(SOCK_DGRAM, 0, this.main, ROOT, AF_INET6);
  }

  listener(backlog = 16, addr: Address = ['127.0.0.1', 0]): PySocket {
    const s = this.T4();
    s.bind(addr);
    s.listen(backlog);
    return s;
  }

  pair(): readonly [PySocket, PySocket] {
    const l = this.listener();
    const c = this.T4();
    c.connect(l.getsockname());
    const a = l.accept();
    l.close();
    return [c, a];
  }

  sleep(seconds: number): void {
    this.world.run(Math.round(seconds * 1e6));
  }

  /** Seconds of the virtual clock. */
  now(): number {
    return this.world.clock.nowUs() / 1e6;
  }

  addAddress(dev: NetDevice, cidr: string): void {
    addAddress(dev, cidr);
  }
}

const MASKS: readonly (readonly [string, number])[] = [
  ['IN', 1],
  ['PRI', 2],
  ['OUT', 4],
  ['ERR', 8],
  ['HUP', 16],
  ['NVAL', 32],
  ['RDNORM', 64],
  ['RDBAND', 128],
  ['WRNORM', 256],
  ['WRBAND', 512],
  ['RDHUP', 0x2000],
];

export class PySocket {
  readonly socket: Socket;
  private readonly bench: Bench;
  private blocking = true;
  /** Python's own time limit; null: none. */
  private limit: number | null = null;
  private closed = false;

  constructor(bench: Bench, socket: Socket) {
    this.bench = bench;
    this.socket = socket;
  }

  NB(): this {
    this.blocking = false;
    return this;
  }

  settimeout(seconds: number): void {
    this.limit = seconds * 1e6;
  }

  /** The result of a call, after what it set off on loopback has happened. */
  private done<T>(result: T): T {
    this.bench.world.run(CALL_US);
    if (typeof result === 'number' && result < 0) throw new Errno(errnoName(result));
    return result;
  }

  bind(addr: Address): void {
    this.bindTo(sockaddr(addr));
  }

  bindTo(addr: SockAddr): void {
    this.done(this.socket.bind(addr));
  }

  listen(backlog: number): void {
    this.done(this.socket.listen(backlog));
  }

  connect(addr: Address): void {
    this.connectTo(sockaddr(addr));
  }

  connectTo(addr: SockAddr): void {
    const first = this.socket.connect(addr);
    if (first >= 0 || errnoName(first) !== 'EINPROGRESS' || !this.blocking) {
      this.done(first);
      return;
    }
    const ready = this.wait(EPOLLOUT | EPOLLERR | EPOLLHUP, this.socket.sk.sndTimeoutUs);
    if (!ready) throw new Errno(this.limit === null ? 'EINPROGRESS' : 'TimeoutError');
    if (this.limit !== null) {
      // Python waits by itself and reads SO_ERROR.
      const err = this.socket.getsockopt(SOL_SOCKET, SO_ERROR) as number;
      if (err !== 0) throw new Errno(errnoName(err));
    }
    this.done(this.socket.connect(addr));
  }

  accept(): PySocket {
    for (;;) {
      const child = this.socket.accept();
      if (typeof child !== 'number') {
        this.bench.world.run(CALL_US);
        return this.bench.adopt(child);
      }
      if (child !== -EAGAIN || !this.blocking) this.done(child);
      if (!this.wait(EPOLLIN | EPOLLHUP, this.socket.sk.rcvTimeoutUs))
        throw new Errno(this.limit === null ? 'EAGAIN' : 'TimeoutError');
    }
  }

  send(data: Uint8Array | string, flags = 0): number {
    return this.sendTo(data, flags, null);
  }

  sendto(data: Uint8Array | string, addr: Address, flags = 0): number {
    return this.sendTo(data, flags, sockaddr(addr));
  }

  sendTo(data: Uint8Array | string, flags: number, to: SockAddr | null): number {
    const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
    return this.done(this.socket.sendto(bytes, flags, to));
  }

  recv(max: number, flags = 0): string {
    const got = this.receive(max, flags);
    return Buffer.concat(got.data).toString('latin1');
  }

  /** libc's recv with MSG_TRUNC: the length of the datagram or of what was discarded. */
  recvLen(max: number, flags = 0): number {
    const got = this.receive(max, flags);
    return (flags & MSG_TRUNC) !== 0 ? got.fullLen : got.len;
  }

  receive(max: number, flags: number): Received {
    const { socket } = this;
    const waits = this.blocking && (flags & (MSG_DONTWAIT | 0x2000)) === 0;
    for (;;) {
      const got = socket.recv(max, flags);
      if (typeof got !== 'number') {
        this.bench.world.run(CALL_US);
        return got;
      }
      if (got !== -EAGAIN || !waits) this.done(got);
      const { sk } = socket;
      if (!(sk instanceof TcpSock) && (sk.shutdownMask & RCV_SHUTDOWN) !== 0)
        return { data: [], len: 0, fullLen: 0, from: null, flags: 0, control: [] };
      const mask = EPOLLIN | EPOLLERR | EPOLLHUP;
      if (!this.wait(mask, sk.rcvTimeoutUs))
        throw new Errno(this.limit === null ? 'EAGAIN' : 'TimeoutError');
      if ((flags & MSG_WAITALL) !== 0 && typeof got === 'number') continue;
    }
  }

  /** False when SO_RCVTIMEO, SO_SNDTIMEO or Python's limit is over. */
  private wait(mask: number, socketLimitUs: number): boolean {
    const limit = this.limit ?? (socketLimitUs > 0 ? socketLimitUs : FOREVER_US);
    const ready = this.bench.world.until(() => (this.socket.poll() & mask) !== 0, limit);
    if (!ready && this.limit === null && socketLimitUs <= 0) throw new Errno('hangs');
    return ready;
  }

  shutdown(how: number): void {
    this.done(this.socket.shutdown(how));
  }

  setsockopt(level: number, name: number, value: OptionValue): void {
    this.done(this.socket.setsockopt(level, name, value));
  }

  getsockopt(level: number, name: number): OptionValue {
    const value = this.socket.getsockopt(level, name);
    // -1 is a value of several options.
    if (typeof value === 'number' && value < -1) throw new Errno(errnoName(value));
    return value;
  }

  getsockname(): Address {
    return addressOf(this.socket.getsockname());
  }

  getpeername(): Address {
    const peer = this.socket.getpeername();
    if (typeof peer === 'number') throw new Errno(errnoName(peer));
    return addressOf(peer);
  }

  ioctl(request: number): number {
    return this.done(this.socket.ioctl(request));
  }

  /** Blocks for SO_LINGER as close(2) does. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    const { sk } = this.socket;
    const { lingerUs } = sk;
    this.socket.close();
    this.bench.world.run(CALL_US);
    if (!(sk instanceof TcpSock) || lingerUs <= 0) return;
    /** FIN_WAIT1, LAST_ACK, CLOSING */
    const lingering = (1 << 4) | (1 << 9) | (1 << 11);
    this.bench.world.until(() => ((1 << sk.state) & lingering) === 0, lingerUs);
  }

  linger(on: number, seconds: number): void {
    this.setsockopt(SOL_SOCKET, SO_LINGER, { onoff: on, linger: seconds });
  }

  rst(): void {
    this.linger(1, 0);
    this.close();
  }

  serr(): string | number {
    const err = this.getsockopt(SOL_SOCKET, SO_ERROR) as number;
    return err === 0 ? 0 : errnoName(err);
  }

  pev(): string {
    const mask = this.socket.poll();
    const names = MASKS.filter(([, bit]) => (mask & bit) !== 0).map(([name]) => name);
    return names.length === 0 ? '0' : names.join('|');
  }
}
