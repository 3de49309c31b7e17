/** Order of sequence numbers across the wrap. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seqBetween, seqDiff, seqGe, seqGt, seqLe, seqLt, seqMax, seqMin } from './seq.ts';

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

test('RFC 9293 §3.4: order holds across the wrap', () => {
  fc.assert(
    fc.property(int32, fc.integer({ min: 1, max: 2 ** 31 - 1 }), (a, d) => {
      const b = (a + d) | 0;
      assert.ok(seqLt(a, b) && seqGt(b, a) && seqLe(a, b) && seqGe(b, a));
      assert.ok(!seqLt(b, a) && seqLe(a, a) && !seqLt(a, a));
      assert.equal(seqDiff(b, a), d);
      assert.equal(seqMax(a, b), b);
      assert.equal(seqMin(a, b), a);
      assert.ok(seqBetween(a, a, b) && seqBetween(b, a, b) && !seqBetween((b + 1) | 0, a, b));
    }),
  );
});
