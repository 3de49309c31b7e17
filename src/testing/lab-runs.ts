/** Runs of a lab file in virtual time: many seeds, one failing screen; or one seed again, told line by line. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import type { Duration } from '../lab/duration.ts';
import { seconds } from '../lab/duration.ts';
import { FaultError } from '../lab/fault-words.ts';
import { LabError, parseLab } from '../lab/file.ts';
import { playLive } from '../lab/live-stage.ts';
import { type LabPlan, planLab } from '../lab/plan.ts';
import { play } from '../lab/play.ts';
import { rehearse } from '../lab/rehearse.ts';
import {
  explain,
  type NetBody,
  type NetTestError,
  type Outcome,
  type RunOptions,
  runOnce,
} from './run.ts';
import { type SeedResult, sweep } from './sweep.ts';
import { labBody, VirtualLab } from './virtual-lab.ts';

/** Exit codes of `warren test`. */
export const HOLDS = 0;
export const FAILED = 1;
export const WRONG_LAB = 2;
export const CANNOT_APPLY = 3;

/** Runs from which on threads are worth their start. */
const THREADS_FROM = 16;
/** Virtual time that a run may take beyond its scenario. */
const SPARE_MS = 3_600_000;

export interface LabRunOptions {
  readonly seed: number;
  readonly runs: number;
  /** Threads; as many as processors when absent. */
  readonly jobs?: number | undefined;
  /** How to run a seed again. */
  readonly replay: (seed: number) => string;
}

/** How all runs went. */
export interface LabReport {
  readonly code: number;
  /** A sentence, or the failing screen. */
  readonly text: string;
}

/** Reads and checks a lab file; throws `LabError`. */
export function loadLab(file: string): LabPlan {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new LabError(`cannot read ${file}`);
  }
  const source = parseLab(text, file);
  const plan = planLab(source);
  rehearse(plan, source, dirname(file));
  return plan;
}

/** The body of a thread's runs (`sweep`). */
export function prepare(file: unknown): NetBody {
  const path = String(file);
  return labBody(loadLab(path), { dir: dirname(path) });
}

function optionsFor(plan: LabPlan): RunOptions & { limit: Duration } {
  const { expect, endMs } = plan.scenario;
  const last = Math.max(endMs, ...expect.map((e) => e.byMs ?? e.atMs ?? 0));
  return { limit: last + SPARE_MS };
}

export async function testLab(
  file: string,
  plan: LabPlan,
  options: LabRunOptions,
): Promise<LabReport> {
  if (plan.clock === 'real') return testLive(file, plan, options);
  const begun = performance.now();
  const { seed, runs } = options;
  const body = labBody(plan, { dir: dirname(file) });
  const results = runs < THREADS_FROM ? [] : await inThreads(file, plan, options);
  const known = results.find((r) => r.failed);
  let outcome: Outcome | undefined;
  const seen = new Map<string, boolean>();
  let virtualUs = 0;
  if (results.length === 0 || known !== undefined) {
    const first = known?.seed ?? seed;
    for (let i = 0; i < (known === undefined ? runs : 1); i++) {
      outcome = await runOnce(first + i, body, optionsFor(plan));
      virtualUs = Math.max(virtualUs, outcome.us);
      for (const [what, was] of outcome.seen) seen.set(what, was || seen.get(what) === true);
      if (outcome.failed) break;
    }
  }
  for (const { us, seen: these } of results) {
    virtualUs = Math.max(virtualUs, us);
    for (const [what, was] of these) seen.set(what, was || seen.get(what) === true);
  }
  if (outcome?.failed === true) return failure(plan, body, options, outcome);
  if (known !== undefined)
    return {
      code: FAILED,
      text: `seed ${known.seed} failed once, and not again: ${known.message}`,
    };
  const never = [...seen].filter(([, was]) => !was).map(([what]) => what);
  if (never.length > 0)
    return {
      code: FAILED,
      text: `${plan.name}: sometimes "${never.join('", "')}": never in ${counted(runs, 'run')}`,
    };
  const which = runs === 1 ? `seed ${seed}` : `seeds ${seed} to ${seed + runs - 1}`;
  const took = ((performance.now() - begun) / 1000).toFixed(1);
  return {
    code: HOLDS,
    text: `${plan.name}: ${counted(plan.scenario.expect.length, 'expectation')} in ${counted(runs, 'run')}, ${which}: all hold; ${seconds(virtualUs)} of virtual time at most, ${took} s of real time`,
  };
}

/** In real time: the packets of a seed repeat, the programs do not. */
async function testLive(
  file: string,
  plan: LabPlan,
  { seed, runs }: LabRunOptions,
): Promise<LabReport> {
  const begun = performance.now();
  const never = new Set<string>();
  for (let i = 0; i < runs; i++) {
    const outcome = await playLive({ ...plan, seed: seed + i }, file);
    for (const name of outcome.never) never.add(name);
    const { error } = outcome;
    if (error === undefined) continue;
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof LabError) return { code: WRONG_LAB, text: `warren: ${message}` };
    const lines = outcome.timeline.map(
      (m) => `    ${seconds(m.ms * 1000).padStart(11)}  ${m.what}`,
    );
    const text = [
      plan.name,
      `  ${message}`,
      '',
      `  seed ${seed + i}${runs > 1 ? ` (run ${i + 1} of ${runs})` : ''}, in real time: another run may differ`,
      '',
      '  timeline',
      ...lines,
    ].join('\n');
    return { code: error instanceof FaultError ? CANNOT_APPLY : FAILED, text };
  }
  if (never.size > 0 && runs === 1)
    return {
      code: FAILED,
      text: `${plan.name}: sometimes "${[...never].join('", "')}": never in 1 run`,
    };
  const took = ((performance.now() - begun) / 1000).toFixed(1);
  return {
    code: HOLDS,
    text: `${plan.name}: ${counted(plan.scenario.expect.length, 'expectation')} in ${counted(runs, 'run')}: all hold; ${took} s of real time`,
  };
}

function counted(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

function inThreads(file: string, plan: LabPlan, options: LabRunOptions): Promise<SeedResult[]> {
  return sweep({
    ...optionsFor(plan),
    module: import.meta.url,
    seed: options.seed,
    runs: options.runs,
    jobs: options.jobs ?? availableParallelism(),
    data: file,
  });
}

async function failure(
  plan: LabPlan,
  body: NetBody,
  options: LabRunOptions,
  outcome: Outcome,
): Promise<LabReport> {
  const { error } = outcome;
  if (error instanceof LabError) return { code: WRONG_LAB, text: `warren: ${error.message}` };
  const replay = options.replay(outcome.seed);
  const run = outcome.seed - options.seed + 1;
  const told = await explain(
    plan.name,
    body,
    { ...optionsFor(plan), replay },
    { outcome, run, runs: options.runs },
  );
  const code = error instanceof FaultError ? CANNOT_APPLY : FAILED;
  return { code, text: screenOf(told, error) };
}

/** What a program threw is shown with its place; what was expected says enough. */
function screenOf(told: NetTestError, error: unknown): string {
  const programs =
    !(error instanceof Error) || !/^(?:Invariant|Expectation|Fault)Error$/.test(error.name);
  return programs ? (told.stack ?? told.message) : told.message;
}

export interface ReplayOptions {
  readonly seed: number;
  /** Where time stands still. */
  readonly atMs?: number | undefined;
  /** What to run there: a node and a command. Sockets of all nodes when absent. */
  readonly command?: readonly string[] | undefined;
  readonly out: (text: string) => void;
}

/** Runs a seed again and tells what happens. Resolves with the exit code. */
export async function replayLab(
  file: string,
  plan: LabPlan,
  { seed, atMs, command, out }: ReplayOptions,
): Promise<number> {
  if (plan.clock === 'real')
    throw new LabError(
      `${file} has clock: real, where no seed repeats a run; replay needs clock: virtual`,
    );
  let nowUs = (): number => 0;
  let told = 0;
  let width = 0;
  const line = (us: number, text: string): void => out(`${seconds(us).padStart(11)}  ${text}\n`);
  const body: NetBody = async ({ net }) => {
    nowUs = () => net.time.nowUs();
    const tell = (): void => {
      for (; told < net.timeline.length; told++) {
        const moment = net.timeline[told];
        if (moment !== undefined) line(moment.us, `* ${moment.what}`);
      }
    };
    const onLog = (node: string, text: string): void => {
      tell();
      line(nowUs(), `${node.padEnd(width)} │ ${text}`);
    };
    const lab = new VirtualLab(net, plan, { dir: dirname(file), onLog });
    width = Math.max(...[...lab.nodes.keys()].map((name) => name.length));
    const playing = lab.start().then(() => play(plan.scenario, lab));
    playing.catch(() => {});
    try {
      await (atMs === undefined ? playing : Promise.race([playing, net.advance(atMs)]));
      tell();
      if (atMs !== undefined) await show(lab, command, out);
    } finally {
      tell();
      lab.close();
    }
  };
  const outcome = await runOnce(seed, body, optionsFor(plan));
  if (!outcome.failed) {
    out(atMs === undefined ? `\nseed ${seed}: all expectations hold\n` : '');
    return HOLDS;
  }
  const { error } = outcome;
  out(`\nseed ${seed}: ${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof LabError) return WRONG_LAB;
  return error instanceof FaultError ? CANNOT_APPLY : FAILED;
}

/** The state at an instant: what was asked for, or the sockets of every node. */
async function show(
  lab: VirtualLab,
  command: readonly string[] | undefined,
  out: (text: string) => void,
): Promise<void> {
  const [node, ...argv] = command ?? [];
  if (node !== undefined) {
    out((await lab.command(node, argv)).output);
    return;
  }
  for (const name of lab.nodes.keys()) {
    const { output } = await lab.command(name, ['ss', '-tuan']);
    out(`\n${name}:\n${output}`);
  }
}
