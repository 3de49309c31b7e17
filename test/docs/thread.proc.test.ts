/** The pages of docs/thread hold: their commands print what they say, leave the lab as it was, and no demand is missing. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { blocksOf, PageLab } from './thread-page.ts';

const PAGES = ['savochkin', 'poetzl', 'biederman', 'lezcano'].map((n) => `docs/thread/${n}.md`);

/** The demands that concern the namespace itself. */
const DEMANDS: readonly string[] = [
  ...['S1', 'S2', 'S3', 'S4', 'S6', 'S8', 'S12', 'S13', 'S14', 'S17', 'S18', 'S19', 'S20', 'S21'],
  ...['V1', 'V2', 'V3', 'V4', 'V5', 'V6', 'V7', 'V8'],
  ...['E5', 'E6', 'E7', 'E8', 'E9', 'E10', 'E11', 'E12', 'E13', 'E14', 'E16'],
  ...['L1', 'L2', 'L3'],
];

const lab = new PageLab();
before(() => lab.start());
after(() => lab.close());

for (const page of PAGES)
  test(`V6: ${page}: every command prints what the page says`, async () => {
    const blocks = blocksOf(page);
    assert.ok(blocks.length > 0);
    const fresh = await lab.state();
    for (const block of blocks) {
      await lab.run(block);
      assert.equal(await lab.state(), fresh, `${block.title} leaves the lab as it was`);
    }
  });

test('every demand has its place on a page', () => {
  const text = PAGES.map((p) => readFileSync(p, 'utf8')).join('\n');
  const there = [...text.matchAll(/^\*\*([SVEL]\d+(?:, [SVEL]\d+)*)\.\*\*/gm)].flatMap(
    (m) => m[1]?.split(', ') ?? [],
  );
  assert.deepEqual(there.sort(), [...DEMANDS].sort());
});

test('every demand has tests that cite it', () => {
  const files = ['src', 'test'].flatMap((dir) =>
    readdirSync(dir, { recursive: true, encoding: 'utf8' })
      .filter((f) => f.endsWith('.test.ts'))
      .map((f) => readFileSync(`${dir}/${f}`, 'utf8')),
  );
  const titles = files.flatMap((text) =>
    [...text.matchAll(/(?:test|it|each)\(\s*(['`])(.*?)\1/g)].map((m) => m[2] ?? ''),
  );
  const cited = new Set(
    titles.flatMap(
      (t) =>
        /^(?:(?![SVEL]\d)[\w-]+[:,] )?((?:[SVEL]\d+, )*[SVEL]\d+):/.exec(t)?.[1]?.split(', ') ?? [],
    ),
  );
  assert.deepEqual(
    DEMANDS.filter((d) => !cited.has(d)),
    [],
  );
});
