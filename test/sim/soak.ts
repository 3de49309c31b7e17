/**
 * `npm run soak -- [minutes] [seed]`: the soak at full length, twice, which must repeat to the bit.
 */
import assert from 'node:assert/strict';
import { Soak } from './soak-world.ts';

const minutes = Number(process.argv[2] ?? 10);
const seed = Number(process.argv[3] ?? 1);
const reports = [0, 1].map(() => {
  const started = performance.now();
  const report = new Soak(seed).run(minutes * 60);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${minutes} simulated minutes, seed ${seed}, in ${seconds} s:`, report);
  return report;
});
assert.deepEqual(reports[0], reports[1]);
assert.deepEqual(reports[0]?.leaked, []);
console.log('every stream intact, nothing left behind, both runs the same');
