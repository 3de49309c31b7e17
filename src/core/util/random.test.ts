/** Seeded random numbers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from './random.ts';

test('the same seed and purpose give the same numbers, another purpose gives others', () => {
  const draw = (seed: number, purpose: string): number[] => {
    const r = new Random(seed, purpose);
    return Array.from({ length: 8 }, () => r.u32());
  };
  assert.deepEqual(draw(7, 'isn'), draw(7, 'isn'));
  assert.notDeepEqual(draw(7, 'isn'), draw(7, 'port'));
  assert.notDeepEqual(draw(7, 'isn'), draw(8, 'isn'));
  assert.notDeepEqual(draw(7, 'isn'), draw(7 + 2 ** 32, 'isn'));
});

test('below() is uniform enough, within its range', () => {
  const r = new Random(1, 'test');
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 100_000; i++) {
    const n = r.below(10);
    counts[n] = (counts[n] ?? 0) + 1;
  }
  for (const c of counts) assert.ok(c > 9_500 && c < 10_500, String(c));
});
