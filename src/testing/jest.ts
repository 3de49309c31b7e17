/** `warren/jest`: tests in virtual time for jest, run with --experimental-vm-modules; uses jest's globals. */
import { makeNetTest, type NetTest, runnerTest } from './adapter.ts';

export type { NetBody, NetContext, RunOptions } from './run.ts';

const { test } = globalThis as unknown as { test?: Parameters<typeof runnerTest>[0] };
if (test === undefined)
  throw new Error('warren/jest needs the globals of jest: import it in a test');

/** `netTest(name, options?, async ({ net }) => …)`; also `.only`, `.skip`. */
export const netTest: NetTest = makeNetTest(runnerTest(test));
