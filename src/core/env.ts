/**
 * Edge 2 of the core: what a kernel needs of its host. Time is integer microseconds everywhere.
 */

import type { Kernel } from './kernel.ts';

/** The host of a kernel: a clock, a wake-up and a source of entropy. */
export interface Env {
  /** Monotonic time in whole microseconds; starts near 0 so that it stays a small integer for long. */
  nowUs(): number;
  /**
   * Asks that `Kernel.run()` be called when `nowUs() >= atUs`. A later call replaces an earlier one;
   * `Infinity` cancels. Never calls back synchronously.
   */
  wakeAt(atUs: number): void;
  /** Told once, by the kernel's constructor, which kernel `wakeAt` is about. */
  attach?(kernel: Kernel): void;
  /** 32 random bits as an unsigned integer. Used once, for the seed, when none was given. */
  random(): number;
  /** Wall-clock microseconds since 1970-01-01 UTC at `nowUs() === 0`; for captures and logs only. */
  readonly epochUs: number;
}
