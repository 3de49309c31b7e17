/**
 * Runs packetdrill scripts against the kernel of this machine, each in a process with a fresh network
 * namespace. Most of a script is waiting, so several may run at a time.
 */
import { runIsolated } from './isolate.ts';
import type { ScriptJob, ScriptOutcome } from './script-job.ts';

export interface ScriptsOptions extends Omit<ScriptJob, 'file' | 'trace'> {
  /** How many scripts run at the same time. */
  readonly jobs: number;
  /**
   * How often a script that fails is run at most. Time is real: a machine that stands still for some
   * milliseconds, which busy and virtual ones do, fails scripts that are right.
   */
  readonly attempts: number;
  /** Told of every packet as it happens. */
  readonly trace?: (line: string) => void;
}

/** A script that is still running then is killed. */
const TIMEOUT_MS = 600_000;

/** Runs the scripts; their outcomes come in the order of the files, each as soon as it is known. */
export async function* runScripts(
  files: readonly string[],
  options: ScriptsOptions,
): AsyncGenerator<ScriptOutcome> {
  const { jobs, attempts, trace, ...job } = options;
  const started: Promise<ScriptOutcome>[] = [];
  const start = (): void => {
    const file = files[started.length];
    if (file === undefined) return;
    const outcome = attempt({ ...job, file, trace: trace !== undefined }, attempts, trace);
    // Whoever reads the outcomes learns of it in its turn.
    outcome.catch(() => {});
    started.push(outcome);
    outcome.then(start, () => {});
  };
  for (let i = 0; i < Math.max(1, jobs); i++) start();
  for (let i = 0; i < files.length; i++) yield await (started[i] as Promise<ScriptOutcome>);
}

async function attempt(
  job: ScriptJob,
  attempts: number,
  trace: ((line: string) => void) | undefined,
): Promise<ScriptOutcome> {
  for (let n = 1; ; n++) {
    const outcome = await runOne(job, trace);
    if (outcome.kind === 'refused') return outcome;
    if (outcome.result.failure === null || n >= attempts) return { ...outcome, attempts: n };
  }
}

async function runOne(
  job: ScriptJob,
  trace: ((line: string) => void) | undefined,
): Promise<ScriptOutcome> {
  const file = import.meta.url.endsWith('.ts') ? './script-job.ts' : './script-job.js';
  return (await runIsolated({
    module: new URL(file, import.meta.url).href,
    data: job,
    timeoutMs: TIMEOUT_MS,
    onEmit: (line) => trace?.(String(line)),
  })) as ScriptOutcome;
}
