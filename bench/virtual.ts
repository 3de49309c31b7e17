/**
 * Virtual time: how long five unmodified Raft nodes take for a simulated hour, and 500 seeds of a simulated
 * minute under faults on all processors. The reference is the time that is simulated.
 */
import { runOnce } from '../src/testing/run.ts';
import { sweep } from '../src/testing/sweep.ts';
import type { Result } from './measure.ts';
import { raft } from './raft-minute.ts';

const HOUR_S = 3600;
const SEEDS = 500;

export async function run(): Promise<Result[]> {
  const hour = await seconds(async () => {
    const { failed, error } = await runOnce(1, ({ net }) => raft(net, `${HOUR_S}s`, false));
    if (failed) throw error;
  });
  const file = import.meta.url.replace('/virtual.', '/raft-minute.');
  const seeds = await seconds(async () => {
    const results = await sweep({ module: file, runs: SEEDS });
    const failed = results.find((r) => r.failed);
    if (failed !== undefined) throw new Error(`seed ${failed.seed}: ${failed.message}`);
    if (results.length !== SEEDS) throw new Error(`only ${results.length} seeds ran`);
  });
  return [
    row('five Raft nodes, one simulated hour', HOUR_S, hour),
    row(`the same for a minute under faults, ${SEEDS} seeds`, SEEDS * 60, seeds),
  ];
}

async function seconds(fn: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await fn();
  return (performance.now() - start) / 1000;
}

/** The ratio says how many times faster than the time that it simulates. */
function row(name: string, reference: number, value: number): Result {
  return { name, unit: 's', reference, value, ratio: reference / value };
}
