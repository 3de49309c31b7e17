/**
 * The closing phase of Node's event loop, where libuv calls back for handles that were closed: reached by
 * closing a native handle that was never opened. It keeps the loop alive until then, as any that closes.
 */
import { AsyncResource } from 'node:async_hooks';
import { internals } from './internals.ts';

/** The context in which this module was loaded: nobody's. */
const nobody: AsyncResource = new AsyncResource('NETNS', { requireManualDestroy: true });

/** Calls `fn` in the closing phase of this round of the event loop. */
export function atClosingPhase(fn: () => void): void {
  nobody.runInAsyncScope(closeNative, undefined, fn);
}

function closeNative(fn: () => void): void {
  const { TCP, tcp } = internals();
  new TCP(tcp.constants.SOCKET).close(fn);
}
