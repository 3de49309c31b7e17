/**
 * The handle of a UDP socket inside a namespace: the methods of Node's `UDP`, over a socket of the
 * stack, as libuv does them (`src/unix/udp.c`).
 */
import { AsyncResource } from 'node:async_hooks';
import { EAFNOSUPPORT, EAGAIN } from '../core/errno.ts';
import type { NetNs } from '../core/net.ts';
import {
  AF_INET6,
  AF_UNSPEC,
  type Received,
  SOCK_DGRAM,
  type SockAddrIn,
} from '../core/transport/sock.ts';
import * as so from '../core/transport/sockopt-names.ts';
import { parseIpv4 } from '../core/util/address.ts';
import { parseIpv6 } from '../core/util/ip6-addr.ts';
import { type AddressInfo, addressText, fillAddress, toSockAddr } from './address.ts';
import { withNet } from './current.ts';
import { descriptorOf, forgetDescriptor, handleOf } from './descriptors.ts';
import {
  type Closing,
  hold,
  makeCallback,
  markClosing,
  markReady,
  type Ready,
  release,
} from './loop.ts';
import { addOpenHandle, isAbandoned, removeOpenHandle } from './open-handles.ts';
import { split } from './shared-socket.ts';
import { createSocket, type ProgramSocket } from './system-calls.ts';
import { touchClock } from './touch-clock.ts';
import { uv, uvErrno } from './uv.ts';

/** Datagrams per event, as `uv__udp_recvmsg`. */
const READS = 32;
/** Largest datagram of IPv4. */
const MAX_DATAGRAM = 65536;
/** `UV_UDP_IPV6ONLY`, `UV_UDP_REUSEADDR`, `UV_UDP_REUSEPORT` */
const FLAG_IPV6ONLY = 1;
const FLAG_REUSEADDR = 4;
const FLAG_REUSEPORT = 8;

interface SendRequest {
  oncomplete?: (status: number, sent: number) => void;
}

/** Sender of a datagram as Node tells it. */
interface RemoteInfo {
  readonly address: string;
  readonly family: string;
  readonly port: number;
  size: number;
}

/** Where `bufferSize` puts its error. */
interface ErrorContext {
  errno?: number;
  code?: string;
  message?: string;
  syscall?: string;
}

/** `(address, callback)` */
type Lookup = (...args: unknown[]) => unknown;

class PendingSend {
  readonly req: SendRequest;
  readonly data: Uint8Array;
  readonly to: SockAddrIn | null;
  readonly resource: AsyncResource;

  constructor(req: SendRequest, data: Uint8Array, to: SockAddrIn | null) {
    this.req = req;
    this.data = data;
    this.to = to;
    this.resource = new AsyncResource('UDPSENDWRAP');
  }
}

export class UdpHandle implements Ready, Closing {
  queued = false;
  /** Written by `node:dgram`. */
  onmessage:
    | ((nread: number, handle: UdpHandle, data: Buffer | undefined, from?: RemoteInfo) => void)
    | undefined = undefined;
  onerror: unknown = undefined;
  readonly net: NetNs;
  readonly resource: AsyncResource;
  private family: number;
  private resolve: Lookup | undefined = undefined;
  socket: ProgramSocket | undefined = undefined;
  private receiving = false;
  private closed = false;
  private referenced = true;
  private holding = false;
  private readonly pending: PendingSend[] = [];
  private closeCallback: (() => void) | undefined = undefined;
  private closing = false;

  constructor(net: NetNs, family: number, socket?: ProgramSocket) {
    this.net = net;
    this.family = family;
    if (socket !== undefined) this.adopt(socket);
    this.resource = new AsyncResource('UDPWRAP', { requireManualDestroy: true });
  }

  get fd(): number {
    return this.socket === undefined || this.closed ? uv('EBADF') : descriptorOf(this);
  }

  /** Resolves names for `node:dgram`; names are the namespace's, wherever the socket is used. */
  get lookup(): Lookup | undefined {
    return this.resolve;
  }

  set lookup(lookup: Lookup | undefined) {
    this.resolve =
      lookup === undefined ? undefined : (...args) => withNet(this.net, () => lookup(...args));
  }

  get netns(): NetNs {
    return this.net;
  }

  private get isIpv6(): boolean {
    return this.family === AF_INET6;
  }

  private openSocket(): number {
    if (this.socket !== undefined) return 0;
    const socket = createSocket(this.net, this.family, SOCK_DGRAM);
    if (typeof socket === 'number') return socket;
    this.adopt(socket);
    return 0;
  }

  private adopt(socket: ProgramSocket): void {
    if (this.socket === undefined) addOpenHandle(this);
    this.socket = socket;
    socket.onEvent = () => markReady(this);
  }

  /** Another descriptor of the socket, as dup(2) makes one; undefined: there is no socket yet. */
  dup(): ProgramSocket | undefined {
    if (this.socket === undefined || this.closed) return undefined;
    const [mine, other] = split(this.socket);
    this.adopt(mine);
    return other;
  }

  /** A descriptor of ours. */
  open(fd: number): number {
    const from = handleOf(fd);
    const socket = from instanceof UdpHandle ? from.dup() : undefined;
    if (socket === undefined) return uv('EBADF');
    this.adopt(socket);
    return 0;
  }

  // ---- addresses

  bind(address: string, port: number, flags = 0): number {
    return this.bindTo(address, port, flags);
  }

  private bindTo(address: string, port: number, flags: number): number {
    const to = toSockAddr(this.net, address, port, this.family);
    if (typeof to === 'number') return uvErrno(to);
    const opened = this.openSocket();
    if (opened < 0) return uv(opened === -EAFNOSUPPORT ? 'EINVAL' : 'ENOMEM');
    const socket = this.socket as ProgramSocket;
    if ((flags & FLAG_IPV6ONLY) !== 0 && this.isIpv6)
      socket.setsockopt(so.SOL_IPV6, so.IPV6_V6ONLY, 1);
    if ((flags & FLAG_REUSEADDR) !== 0) socket.setsockopt(so.SOL_SOCKET, so.SO_REUSEADDR, 1);
    if ((flags & FLAG_REUSEPORT) !== 0) socket.setsockopt(so.SOL_SOCKET, so.SO_REUSEPORT, 1);
    return status(socket.bind(to));
  }

  bind6(address: string, port: number, flags = 0): number {
    this.useIpv6();
    return this.bindTo(address, port, flags);
  }

  /** Native handles learn their family from the first call that needs it. */
  private useIpv6(): void {
    if (this.socket === undefined) this.family = AF_INET6;
  }

  connect(address: string, port: number): number {
    return this.connectTo(address, port);
  }

  private connectTo(address: string, port: number): number {
    const bound = this.autoBind();
    if (bound !== 0) return bound;
    const to = toSockAddr(this.net, address, port, this.family);
    return typeof to === 'number'
      ? uvErrno(to)
      : status((this.socket as ProgramSocket).connect(to));
  }

  connect6(address: string, port: number): number {
    this.useIpv6();
    return this.connectTo(address, port);
  }

  disconnect(): number {
    if (this.socket === undefined) return uv('ENOTCONN');
    return status(this.socket.connect({ family: AF_UNSPEC }));
  }

  /** A socket that sends without having been bound gets any address and a free port. */
  private autoBind(): number {
    if (this.socket !== undefined) return 0;
    return this.bindTo(this.family === AF_INET6 ? '::' : '0.0.0.0', 0, 0);
  }

  getsockname(out: AddressInfo): number {
    if (this.socket === undefined) return uv('EBADF');
    fillAddress(this.net, out, this.socket.getsockname());
    return 0;
  }

  getpeername(out: AddressInfo): number {
    if (this.socket === undefined) return uv('EBADF');
    const peer = this.socket.getpeername();
    if (typeof peer === 'number') return uvErrno(peer);
    fillAddress(this.net, out, peer);
    return 0;
  }

  // ---- sending

  /**
   * `(req, list, count, port, address, hasCallback)`, or `(req, list, count, hasCallback)` when
   * connected. Bytes sent plus one, 0 when it waits, negative when refused.
   */
  send(req: SendRequest, list: readonly Uint8Array[], _count: number, ...to: unknown[]): number {
    return this.sendList(req, list, to);
  }

  private sendList(req: SendRequest, list: readonly Uint8Array[], to: readonly unknown[]): number {
    const bound = this.autoBind();
    if (bound !== 0) return bound;
    let target: SockAddrIn | null = null;
    if (to.length > 1) {
      const addr = toSockAddr(this.net, String(to[1]), Number(to[0]), this.family);
      if (typeof addr === 'number') return uvErrno(addr);
      target = addr as SockAddrIn;
    }
    const data =
      list.length === 1 ? bytesOf(list[0] as Uint8Array) : Buffer.concat(list.map(bytesOf));
    if (this.pending.length === 0) {
      touchClock(this.net);
      const sent = (this.socket as ProgramSocket).sendto(data, 0, target);
      if (sent >= 0) return sent + 1;
      if (sent !== -EAGAIN) return uvErrno(sent);
    }
    this.pending.push(new PendingSend(req, Buffer.from(data), target));
    this.updateHold();
    return 0;
  }

  send6(req: SendRequest, list: readonly Uint8Array[], _count: number, ...to: unknown[]): number {
    this.useIpv6();
    return this.sendList(req, list, to);
  }

  getSendQueueSize(): number {
    return this.pending.reduce((sum, p) => sum + p.data.length, 0);
  }

  getSendQueueCount(): number {
    return this.pending.length;
  }

  private flush(): void {
    for (let next = this.pending[0]; next !== undefined; next = this.pending[0]) {
      const sent = this.closed
        ? uv('ECANCELED')
        : (this.socket as ProgramSocket).sendto(next.data, 0, next.to);
      if (sent === -EAGAIN && !this.closed) return;
      this.pending.shift();
      this.updateHold();
      const { req, resource } = next;
      const result = this.closed || sent >= 0 ? sent : uvErrno(sent);
      makeCallback(resource, completeSend, req, result);
    }
  }

  // ---- receiving

  recvStart(): number {
    const bound = this.autoBind();
    if (bound !== 0) return bound;
    this.receiving = true;
    this.updateHold();
    markReady(this);
    return 0;
  }

  recvStop(): number {
    this.receiving = false;
    this.updateHold();
    return 0;
  }

  private receive(): void {
    for (let i = 0; i < READS; i++) {
      if (!this.receiving || this.closed) return;
      const got = (this.socket as ProgramSocket).recv(MAX_DATAGRAM);
      if (got === -EAGAIN) return;
      makeCallback(this.resource, deliver, this, got);
    }
    if (this.receiving) markReady(this);
  }

  // ---- options

  private option(level: number, name: number, value: number | object): number {
    if (this.socket === undefined) return uv('EBADF');
    return status(this.socket.setsockopt(level, name, value));
  }

  setBroadcast(on: number): number {
    return this.option(so.SOL_SOCKET, so.SO_BROADCAST, on);
  }

  setTTL(ttl: number): number {
    if (ttl < 1 || ttl > 255) return uv('EINVAL');
    return this.isIpv6
      ? this.option(so.SOL_IPV6, so.IPV6_UNICAST_HOPS, ttl)
      : this.option(so.SOL_IP, so.IP_TTL, ttl);
  }

  setMulticastTTL(ttl: number): number {
    // What the kernel takes as "the default" (-1), libuv refuses.
    if (ttl < 0 || ttl > 255) return uv('EINVAL');
    return this.isIpv6
      ? this.option(so.SOL_IPV6, so.IPV6_MULTICAST_HOPS, ttl)
      : this.option(so.SOL_IP, so.IP_MULTICAST_TTL, ttl);
  }

  setMulticastLoopback(on: number): number {
    return this.isIpv6
      ? this.option(so.SOL_IPV6, so.IPV6_MULTICAST_LOOP, on)
      : this.option(so.SOL_IP, so.IP_MULTICAST_LOOP, on);
  }

  /** The address says of which family, not the socket; an IPv4 socket has no options of IPv6. */
  setMulticastInterface(address: string): number {
    const addr = parseIpv4(address);
    if (addr === undefined) {
      const to = toSockAddr(this.net, address, 0, AF_INET6);
      if (typeof to === 'number') return uv('EINVAL');
      if (!this.isIpv6) return uv('ENOPROTOOPT');
      return this.option(so.SOL_IPV6, so.IPV6_MULTICAST_IF, (to as SockAddrIn).scopeId ?? 0);
    }
    return this.option(so.SOL_IP, so.IP_MULTICAST_IF, { address: addr, ifindex: 0 });
  }

  addMembership(group: string, address?: string): number {
    return this.membership(so.IP_ADD_MEMBERSHIP, group, address);
  }

  dropMembership(group: string, address?: string): number {
    return this.membership(so.IP_DROP_MEMBERSHIP, group, address);
  }

  addSourceSpecificMembership(source: string, group: string, address?: string): number {
    return this.membership(so.IP_ADD_SOURCE_MEMBERSHIP, group, address, source);
  }

  dropSourceSpecificMembership(source: string, group: string, address?: string): number {
    return this.membership(so.IP_DROP_SOURCE_MEMBERSHIP, group, address, source);
  }

  /** `struct ip_mreqn` or `struct ip_mreq_source`. libuv binds first (`uv__udp_maybe_deferred_bind`). */
  private membership(name: number, group: string, address?: string, source?: string): number {
    // Node lets everything through but nothing.
    const multicast = parseIpv4(`${group}`);
    if (multicast === undefined) return this.membership6(name, `${group}`, address);
    const local = address ? parseIpv4(address) : 0;
    const from = source === undefined ? 0 : parseIpv4(source);
    if (local === undefined || from === undefined) return uv('EINVAL');
    if (this.socket === undefined) {
      const bound = this.bindTo(this.isIpv6 ? '::' : '0.0.0.0', 0, FLAG_REUSEADDR);
      if (bound !== 0) return bound;
    }
    const request = { multiaddr: multicast, address: local, ifindex: 0 };
    return this.option(
      so.SOL_IP,
      name,
      source === undefined ? request : { ...request, source: from },
    );
  }

  /** `struct ipv6_mreq`: the interface by the scope of an address, as libuv has it. */
  private membership6(name: number, group: string, address?: string): number {
    const multiaddr = parseIpv6(group.replace(/%.*/, ''));
    const joins = name === so.IP_ADD_MEMBERSHIP;
    if (multiaddr === undefined || (!joins && name !== so.IP_DROP_MEMBERSHIP)) return uv('EINVAL');
    const at = address ? toSockAddr(this.net, address, 0, AF_INET6) : null;
    if (typeof at === 'number') return uv('EINVAL');
    if (!this.isIpv6) return uv('ENOPROTOOPT');
    if (this.socket === undefined) {
      const bound = this.bindTo('::', 0, FLAG_REUSEADDR);
      if (bound !== 0) return bound;
    }
    const ifindex = at === null ? 0 : ((at as SockAddrIn).scopeId ?? 0);
    const option = joins ? so.IPV6_JOIN_GROUP : so.IPV6_LEAVE_GROUP;
    return this.option(so.SOL_IPV6, option, { multiaddr, ifindex });
  }

  /** 0 reads. The kernel doubles what is asked for (socket(7)), and libuv tells what the kernel holds. */
  bufferSize(size: number, isReceive: boolean, context: ErrorContext): number | undefined {
    const name = isReceive ? so.SO_RCVBUF : so.SO_SNDBUF;
    let err = this.socket === undefined ? uv('EBADF') : 0;
    if (err === 0 && size > 0x7fffffff) err = uv('EINVAL');
    if (err === 0 && size !== 0) err = this.option(so.SOL_SOCKET, name, size);
    if (err !== 0) {
      context.errno = err;
      context.code = err === uv('EBADF') ? 'EBADF' : 'EINVAL';
      context.message = err === uv('EBADF') ? 'bad file descriptor' : 'invalid argument';
      context.syscall = isReceive ? 'uv_recv_buffer_size' : 'uv_send_buffer_size';
      return undefined;
    }
    const held = (this.socket as ProgramSocket).getsockopt(so.SOL_SOCKET, name);
    return size === 0 && typeof held === 'number' ? held : 0;
  }

  // ---- references

  ref(): void {
    this.referenced = true;
    this.updateHold();
  }

  unref(): void {
    this.referenced = false;
    this.updateHold();
  }

  hasRef(): boolean {
    return this.referenced;
  }

  getAsyncId(): number {
    return this.resource.asyncId();
  }

  getProviderType(): number {
    return 0;
  }

  private updateHold(): void {
    const requests = this.pending.length > 0 || this.closing;
    const want = requests || (this.referenced && this.receiving && !this.closed);
    if (want === this.holding || (want && isAbandoned(this.net))) return;
    this.holding = want;
    if (want) hold();
    else release();
  }

  // ---- events

  dispatch(): void {
    let finished = false;
    try {
      this.flush();
      if (this.receiving && !this.closed) this.receive();
      finished = true;
    } finally {
      // An application's callback threw: what is left comes in a later turn.
      if (!finished) markReady(this);
    }
  }

  close(callback?: () => void): void {
    if (this.closed) return;
    this.closed = true;
    this.closing = true;
    this.receiving = false;
    this.closeCallback = callback;
    if (this.socket !== undefined) {
      removeOpenHandle(this);
      forgetDescriptor(this);
      touchClock(this.net);
      this.socket.onEvent = null;
      this.socket.close();
    }
    this.updateHold();
    markClosing(this);
  }

  abandon(): void {
    this.closed = true;
    this.closing = false;
    this.receiving = false;
    this.pending.length = 0;
    if (this.socket !== undefined) this.socket.onEvent = null;
    this.updateHold();
  }

  finishClose(): void {
    this.flush();
    const callback = this.closeCallback;
    this.closeCallback = undefined;
    this.closing = false;
    this.updateHold();
    if (typeof callback === 'function')
      makeCallback(this.resource, () => callback.call(this), undefined, undefined);
    this.resource.emitDestroy();
  }
}

function status(result: number): number {
  return result < 0 ? uvErrno(result) : 0;
}

/** The bytes of any view. */
function bytesOf(view: Uint8Array): Uint8Array {
  return view instanceof Uint8Array
    ? view
    : new Uint8Array(
        (view as DataView).buffer,
        (view as DataView).byteOffset,
        (view as DataView).byteLength,
      );
}

function completeSend(req: SendRequest, result: number): void {
  req.oncomplete?.(result < 0 ? result : 0, result < 0 ? 0 : result);
}

function deliver(handle: UdpHandle, got: Received | number): void {
  if (typeof got === 'number') {
    handle.onmessage?.(uvErrno(got), handle, undefined, undefined);
    return;
  }
  const [only] = got.data;
  const data =
    got.data.length === 1 && only !== undefined
      ? Buffer.from(only.buffer, only.byteOffset, only.length)
      : Buffer.concat(got.data);
  const from = got.from;
  handle.onmessage?.(data.length, handle, data, {
    address: from === null ? '0.0.0.0' : addressText(handle.netns, from),
    family: from?.addr6 === undefined ? 'IPv4' : 'IPv6',
    port: from?.port ?? 0,
    size: data.length,
  });
}
