/** The sliding minimum and maximum, against the true ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MaxFilter, MinFilter } from './min-filter.ts';

test('the minimum of a window: at least the true one, and true again when a window has passed', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1000), { minLength: 1, maxLength: 200 }), (values) => {
      const f = new MinFilter();
      const g = new MaxFilter();
      const window = 20;
      values.forEach((v, t) => {
        f.update(window, t, v);
        g.update(window, t, v);
        const recent = values.slice(Math.max(0, t - window), t + 1);
        assert.ok(f.value >= Math.min(...recent) && f.value <= v);
        assert.ok(g.value <= Math.max(...recent) && g.value >= v);
      });
    }),
  );
});

test('an old minimum is forgotten; the best of what came after it takes its place', () => {
  const f = new MinFilter();
  assert.equal(f.value, Number.POSITIVE_INFINITY);
  f.update(100, 0, 10);
  for (let t = 10; t <= 100; t += 10) f.update(100, t, 50 + t);
  assert.equal(f.value, 10);
  f.update(100, 110, 200);
  assert.ok(f.value > 10 && f.value <= 100, `${f.value}`);
  f.update(100, 400, 300);
  assert.equal(f.value, 300);
  f.clear();
  assert.equal(f.value, Number.POSITIVE_INFINITY);
});
