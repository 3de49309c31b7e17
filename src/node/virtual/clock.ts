/**
 * Virtual time on Node's event loop: the `Env` of a kernel whose clock moves only while somebody waits
 * for it, and then, whenever nothing can run, to the next event of the stack or of a program's timer.
 * Both are timers of the one queue of the kernel, so that equal seeds give equal runs.
 */
import type { Env } from '../../core/env.ts';
import type { Kernel } from '../../core/kernel.ts';
import { dispatchCount, dispatchReady, drainTicks, expectTurn, setDriven } from '../loop.ts';
import { pendingWork, takeTurns } from './real-work.ts';

/** Captured before anybody replaces them. */
const { setImmediate, setTimeout, performance } = globalThis;
const now = performance.now.bind(performance);

/** 2026-01-01T00:00:00Z: where the wall clocks of virtual hosts begin unless told otherwise. */
export const VIRTUAL_EPOCH_US = 1_767_225_600_000_000;
/** Milliseconds of real time after which the event loop has its turn. */
const TURN_MS = 8;
/** Rounds at one instant after which a round costs time: who polls in a loop gets on, too. */
const FREE_ROUNDS = 2000;
const ROUND_US = 10;
/** Real milliseconds in which nothing at all is left to happen, until those who wait are told. */
const STALLED_MS = 1000;
/** Real milliseconds between two looks at work outside the simulation, once it takes long. */
const LOOK_MS = 1;

/** Told that nothing can happen any more though somebody waits. */
export type StalledListener = (what: string) => void;

export class VirtualTime implements Env {
  readonly epochUs: number;
  /** Told when time cannot go on. */
  onStalled: StalledListener | undefined = undefined;
  /** Told what a program's callback threw; without it the process hears of it, as of any. */
  onError: ((error: unknown) => void) | undefined = undefined;
  /** Told before the clock moves on: nothing can run at the instant that ends. */
  onInstant: (() => void) | undefined = undefined;
  /** Time does not go beyond; those who wait are told. */
  limitUs: number = Number.POSITIVE_INFINITY;
  private us = 0;
  private readonly seed: number;
  private kernel: Kernel | undefined;
  private holders = 0;
  private stopped = false;
  private scheduled = false;
  /** Events wait for the turn that is scheduled. */
  private expected = false;
  private inTurn = false;
  private rounds = 0;
  private seen = -1;
  private looks = 0;
  private idleSinceMs = -1;
  private readonly turn: () => void = () => this.runTurn();

  constructor(seed = 1, epochUs: number = VIRTUAL_EPOCH_US) {
    this.seed = seed >>> 0;
    this.epochUs = epochUs;
  }

  attach(kernel: Kernel): void {
    this.kernel = kernel;
  }

  nowUs(): number {
    return this.us;
  }

  random(): number {
    return this.seed;
  }

  wakeAt(_atUs: number): void {
    this.kick();
  }

  /** Lets time move until the function that is returned is called. */
  hold(): () => void {
    let held = true;
    this.holders++;
    this.kick();
    return () => {
      if (held && !this.stopped) this.holders--;
      held = false;
    };
  }

  /** True while somebody waits. */
  get moving(): boolean {
    return this.holders > 0;
  }

  /** For ever: who still waits waits in vain, and holds no event loop. */
  stop(): void {
    this.stopped = true;
    this.holders = 0;
  }

  private kick(): void {
    if (this.stopped || this.scheduled || this.inTurn || this.holders === 0) return;
    this.scheduled = true;
    this.expected = true;
    expectTurn(true);
    setImmediate(this.turn);
  }

  private runTurn(): void {
    if (this.expected) expectTurn(false);
    this.expected = false;
    this.scheduled = false;
    const { kernel } = this;
    if (this.holders === 0 || kernel === undefined) {
      setDriven(false);
      return;
    }
    this.inTurn = true;
    setDriven(true);
    let waitMs = 0;
    try {
      waitMs = this.advance(kernel, now() + TURN_MS);
    } finally {
      this.inTurn = false;
      setDriven(false);
      if (waitMs === 0) this.kick();
      else {
        this.scheduled = true;
        setTimeout(this.turn, waitMs);
      }
    }
  }

  /** Goes on until `endMs`; returns how long to wait, in real milliseconds, before the next turn. */
  private advance(kernel: Kernel, endMs: number): number {
    for (;;) {
      if (!this.settle(kernel, endMs)) return 0;
      if (this.holders === 0) return 0;
      if (dispatchCount() !== this.seen || this.looks > 0) {
        this.seen = dispatchCount();
        const wait = this.realWork();
        if (wait >= 0) return wait;
      }
      this.onInstant?.();
      // Whoever waited for what it found goes on before time does.
      drainTicks();
      if (this.holders === 0) return 0;
      if (dispatchCount() !== this.seen || kernel.nextEventUs() <= this.us) continue;
      const next = kernel.nextEventUs();
      if (next === Number.POSITIVE_INFINITY || next > this.limitUs) return this.stalled(next);
      this.idleSinceMs = -1;
      this.us = next;
      this.rounds = 0;
      if (now() > endMs) {
        this.seen = -1;
        return 0;
      }
    }
  }

  /** Runs what can run at this instant; false: real time is up. */
  private settle(kernel: Kernel, endMs: number): boolean {
    for (;;) {
      kernel.run();
      const before = dispatchCount();
      const more = this.dispatch();
      if (!more && dispatchCount() === before && kernel.nextEventUs() > this.us) return true;
      if (++this.rounds > FREE_ROUNDS) this.us += ROUND_US;
      if ((this.rounds & 15) === 0 && now() > endMs) return false;
    }
  }

  private dispatch(): boolean {
    if (this.onError === undefined) return dispatchReady();
    try {
      return dispatchReady();
    } catch (error) {
      this.onError(error);
      return true;
    }
  }

  /** -1: nothing outside the simulation is under way; else how long to wait. */
  private realWork(): number {
    if (takeTurns()) {
      this.looks = 1;
      return 0;
    }
    if (pendingWork() === undefined) {
      this.looks = 0;
      return -1;
    }
    return ++this.looks < 200 ? 0 : LOOK_MS;
  }

  private stalled(next: number): number {
    const at = now();
    if (this.idleSinceMs < 0) this.idleSinceMs = at;
    if (next !== Number.POSITIVE_INFINITY || at - this.idleSinceMs > STALLED_MS) {
      this.idleSinceMs = at;
      this.onStalled?.(
        next === Number.POSITIVE_INFINITY
          ? 'nothing is left that could happen: no timer, no packet, no work under way'
          : `the limit of ${this.limitUs / 1e6} s of virtual time is reached`,
      );
    }
    this.seen = -1;
    return LOOK_MS;
  }
}
