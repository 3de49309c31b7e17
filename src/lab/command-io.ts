/** Where a command's output goes, and what interrupts it. */

import type { Launch } from './launch.ts';

/** The part of an `AbortSignal` that commands need; such a signal is one. */
export interface Interrupt {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface CommandIo {
  out(text: string): void;
  err(text: string): void;
  readonly signal: Interrupt;
  /** Starts a program where the command was typed; absent: the lab starts it. */
  launch?(launch: Launch): Promise<number>;
}
