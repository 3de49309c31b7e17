/**
 * `net.BoundSocket` (Node 24.21 and later): an address that is bound first and given to a server or a
 * socket later. Inside a namespace it binds there.
 */
import net, { isIP } from 'node:net';
import type { NetNs } from '../core/net.ts';
import type { AddressInfo } from './address.ts';
import { currentNet } from './current.ts';
import { TcpHandle } from './tcp-handle.ts';
import { uvException } from './uv.ts';

interface BoundOptions {
  readonly path?: unknown;
  readonly port?: unknown;
  readonly host?: unknown;
  readonly ipv6Only?: unknown;
  readonly reusePort?: unknown;
}
type BoundClass = new (options?: BoundOptions) => object;

/** Installs the patch where this Node has the class. */
export function patchBoundSocket(): void {
  const Original = (net as unknown as { BoundSocket?: BoundClass }).BoundSocket;
  if (Original !== undefined) replace(Original);
}

function replace(Original: BoundClass): void {
  const symbols = Object.getOwnPropertySymbols(Original.prototype);
  const consume = symbols.find((s) => s.description === 'kBoundSocketConsume');
  const path = symbols.find((s) => s.description === 'kBoundSocketPath');
  if (consume === undefined || path === undefined) return;
  function BoundSocket(options?: BoundOptions): object {
    const ns = currentNet();
    if (new.target === undefined || ns === undefined || !isOurs(options))
      return Reflect.construct(Original, [options], new.target ?? Original);
    const bound = bind(ns, options ?? {});
    const self = Object.create(new.target.prototype) as object;
    const take = (): TcpHandle => bound.take(() => closedError(Original));
    return Object.defineProperties(self, {
      address: { value: () => bound.address },
      fd: { value: () => -1 },
      close: { value: () => take().close() },
      isPipe: { value: false },
      [consume as symbol]: { value: take },
      [path as symbol]: { value: undefined },
    });
  }
  BoundSocket.prototype = Original.prototype;
  Object.setPrototypeOf(BoundSocket, Original);
  Object.assign(net, { BoundSocket });
}

/** Node itself refuses bad arguments, and binds pipes. */
function isOurs(options: BoundOptions | undefined): boolean {
  if (options === undefined) return true;
  if (typeof options !== 'object' || options === null || options.path !== undefined) return false;
  const { port = 0, host, ipv6Only = false, reusePort = false } = options;
  const isPort = Number.isInteger(Number(port)) && Number(port) >= 0 && Number(port) < 65536;
  const isHost = host == null || (typeof host === 'string' && isIP(host) !== 0);
  return isPort && isHost && typeof ipv6Only === 'boolean' && typeof reusePort === 'boolean';
}

class Bound {
  readonly address: AddressInfo = {};
  private handle: TcpHandle | undefined;

  constructor(handle: TcpHandle) {
    this.handle = handle;
    handle.getsockname(this.address);
  }

  take(error: () => Error): TcpHandle {
    const handle = this.handle;
    if (handle === undefined) throw error();
    this.handle = undefined;
    return handle;
  }
}

function bind(ns: NetNs, options: BoundOptions): Bound {
  const host = String(options.host ?? (options.ipv6Only === true ? '::' : '0.0.0.0'));
  const port = Number(options.port ?? 0);
  const flags = (options.ipv6Only === true ? 1 : 0) | (options.reusePort === true ? 2 : 0);
  const handle = new TcpHandle(ns);
  const err =
    (isIP(host) === 6 ? handle.bind6(host, port, flags) : handle.bind(host, port, flags)) ||
    handle.getsockname({});
  if (err === 0) return new Bound(handle);
  handle.close();
  const error = uvException(err, 'bind');
  error.message += port > 0 ? ` ${host}:${port}` : ` ${host}`;
  throw Object.assign(error, port > 0 ? { address: host, port } : { address: host });
}

/** The error that Node throws when the socket has been given away. */
function closedError(Original: BoundClass): Error {
  const spent = new Original({ host: '127.0.0.1', port: 0 }) as { close(): void };
  spent.close();
  try {
    spent.close();
  } catch (error) {
    return error as Error;
  }
  return new Error('the socket has been adopted');
}
