/**
 * Makes our handles pass for Node's: `new TCP()` and `new UDP()` of whoever takes the classes from Node's
 * insides, `instanceof` in Node's own modules, and the handles that the primary process of a cluster makes.
 */
import net from 'node:net';
import type { NetNs } from '../core/net.ts';
import { AF_INET } from '../core/transport/sock.ts';
import { type NativeClass, takeBindings } from './bindings.ts';
import { currentNet } from './current.ts';
import { handleOf } from './descriptors.ts';
import { internals } from './internals.ts';
import { TcpHandle } from './tcp-handle.ts';
import { UdpHandle } from './udp-handle.ts';

/** Installs the patches. */
export function patchHandles(): void {
  const taken = takeBindings();
  const { tcp, udp } = internals();
  taken.makeTcp = (type) => {
    const ns = currentNet();
    if (ns === undefined) return undefined;
    const isServer = type === tcp.constants.SERVER;
    return new TcpHandle(ns, undefined, isServer ? 'TCPSERVERWRAP' : 'TCPWRAP');
  };
  taken.makeUdp = () => {
    const ns = currentNet();
    return ns === undefined ? undefined : new UdpHandle(ns, AF_INET);
  };
  for (const Class of [taken.TCP, tcp.TCP]) acceptInstances(Class, TcpHandle);
  for (const Class of [taken.UDP, udp.UDP]) acceptInstances(Class, UdpHandle);
  // Programs print handles, and tell them apart by the names of their classes.
  Object.defineProperty(TcpHandle, 'name', { value: 'TCP' });
  Object.defineProperty(UdpHandle, 'name', { value: 'UDP' });
  patchServerHandle();
}

type Class = abstract new (...args: never[]) => object;

/** `handle instanceof Native` is true for ours, too. */
function acceptInstances(Native: NativeClass, Ours: Class): void {
  const inherited = Function.prototype[Symbol.hasInstance];
  Object.defineProperty(Native, Symbol.hasInstance, {
    value: (handle: unknown) => handle instanceof Ours || inherited.call(Native, handle),
    configurable: true,
  });
}

type CreateServerHandle = (
  address: string | null,
  port: number | null,
  addressType: number | null,
  fd?: number | null,
  flags?: number,
) => object | number;

/** Used by the primary process of a cluster for ports that its workers share. */
function patchServerHandle(): void {
  const inner = net as unknown as { _createServerHandle: CreateServerHandle };
  const original = inner._createServerHandle;
  inner._createServerHandle = function createServerHandle(address, port, addressType, fd, flags) {
    const ns = currentNet();
    const isPipe = port === -1 && addressType === -1;
    const isForeign = typeof fd === 'number' && fd >= 0 && handleOf(fd) === undefined;
    if (ns === undefined || isPipe || isForeign)
      return original(address, port, addressType, fd, flags);
    const open = typeof fd === 'number' && fd >= 0 ? fd : undefined;
    if (!address && open === undefined) {
      const six = createHandle(ns, undefined, ['::', port ?? 0, 6, flags ?? 0]);
      if (typeof six !== 'number') return six;
    }
    return createHandle(ns, open, [address || '0.0.0.0', port ?? 0, addressType ?? 4, flags ?? 0]);
  };
}

/** Opened from a descriptor or bound; without an address to `::`, or to 0.0.0.0 where there is no IPv6. */
function createHandle(
  ns: NetNs,
  fd: number | undefined,
  [address, port, addressType, flags]: [string, number, number, number],
): TcpHandle | number {
  const handle = new TcpHandle(ns, undefined, 'TCPSERVERWRAP');
  const err =
    fd !== undefined
      ? handle.open(fd)
      : addressType === 6
        ? handle.bind6(address, port, flags)
        : handle.bind(address, port, flags);
  if (err === 0) return handle;
  handle.close();
  return err;
}
