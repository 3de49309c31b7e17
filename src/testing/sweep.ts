/**
 * Many seeds on all processors: a module that exports a body (`default`) is run by worker threads, each
 * with every n-th seed.
 */
import { availableParallelism } from 'node:os';
import { types } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { NetOptions } from './net.ts';
import { type NetBody, runOnce } from './run.ts';

export interface SweepOptions extends Omit<NetOptions, 'seed'> {
  /** URL of a module whose `default` is the body. */
  readonly module: string;
  readonly seed?: number;
  readonly runs: number;
  /** Threads; as many as processors when absent. */
  readonly jobs?: number;
  /** Given to the module's `prepare`, if it has one, whose result is the body then. */
  readonly data?: unknown;
}

/** How a seed ended; nothing of it needs the thread that ran it. */
export interface SeedResult {
  readonly seed: number;
  readonly failed: boolean;
  readonly message: string;
  /** Virtual microseconds. */
  readonly us: number;
  /** `[what, was it seen]` of each `sometimes`. */
  readonly seen: readonly (readonly [string, boolean])[];
}

interface Job {
  readonly warrenSweep: true;
  readonly options: SweepOptions;
  readonly part: number;
  readonly parts: number;
}

/** Runs all seeds; results in the order of the seeds. Stops soon after the first failure. */
export async function sweep(options: SweepOptions): Promise<SeedResult[]> {
  const parts = Math.max(1, Math.min(options.jobs ?? availableParallelism(), options.runs));
  const results: SeedResult[] = [];
  const workers = new Set<Worker>();
  await Promise.all(
    Array.from({ length: parts }, (_, part) => {
      const job: Job = { warrenSweep: true, options, part, parts };
      const worker = new Worker(new URL(import.meta.url), { workerData: job });
      workers.add(worker);
      return new Promise<void>((resolve, reject) => {
        worker.on('message', (result: SeedResult) => {
          results.push(result);
          if (result.failed) for (const w of workers) void w.terminate();
        });
        worker.on('error', reject);
        worker.on('exit', () => resolve());
      });
    }),
  );
  return results.sort((a, b) => a.seed - b.seed);
}

/** The body that a module gives. */
export async function bodyOf(module: string, data: unknown): Promise<NetBody> {
  const found = (await import(module)) as {
    default?: NetBody;
    prepare?: (data: unknown) => NetBody | Promise<NetBody>;
  };
  const body = found.prepare === undefined ? found.default : await found.prepare(data);
  if (typeof body !== 'function') throw new TypeError(`${module} exports no function as default`);
  return body;
}

async function work({ options, part, parts }: Job): Promise<void> {
  const body = await bodyOf(options.module, options.data);
  const first = options.seed ?? 1;
  for (let i = part; i < options.runs; i += parts) {
    const outcome = await runOnce(first + i, body, options);
    const result: SeedResult = {
      seed: outcome.seed,
      failed: outcome.failed,
      message: types.isNativeError(outcome.error)
        ? outcome.error.message
        : String(outcome.error ?? ''),
      us: outcome.us,
      seen: [...outcome.seen],
    };
    parentPort?.postMessage(result);
  }
  // Programs of a run may have left handles of the host's.
  process.exit(0);
}

if (!isMainThread && (workerData as Job | null)?.warrenSweep === true)
  await work(workerData as Job);
