/**
 * What this layer needs of Node's insides, reached from public objects only: symbols by their
 * description, native parts through `process.binding`, and the native class `JSStream` through a TLS socket over a stream. Looked up once;
 * what is missing fails with one sentence that names the version of Node.
 */
import { createSocket } from 'node:dgram';
import { Server, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import {
  binding,
  type NativeClass,
  type TcpBinding,
  takeBindings,
  type UdpBinding,
} from './bindings.ts';

/** The native stream whose reads and writes are JavaScript's; what of it is called here. */
export interface JsStream {
  /** Hands received bytes to whoever consumes the stream: a socket, a parser, TLS. */
  readBuffer(bytes: Uint8Array): void;
  emitEOF(): void;
  finishWrite(req: object, status: number): void;
  finishShutdown(req: object, status: number): void;
  useUserBuffer(bytes: Uint8Array): void;
  asyncReset(resource: object): void;
}

export interface DnsBinding {
  getaddrinfo(req: object, name: string, family: number, hints: number, order: unknown): number;
  getnameinfo(req: object, address: string, port: number): number;
  ChannelWrap: { readonly prototype: DnsChannel };
}

/** A resolver's native channel: `queryA(req, name)` and its kin. */
export type DnsChannel = Record<string, (...args: unknown[]) => unknown>;

export interface Internals {
  readonly JSStream: new () => JsStream;
  /** On a handle: the socket that owns it. */
  readonly owner: symbol;
  /** On a socket: gives it another handle, as happy eyeballs does. */
  readonly reinitializeHandle: symbol;
  /** On a socket: the function that restarts its idle timer. */
  readonly updateTimer: symbol;
  /** On a socket: bytes that wait in the handle, for the idle timer. */
  readonly lastWriteQueueSize: symbol;
  /** On a socket: the three parts of the `onread` option. */
  readonly buffer: symbol;
  readonly bufferCallback: symbol;
  readonly bufferGenerator: symbol;
  /** On a dgram socket: `{ handle, … }`. */
  readonly dgramState: symbol;
  readonly tcp: TcpBinding;
  readonly udp: UdpBinding;
  readonly dns: DnsBinding;
  /** Node's own classes of handles, as they were before anybody put others in their place. */
  readonly TCP: NativeClass;
  readonly UDP: NativeClass;
}

let found: Internals | undefined;

/** Node's internals; throws one sentence if this Node lacks one. */
export function internals(): Internals {
  found ??= discover();
  return found;
}

function missing(what: string): Error {
  return new Error(
    `Warren cannot take over the network of Node ${process.versions.node}: it has no ${what}`,
  );
}

/** The symbol of `object` or its prototype with this description. */
function symbolOf(object: object, description: string): symbol {
  const symbol = [
    ...Object.getOwnPropertySymbols(object),
    ...Object.getOwnPropertySymbols(Object.getPrototypeOf(object)),
  ].find((s) => s.description === description);
  if (symbol === undefined) throw missing(`symbol ${description}`);
  return symbol;
}

function discover(): Internals {
  const { TCP, UDP } = takeBindings();
  const tcp = binding<TcpBinding>('tcp_wrap');
  const udp = binding<UdpBinding>('udp_wrap');
  const dns = binding<DnsBinding>('cares_wrap', 'getaddrinfo', 'getnameinfo', 'ChannelWrap');
  const handle = { readStart: () => 0, readStop: () => 0, close: () => undefined };
  const socket = new Socket({ handle, manualStart: true } as object);
  for (const name of ['connect', '_writeGeneric', '_reset'] as const)
    if (!(name in Socket.prototype)) throw missing(`net.Socket.prototype.${name}`);
  if (!('_listen2' in Server.prototype)) throw missing('net.Server.prototype._listen2');
  if (!('_wrapHandle' in TLSSocket.prototype)) throw missing('tls.TLSSocket.prototype._wrapHandle');
  if (!('_tickCallback' in process)) throw missing('process._tickCallback');
  return {
    JSStream: findJsStream(),
    owner: symbolOf(handle, 'owner_symbol'),
    reinitializeHandle: symbolOf(socket, 'kReinitializeHandle'),
    updateTimer: symbolOf(socket, 'kUpdateTimer'),
    lastWriteQueueSize: symbolOf(socket, 'lastWriteQueueSize'),
    buffer: symbolOf(socket, 'kBuffer'),
    bufferCallback: symbolOf(socket, 'kBufferCb'),
    bufferGenerator: symbolOf(socket, 'kBufferGen'),
    dgramState: findDgramState(),
    tcp,
    udp,
    dns,
    TCP,
    UDP,
  };
}

function findJsStream(): Internals['JSStream'] {
  const tls = new TLSSocket(new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }));
  tls.on('error', () => undefined);
  const wrapped = (tls as unknown as { _handle?: { _parent?: object } })._handle?._parent;
  tls.destroy();
  const found = wrapped?.constructor as Internals['JSStream'] | undefined;
  const methods = ['readBuffer', 'emitEOF', 'finishWrite', 'finishShutdown', 'useUserBuffer'];
  if (found?.name !== 'JSStream' || methods.some((m) => !(m in found.prototype)))
    throw missing('JSStream below a TLSSocket over a Duplex');
  return found;
}

function findDgramState(): symbol {
  const socket = createSocket('udp4');
  const state = symbolOf(socket, 'state symbol');
  const inner = (socket as unknown as Record<symbol, { handle?: { lookup?: unknown } }>)[state];
  const isThere = inner?.handle?.lookup !== undefined;
  socket.close();
  if (!isThere) throw missing('handle in the state of a dgram socket');
  return state;
}
