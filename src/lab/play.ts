/**
 * Carries a scenario out and judges what was expected, on a stage that has the network: in virtual time
 * (`testing/lab-stage.ts`) or in real time (`live-stage.ts`).
 */

import type { PacketTest } from './packet-filter.ts';
import type { Expectation, PlannedNemesis, PlannedStep, Scenario } from './scenario.ts';
import { hasOutput } from './scenario.ts';

/** What a command gave. */
export interface CommandResult {
  readonly code: number;
  /** Both streams. */
  readonly output: string;
  /** What was dropped meanwhile, as in: dropped fw NETFILTER_DROP forward policy */
  readonly drops: readonly string[];
}

/** A program that ended: by its exit code, or by a signal. */
export type ProgramEnd = number | string;

export interface Stage {
  /** Milliseconds since all nodes were ready. */
  now(): number;
  sleep(ms: number): Promise<void>;
  step(step: PlannedStep): void;
  nemesis(nemesis: PlannedNemesis): void;
  command(node: string, argv: readonly string[]): Promise<CommandResult>;
  log(node: string): readonly string[];
  /** undefined: it runs. */
  ended(node: string): ProgramEnd | undefined;
  /** Counts frames from now on. */
  watch(test: PacketTest, on: string | undefined): { readonly count: number };
  /** Loads a check; it answers `false` or throws when it does not hold. */
  check(module: string, name: string): Promise<() => unknown>;
  always(name: string, check: () => unknown): void;
  sometimes(name: string, check: () => unknown): void;
}

/** What was expected is not so. */
export class ExpectationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ExpectationError';
  }
}

/** Between two looks, milliseconds. */
const LOOK_MS = 10;
/** Between two tries of a command. */
const TRY_MS = 100;

/** Resolves when all is as expected; rejects with `ExpectationError` when something is not. */
export async function play(scenario: Scenario, stage: Stage): Promise<void> {
  const judges = await Promise.all(scenario.expect.map((e) => judgeOf(e, stage)));
  for (const step of scenario.steps) stage.step(step);
  for (const nemesis of scenario.nemeses) stage.nemesis(nemesis);
  const timed: Promise<void>[] = [until(stage, scenario.endMs)];
  scenario.expect.forEach((e, i) => {
    const judge = judges[i];
    if (judge === undefined) return;
    if (e.atMs !== undefined) timed.push(once(stage, e, e.atMs, judge));
    if (e.byMs !== undefined) timed.push(eventually(stage, e, e.byMs, scenario.endMs, judge));
  });
  await Promise.all(timed);
  for (const [i, e] of scenario.expect.entries()) {
    const judge = judges[i];
    if (judge !== undefined && e.atMs === undefined && e.byMs === undefined)
      await once(stage, e, 0, judge);
  }
}

/** Says what is wrong now; undefined: nothing. */
type Judge = () => Promise<string | undefined> | string | undefined;

async function judgeOf(e: Expectation, stage: Stage): Promise<Judge | undefined> {
  switch (e.kind) {
    case 'command':
      return async () => commandProblem(e, await stage.command(e.node, e.argv));
    case 'log':
      return () => {
        const lines = stage.log(e.node);
        const n = lines.filter((line) => hasOutput(line, e.output)).length;
        return e.count.allows(n)
          ? undefined
          : `${n} of ${lines.length} lines have it${lastOf(lines)}`;
      };
    case 'exit':
      return () => {
        const end = stage.ended(e.node);
        if (end === e.status) return undefined;
        return `${end === undefined ? 'it still runs' : `it ended with ${end}`}${lastOf(stage.log(e.node))}`;
      };
    case 'packets': {
      const watched = stage.watch(e.test, e.on);
      return () => (e.count.allows(watched.count) ? undefined : `there were ${watched.count}`);
    }
    default:
      return checkJudge(e, await stage.check(e.module, e.name), stage);
  }
}

/** `always` and `sometimes` are watched from the start; `eventually` is asked. */
function checkJudge(
  e: Extract<Expectation, { kind: 'always' | 'sometimes' | 'eventually' }>,
  check: () => unknown,
  stage: Stage,
): Judge | undefined {
  if (e.kind === 'always') stage.always(e.name, check);
  else if (e.kind === 'sometimes') stage.sometimes(e.name, check);
  else
    return () => {
      try {
        return check() === false ? 'it does not hold' : undefined;
      } catch (error) {
        return (error as Error).message;
      }
    };
  return undefined;
}

function commandProblem(
  e: Extract<Expectation, { kind: 'command' }>,
  { code, output, drops }: CommandResult,
): string | undefined {
  const told = linesOf(output.trim().split('\n'));
  if (e.fails !== false) {
    if (code === 0) return `it did not fail${told}`;
    if (e.fails === true || hasOutput([output, ...drops].join('\n'), e.fails)) return undefined;
    return `it failed with exit code ${code} for another reason${told}${linesOf(drops)}`;
  }
  if (code !== e.status) return `its exit code was ${code}${told}`;
  if (e.output !== undefined && !hasOutput(output, e.output)) return `it printed otherwise${told}`;
  return undefined;
}

function lastOf(lines: readonly string[]): string {
  return lines.length === 0 ? '\n  it printed nothing' : linesOf(lines);
}

/** The last lines; not on the first one, by which failures of the same kind are told from others. */
function linesOf(lines: readonly string[]): string {
  return lines
    .filter((line) => line.trim() !== '')
    .slice(-3)
    .map((line) => `\n  ${line}`)
    .join('');
}

async function until(stage: Stage, ms: number): Promise<void> {
  const left = ms - stage.now();
  if (left > 0) await stage.sleep(left);
}

async function once(stage: Stage, e: Expectation, atMs: number, judge: Judge): Promise<void> {
  await until(stage, atMs);
  const problem = await judge();
  if (problem !== undefined) throw failure(stage, e, problem);
}

/** What is counted may come from the start on; a command is tried when the scenario is over. */
async function eventually(
  stage: Stage,
  e: Expectation,
  byMs: number,
  endMs: number,
  judge: Judge,
): Promise<void> {
  if (e.kind === 'command' || e.kind === 'eventually') await until(stage, Math.min(endMs, byMs));
  for (;;) {
    const problem = await judge();
    if (problem === undefined) return;
    if (stage.now() >= byMs) throw failure(stage, e, problem);
    const pause = e.kind === 'command' ? TRY_MS : LOOK_MS;
    await stage.sleep(Math.min(pause, Math.max(1, byMs - stage.now())));
  }
}

function failure(stage: Stage, e: Expectation, problem: string): ExpectationError {
  return new ExpectationError(
    `expect ${e.text}, and at ${(stage.now() / 1000).toFixed(3)} s ${problem}`,
  );
}
