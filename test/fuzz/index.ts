/**
 * Fuzzes the parsers: `npm run fuzz -- [iterations per parser] [seed] [part of a parser's name]`.
 */
import { fuzz } from './fuzz.ts';
import { TARGETS } from './targets.ts';

const [iterations = '200000', seed = '1', filter = ''] = process.argv.slice(2);

for (const target of TARGETS.filter((t) => t.name.includes(filter))) {
  const started = performance.now();
  fuzz(target, Number(seed), Number(iterations));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${target.name}: ${iterations} inputs, ${seconds} s`);
}
