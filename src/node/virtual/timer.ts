/**
 * `Timeout` and `Immediate` of programs in virtual time. A timer is one of the kernel's, so that
 * programs and stack share one order of events; its callback runs outside the stack, like a socket's
 * events, in the asynchronous context in which it was armed.
 */
import { AsyncResource } from 'node:async_hooks';
import type { NetNs } from '../../core/net.ts';
import type { Timer } from '../../core/timer.ts';
import { drainTicks, markReady, type Ready } from '../loop.ts';
import { currentHost, type VirtualHost } from './host.ts';

type Callback = (...args: unknown[]) => void;

/** Node's longest; what is longer, or no number, becomes 1 ms. */
const TIMEOUT_MAX = 2 ** 31 - 1;
const byId: Map<number, VirtualTimeout> = new Map();
/** Beyond the ids that Node gives its own. */
const FIRST_ID = 2 ** 40;

export function durationOf(after: unknown): number {
  const ms = Number(after);
  return ms >= 1 && ms <= TIMEOUT_MAX ? ms : 1;
}

export class VirtualTimeout implements Ready {
  queued = false;
  readonly net: NetNs;
  readonly host: VirtualHost;
  /** As Node's: its milliseconds, what it repeats, what it calls. */
  _idleTimeout: number;
  _repeat: number | null;
  _destroyed = false;
  private callback: Callback | null;
  private readonly args: unknown[];
  private readonly resource: AsyncResource;
  private readonly timer: Timer;
  private due = false;
  private referenced = true;
  private id = 0;

  constructor(
    host: VirtualHost,
    callback: Callback,
    after: unknown,
    args: unknown[],
    repeat: boolean,
  ) {
    this.host = host;
    this.net = host.net;
    this.callback = callback;
    this.args = args;
    this._idleTimeout = durationOf(after);
    this._repeat = repeat ? this._idleTimeout : null;
    this.resource = new AsyncResource('Timeout', { requireManualDestroy: true });
    this.timer = host.net.kernel.timer(() => {
      this.due = true;
      markReady(this);
    });
    this.arm();
  }

  private arm(): void {
    this._destroyed = false;
    this.due = false;
    this.host.timers.add(this);
    if (!this.host.dead) this.timer.set(this.host.dueUs(Math.trunc(this._idleTimeout)));
  }

  dispatch(): void {
    const { callback } = this;
    if (!this.due || callback === null) return;
    this.due = false;
    if (this._repeat === null) this._destroyed = true;
    if (this._destroyed) this.host.timers.delete(this);
    try {
      this.resource.runInAsyncScope(callback, this, ...this.args);
      drainTicks();
    } finally {
      if (this._repeat !== null && this.callback !== null && !this.timer.pending) {
        this._idleTimeout = this._repeat;
        this.arm();
      } else if (this._destroyed && !this.timer.pending) this.forget();
    }
  }

  /** Node's own `clearTimeout` writes null here. */
  get _onTimeout(): Callback | null {
    return this.callback;
  }

  set _onTimeout(callback: Callback | null) {
    if (callback === null) this.clear();
    this.callback = callback;
  }

  clear(): void {
    this.timer.clear();
    this.due = false;
    this.callback = null;
    this._repeat = null;
    this._destroyed = true;
    this.host.timers.delete(this);
    this.forget();
  }

  private forget(): void {
    if (this.id !== 0) byId.delete(this.id);
  }

  refresh(): this {
    if (this.callback !== null) this.arm();
    return this;
  }

  ref(): this {
    this.referenced = true;
    return this;
  }

  unref(): this {
    this.referenced = false;
    return this;
  }

  hasRef(): boolean {
    return this.referenced;
  }

  close(): this {
    this.clear();
    return this;
  }

  [Symbol.toPrimitive](): number {
    if (this.id === 0) {
      this.id = FIRST_ID + ++this.host.lastTimerId;
      byId.set(this.id, this);
    }
    return this.id;
  }
}

Object.defineProperty(VirtualTimeout, 'name', { value: 'Timeout' });
const dispose = (Symbol as unknown as { dispose?: symbol }).dispose;
if (dispose !== undefined)
  Object.defineProperty(VirtualTimeout.prototype, dispose, {
    value(this: VirtualTimeout): void {
      this.clear();
    },
  });

/** The virtual timer that `clearTimeout` was given, by object or number; undefined: Node's own. */
export function virtualTimer(timer: unknown): VirtualTimeout | undefined {
  if (timer instanceof VirtualTimeout) return timer;
  if (typeof timer === 'number' || typeof timer === 'string') return byId.get(Number(timer));
  return undefined;
}

export class VirtualImmediate implements Ready {
  queued = false;
  readonly net: NetNs;
  _onImmediate: Callback | null;
  private readonly args: unknown[];
  private readonly resource: AsyncResource;
  private referenced = true;

  constructor(host: VirtualHost, callback: Callback, args: unknown[]) {
    this.net = host.net;
    this._onImmediate = callback;
    this.args = args;
    this.resource = new AsyncResource('Immediate', { requireManualDestroy: true });
    if (!host.dead) markReady(this);
  }

  dispatch(): void {
    const callback = this._onImmediate;
    if (callback === null) return;
    this._onImmediate = null;
    this.resource.runInAsyncScope(callback, this, ...this.args);
    drainTicks();
  }

  clear(): void {
    this._onImmediate = null;
  }

  ref(): this {
    this.referenced = true;
    return this;
  }

  unref(): this {
    this.referenced = false;
    return this;
  }

  hasRef(): boolean {
    return this.referenced;
  }
}

Object.defineProperty(VirtualImmediate, 'name', { value: 'Immediate' });
if (dispose !== undefined)
  Object.defineProperty(VirtualImmediate.prototype, dispose, {
    value(this: VirtualImmediate): void {
      this.clear();
    },
  });

/**
 * One timer that all share whoever armed it, as undici's has it: it ticks in the time of whoever
 * refreshes it, be that virtual or real.
 */
export class SharedTimeout {
  /** The one that there is. */
  static known: SharedTimeout | undefined = undefined;
  private readonly callback: Callback;
  private readonly after: number;
  private readonly real: (
    callback: Callback,
    ms: number,
  ) => { refresh(): unknown; unref(): unknown };
  private realTimer: { refresh(): unknown } | undefined;
  private readonly timers: WeakMap<VirtualHost, VirtualTimeout> = new WeakMap();

  constructor(callback: Callback, after: number, real: SharedTimeout['real']) {
    this.callback = callback;
    this.after = after;
    this.real = real;
    SharedTimeout.known = this;
    this.refresh();
  }

  refresh(): this {
    const host = currentHost();
    if (host === undefined) {
      if (this.realTimer !== undefined) this.realTimer.refresh();
      else {
        const timer = this.real(this.callback, this.after);
        timer.unref();
        this.realTimer = timer;
      }
      return this;
    }
    const timer = this.timers.get(host);
    if (timer !== undefined) timer.refresh();
    else this.timers.set(host, new VirtualTimeout(host, this.callback, this.after, [], false));
    return this;
  }

  /** Lets it tick in the time of `host`, where it does not yet. */
  tickIn(host: VirtualHost): void {
    const timer = this.timers.get(host);
    if (timer === undefined || timer._destroyed) this.refresh();
  }

  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  hasRef(): boolean {
    return false;
  }
}
