/**
 * Runs packetdrill scripts against the kernel of this machine, each in a fresh network namespace. A process
 * runs one after the other; most of a script is waiting, so several processes may run at a time.
 */
import { IsolatedWorker } from './isolate.ts';
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
  const outcomes = files.map(() => deferred<ScriptOutcome>());
  let next = 0;
  const work = async (): Promise<void> => {
    const runner = new Runner(options);
    for (let i = next++; i < files.length; i = next++) {
      const outcome = outcomes[i] as Deferred<ScriptOutcome>;
      await runner.attempt(files[i] as string).then(outcome.resolve, outcome.reject);
    }
    await runner.end();
  };
  // Whoever reads the outcomes learns of it in its turn.
  for (const { promise } of outcomes) promise.catch(() => {});
  const jobs = Math.min(Math.max(1, options.jobs), files.length);
  const workers = Array.from({ length: jobs }, work);
  for (const { promise } of outcomes) yield await promise;
  await Promise.all(workers);
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>['resolve'] = () => {};
  let reject: Deferred<T>['reject'] = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Runs one script after the other in a process, and starts another one when that is lost. */
class Runner {
  private readonly options: ScriptsOptions;
  private worker: IsolatedWorker | null = null;

  constructor(options: ScriptsOptions) {
    this.options = options;
  }

  async attempt(file: string): Promise<ScriptOutcome> {
    for (let n = 1; ; n++) {
      const outcome = await this.once(file);
      if (outcome.kind === 'refused') return outcome;
      if (outcome.result.failure === null || n >= this.options.attempts)
        return { ...outcome, attempts: n };
    }
  }

  private async once(file: string): Promise<ScriptOutcome> {
    const { defines, options, seed, trace } = this.options;
    const data: ScriptJob = { file, defines, options, seed, trace: trace !== undefined };
    const module = import.meta.url.endsWith('.ts') ? './script-job.ts' : './script-job.js';
    this.worker ??= new IsolatedWorker();
    try {
      return (await this.worker.run({
        module: new URL(module, import.meta.url).href,
        data,
        timeoutMs: TIMEOUT_MS,
        onEmit: (line) => trace?.(String(line)),
      })) as ScriptOutcome;
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  async end(): Promise<void> {
    const { worker } = this;
    this.worker = null;
    await worker?.end();
  }
}
