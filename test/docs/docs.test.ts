/** The pages of docs/ that are made from the sources are what would be made now. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sysctlPage } from './sysctl-page.ts';

test('S14: docs/sysctl.md is fresh', () => {
  assert.equal(readFileSync('docs/sysctl.md', 'utf8'), sysctlPage(), 'run: npm run docs');
});
