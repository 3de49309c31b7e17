/**
 * Events of sockets on Node's event loop. The stack only notes that a handle is ready; the handles are
 * dispatched here, one by one, outside the stack, and between two callbacks Node's tick queue and
 * microtasks run, as they do between two callbacks of libuv.
 */
import type { AsyncResource } from 'node:async_hooks';
import type { NetNs } from '../core/net.ts';
import { atClosingPhase } from './closing-phase.ts';

/** Captured before anybody replaces them (virtual time, fake timers). */
const { setImmediate, clearImmediate, setInterval } = globalThis;

/** Something with events to deliver. */
export interface Ready {
  /** Whose events they are, for the gate; absent: nobody's in particular. */
  readonly net?: NetNs | undefined;
  /** True while it waits in the queue; written by this file. */
  queued: boolean;
  /** Delivers what there is. May throw: what an application's callback threw. */
  dispatch(): void;
  /** Its program is gone: it is told nothing any more, and holds nothing. */
  abandon?(): void;
}

/** Something that was closed, and whose application is told of it behind all events of the same turn. */
export interface Closing {
  readonly net?: NetNs | undefined;
  finishClose(): void;
  abandon?(): void;
}

/** What of an immediate is not public: the one behind it. */
interface NodeImmediate {
  readonly _idleNext: object | null;
}

function nothing(): void {}

/** Longest interval of Node's timers, milliseconds. */
const FOREVER = 2 ** 31 - 1;

let queue: Ready[] = [];
let head = 0;
let closing: Closing[] = [];
/** Something was closed in a callback of ours. */
let closeLater = false;
let draining = false;
let scheduled = false;
let refs = 0;
let keeper: ReturnType<typeof setInterval> | undefined;
let dispatched = 0;
let gate: Gate | undefined;
let driven = false;

/** Asked before each dispatch: false keeps the events of a program that does not run (virtual time). */
export type Gate = (waiting: Ready | Closing) => boolean;

export function setGate(fn: Gate): void {
  gate = fn;
}

/** How many dispatches there were: by it a driver sees that a program ran. */
export function dispatchCount(): number {
  return dispatched;
}

/** Turns of virtual time that are to come. */
let turnsAhead = 0;

/**
 * A turn of virtual time will come, or has: events wait for it, so that whether they come before or behind
 * the stack's does not depend on what the process did before.
 */
export function expectTurn(comes: boolean): void {
  turnsAhead += comes ? 1 : -1;
}

/** While `on`, somebody dispatches who will come again by itself; at the end what is left gets its turn. */
export function setDriven(on: boolean): void {
  driven = on;
  if (on) return;
  if (queue.length > 0) schedule();
  if (closing.length > 0) atClosingPhase(finishClosing);
}

/** Node's own drain of `process.nextTick` and microtasks; checked by `install.ts`. */
export const drainTicks: () => void =
  (process as unknown as { _tickCallback?: () => void })._tickCallback ?? (() => undefined);

/** Notes that `handle` has events. Called inside the stack. */
export function markReady(handle: Ready): void {
  if (handle.queued) return;
  handle.queued = true;
  queue.push(handle);
  if (!draining) schedule();
}

/**
 * Notes that `handle` was closed. As in libuv its application is told in the closing phase of the event
 * loop, behind the `setImmediate` of the callback that closed it, and before more comes from the network. Our
 * own callbacks run in the check phase: if they made immediates, those have their turn in the next round, and
 * what was closed is told behind that.
 */
export function markClosing(handle: Closing): void {
  closing.push(handle);
  if (driven || closing.length > 1) return;
  if (draining) closeLater = true;
  else atClosingPhase(finishClosing);
}

/** Something was closed, and its application has not been told yet. */
export function hasClosing(): boolean {
  return closing.length > 0;
}

/** A thread's answer comes behind the immediates of whoever asked. */
let later: (fn: () => void) => void = (fn) => void setImmediate(setImmediate, fn);

/** Says how "in a later turn" is done: virtual time has turns of its own. */
export function setLater(fn: (fn: () => void) => void): void {
  later = fn;
}

/** Calls `fn` in a later turn of the event loop, in the asynchronous context of the caller. */
export function inLaterTurn(fn: () => void): void {
  later(fn);
}

function schedule(): void {
  if (scheduled || driven) return;
  scheduled = true;
  setImmediate(drainLater);
}

/** True while application callbacks are being dispatched: the kernels' clocks are fresh then. */
export function isDispatching(): boolean {
  return draining;
}

function drainLater(): void {
  scheduled = false;
  if (turnsAhead === 0) dispatchReady();
}

/**
 * Dispatches every handle that was ready when it began, and those that become ready meanwhile up to
 * as many again. True if some are left. An exception leaves through it, as from any callback of Node's, and
 * the rest is dispatched later.
 */
export function dispatchReady(): boolean {
  if (draining) return queue.length > 0;
  draining = true;
  let budget = 2 * queue.length;
  // The list of Node's immediates shows whether a callback makes one.
  const marker = setImmediate(nothing) as unknown as NodeImmediate;
  try {
    while (head < queue.length && budget-- > 0) {
      const handle = queue[head++] as Ready;
      if (gate !== undefined && !gate(handle)) continue;
      handle.queued = false;
      dispatched++;
      handle.dispatch();
    }
  } finally {
    draining = false;
    if (head === queue.length) {
      queue.length = 0;
      head = 0;
    } else {
      queue = queue.slice(head);
      head = 0;
    }
    // Virtual time has no phases: what was closed is told at the end of the round.
    if (driven) finishClosing();
    else if (closeLater) {
      closeLater = false;
      if (marker._idleNext === null) atClosingPhase(finishClosing);
      else setImmediate(atClosingPhase, finishClosing);
    }
    clearImmediate(marker as unknown as NodeJS.Immediate);
    if (queue.length > 0) schedule();
  }
  return queue.length > 0 || (driven && closing.length > 0);
}

function finishClosing(): void {
  const list = closing;
  closing = [];
  let done = 0;
  try {
    for (const handle of list) {
      done++;
      if (gate !== undefined && !gate(handle)) continue;
      dispatched++;
      handle.finishClose();
    }
  } finally {
    if (done < list.length) {
      closing = [...list.slice(done), ...closing];
      atClosingPhase(finishClosing);
    }
  }
}

/** Calls an application's callback in the asynchronous context of `resource`; then drains the ticks. */
export function makeCallback<A, B>(
  resource: AsyncResource,
  fn: (a: A, b: B) => void,
  a: A,
  b: B,
): void {
  resource.runInAsyncScope(fn, undefined, a, b);
  drainTicks();
}

/** Keeps the event loop alive until `release` is called as often as `hold`. */
export function hold(): void {
  if (refs++ > 0) return;
  if (keeper === undefined) keeper = setInterval(() => undefined, FOREVER);
  else keeper.ref();
}

/** Ends one `hold`. */
export function release(): void {
  if (--refs === 0) keeper?.unref();
}

/** True while something holds the event loop. */
export function isHeld(): boolean {
  return refs > 0;
}
