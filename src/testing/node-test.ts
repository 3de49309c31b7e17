/** `warren/node-test`: tests in virtual time for `node:test`. */
import { test } from 'node:test';
import { makeNetTest, type NetTest } from './adapter.ts';

export type { NetBody, NetContext, RunOptions } from './run.ts';

/** `netTest(name, options?, async ({ net }) => …)`; also `.only`, `.skip`. */
export const netTest: NetTest = makeNetTest((name, mode, run) => {
  void (mode === 'run' ? test(name, run) : test[mode](name, run));
});
