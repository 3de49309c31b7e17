/**
 * Takes over `node:net` where code runs inside a namespace: a connecting socket and a listening server
 * get a handle of ours, and everything above it stays Node's. Outside, the original functions run.
 */
import { AsyncResource } from 'node:async_hooks';
import net, { type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { NetNs } from '../core/net.ts';
import { currentNet } from './current.ts';
import { handleOf } from './descriptors.ts';
import { type Internals, internals } from './internals.ts';
import { makeCallback } from './loop.ts';
import { TcpHandle } from './tcp-handle.ts';
import { uvException } from './uv.ts';

/** What of `net.Socket` is not public. */
type InnerSocket = Socket &
  Record<symbol, unknown> & {
    _handle: object | null;
    _parent: { connecting?: boolean } | null;
    _peername: unknown;
    _sockname: unknown;
    _pendingData: unknown;
    _pendingEncoding: string;
    _unrefTimer(): void;
    _reset(): void;
  };

type ConnectArguments = [{ path?: unknown; port?: unknown }, unknown?];
type WriteCallback = (error?: Error | null) => void;
type WriteGeneric = (
  this: InnerSocket,
  writev: boolean,
  data: unknown,
  encoding: BufferEncoding,
  cb: WriteCallback,
) => unknown;
type Reinitialize = (this: InnerSocket, handle: object) => void;

/** `net._normalizeArgs`: every way to call `connect`, as `[options, callback]`. */
type NormalizeArgs = (args: unknown[]) => ConnectArguments;

interface Originals {
  readonly connect: (this: InnerSocket, ...args: unknown[]) => InnerSocket;
  readonly writeGeneric: WriteGeneric;
  readonly reinitialize: Reinitialize;
  readonly normalizeArgs: NormalizeArgs;
}

/** Installs the patches of `node:net`. */
export function patchNet(): void {
  const proto = net.Socket.prototype as unknown as InnerSocket & Record<string, unknown>;
  const inside = internals();
  const originals: Originals = {
    connect: proto.connect as unknown as Originals['connect'],
    writeGeneric: proto['_writeGeneric'] as WriteGeneric,
    reinitialize: proto[inside.reinitializeHandle] as Reinitialize,
    normalizeArgs: (net as unknown as { _normalizeArgs: NormalizeArgs })._normalizeArgs,
  };
  patchConnect(proto, originals);
  patchReinitialize(proto, originals, inside);
  patchWrite(proto, originals, inside);
  patchListen();
}

function patchConnect(proto: InnerSocket, originals: Originals): void {
  function connect(this: InnerSocket, ...args: unknown[]): InnerSocket {
    const ns = currentNet();
    if (ns !== undefined && (!this._handle || this.destroyed) && !(this instanceof TLSSocket))
      giveHandle(this, ns, args, originals);
    return originals.connect.apply(this, args);
  }
  Object.assign(proto, { connect });
}

/** Before `connect` makes a native handle, gives the socket one of ours. */
function giveHandle(socket: InnerSocket, ns: NetNs, args: unknown[], originals: Originals): void {
  const isNormalized = Array.isArray(args[0]) && Object.getOwnPropertySymbols(args[0]).length > 0;
  const [options] = isNormalized
    ? (args[0] as ConnectArguments)
    : originals.normalizeArgs(args as unknown[]);
  // Unix sockets and pipes are not the network's; without a port Node throws its own error.
  if (options.path != null || options.port === undefined || socket._parent?.connecting) return;
  if (socket.destroyed) {
    socket._handle = null;
    socket._peername = null;
    socket._sockname = null;
  }
  originals.reinitialize.call(socket, new TcpHandle(ns));
}

/** Happy eyeballs gives a socket a fresh native handle for its next attempt: ours instead. */
function patchReinitialize(proto: InnerSocket, originals: Originals, inside: Internals): void {
  Object.assign(proto, {
    [inside.reinitializeHandle](this: InnerSocket, handle: { close?: () => void }): void {
      const current = this._handle;
      if (current instanceof TcpHandle && !(handle instanceof TcpHandle)) {
        handle.close?.();
        originals.reinitialize.call(this, new TcpHandle(current.net));
      } else originals.reinitialize.call(this, handle);
    },
  });
}

/** Plain writes go to the stack without Node's native stream between. */
function patchWrite(proto: InnerSocket, originals: Originals, inside: Internals): void {
  function writeGeneric(
    this: InnerSocket,
    writev: boolean,
    data: unknown,
    encoding: BufferEncoding,
    cb: WriteCallback,
  ): unknown {
    const handle = this._handle;
    if (!(handle instanceof TcpHandle) || this.connecting)
      return originals.writeGeneric.call(this, writev, data, encoding, cb);
    this._pendingData = null;
    this._pendingEncoding = '';
    this._unrefTimer();
    const bytes = writev ? gather(data as WriteChunk[]) : toBytes(data as WriteData, encoding);
    const result = handle.send(bytes);
    if (result === 0) cb();
    else if (result < 0) cb(uvException(result, 'write'));
    else {
      this[inside.lastWriteQueueSize] = handle.writeQueueSize;
      const resource = new AsyncResource('WRITEWRAP');
      handle.whenSent((status) => makeCallback(resource, afterWrite, [this, status], cb));
    }
    return undefined;
  }
  Object.assign(proto, { _writeGeneric: writeGeneric });
}

/** What Node's `onWriteComplete` does. */
function afterWrite([socket, status]: [InnerSocket, number], cb: WriteCallback): void {
  if (socket.destroyed) cb(null);
  else if (status < 0) cb(uvException(status, 'write'));
  else {
    const inside = internals();
    (socket[inside.updateTimer] as () => void).call(socket);
    socket[inside.lastWriteQueueSize] = 0;
    cb(null);
  }
}

type WriteData = string | Uint8Array;
interface WriteChunk {
  readonly chunk: WriteData;
  readonly encoding: BufferEncoding;
}

function toBytes(data: WriteData, encoding: BufferEncoding): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data, encoding) : data;
}

/** One buffer of all chunks: one write, one segment. */
function gather(chunks: readonly WriteChunk[]): Uint8Array {
  if (chunks.every((c) => typeof c.chunk === 'string' && c.encoding === 'latin1'))
    return Buffer.from(chunks.map((c) => c.chunk as string).join(''), 'latin1');
  return Buffer.concat(chunks.map((c) => toBytes(c.chunk, c.encoding)));
}

/** `[address, port, addressType, backlog, fd, flags]` */
type ListenArguments = [
  address: string | null,
  port: number,
  addressType: number,
  backlog: number,
  fd: number | undefined,
  flags: number | undefined,
];

function patchListen(): void {
  const proto = net.Server.prototype as unknown as {
    _listen2(this: Server & { _handle: object | null }, ...args: ListenArguments): void;
  };
  const original = proto._listen2;
  proto._listen2 = function _listen2(...args) {
    const ns = currentNet();
    const [address, port, addressType, backlog, fd, flags] = args;
    const isPipe = port === -1 && addressType === -1;
    const from = typeof fd === 'number' ? handleOf(fd) : undefined;
    const isForeign = typeof fd === 'number' && fd >= 0 && from === undefined;
    if ((ns === undefined && from === undefined) || this._handle || isPipe || isForeign) {
      original.apply(this, args);
      return;
    }
    if (from !== undefined) {
      const handle = new TcpHandle(from.net, undefined, 'TCPSERVERWRAP');
      const err = handle.open(fd as number);
      if (err !== 0) handle.failListen(err);
      this._handle = handle;
      original.apply(this, args);
      return;
    }
    const bound = bindServer(ns as NetNs, address, port, addressType, flags ?? 0);
    this._handle = bound.handle;
    original.call(this, bound.address, port, bound.addressType, backlog, fd, flags);
  };
}

interface BoundServer {
  readonly handle: TcpHandle;
  readonly address: string;
  readonly addressType: number;
}

/** Binds as Node's `createServerHandle`: without an address to `::`, or 0.0.0.0 where there is no IPv6. */
function bindServer(
  ns: NetNs,
  address: string | null,
  port: number,
  addressType: number,
  flags: number,
): BoundServer {
  if (!address) {
    const handle = new TcpHandle(ns, undefined, 'TCPSERVERWRAP');
    if (handle.bind6('::', port, flags) === 0) return { handle, address: '::', addressType: 6 };
    handle.close();
    return bindServer(ns, '0.0.0.0', port, 4, flags);
  }
  const handle = new TcpHandle(ns, undefined, 'TCPSERVERWRAP');
  const err =
    addressType === 6 ? handle.bind6(address, port, flags) : handle.bind(address, port, flags);
  if (err !== 0) handle.failListen(err);
  return { handle, address, addressType };
}
