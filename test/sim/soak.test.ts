/** The soak in short; `npm run soak` is the long one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Soak } from './soak-world.ts';

test('soak: streams arrive intact over a bad network, nothing leaks, the same seed repeats', () => {
  const [a, b] = [0, 1].map(() => new Soak(7).run(15));
  assert.deepEqual(a, b);
  assert.deepEqual(a?.leaked, []);
  assert.ok((a?.streams ?? 0) > 50 && (a?.datagramsReceived ?? 0) > 100);
});
