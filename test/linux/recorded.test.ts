/** The scenarios again, against what Linux 6.18 with iproute2 6.1 gave when it was written down: no root needed. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { differences, normalOutcomes } from './compare.ts';
import { RECORDINGS } from './recorded.ts';
import { WarrenWorld } from './warren-world.ts';

type Recorded = Readonly<Record<string, readonly (readonly [line: string, outcome: unknown])[]>>;

for (const { file, scenarios } of RECORDINGS) {
  const recorded = JSON.parse(readFileSync(file, 'utf8')) as Recorded;
  for (const scenario of scenarios) {
    test(`as Linux: ${scenario.title}`, async () => {
      const linux = recorded[scenario.title] ?? [];
      assert.deepEqual(
        linux.map(([line]) => line),
        scenario.lines,
        'the recording is old: node test/linux/record.ts',
      );
      const found = differences(
        scenario,
        linux.map(([, outcome]) => outcome),
        // Through JSON, as the recording went.
        JSON.parse(JSON.stringify(await normalOutcomes(new WarrenWorld(), scenario))),
      );
      assert.equal(found.length, 0, `\n${found.join('\n')}\n`);
    });
  }
}
