/**
 * Writes down what Linux gives for every command of the scenarios, so that they can be compared where
 * there is no root: `node test/linux/record.ts` (as root, on Linux) after a change of `scenarios.ts`.
 */
import { writeFileSync } from 'node:fs';
import { normalOutcomes } from './compare.ts';
import { LinuxWorld } from './linux-world.ts';
import { RECORDED } from './recorded.ts';
import { SCENARIOS } from './scenarios.ts';

const entries = await Promise.all(
  SCENARIOS.map(async (s) => {
    const outcomes = await normalOutcomes(new LinuxWorld(), s);
    return [s.title, s.lines.map((line, i) => [line, outcomes[i]])] as const;
  }),
);
const text = entries.map(
  ([title, lines]) =>
    `${JSON.stringify(title)}: [\n${lines.map((l) => JSON.stringify(l)).join(',\n')}\n]`,
);
writeFileSync(RECORDED, `{\n${text.join(',\n')}\n}\n`);
