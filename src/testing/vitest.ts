/** `warren/vitest`: tests in virtual time for vitest, whose globals or module are the project's own. */
import { makeNetTest, type NetTest, runnerTest } from './adapter.ts';

export type { NetBody, NetContext, RunOptions } from './run.ts';

interface Vitest {
  readonly test: Parameters<typeof runnerTest>[0];
  readonly expect: unknown;
}

// By a variable, so that nobody needs vitest who does not use this.
const name = 'vitest';
const vitest = (await import(name)) as Vitest;

/** vitest's own. */
export const expect: unknown = vitest.expect;

/** `netTest(name, options?, async ({ net }) => …)`; also `.only`, `.skip`. */
export const netTest: NetTest = makeNetTest(runnerTest(vitest.test));
