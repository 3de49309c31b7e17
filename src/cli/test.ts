/** `warren test` runs a lab's scenario and judges what it expects; `warren replay` tells one seed's run. */
import { randomInt } from 'node:crypto';
import { milliseconds } from '../lab/duration.ts';
import { LabError } from '../lab/file.ts';
import { parseOptions } from '../lab/options.ts';
import type { LabPlan } from '../lab/plan.ts';
import { runOutside } from '../node/index.ts';
import { loadLab, replayLab, testLab } from '../testing/lab-runs.ts';
import { labFile, wholeNumber } from './lab-file.ts';

/** A seed that somebody can type. */
const SEEDS = 1_000_000;

/** Resolves with the exit code: 0, 1 an expectation failed, 2 a wrong lab, 3 a fault that cannot be applied. */
export async function test(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('test', {
    args: [...args],
    allowPositionals: true,
    options: {
      seed: { type: 'string', short: 's' },
      runs: { type: 'string', short: 'n' },
      jobs: { type: 'string', short: 'j' },
    },
  });
  const [target = '.', more] = positionals;
  if (more !== undefined)
    throw new LabError(`test takes one file or folder, and "${more}" is a second one`);
  const file = labFile(target);
  const plan = loadLab(file);
  const runs = values.runs === undefined ? 1 : wholeNumber('--runs', values.runs, 1);
  const jobs = values.jobs === undefined ? undefined : wholeNumber('--jobs', values.jobs, 1);
  if (plan.scenario.expect.length === 0)
    throw new LabError(`${file} expects nothing; say what under expect:`);
  const seed = seedFor(plan, values.seed);
  const replay = (failed: number): string => `warren replay ${failed} ${target}`;
  const report = await testLab(file, plan, { seed, runs, jobs, replay });
  (report.code === 0 ? process.stdout : process.stderr).write(`${report.text}\n`);
  return report.code;
}

function seedFor(plan: LabPlan, given: string | undefined): number {
  if (given !== undefined) return wholeNumber('--seed', given);
  return plan.seed === 'random' ? randomInt(SEEDS) : plan.seed;
}

/** `warren replay SEED [FILE] [--at T] [-- NODE COMMAND…]` */
export async function replay(args: readonly string[]): Promise<number> {
  const dashes = args.indexOf('--');
  const command = dashes < 0 ? undefined : args.slice(dashes + 1);
  const { values, positionals } = parseOptions('replay', {
    args: dashes < 0 ? [...args] : args.slice(0, dashes),
    allowPositionals: true,
    options: { at: { type: 'string' } },
  });
  const [seed, target = '.', more] = positionals;
  if (seed === undefined || more !== undefined)
    throw new LabError('usage: warren replay SEED [FILE] [--at TIME] [-- NODE COMMAND…]');
  if (command !== undefined && (values.at === undefined || command.length < 2))
    throw new LabError('a command needs its time and its node: --at 10s -- web ss -tan');
  const file = labFile(target);
  return replayLab(file, loadLab(file), {
    seed: wholeNumber('the seed', seed),
    atMs: values.at === undefined ? undefined : time(values.at),
    command,
    // Lines are told inside the namespaces that print them.
    out: (text) => void runOutside(() => process.stdout.write(text)),
  });
}

function time(text: string): number {
  try {
    return milliseconds(text);
  } catch (error) {
    throw new LabError(`--at: ${(error as Error).message}`);
  }
}
