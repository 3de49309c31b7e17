/**
 * The handle of a TCP socket inside a namespace: the methods of Node's `TCP`, over a socket of the
 * stack. `net`, `http`, `tls` and `http2` run above it unmodified. What libuv does is done here as
 * libuv does it (`src/unix/tcp.c`, `src/unix/stream.c`): delayed bind errors, what keeps the event
 * loop alive, the order of callbacks.
 */
import { AsyncResource } from 'node:async_hooks';
import { EADDRINUSE, EAFNOSUPPORT, EAGAIN, ECONNREFUSED, EINPROGRESS } from '../core/errno.ts';
import type { NetNs } from '../core/net.ts';
import {
  AF_INET,
  AF_INET6,
  EPOLLERR,
  EPOLLHUP,
  EPOLLOUT,
  SOCK_STREAM,
} from '../core/transport/sock.ts';
import {
  IP_TOS,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_IP,
  SOL_SOCKET,
  SOL_TCP,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from '../core/transport/sockopt-names.ts';
import { type AddressInfo, fillAddress, toSockAddr } from './address.ts';
import { inRoot } from './current.ts';
import { deliverEof, deliverError, receive } from './deliver.ts';
import { internals } from './internals.ts';
import { JsStreamBase } from './js-stream.ts';
import {
  type Closing,
  drainTicks,
  hold,
  makeCallback,
  markClosing,
  markReady,
  type Ready,
  release,
} from './loop.ts';
import { addOpenHandle, removeOpenHandle } from './open-handles.ts';
import { ReadAhead } from './read-ahead.ts';
import { SendQueue, type WriteDone } from './send-queue.ts';
import { createSocket, type ProgramSocket } from './system-calls.ts';
import { touchClock } from './touch-clock.ts';
import { uv, uvErrno } from './uv.ts';

/** Connections accepted per event, so that a flood leaves the other handles their turn. */
const ACCEPTS = 16;
/** shutdown(2) */
const SHUT_WR = 1;
/** `UV_TCP_REUSEPORT` */
const FLAG_REUSEPORT = 2;

/** What Node makes for a connect: `oncomplete(status, handle, req, readable, writable)`. */
interface ConnectRequest {
  oncomplete?: (
    status: number,
    handle: object,
    req: object,
    readable: boolean,
    writable: boolean,
  ) => void;
}

/** What Node makes for a shutdown. */
interface ShutdownRequest {
  oncomplete?: (status: number) => void;
}

export class TcpHandle extends JsStreamBase implements Ready, Closing {
  readonly net: NetNs;
  /** The asynchronous context in which the handle was made; its callbacks run in it. */
  resource: AsyncResource;
  queued = false;
  /** Written by Node's sockets; ours is `receiving`. */
  reading = false;
  /** Written by the HTTP server, whose parser then reads natively: a little faster than pushes. */
  _consumed = false;
  /** Written by `net.Server`. */
  onconnection: ((status: number, client: TcpHandle | undefined) => void) | undefined = undefined;
  /** The TLS socket that sits on this handle. */
  tls: object | undefined = undefined;
  receiving = false;
  closed = false;
  /** Received bytes go through the native stream instead of straight to the socket. */
  nativelyRead = false;
  rxBytes = 0;
  txBytes = 0;
  private socket: ProgramSocket | undefined = undefined;
  private sendQueue: SendQueue | undefined = undefined;
  private readonly readAhead: ReadAhead = new ReadAhead();
  private referenced = true;
  private holding = false;
  private listening = false;
  /** EADDRINUSE of a bind, told by listen or connect as libuv does. */
  private delayedError = 0;
  private connectRequest: ConnectRequest | undefined = undefined;
  /** An event of the connecting socket was put behind the others once. */
  private watched = false;
  private connectResource: AsyncResource | undefined = undefined;
  private shutdownRequest: ShutdownRequest | undefined = undefined;
  private shutdownResource: AsyncResource | undefined = undefined;
  private shutdownStatus = 1;
  /** Requests of native consumers that wait for `finishWrite`. */
  private readonly nativeWrites: { req: object; status: number }[] = [];
  private nativeShutdown: { req: object; status: number } | undefined = undefined;
  private closeCallback: ((this: TcpHandle) => void) | undefined = undefined;
  /** Requests under way: each keeps the event loop alive whatever `unref` said. */
  private requests = 0;

  /** @param type what `async_hooks` calls it */
  constructor(net: NetNs, socket?: ProgramSocket, type = 'TCPWRAP') {
    super();
    this.net = net;
    this.resource = new AsyncResource(type, { requireManualDestroy: true });
    if (socket !== undefined) this.adopt(socket);
  }

  /** Only those who are about to read natively ask: TLS, HTTP/2, the HTTP server's parser. */
  get isStreamBase(): boolean {
    this.nativelyRead = true;
    return true;
  }

  get bytesRead(): number {
    return this.rxBytes;
  }

  get bytesWritten(): number {
    return this.txBytes;
  }

  get writeQueueSize(): number {
    return this.sendQueue?.size ?? 0;
  }

  private adopt(socket: ProgramSocket): void {
    this.socket = socket;
    this.sendQueue = new SendQueue(socket);
    socket.onEvent = () => markReady(this);
    addOpenHandle(this);
  }

  // ---- addresses

  private openSocket(family: number): number {
    if (this.socket !== undefined) return 0;
    const socket = createSocket(this.net, family, SOCK_STREAM);
    if (typeof socket === 'number') return socket;
    this.adopt(socket);
    return 0;
  }

  bind(address: string, port: number, flags?: number): number {
    return this.bindTo(address, port, AF_INET, flags ?? 0);
  }

  bind6(address: string, port: number, flags?: number): number {
    return this.bindTo(address, port, AF_INET6, flags ?? 0);
  }

  private bindTo(address: string, port: number, family: number, flags: number): number {
    const opened = this.openSocket(family);
    if (opened < 0) return uv(opened === -EAFNOSUPPORT ? 'EINVAL' : 'ENOMEM');
    const to = toSockAddr(address, port | 0, family);
    if (typeof to === 'number') return uvErrno(to);
    const socket = this.socket as ProgramSocket;
    socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
    if ((flags & FLAG_REUSEPORT) !== 0) socket.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1);
    const err = socket.bind(to);
    if (err === -EADDRINUSE) {
      this.delayedError = uvErrno(err);
      return 0;
    }
    return err < 0 ? uvErrno(err) : 0;
  }

  getsockname(out: AddressInfo): number {
    if (this.delayedError !== 0) return this.delayedError;
    if (this.socket === undefined || this.closed) return uv('EBADF');
    fillAddress(out, this.socket.getsockname());
    return 0;
  }

  getpeername(out: AddressInfo): number {
    if (this.delayedError !== 0) return this.delayedError;
    if (this.socket === undefined || this.closed) return uv('EBADF');
    const peer = this.socket.getpeername();
    if (typeof peer === 'number') return uvErrno(peer);
    fillAddress(out, peer);
    return 0;
  }

  /** There are no file descriptors in here. */
  open(): number {
    return uv('ENOTSUP');
  }

  // ---- options

  private option(level: number, name: number, value: number): number {
    if (this.socket === undefined) return uv('EBADF');
    const err = this.socket.setsockopt(level, name, value);
    return err < 0 ? uvErrno(err) : 0;
  }

  setNoDelay(enable: boolean): number {
    return this.option(SOL_TCP, TCP_NODELAY, enable ? 1 : 0);
  }

  /** Seconds, as Node gives them; libuv probes every second, ten times, unless told otherwise. */
  setKeepAlive(enable: boolean, delay: number, interval?: number, count?: number): number {
    const err = this.option(SOL_SOCKET, SO_KEEPALIVE, enable ? 1 : 0);
    if (err !== 0 || !enable || delay === 0) return err;
    return (
      this.option(SOL_TCP, TCP_KEEPIDLE, delay) ||
      this.option(SOL_TCP, TCP_KEEPINTVL, interval ?? 1) ||
      this.option(SOL_TCP, TCP_KEEPCNT, count ?? 10)
    );
  }

  setTypeOfService(tos: number): number {
    return this.option(SOL_IP, IP_TOS, tos);
  }

  getTypeOfService(): number {
    if (this.socket === undefined) return uv('EBADF');
    const tos = this.socket.getsockopt(SOL_IP, IP_TOS);
    return typeof tos !== 'number' ? 0 : tos < 0 ? uvErrno(tos) : tos;
  }

  setSimultaneousAccepts(): number {
    return 0;
  }

  setBlocking(): number {
    return 0;
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

  /** An HTTP agent gives a kept socket to another request: callbacks belong to that from now on. */
  override asyncReset(resource: object): void {
    super.asyncReset(resource);
    this.resource = new AsyncResource('TCPWRAP', { requireManualDestroy: true });
  }

  /** Holds the event loop while libuv would: an active handle with a reference, or any request. */
  private updateHold(): void {
    const active = !this.closed && (this.listening || this.receiving);
    const want = this.requests > 0 || (this.referenced && active);
    if (want === this.holding) return;
    this.holding = want;
    if (want) hold();
    else release();
  }

  private begin(): void {
    this.requests++;
    this.updateHold();
  }

  private end(): void {
    this.requests--;
    this.updateHold();
  }

  // ---- listening

  listen(backlog: number): number {
    if (this.delayedError !== 0) return this.delayedError;
    const err = this.openSocket(AF_INET) || (this.socket as ProgramSocket).listen(backlog);
    if (err < 0) return uvErrno(err);
    this.listening = true;
    this.updateHold();
    return 0;
  }

  /** Makes the coming `listen` fail, where Node's own step below would have. */
  failListen(errno: number): void {
    this.delayedError = errno;
  }

  private acceptSome(): void {
    for (let i = 0; i < ACCEPTS && !this.closed; i++) {
      const accepted = (this.socket as ProgramSocket).accept();
      if (accepted === -EAGAIN) return;
      const client =
        typeof accepted === 'number' ? accepted : inRoot(this.net, makeHandle, this.net, accepted);
      makeCallback(this.resource, acceptOne, this, client);
    }
    if (!this.closed) markReady(this);
  }

  // ---- connecting

  connect(req: ConnectRequest, address: string, port: number): number {
    return this.connectTo(req, address, port, AF_INET);
  }

  connect6(req: ConnectRequest, address: string, port: number): number {
    return this.connectTo(req, address, port, AF_INET6);
  }

  private connectTo(req: ConnectRequest, address: string, port: number, family: number): number {
    if (this.connectRequest !== undefined) return uv('EALREADY');
    if (this.delayedError === 0) {
      const to = toSockAddr(address, port, family);
      if (typeof to === 'number') return uvErrno(to);
      const opened = this.openSocket(family);
      if (opened < 0) return uvErrno(opened);
      touchClock(this.net);
      const err = (this.socket as ProgramSocket).connect(to);
      if (err === -ECONNREFUSED) this.delayedError = uvErrno(err);
      else if (err < 0 && err !== -EINPROGRESS) return uvErrno(err);
      else if (err === 0) markReady(this);
    }
    if (this.delayedError !== 0) markReady(this);
    this.connectRequest = req;
    this.watched = false;
    this.connectResource = new AsyncResource('TCPCONNECTWRAP', { requireManualDestroy: true });
    this.begin();
    return 0;
  }

  /** Tells the outcome of a connect when there is one. */
  private finishConnect(): void {
    let status = this.delayedError;
    if (status === 0) {
      const socket = this.socket as ProgramSocket;
      if ((socket.poll() & (EPOLLOUT | EPOLLERR | EPOLLHUP)) === 0) return;
      const err = socket.getsockopt(SOL_SOCKET, SO_ERROR);
      if (typeof err === 'number' && err !== 0) status = uvErrno(err);
    }
    this.completeConnect(status);
  }

  private completeConnect(status: number): void {
    const req = this.connectRequest;
    const resource = this.connectResource;
    this.connectRequest = undefined;
    this.connectResource = undefined;
    this.delayedError = 0;
    this.end();
    if (req?.oncomplete === undefined || resource === undefined) return;
    const ok = status === 0;
    makeCallback(resource, () => req.oncomplete?.(status, this, req, ok, ok), undefined, undefined);
    resource.emitDestroy();
  }

  // ---- receiving

  readStart(): number {
    if (this.closed) return uv('EBADF');
    this.startReceiving();
    return 0;
  }

  readStop(): number {
    this.stopReceiving();
    return 0;
  }

  /** Called by native consumers. */
  onreadstart(): number {
    this.startReceiving();
    return 0;
  }

  onreadstop(): number {
    this.stopReceiving();
    return 0;
  }

  private startReceiving(): void {
    if (this.receiving) return;
    this.receiving = true;
    this.updateHold();
    markReady(this);
  }

  private stopReceiving(): void {
    this.receiving = false;
    this.updateHold();
  }

  /** The next chunk; null at the end of the stream; a negated Linux number when there is none. */
  read(): Uint8Array | null | number {
    return this.readAhead.next(this.socket as ProgramSocket);
  }

  /** Bytes that the reader had no room for. */
  putBack(bytes: Uint8Array): void {
    this.readAhead.putBack(bytes);
  }

  /** End of stream: nothing more to read. */
  endOfStream(): void {
    this.stopReceiving();
    deliverEof(this);
  }

  readError(errno: number): void {
    this.stopReceiving();
    deliverError(this, errno);
  }

  // ---- sending

  /** 0: all taken; 1: not yet, call `whenSent`; negative: refused. */
  send(data: Uint8Array): number {
    const queue = this.sendQueue;
    if (queue === undefined || this.closed) return uv('EBADF');
    touchClock(this.net);
    const result = queue.write(data);
    if (result >= 0) this.txBytes += data.length;
    return result;
  }

  /** Says whom to tell when the write that `send` answered with 1 is done. */
  whenSent(done: WriteDone): void {
    this.begin();
    this.sendQueue?.whenDone((status) => {
      this.end();
      done(status);
    });
  }

  /** Called by native consumers, which must not be answered before this returns. */
  onwrite(req: object, chunks: Uint8Array[]): number {
    const data = chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
    const result = this.send(data);
    if (result < 0) return result;
    if (result === 0) {
      this.begin();
      process.nextTick(finishNow, this, req);
    } else this.whenSent((status) => this.finishNative(req, status));
    return 0;
  }

  /** Ends a native consumer's write that was taken at once. */
  finishImmediately(req: object): void {
    this.end();
    this.finishWrite(req, this.closed ? uv('ECANCELED') : 0);
  }

  private finishNative(req: object, status: number): void {
    this.nativeWrites.push({ req, status });
    this.begin();
    markReady(this);
  }

  shutdown(req: ShutdownRequest): number {
    if (this.shutdownRequest !== undefined || !this.canShutdown()) return uv('ENOTCONN');
    this.shutdownRequest = req;
    this.shutdownResource = new AsyncResource('SHUTDOWNWRAP', { requireManualDestroy: true });
    this.beginShutdown();
    return 0;
  }

  /** Called by native consumers. */
  onshutdown(req: object): number {
    if (!this.canShutdown()) return uv('ENOTCONN');
    this.nativeShutdown = { req, status: 0 };
    this.beginShutdown();
    return 0;
  }

  private canShutdown(): boolean {
    return this.socket !== undefined && !this.closed && this.connectRequest === undefined;
  }

  private beginShutdown(): void {
    this.begin();
    this.shutdownStatus = 1;
    touchClock(this.net);
    this.tryShutdown();
  }

  /** Sends the FIN once all that was written is with the stack. */
  private tryShutdown(): void {
    if (this.shutdownStatus !== 1 || (this.sendQueue?.length ?? 0) > 0) return;
    const err = (this.socket as ProgramSocket).shutdown(SHUT_WR);
    this.shutdownStatus = err < 0 ? uvErrno(err) : 0;
    markReady(this);
  }

  private finishShutdowns(cancelled: number): void {
    const req = this.shutdownRequest;
    const native = this.nativeShutdown;
    if (req === undefined && native === undefined) return;
    if (this.shutdownStatus === 1 && cancelled === 0) return;
    const status = cancelled !== 0 && this.shutdownStatus === 1 ? cancelled : this.shutdownStatus;
    const resource = this.shutdownResource;
    this.shutdownRequest = undefined;
    this.shutdownResource = undefined;
    this.nativeShutdown = undefined;
    this.end();
    if (req !== undefined && resource !== undefined) {
      makeCallback(resource, completeShutdown, req, status);
      resource.emitDestroy();
    }
    if (native !== undefined) this.finishShutdown(native.req, status);
  }

  // ---- events

  dispatch(): void {
    let finished = false;
    try {
      this.dispatchEvents();
      finished = true;
    } finally {
      // An application's callback threw: what is left comes in a later turn.
      if (!finished) markReady(this);
    }
  }

  private dispatchEvents(): void {
    if (this.connectRequest !== undefined && !this.closed) {
      // libuv watches a connecting socket from its next poll on: what was ready by then comes first.
      if (!this.watched) {
        this.watched = true;
        markReady(this);
        return;
      }
      this.finishConnect();
    }
    this.finishNativeWrites();
    if (this.closed) return;
    if (this.listening) {
      this.acceptSome();
      return;
    }
    if (this.socket === undefined || this.connectRequest !== undefined) return;
    const queue = this.sendQueue as SendQueue;
    if (queue.length > 0) {
      queue.flush();
      if (this.shutdownRequest !== undefined || this.nativeShutdown !== undefined)
        this.tryShutdown();
    }
    this.finishShutdowns(0);
    if (this.receiving) receive(this);
  }

  private finishNativeWrites(): void {
    while (this.nativeWrites.length > 0) {
      const { req, status } = this.nativeWrites.shift() as { req: object; status: number };
      this.end();
      this.finishWrite(req, status);
      drainTicks();
    }
  }

  // ---- closing

  close(callback?: (this: TcpHandle) => void): void {
    if (this.closed) return;
    this.tearDown(callback);
  }

  /** Closes with a reset instead of a FIN. */
  reset(callback?: (this: TcpHandle) => void): number {
    if (this.closed) return 0;
    if (this.shutdownRequest !== undefined || this.nativeShutdown !== undefined)
      return uv('EINVAL');
    this.socket?.setsockopt(SOL_SOCKET, SO_LINGER, { onoff: 1, linger: 0 });
    this.tearDown(callback);
    return 0;
  }

  isClosing(): boolean {
    return this.closed;
  }

  private tearDown(callback: ((this: TcpHandle) => void) | undefined): void {
    this.begin();
    this.closed = true;
    this.receiving = false;
    this.listening = false;
    this.readAhead.clear();
    this.closeCallback = callback;
    if (this.socket !== undefined) {
      removeOpenHandle(this);
      touchClock(this.net);
      this.socket.onEvent = null;
      this.socket.close();
    }
    markClosing(this);
  }

  /** What libuv does behind the turn of `uv_close`: cancels what waits, then tells. */
  finishClose(): void {
    try {
      this.cancelAll();
    } finally {
      this.tellClosed();
    }
  }

  private cancelAll(): void {
    if (this.connectRequest !== undefined) {
      this.delayedError = 0;
      this.completeConnect(uv('ECANCELED'));
    }
    const queue = this.sendQueue;
    if (queue !== undefined && queue.length > 0) queue.fail(uv('ECANCELED'));
    this.finishShutdowns(uv('ECANCELED'));
    this.finishNativeWrites();
  }

  private tellClosed(): void {
    const callback = this.closeCallback;
    this.closeCallback = undefined;
    this.end();
    try {
      if (typeof callback === 'function') makeCallback(this.resource, callCallback, this, callback);
    } finally {
      this.resource.emitDestroy();
      this.letGo();
    }
  }

  /**
   * Drops what the closed handle holds. V8 takes an object with a native part for alive until it marks
   * the whole heap, and with it sockets and their data, which would all be copied meanwhile.
   */
  private letGo(): void {
    this.socket = undefined;
    this.sendQueue = undefined;
    this.onconnection = undefined;
    this.tls = undefined;
    (this as unknown as Record<symbol, unknown>)[internals().owner] = null;
  }
}

function makeHandle(net: NetNs, socket: ProgramSocket): TcpHandle {
  return new TcpHandle(net, socket);
}

function acceptOne(server: TcpHandle, client: TcpHandle | number): void {
  if (typeof client === 'number') server.onconnection?.(uvErrno(client), undefined);
  else server.onconnection?.(0, client);
}

function completeShutdown(req: ShutdownRequest, status: number): void {
  req.oncomplete?.(status);
}

function callCallback(handle: TcpHandle, callback: (this: TcpHandle) => void): void {
  callback.call(handle);
}

function finishNow(handle: TcpHandle, req: object): void {
  handle.finishImmediately(req);
}
