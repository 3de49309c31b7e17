/**
 * The handle of a TCP socket inside a namespace: the methods of Node's `TCP`, over a socket of the
 * stack. `net`, `http`, `tls` and `http2` run above it unmodified. What libuv does is done here as
 * libuv does it (`src/unix/tcp.c`, `src/unix/stream.c`): delayed bind errors, what keeps the event
 * loop alive, the order of callbacks. Here are its state and the order of its events; listening,
 * connecting, writing and so on are in files of their own (`tcp-*.ts`, `deliver.ts`, `native-write.ts`).
 */
import { AsyncResource } from 'node:async_hooks';
import type { NetNs } from '../core/net.ts';
import {
  AF_INET,
  AF_INET6,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  SOCK_STREAM,
} from '../core/transport/sock.ts';
import { SO_LINGER, SOL_SOCKET } from '../core/transport/sockopt-names.ts';
import type { AddressInfo } from './address.ts';
import { deliverEof, deliverError, receive } from './deliver.ts';
import { descriptorOf, forgetDescriptor, handleOf } from './descriptors.ts';
import { internals } from './internals.ts';
import { JsStreamBase } from './js-stream.ts';
import { type Closing, makeCallback, markClosing, markReady, type Ready } from './loop.ts';
import { LoopHold } from './loop-hold.ts';
import { NativeWrites } from './native-write.ts';
import { addOpenHandle, removeOpenHandle } from './open-handles.ts';
import { ReadAhead } from './read-ahead.ts';
import { SendQueue, type WriteDone } from './send-queue.ts';
import { split } from './shared-socket.ts';
import { createSocket, type ProgramSocket } from './system-calls.ts';
import { bind, getpeername, getsockname } from './tcp-address.ts';
import {
  type Connecting,
  type ConnectRequest,
  completeConnect,
  connect,
  finishConnect,
} from './tcp-connect.ts';
import { acceptSome, listen } from './tcp-listen.ts';
import * as option from './tcp-option.ts';
import {
  finishShutdown,
  type ShutdownRequest,
  type ShuttingDown,
  shutdown,
  tryShutdown,
} from './tcp-shutdown.ts';
import { touchClock } from './touch-clock.ts';
import { uv } from './uv.ts';

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
  /** Of the stack; there is none before the first call that says of which family. */
  socket: ProgramSocket | undefined = undefined;
  readonly hold: LoopHold;
  /** EADDRINUSE of a bind, told by listen or connect as libuv does. */
  delayedError = 0;
  connecting: Connecting | undefined = undefined;
  shuttingDown: ShuttingDown | undefined = undefined;
  private sendQueue: SendQueue | undefined = undefined;
  private readonly readAhead: ReadAhead = new ReadAhead();
  private readonly nativeWrites: NativeWrites = new NativeWrites(this);
  private listening = false;
  private closeCallback: ((this: TcpHandle) => void) | undefined = undefined;

  /** @param type what `async_hooks` calls it */
  constructor(net: NetNs, socket?: ProgramSocket, type = 'TCPWRAP') {
    super();
    this.net = net;
    this.hold = new LoopHold(net);
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

  /** Something that was written is not with the stack yet. */
  get isSending(): boolean {
    return (this.sendQueue?.length ?? 0) > 0;
  }

  /** A number that stands for the socket where Node wants a descriptor; negative: there is no socket. */
  get fd(): number {
    return this.socket === undefined || this.closed ? uv('EBADF') : descriptorOf(this);
  }

  private adopt(socket: ProgramSocket): void {
    this.socket = socket;
    this.sendQueue = new SendQueue(socket);
    socket.onEvent = () => markReady(this);
    addOpenHandle(this);
  }

  /** Another descriptor of the socket, as dup(2) makes one; undefined: there is no socket yet. */
  dup(): ProgramSocket | undefined {
    if (this.socket === undefined || this.closed) return undefined;
    const [mine, other] = split(this.socket);
    this.socket = mine;
    mine.onEvent = () => markReady(this);
    return other;
  }

  /** Makes the socket if there is none yet: 0 or a negated Linux number. */
  openSocket(family: number): number {
    if (this.socket !== undefined) return 0;
    const socket = createSocket(this.net, family, SOCK_STREAM);
    if (typeof socket === 'number') return socket;
    this.adopt(socket);
    return 0;
  }

  /** A descriptor of ours. */
  open(fd: number): number {
    const from = handleOf(fd);
    const socket = from instanceof TcpHandle ? from.dup() : undefined;
    if (socket === undefined) return uv('EBADF');
    this.adopt(socket);
    return 0;
  }

  // ---- addresses

  bind(address: string, port: number, flags?: number): number {
    return bind(this, address, port, AF_INET, flags ?? 0);
  }

  bind6(address: string, port: number, flags?: number): number {
    return bind(this, address, port, AF_INET6, flags ?? 0);
  }

  getsockname(out: AddressInfo): number {
    return getsockname(this, out);
  }

  getpeername(out: AddressInfo): number {
    return getpeername(this, out);
  }

  // ---- options

  setNoDelay(enable: boolean): number {
    return option.setNoDelay(this.socket, enable);
  }

  setKeepAlive(enable: boolean, delay: number, interval?: number, count?: number): number {
    return option.setKeepAlive(this.socket, enable, delay, interval, count);
  }

  setTypeOfService(tos: number): number {
    return option.setTypeOfService(this.socket, tos);
  }

  getTypeOfService(): number {
    return option.getTypeOfService(this.socket);
  }

  setSimultaneousAccepts(): number {
    return 0;
  }

  setBlocking(): number {
    return 0;
  }

  // ---- references

  ref(): void {
    this.hold.ref();
  }

  unref(): void {
    this.hold.unref();
  }

  hasRef(): boolean {
    return this.hold.hasRef;
  }

  getAsyncId(): number {
    return this.resource.asyncId();
  }

  /** An HTTP agent gives a kept socket to another request: callbacks belong to that from now on. */
  override asyncReset(resource: object): void {
    super.asyncReset(resource);
    this.resource = new AsyncResource('TCPWRAP', { requireManualDestroy: true });
  }

  // ---- listening and connecting

  listen(backlog: number): number {
    return listen(this, backlog);
  }

  setListening(): void {
    this.listening = true;
    this.hold.setActive(true);
    // A socket that was listening before: somebody may wait already.
    markReady(this);
  }

  /** Makes the coming `listen` fail, where Node's own step below would have. */
  failListen(errno: number): void {
    this.delayedError = errno;
  }

  connect(req: ConnectRequest, address: string, port: number): number {
    return connect(this, req, address, port, AF_INET);
  }

  connect6(req: ConnectRequest, address: string, port: number): number {
    return connect(this, req, address, port, AF_INET6);
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
    this.hold.setActive(!this.closed);
    // What is not there yet comes in the order in which the stack tells of it.
    if (this.isReadable) markReady(this);
  }

  private get isReadable(): boolean {
    if (this.socket === undefined || !this.readAhead.isEmpty) return true;
    return (this.socket.poll() & (EPOLLIN | EPOLLERR | EPOLLHUP)) !== 0;
  }

  private stopReceiving(): void {
    this.receiving = false;
    this.hold.setActive(this.listening);
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
    this.hold.begin();
    this.sendQueue?.whenDone((status) => {
      this.hold.end();
      done(status);
    });
  }

  /** Called by native consumers, which must not be answered before this returns. */
  onwrite(req: object, chunks: Uint8Array[]): number {
    return this.nativeWrites.write(req, chunks);
  }

  shutdown(req: ShutdownRequest): number {
    return shutdown(this, req, false);
  }

  /** Called by native consumers. */
  onshutdown(req: object): number {
    return shutdown(this, req, true);
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
    if (this.connecting !== undefined && !this.closed) {
      if (!this.connecting.watch(this)) return;
      finishConnect(this);
    }
    this.nativeWrites.tellFinished();
    if (this.closed) return;
    if (this.listening) {
      acceptSome(this, makeHandle);
      return;
    }
    if (this.socket === undefined || this.connecting !== undefined) return;
    if (this.isSending) {
      (this.sendQueue as SendQueue).flush();
      if (this.shuttingDown !== undefined) tryShutdown(this, this.shuttingDown);
    }
    finishShutdown(this, 0);
    if (this.receiving) receive(this);
  }

  // ---- closing

  close(callback?: (this: TcpHandle) => void): void {
    if (this.closed) return;
    this.tearDown(callback);
  }

  /** Closes with a reset instead of a FIN. */
  reset(callback?: (this: TcpHandle) => void): number {
    if (this.closed) return 0;
    if (this.shuttingDown !== undefined) return uv('EINVAL');
    this.socket?.setsockopt(SOL_SOCKET, SO_LINGER, { onoff: 1, linger: 0 });
    this.tearDown(callback);
    return 0;
  }

  abandon(): void {
    this.closed = true;
    this.receiving = false;
    this.listening = false;
    if (this.socket !== undefined) this.socket.onEvent = null;
    this.hold.abandon();
  }

  isClosing(): boolean {
    return this.closed;
  }

  private tearDown(callback: ((this: TcpHandle) => void) | undefined): void {
    this.hold.begin();
    this.closed = true;
    this.receiving = false;
    this.listening = false;
    this.hold.setActive(false);
    this.readAhead.clear();
    this.closeCallback = callback;
    if (this.socket !== undefined) {
      removeOpenHandle(this);
      forgetDescriptor(this);
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
    const cancelled = uv('ECANCELED');
    if (this.connecting !== undefined) completeConnect(this, cancelled);
    if (this.isSending) this.sendQueue?.fail(cancelled);
    finishShutdown(this, cancelled);
    this.nativeWrites.tellFinished();
  }

  private tellClosed(): void {
    const callback = this.closeCallback;
    this.closeCallback = undefined;
    this.hold.end();
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

function callCallback(handle: TcpHandle, callback: (this: TcpHandle) => void): void {
  callback.call(handle);
}
