/**
 * `warren/jest`: tests in virtual time for jest. What it exports is made by `warren/jest-environment`, which must
 * be the project's `testEnvironment`; a test file that is no ES module finds it as a global, `netTest`.
 */
import type { NetTest } from './adapter.ts';

export type { NetBody, NetContext, RunOptions } from './run.ts';

const { netTest: made } = globalThis as unknown as { netTest?: NetTest };
if (made === undefined)
  throw new Error("warren/jest needs testEnvironment: 'warren/jest-environment' in jest's config");

/** `netTest(name, options?, async ({ net }) => …)`; also `.only`, `.skip`. */
export const netTest: NetTest = made;
