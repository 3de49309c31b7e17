/** Against the host's encoder. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeUtf8 } from './utf8.ts';

test('the bytes are those of TextEncoder', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.deepEqual([...encodeUtf8(text)], [...new TextEncoder().encode(text)]);
    }),
  );
  assert.deepEqual([...encodeUtf8('a\ud800é')], [...new TextEncoder().encode('a\ud800é')]);
});
