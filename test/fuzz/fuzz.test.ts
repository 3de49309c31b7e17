/** A short run of the fuzzer over every parser. */
import { test } from 'node:test';
import { fuzz } from './fuzz.ts';
import { TARGETS } from './targets.ts';

for (const target of TARGETS)
  test(`fuzz: ${target.name}, 3000 inputs`, () => fuzz(target, 1, 3000));
