/** docs/behaviours.md names something that exists for every behaviour, and only scripts that are there. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const PAGE = 'docs/behaviours.md';
/** How many there are. */
const BEHAVIOURS = 176;

interface Row {
  readonly number: number;
  readonly proofs: readonly string[];
}

function rows(): Row[] {
  const text = readFileSync(PAGE, 'utf8');
  return [...text.matchAll(/^\| (\d+) \| [^|]+ \| ([^|]+) \|$/gm)].map((m) => ({
    number: Number(m[1]),
    proofs: [...(m[2] ?? '').matchAll(/`([^`]+)`/g)].map((p) => p[1] ?? ''),
  }));
}

test('behaviours: each has its number and something that shows it', () => {
  const all = rows();
  assert.deepEqual(
    all.map((r) => r.number),
    Array.from({ length: BEHAVIOURS }, (_, i) => i + 1),
  );
  for (const { number, proofs } of all) assert.ok(proofs.length > 0, `behaviour ${number}`);
});

test('behaviours: what shows them is there', () => {
  const missing = rows().flatMap(({ number, proofs }) =>
    proofs
      .map((p) => (p.includes('.') ? p : `test/script/${p}.pkt`))
      .filter((path) => !existsSync(path))
      .map((path) => `${number}: ${path}`),
  );
  assert.deepEqual(missing, []);
});
