/** Where a command's output goes, what interrupts it, and the program that it may start. */

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

/** A Node program that is to run in a node: what the lab tells whoever starts it. */
export interface Launch {
  readonly node: string;
  /** Arguments of `node`. */
  readonly argv: readonly string[];
  /** What the lab file adds to the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the namespace is offered. */
  readonly path: string;
}
