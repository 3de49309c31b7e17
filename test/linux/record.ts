/**
 * Writes down what Linux gives for every command of the scenarios, so that they can be compared where
 * there is no root: `node test/linux/record.ts [FILE…]` (as root, on Linux) after a change of the scenarios.
 * FILE: a part of the name of a recording; all when absent.
 */
import { writeFileSync } from 'node:fs';
import { normalOutcomes, type Scenario } from './compare.ts';
import { LinuxWorld } from './linux-world.ts';
import { RECORDINGS } from './recorded.ts';

const wanted = process.argv.slice(2);
for (const { file, scenarios } of RECORDINGS)
  if (wanted.length === 0 || wanted.some((w) => file.includes(w)))
    writeFileSync(file, await record(scenarios));

async function record(scenarios: readonly Scenario[]): Promise<string> {
  const entries = await Promise.all(
    scenarios.map(async (s) => {
      const outcomes = await normalOutcomes(new LinuxWorld(), s);
      return [s.title, s.lines.map((line, i) => [line, outcomes[i]])] as const;
    }),
  );
  const text = entries.map(
    ([title, lines]) =>
      `${JSON.stringify(title)}: [\n${lines.map((l) => JSON.stringify(l)).join(',\n')}\n]`,
  );
  return `{\n${text.join(',\n')}\n}\n`;
}
