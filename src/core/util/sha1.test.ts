/** SHA-1's compression function against the examples of FIPS 180. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha1Block } from './sha1.ts';

/** The padded block of a short text. */
function padded(text: string): Int32Array {
  const bytes = new Uint8Array(64);
  bytes.set(new TextEncoder().encode(text));
  bytes[text.length] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setUint32(60, text.length * 8);
  return Int32Array.from({ length: 16 }, (_, i) => view.getInt32(4 * i));
}

function hex(words: Int32Array): string {
  return [...words].map((w) => (w >>> 0).toString(16).padStart(8, '0')).join('');
}

test('a block of "abc", and of nothing', () => {
  assert.equal(hex(sha1Block(padded('abc'))), 'a9993e364706816aba3e25717850c26c9cd0d89d');
  assert.equal(hex(sha1Block(padded(''))), 'da39a3ee5e6b4b0d3255bfef95601890afd80709');
});
