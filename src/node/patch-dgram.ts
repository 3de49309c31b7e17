/** Takes over `node:dgram`: a socket made inside a namespace gets a handle of ours. */
import dgram, { type Socket } from 'node:dgram';
import { AF_INET, AF_INET6 } from '../core/transport/sock.ts';
import { currentNet } from './current.ts';
import { handleOf } from './descriptors.ts';
import { internals } from './internals.ts';
import { UdpHandle } from './udp-handle.ts';

type State = { handle: { lookup: unknown; close(): void } | UdpHandle | null };
type InnerSocket = Socket & Record<symbol, unknown> & { type: string };
type SocketArguments = [type: unknown, listener?: unknown];
type SocketClass = new (...args: SocketArguments) => InnerSocket;

/** Installs the patches of `node:dgram`. */
export function patchDgram(): void {
  const original = dgram.createSocket as unknown as (...args: SocketArguments) => InnerSocket;
  const OriginalSocket = dgram.Socket as unknown as SocketClass;
  function createSocket(this: unknown, ...args: SocketArguments): InnerSocket {
    return adopt(original.apply(this, args));
  }
  function PatchedSocket(...args: SocketArguments): InnerSocket {
    return adopt(Reflect.construct(OriginalSocket, args, new.target ?? OriginalSocket));
  }
  Object.defineProperty(PatchedSocket, 'name', { value: 'Socket' });
  PatchedSocket.prototype = OriginalSocket.prototype;
  Object.setPrototypeOf(PatchedSocket, OriginalSocket);
  Object.assign(dgram, { createSocket, Socket: PatchedSocket });
  patchBind(OriginalSocket.prototype as unknown as BindPrototype);
}

interface BindPrototype {
  bind(this: object, ...args: unknown[]): unknown;
}

/** `bind({ fd })` of a descriptor of ours: Node would ask the system what it is. */
function patchBind(proto: BindPrototype): void {
  const original = proto.bind;
  proto.bind = function bind(...args) {
    const fd = (args[0] as { fd?: unknown } | null | undefined)?.fd;
    const from = typeof fd === 'number' ? handleOf(fd) : undefined;
    const socket = from instanceof UdpHandle ? from.dup() : undefined;
    if (from === undefined || socket === undefined) return original.apply(this, args);
    return original.call(this, new UdpHandle(from.net, AF_INET, socket), ...args.slice(1));
  };
}

function adopt(socket: InnerSocket): InnerSocket {
  const ns = currentNet();
  if (ns === undefined) return socket;
  const inside = internals();
  const state = socket[inside.dgramState] as State;
  const native = state.handle;
  // An aborted signal has closed it already.
  if (native === null || native instanceof UdpHandle) return socket;
  const lookup = native.lookup as (...args: unknown[]) => unknown;
  const handle = new UdpHandle(ns, socket.type === 'udp6' ? AF_INET6 : AF_INET);
  handle.lookup = lookup;
  Object.assign(handle, { [inside.owner]: socket });
  native.close();
  state.handle = handle;
  const asyncId = Object.getOwnPropertySymbols(socket).find(
    (s) => s.description === 'async_id_symbol',
  );
  if (asyncId !== undefined) socket[asyncId] = handle.getAsyncId();
  return socket;
}
