/**
 * Virtual time: an `Env` whose clock moves only when it is told to, and then from event to event. An
 * hour of idle network costs nothing; the same seed gives the same packets.
 */
import type { Env } from '../core/env.ts';
import type { Kernel } from '../core/kernel.ts';

export class VirtualClock implements Env {
  readonly epochUs: number;
  private us = 0;
  private readonly seed: number;

  /**
   * @param seed what `random()` gives, so that even a kernel without a seed of its own repeats
   * @param epochUs wall-clock time at the start, microseconds since 1970
   */
  constructor(seed = 1, epochUs = 0) {
    this.seed = seed >>> 0;
    this.epochUs = epochUs;
  }

  nowUs(): number {
    return this.us;
  }

  /** Nothing to do: the driver below asks the kernel for its next event. */
  wakeAt(_atUs: number): void {}

  random(): number {
    return this.seed;
  }

  /** Moves the clock to `atUs`; it never goes back. */
  set(atUs: number): void {
    if (atUs > this.us) this.us = atUs;
  }

  /** Runs `kernel` through everything that happens in the next `us` microseconds. */
  runFor(kernel: Kernel, us: number): void {
    const endUs = this.us + us;
    this.runEvents(kernel, endUs, undefined);
    this.set(endUs);
    kernel.run();
  }

  /**
   * Runs until `condition` holds; false when it does not within `limitUs`, or nothing is left that
   * could happen.
   */
  runUntil(kernel: Kernel, condition: () => boolean, limitUs = 600_000_000): boolean {
    return this.runEvents(kernel, this.us + limitUs, condition);
  }

  /** Runs until neither packet nor timer is left, at most `limitUs`; true when nothing is left. */
  runIdle(kernel: Kernel, limitUs = 600_000_000): boolean {
    this.runEvents(kernel, this.us + limitUs, undefined);
    return kernel.nextEventUs() === Number.POSITIVE_INFINITY;
  }

  private runEvents(kernel: Kernel, endUs: number, condition?: () => boolean): boolean {
    for (;;) {
      kernel.run();
      if (condition?.() === true) return true;
      const next = kernel.nextEventUs();
      if (next > endUs) {
        if (condition !== undefined) this.set(Math.min(endUs, next));
        return false;
      }
      this.set(next);
    }
  }
}
