/** docs/goodput.md shows what the stack does: some of its rows are made anew, to the last digit. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { LOSSES, RATES_MBIT, RTTS_MS, row } from './goodput.ts';

const ROWS = readFileSync('docs/goodput.md', 'utf8')
  .split('\n')
  .filter((line) => /^\| \d/.test(line));

test('docs/goodput.md has a row for each case', () => {
  assert.equal(ROWS.length, LOSSES.length * RTTS_MS.length * RATES_MBIT.length);
});

for (const [loss, rttMs, rateMbit] of [
  [0, 20, 10],
  [0.01, 20, 10],
  [0.1, 1, 10],
  [0.001, 100, 10],
  [0.03, 100, 10],
] as const)
  test(`goodput at ${rateMbit} Mbit/s, ${rttMs} ms, ${loss * 100} % is what docs/goodput.md says`, () => {
    const text = row(loss, rttMs, rateMbit);
    assert.ok(ROWS.includes(text), `${text}\nis not there; npm run goodput`);
  });
