/** What must hold always, become true, or be seen at least once. Checked whenever an instant is over. */

import { seconds } from '../lab/duration.ts';
import type { Net } from './net.ts';

interface Check {
  readonly name: string;
  readonly check: () => unknown;
}

interface Awaited extends Check {
  readonly untilUs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** An invariant was broken, or what should come true did not. */
export class InvariantError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'InvariantError';
  }
}

export class Invariants {
  /** What `sometimes` asked for, and whether it was seen. */
  readonly seen: Map<string, boolean> = new Map();
  private readonly net: Net;
  private readonly standing: Check[] = [];
  private readonly hoped: Check[] = [];
  private awaited: Awaited[] = [];

  constructor(net: Net) {
    this.net = net;
  }

  always(name: string, check: () => unknown): void {
    this.standing.push({ name, check });
    this.watch();
  }

  sometimes(name: string, check: () => unknown): void {
    this.seen.set(name, false);
    this.hoped.push({ name, check });
    this.watch();
  }

  eventually(name: string, check: () => unknown, withinMs: number): Promise<void> {
    const { net } = this;
    const letGo = net.time.hold();
    const result = new Promise<void>((resolve, reject) => {
      this.awaited.push({
        name,
        check,
        untilUs: net.time.nowUs() + withinMs * 1000,
        resolve,
        reject,
      });
    });
    // An event at the end of the time, so that the end is seen.
    net.later(withinMs, () => {});
    this.watch();
    return Promise.race([result, net.failed]).finally(letGo);
  }

  private watch(): void {
    this.net.time.onInstant = () => this.check();
  }

  private check(): void {
    for (const { name, check } of this.standing) {
      const problem = problemOf(check);
      if (problem === undefined) continue;
      const { message, cause } = problem;
      this.net.fail(
        new InvariantError(`always "${name}"${message} at ${this.at()}`, cause),
        'invariant',
      );
    }
    for (const { name, check } of this.hoped)
      if (this.seen.get(name) === false && check()) this.seen.set(name, true);
    if (this.awaited.length > 0) this.awaited = this.awaited.filter((a) => !this.settled(a));
  }

  private settled({ name, check, untilUs, resolve, reject }: Awaited): boolean {
    const problem = problemOf(check);
    if (problem === undefined) {
      resolve();
      return true;
    }
    if (this.net.time.nowUs() < untilUs) return false;
    reject(
      new InvariantError(
        `eventually "${name}": not by ${this.at()}${problem.message}`,
        problem.cause,
      ),
    );
    return true;
  }

  private at(): string {
    return seconds(this.net.time.nowUs());
  }
}

function problemOf(check: () => unknown): { message: string; cause?: unknown } | undefined {
  try {
    return check() === false ? { message: ' does not hold' } : undefined;
  } catch (error) {
    return { message: `: ${(error as Error).message}`, cause: error };
  }
}
