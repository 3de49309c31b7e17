/**
 * Which namespace the running code is in. It follows asynchronous calls (`AsyncLocalStorage`), so that
 * nested and concurrent runs do not see each other's (S8), and a whole process can be put into one.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import type { NetNs } from '../core/net.ts';

/** null: explicitly outside, even in a process that is inside one. */
const storage: AsyncLocalStorage<NetNs | null> = new AsyncLocalStorage();
let processNet: NetNs | undefined;

/** The namespace of the running code; undefined: the host's own network. */
export function currentNet(): NetNs | undefined {
  const net = storage.getStore();
  return net === undefined ? processNet : (net ?? undefined);
}

/** Runs `fn` with `net` as its namespace; null: with the host's network. */
export function withNet<T>(net: NetNs | null, fn: () => T): T {
  return storage.run(net, fn);
}

/** Where the process is as a whole; undefined: in the host's network. */
export function processNetwork(): NetNs | undefined {
  return processNet;
}

/** Puts everything in this process that is in no namespace into `net`. */
export function setProcessNet(net: NetNs | undefined): void {
  processNet = net;
}

/** The context in which this module was loaded: nobody's, as that of libuv's own callbacks. */
const root: AsyncResource = new AsyncResource('NETNS', { requireManualDestroy: true });
const roots: WeakMap<NetNs, AsyncResource> = new WeakMap();

/** Calls `fn` in no asynchronous context but that of `net`. */
export function inRoot<A, B, R>(net: NetNs, fn: (a: A, b: B) => R, a: A, b: B): R {
  let resource = roots.get(net);
  if (resource === undefined) {
    resource = root.runInAsyncScope(
      withNet<AsyncResource>,
      undefined,
      net,
      () => new AsyncResource('NETNS', { requireManualDestroy: true }),
    );
    roots.set(net, resource);
  }
  return resource.runInAsyncScope(fn, undefined, a, b);
}
