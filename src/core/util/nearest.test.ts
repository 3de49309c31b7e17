/** The nearest word, and how near it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editDistance, nearest } from './nearest.ts';

test('distance counts one for a swap of neighbours', () => {
  assert.equal(editDistance('dleay', 'delay'), 1);
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(editDistance('kitten', 'sitting'), 3);
});

test('nearest names a word only if it is near', () => {
  const words = ['delay', 'loss', 'rate'];
  assert.equal(nearest('dealy', words), 'delay');
  assert.equal(nearest('los', words), 'loss');
  assert.equal(nearest('bogus', words), undefined);
});
