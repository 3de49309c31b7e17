/** MD5: the test suite of RFC 1321 §A.5, and slices however they are cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Md5 } from './md5.ts';

function md5(text: string, slice = 1000): string {
  const bytes = new TextEncoder().encode(text);
  const h = new Md5();
  for (let at = 0; at < bytes.length; at += slice) h.update(bytes.subarray(at, at + slice));
  const out = new Uint8Array(16);
  h.digest(out);
  return Buffer.from(out).toString('hex');
}

test('md5: the vectors of RFC 1321', () => {
  const digits = '1234567890'.repeat(8);
  const vectors: readonly (readonly [string, string])[] = [
    ['', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['a', '0cc175b9c0f1b6a831c399e269772661'],
    ['abc', '900150983cd24fb0d6963f7d28e17f72'],
    ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
    ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
    [
      'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
      'd174ab98d277d9f5a5611c2c9f419d9f',
    ],
    [digits, '57edf4a22be3c955ac49da2e2107b67a'],
  ];
  for (const [text, want] of vectors)
    for (const slice of [1, 7, 63, 64, 1000]) assert.equal(md5(text, slice), want);
});
