/** A sample of the mutants of the scripts: nearly all must fail. `npm run mutants` runs all of them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Random } from '../../src/core/util/random.ts';
import { parseScript, type Script } from '../../src/sim/index.ts';
import { type Mutant, mutantsOf } from './mutate.ts';
import { judge } from './run.ts';

const ROOT = 'test/script';
const SAMPLE = 600;

test(`mutants: 98 of 100 wrong scripts fail, in a sample of ${SAMPLE}`, async () => {
  const scripts: Script[] = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.pkt'))
    .sort()
    .map((f) => parseScript(`${ROOT}/${f}`, readFileSync(`${ROOT}/${f}`, 'utf8')));
  const random = new Random(1, 'mutants');
  const all = scripts.map((script) => ({ script, mutants: mutantsOf(script) }));
  const total = all.reduce((n, { mutants }) => n + mutants.length, 0);
  const counts = { killed: 0, survived: 0, equivalent: 0 };
  const survivors: string[] = [];
  for (const { script, mutants } of all) {
    const some: Mutant[] = mutants.filter(() => random.chance(SAMPLE / total));
    if (some.length === 0) continue;
    for (const { mutant, fate } of await judge(script, some)) {
      counts[fate]++;
      if (fate === 'survived') survivors.push(`${script.file}:${mutant.what}`);
    }
  }
  const { killed, survived } = counts;
  assert.ok(killed > SAMPLE / 3, `only ${killed} mutants were killed`);
  assert.ok(killed / (killed + survived) >= 0.98, `survivors:\n${survivors.join('\n')}`);
});
