/** All mutants of all scripts, and those that survive: `npm run mutants -- [part of a path]`. */
import { readdirSync, readFileSync } from 'node:fs';
import { parseScript } from '../../src/sim/index.ts';
import { mutantsOf } from './mutate.ts';
import { judge } from './run.ts';

const ROOT = 'test/script';
const [filter = ''] = process.argv.slice(2);
const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((f) => f.endsWith('.pkt') && f.includes(filter))
  .sort();
const counts = { killed: 0, survived: 0, equivalent: 0 };
for (const file of files) {
  const script = parseScript(`${ROOT}/${file}`, readFileSync(`${ROOT}/${file}`, 'utf8'));
  for (const { mutant, fate } of await judge(script, mutantsOf(script))) {
    counts[fate]++;
    if (fate === 'survived') console.log(`${script.file}:${mutant.what} (${mutant.kind})`);
  }
}
const { killed, survived, equivalent } = counts;
const part = ((100 * killed) / Math.max(1, killed + survived)).toFixed(2);
console.log(
  `${killed} of ${killed + survived} killed (${part} %); ${equivalent} make no difference`,
);
