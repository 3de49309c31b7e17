/**
 * Runs a test's body in a network of its own: once, or for many seeds; finds the smallest schedule of
 * faults that still fails, checks that a seed repeats, and says all of it on one screen.
 */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { types } from 'node:util';
import { seconds } from '../lab/duration.ts';
import { type Moment, Net, type NetOptions, type PlannedFault } from './net.ts';

/** Captured before anybody replaces it. */
const { setImmediate } = globalThis;

/** What a body gets. */
export interface NetContext {
  readonly net: Net;
  readonly seed: number;
}

export type NetBody = (t: NetContext) => unknown;

export interface RunOptions extends Omit<NetOptions, 'seed'> {
  /** First seed; 1 when absent. `WARREN_SEED` runs that one alone. */
  readonly seed?: number;
  /** How many seeds; 1 when absent. `WARREN_RUNS` says otherwise. */
  readonly runs?: number;
  /** Runs the first seed twice and compares every byte on the wires. */
  readonly deterministic?: boolean;
  /** Looks for the smallest schedule of a failure; true when absent. */
  readonly shrink?: boolean;
  /** Where the capture of a failing run goes; a file in the folder for temporary files when absent. */
  readonly capture?: string;
  /** How to run this seed again, for the screen. */
  readonly replay?: string;
}

/** How one run ended. */
export interface Outcome {
  readonly seed: number;
  /** undefined: well. */
  readonly error: unknown;
  readonly failed: boolean;
  /** Virtual time at the end, microseconds. */
  readonly us: number;
  readonly timeline: readonly Moment[];
  readonly planned: readonly PlannedFault[];
  /** What `sometimes` asked for: seen or not. */
  readonly seen: ReadonlyMap<string, boolean>;
  /** Of all frames; '' unless asked for. */
  readonly digest: string;
}

interface Extra {
  /** Numbers of the planned faults that happen; all when absent. */
  readonly only?: ReadonlySet<number>;
  readonly digest?: boolean;
  readonly sink?: (bytes: Uint8Array) => void;
  /** Time ends here, and with it the run. */
  readonly untilMs?: number;
}

/** Runs `body` once. */
export async function runOnce(
  seed: number,
  body: NetBody,
  options: NetOptions = {},
  extra: Extra = {},
): Promise<Outcome> {
  // Not in the midst of what the run before was told: each begins in the same phase of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  const net = new Net({ ...options, seed });
  net.only = extra.only;
  const digest = extra.digest === true ? net.digest() : undefined;
  if (extra.sink !== undefined) net.capture(extra.sink);
  const letGo = net.time.hold();
  let error: unknown;
  let failed = false;
  try {
    const done = net.observer.run(async () => body({ net, seed }));
    const ends: Promise<unknown>[] = [done, net.failed];
    if (extra.untilMs !== undefined) ends.push(net.advance(extra.untilMs));
    done.catch(() => {});
    await Promise.race(ends);
  } catch (e) {
    error = e;
    failed = true;
  } finally {
    letGo();
    net.close();
  }
  return {
    seed,
    error,
    failed,
    us: net.time.nowUs(),
    timeline: net.timeline,
    planned: net.planned,
    seen: net.invariants.seen,
    digest: digest?.() ?? '',
  };
}

/** A failing run, told so that it can be understood and repeated. */
export class NetTestError extends Error {
  readonly seed: number;
  readonly outcome: Outcome;
  /** The smallest schedule found. */
  readonly smallest: readonly PlannedFault[];

  constructor(screen: string, outcome: Outcome, smallest: readonly PlannedFault[]) {
    super(screen, { cause: outcome.error });
    this.name = 'NetTestError';
    this.seed = outcome.seed;
    this.outcome = outcome;
    this.smallest = smallest;
    // The stack that helps is the cause's.
    const stack = types.isNativeError(outcome.error) ? outcome.error.stack : undefined;
    this.stack = `${screen}\n\n${stack ?? String(outcome.error)}`;
  }
}

/** Runs a test; throws `NetTestError` for the first seed that fails. */
export async function runNetTest(
  name: string,
  body: NetBody,
  options: RunOptions = {},
): Promise<void> {
  const { env } = process;
  const fixed = env['WARREN_SEED'];
  const first = fixed === undefined ? (options.seed ?? 1) : Number(fixed);
  const runs = fixed === undefined ? Number(env['WARREN_RUNS'] ?? options.runs ?? 1) : 1;
  const seen = new Map<string, boolean>();
  for (let i = 0; i < runs; i++) {
    const outcome = await runOnce(first + i, body, options);
    for (const [what, was] of outcome.seen) seen.set(what, was || seen.get(what) === true);
    if (outcome.failed) throw await explain(name, body, options, { outcome, run: i + 1, runs });
  }
  if (options.deterministic === true) await checkRepeats(first, body, options);
  const never = [...seen].filter(([, was]) => !was).map(([what]) => what);
  if (never.length > 0 && fixed === undefined)
    throw new Error(
      `sometimes "${never.join('", "')}": never in ${runs} run${runs === 1 ? '' : 's'}`,
    );
}

/** Two runs of one seed have equal frames at equal times, or the test uses what no seed controls. */
export async function checkRepeats(
  seed: number,
  body: NetBody,
  options: NetOptions = {},
): Promise<string> {
  const one = await runOnce(seed, body, options, { digest: true });
  const two = await runOnce(seed, body, options, { digest: true });
  if (one.digest !== two.digest)
    throw new Error(
      `seed ${seed} does not repeat: two runs sent different frames (${one.digest.slice(0, 12)}, ${two.digest.slice(0, 12)}); something depends on real time, on threads or on state that outlives a run`,
    );
  return one.digest;
}

/** A run that failed, among how many. */
export interface Failure {
  readonly outcome: Outcome;
  readonly run: number;
  readonly runs: number;
}

/** Tells a failure: the smallest schedule that still fails, the timeline, and how to run it again. */
export async function explain(
  name: string,
  body: NetBody,
  options: RunOptions,
  { outcome, run, runs }: Failure,
): Promise<NetTestError> {
  const kept =
    options.shrink === false || outcome.planned.length === 0
      ? undefined
      : await shrink(body, options, outcome);
  const only = kept === undefined ? {} : { only: kept.faults };
  const pieces: Uint8Array[] = [];
  const again = await runOnce(outcome.seed, body, options, {
    ...only,
    sink: (bytes) => void pieces.push(bytes),
  });
  const file =
    options.capture ?? join(tmpdir(), `warren-seed-${outcome.seed}-${process.pid}.pcapng`);
  writeFileSync(file, Buffer.concat(pieces));
  const shown = again.failed ? again : outcome;
  const smallest =
    kept === undefined ? outcome.planned : outcome.planned.filter((_, i) => kept.faults.has(i));
  const screen = failingScreen({
    name,
    shown,
    outcome,
    smallest,
    shrunk: kept,
    repeats: again.failed,
    run,
    runs,
    file,
    replay: options.replay ?? replayCommand(outcome.seed),
  });
  return new NetTestError(screen, shown, smallest);
}

interface Shrunk {
  readonly faults: ReadonlySet<number>;
  readonly tries: number;
}

/** Runs that shrinking may take. */
const MAX_TRIES = 60;
/** Real milliseconds that it may take. */
const MAX_SHRINK_MS = 20_000;

/** Leaves out faults as long as the run still fails in the same way: halves first, then one by one (ddmin). */
async function shrink(body: NetBody, options: NetOptions, outcome: Outcome): Promise<Shrunk> {
  let kept = outcome.planned.map((_, i) => i);
  let tries = 0;
  const end = performance.now() + MAX_SHRINK_MS;
  const kind = kindOf(outcome.error);
  const fails = async (faults: readonly number[]): Promise<boolean> => {
    tries++;
    const again = await runOnce(outcome.seed, body, options, { only: new Set(faults) });
    return again.failed && kindOf(again.error) === kind;
  };
  for (let size = kept.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < kept.length; ) {
      if (tries >= MAX_TRIES || performance.now() > end) return { faults: new Set(kept), tries };
      const fewer = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (await fails(fewer)) kept = fewer;
      else at += size;
    }
  }
  return { faults: new Set(kept), tries };
}

/** Numbers in a message change with the schedule. */
function kindOf(error: unknown): string {
  const { name, message } = types.isNativeError(error)
    ? error
    : { name: '', message: String(error) };
  return `${name}:${message.replace(/[\d.]+/g, '#').split('\n')[0]}`;
}

function replayCommand(seed: number): string {
  const { VITEST, JEST_WORKER_ID } = process.env;
  const words =
    VITEST !== undefined
      ? 'npx vitest run'
      : JEST_WORKER_ID !== undefined
        ? 'npx jest'
        : `node --test ${process.argv[1] ?? ''}`;
  return `WARREN_SEED=${seed} ${words.trim()}`;
}

interface Screen {
  readonly name: string;
  readonly shown: Outcome;
  readonly outcome: Outcome;
  readonly smallest: readonly PlannedFault[];
  readonly shrunk: Shrunk | undefined;
  readonly repeats: boolean;
  readonly run: number;
  readonly runs: number;
  readonly file: string;
  readonly replay: string;
}

/** Lines of a timeline that are shown. */
const SHOWN = 30;

/** What a failing test prints. */
function failingScreen(s: Screen): string {
  const error = s.shown.error;
  const message = types.isNativeError(error) ? error.message : String(error);
  const lines = [
    `${s.name}`,
    `  ${message.split('\n').join('\n  ')}`,
    '',
    `  seed ${s.outcome.seed}${s.runs > 1 ? ` (run ${s.run} of ${s.runs})` : ''}, after ${seconds(s.shown.us)} of virtual time`,
  ];
  if (s.shrunk !== undefined)
    lines.push(
      '',
      `  smallest schedule that still fails: ${s.smallest.length} of ${s.outcome.planned.length} faults (${s.shrunk.tries} runs)`,
      ...s.smallest.map((f) => `    ${seconds(f.atMs * 1000).padStart(11)}  ${f.words}`),
    );
  const { timeline } = s.shown;
  lines.push('', '  timeline');
  if (timeline.length > SHOWN) lines.push(`    … ${timeline.length - SHOWN} more before`);
  lines.push(...timeline.slice(-SHOWN).map((m) => `    ${seconds(m.us).padStart(11)}  ${m.what}`));
  if (!s.repeats)
    lines.push(
      '',
      '  It did not fail again with the same seed: something outside the seed takes part.',
    );
  lines.push('', `  replay   ${s.replay}`, `  packets  ${s.file}`);
  return lines.join('\n');
}
