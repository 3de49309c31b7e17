/**
 * Timers of programs in virtual time: the globals, `node:timers`, `node:timers/promises`,
 * `AbortSignal.timeout`. Where the running code is in no virtual namespace, Node's own functions run.
 */
import timers from 'node:timers';
import promises from 'node:timers/promises';
import { promisify } from 'node:util';
import { currentHost } from './host.ts';
import { SharedTimeout, VirtualImmediate, VirtualTimeout, virtualTimer } from './timer.ts';

type Callback = (...args: unknown[]) => void;
type Arm = (callback: Callback, after?: unknown, ...args: unknown[]) => unknown;
interface Options {
  readonly signal?: AbortSignal;
  readonly ref?: boolean;
}

const real = {
  setTimeout: timers.setTimeout as unknown as Arm,
  setInterval: timers.setInterval as unknown as Arm,
  setImmediate: timers.setImmediate as unknown as (
    callback: Callback,
    ...args: unknown[]
  ) => unknown,
  clearTimeout: timers.clearTimeout as (timer: unknown) => void,
  clearInterval: timers.clearInterval as (timer: unknown) => void,
  clearImmediate: timers.clearImmediate as (timer: unknown) => void,
};

/** undici's one timer of all its slow ones (`lib/util/timers.js`). */
const UNDICI_TICK = 499;

function isUndiciTick(callback: unknown, after: unknown): boolean {
  return after === UNDICI_TICK && (callback as { name?: string } | null)?.name === 'onTick';
}

/** Installs the patches. */
export function patchTimers(): void {
  const patched = {
    setTimeout(callback: Callback, after?: unknown, ...args: unknown[]): unknown {
      if (isUndiciTick(callback, after))
        return new SharedTimeout(callback, UNDICI_TICK, real.setTimeout as never);
      const host = currentHost();
      return host === undefined || typeof callback !== 'function'
        ? real.setTimeout(callback, after, ...args)
        : new VirtualTimeout(host, callback, after, args, false);
    },
    setInterval(callback: Callback, after?: unknown, ...args: unknown[]): unknown {
      const host = currentHost();
      return host === undefined || typeof callback !== 'function'
        ? real.setInterval(callback, after, ...args)
        : new VirtualTimeout(host, callback, after, args, true);
    },
    setImmediate(callback: Callback, ...args: unknown[]): unknown {
      const host = currentHost();
      return host === undefined || typeof callback !== 'function'
        ? real.setImmediate(callback, ...args)
        : new VirtualImmediate(host, callback, args);
    },
    clearTimeout(timer: unknown): void {
      const ours = virtualTimer(timer);
      if (ours !== undefined) ours.clear();
      else if (!(timer instanceof SharedTimeout)) real.clearTimeout(timer);
    },
    clearInterval(timer: unknown): void {
      patched.clearTimeout(timer);
    },
    clearImmediate(immediate: unknown): void {
      if (immediate instanceof VirtualImmediate) immediate.clear();
      else real.clearImmediate(immediate);
    },
  };
  const custom = { setTimeout: sleep, setImmediate: nextTurn };
  for (const [name, fn] of Object.entries(custom))
    Object.defineProperty(patched[name as 'setTimeout'], promisify.custom, {
      enumerable: true,
      get: () => fn,
    });
  for (const [name, fn] of Object.entries(patched)) replace(globalThis, name, fn);
  Object.assign(timers, patched);
  patchPromises();
  patchRefresh();
  patchAbortSignal();
  patchFetch();
}

/** undici starts its timer with the first request of all only, and that may have been in another time. */
function patchFetch(): void {
  const original = globalThis.fetch;
  replace(globalThis, 'fetch', function fetch(...args: Parameters<typeof original>): unknown {
    const host = currentHost();
    if (host !== undefined) SharedTimeout.known?.tickIn(host);
    return original(...args);
  });
}

function replace(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

const originals = {
  setTimeout: promises.setTimeout as (
    after?: unknown,
    value?: unknown,
    options?: unknown,
  ) => Promise<unknown>,
  setImmediate: promises.setImmediate as (value?: unknown, options?: unknown) => Promise<unknown>,
  setInterval: promises.setInterval as (
    after?: unknown,
    value?: unknown,
    options?: unknown,
  ) => AsyncIterable<unknown>,
};

/** Node refuses wrong options with errors of its own. */
function isPlain(options: unknown): options is Options | undefined {
  if (options === undefined) return true;
  if (options === null || typeof options !== 'object') return false;
  const { signal, ref } = options as Options;
  return (
    (signal === undefined || signal instanceof AbortSignal) &&
    (ref === undefined || typeof ref === 'boolean')
  );
}

function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason });
  error.name = 'AbortError';
  return Object.assign(error, { code: 'ABORT_ERR' });
}

/** Settles by `arm`'s timer, or by the signal. */
function abortable(
  options: Options | undefined,
  value: unknown,
  arm: (done: () => void) => { clear(): void },
): Promise<unknown> {
  const signal = options?.signal;
  if (signal?.aborted === true) return Promise.reject(abortError(signal));
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      timer.clear();
      reject(abortError(signal as AbortSignal));
    };
    const timer = arm(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve(value);
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function sleep(after?: unknown, value?: unknown, options?: unknown): Promise<unknown> {
  const host = currentHost();
  if (host === undefined || !isPlain(options) || (after !== undefined && typeof after !== 'number'))
    return originals.setTimeout(after, value, options);
  return abortable(options, value, (done) => new VirtualTimeout(host, done, after, [], false));
}

function nextTurn(value?: unknown, options?: unknown): Promise<unknown> {
  const host = currentHost();
  if (host === undefined || !isPlain(options)) return originals.setImmediate(value, options);
  return abortable(options, value, (done) => new VirtualImmediate(host, done, []));
}

/** It changes while others run. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

async function* ticks(after: unknown, value: unknown, options: Options): AsyncGenerator<unknown> {
  const { signal } = options;
  if (signal?.aborted === true) throw abortError(signal);
  let waiting = 0;
  let wake: (() => void) | undefined;
  const host = currentHost();
  if (host === undefined) return;
  const tick = (): void => {
    waiting++;
    wake?.();
  };
  const timer = new VirtualTimeout(host, tick, after, [], true);
  const onAbort = (): void => wake?.();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    while (!isAborted(signal)) {
      if (waiting === 0) await new Promise<void>((resolve) => (wake = resolve));
      for (; waiting > 0; waiting--) yield value;
    }
    throw abortError(signal as AbortSignal);
  } finally {
    timer.clear();
    signal?.removeEventListener('abort', onAbort);
  }
}

function patchPromises(): void {
  Object.assign(promises, {
    setTimeout: sleep,
    setImmediate: nextTurn,
    setInterval(after?: unknown, value?: unknown, options?: unknown): AsyncIterable<unknown> {
      return currentHost() === undefined || !isPlain(options)
        ? originals.setInterval(after, value, options)
        : ticks(after, value, options ?? {});
    },
  });
  const { scheduler } = promises as unknown as { scheduler: object };
  const proto = Object.getPrototypeOf(scheduler) as Record<string, Callback>;
  const { wait, yield: yieldTurn } = proto;
  replace(proto, 'wait', function (this: unknown, delay: unknown, options?: unknown): unknown {
    return currentHost() === undefined
      ? wait?.call(this, delay, options)
      : sleep(delay, undefined, options);
  });
  replace(proto, 'yield', function (this: unknown): unknown {
    return currentHost() === undefined ? yieldTurn?.call(this) : nextTurn();
  });
}

/** undici's timer may be older than the patches. */
function patchRefresh(): void {
  const sample = real.setTimeout(() => undefined, 1) as object;
  real.clearTimeout(sample);
  const proto = Object.getPrototypeOf(sample) as { refresh(): unknown; _onTimeout?: unknown };
  const original = proto.refresh;
  const shared: WeakMap<object, SharedTimeout> = new WeakMap();
  replace(proto, 'refresh', function (this: typeof proto & { _idleTimeout: number }): unknown {
    if (this._idleTimeout !== UNDICI_TICK || currentHost() === undefined)
      return original.call(this);
    const { _onTimeout: callback } = this;
    if (!isUndiciTick(callback, UNDICI_TICK)) return original.call(this);
    const known = shared.get(this);
    if (known !== undefined) known.refresh();
    else
      shared.set(
        this,
        new SharedTimeout(callback as Callback, UNDICI_TICK, real.setTimeout as never),
      );
    return this;
  });
}

function patchAbortSignal(): void {
  const original = AbortSignal.timeout;
  replace(AbortSignal, 'timeout', function timeout(ms: number): AbortSignal {
    const host = currentHost();
    // Node refuses what is no duration.
    if (host === undefined || !Number.isInteger(ms) || ms < 0)
      return original.call(AbortSignal, ms);
    const controller = new AbortController();
    const reason = new DOMException('The operation was aborted due to timeout', 'TimeoutError');
    new VirtualTimeout(host, () => controller.abort(reason), ms, [], false).unref();
    return controller.signal;
  });
}
