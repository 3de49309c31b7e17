/** Code inside a namespace. */
import type { Env } from '../core/env.ts';
import type { NetNs } from '../core/net.ts';
import { setProcessNet, withNet } from './current.ts';
import { install } from './install.ts';

/**
 * Runs `fn` inside `net`: `node:net`, `http`, `tls`, `dgram`, `dns`, `os` and `fetch`, in `fn` and in all
 * that it starts, see this namespace instead of the host's network. Sockets stay for life in the
 * namespace they were made in. Returns what `fn` returns.
 */
export function runIn<T>(net: NetNs, fn: () => T): T {
  install();
  return withNet(net, fn);
}

/** Runs `fn` with the host's own network, even in a process that is inside a namespace. */
export function runOutside<T>(fn: () => T): T {
  return withNet(null, fn);
}

/** Puts the whole process into `net`, but for what runs in another; undefined: back outside. */
export function enterProcess(net: NetNs | undefined): void {
  if (net !== undefined) install();
  setProcessNet(net);
}

/** What a kernel on Node can be told. */
export interface NodeKernelOptions {
  /** Clock and wake-up; real time when absent. */
  readonly env?: Env;
  /** Same seed, same packets; chosen at random when absent. */
  readonly seed?: number;
}
