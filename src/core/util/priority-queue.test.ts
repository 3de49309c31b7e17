/** Against a stable sort. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PriorityQueue } from './priority-queue.ts';

test('comes out as a stable sort of what went in', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(9), { freq: 3 })), (steps) => {
      const queue = new PriorityQueue<string>();
      let model: [number, string][] = [];
      steps.forEach((key, n) => {
        if (key !== null) {
          queue.push(key, `${key}/${n}`);
          model = [...model, [key, `${key}/${n}`] as [number, string]].sort((a, b) => a[0] - b[0]);
        } else assert.equal(queue.pop(), model.shift()?.[1]);
        assert.equal(queue.size, model.length);
        assert.equal(queue.minKey(), model[0]?.[0] ?? Number.POSITIVE_INFINITY);
      });
      assert.equal(queue.clear().length, model.length);
      assert.equal(queue.pop(), undefined);
    }),
  );
});
