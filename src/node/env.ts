/**
 * Real time: the `Env` of a kernel that runs on Node's event loop. What is due now runs in the loop's
 * check phase (`setImmediate`), so that timers and other I/O have their turn between two runs; what is
 * due later waits for a timer that does not keep the process alive.
 */
import { getRandomValues } from 'node:crypto';
import type { Env } from '../core/env.ts';
import type { Kernel } from '../core/kernel.ts';
import { dispatchReady, hasClosing, isHeld } from './loop.ts';

/** Captured before anybody replaces them (virtual time, fake timers). */
const { setImmediate, setTimeout, clearTimeout, performance } = globalThis;

/** Rounds of stack and application in one turn before other I/O has its turn. */
const ROUNDS = 32;
/** Microseconds after which a turn ends in any case. */
const TURN_US = 1000;
/** Nearer than this, Node's timers of a millisecond are too coarse, and the loop spins instead. */
const SPIN_US = 1000;
/** Turns in a row that keep the loop alive though no socket does: what was sent last still arrives. */
const UNHELD_TURNS = 1000;

export class RealTimeEnv implements Env {
  readonly epochUs: number;
  private readonly startMs: number;
  private kernel: Kernel | undefined;
  /** When to run next, as the kernel asked. */
  private wakeUs = Number.POSITIVE_INFINITY;
  private running = false;
  private immediate = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires; Infinity: there is none. */
  private timerUs = Number.POSITIVE_INFINITY;
  /** Turns in a row while nothing of ours held the event loop. */
  private unheldTurns = 0;
  private readonly turn: () => void;

  constructor() {
    this.startMs = performance.now();
    this.epochUs = Math.round((performance.timeOrigin + this.startMs) * 1000);
    this.turn = () => this.runTurn();
  }

  /** Called by the kernel. */
  attach(kernel: Kernel): void {
    this.kernel = kernel;
    this.schedule();
  }

  nowUs(): number {
    return Math.floor((performance.now() - this.startMs) * 1000);
  }

  random(): number {
    return getRandomValues(new Uint32Array(1))[0] ?? 0;
  }

  wakeAt(atUs: number): void {
    this.wakeUs = atUs;
    if (!this.running) this.schedule();
  }

  /** Arranges for a turn at `wakeUs`. A timer that would fire earlier is left: it re-arms itself. */
  private schedule(): void {
    if (this.kernel === undefined || this.immediate || this.wakeUs === Number.POSITIVE_INFINITY)
      return;
    const waitUs = this.wakeUs - this.nowUs();
    if (waitUs < SPIN_US && (isHeld() || this.unheldTurns < UNHELD_TURNS)) {
      this.immediate = true;
      if (!isHeld()) this.unheldTurns++;
      setImmediate(this.turn);
      return;
    }
    this.unheldTurns = 0;
    // Nothing holds the loop: an immediate would, and for ever if two sockets without reference talk.
    const waitMs = Math.max(1, Math.floor(waitUs / 1000));
    const fireUs = this.wakeUs - waitUs + waitMs * 1000;
    if (this.timerUs <= fireUs) return;
    if (this.timer !== undefined) clearTimeout(this.timer);
    this.timerUs = fireUs;
    this.timer = setTimeout(this.turn, Math.min(waitMs, 2 ** 31 - 1));
    this.timer.unref();
  }

  private runTurn(): void {
    this.immediate = false;
    if (this.timerUs <= this.nowUs() + SPIN_US) {
      clearTimeout(this.timer);
      this.timer = undefined;
      this.timerUs = Number.POSITIVE_INFINITY;
    }
    const kernel = this.kernel;
    if (kernel === undefined || this.running) return;
    // Nothing comes from the network before that was told.
    if (hasClosing()) {
      this.schedule();
      return;
    }
    this.running = true;
    try {
      const endUs = this.nowUs() + TURN_US;
      for (let round = 0; round < ROUNDS; round++) {
        if (this.wakeUs > this.nowUs()) break;
        this.wakeUs = Number.POSITIVE_INFINITY;
        kernel.run();
        dispatchReady();
        if (kernel.nowUs > endUs || hasClosing()) break;
      }
    } finally {
      this.running = false;
      this.schedule();
    }
  }
}
