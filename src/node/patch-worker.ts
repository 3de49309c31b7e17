/**
 * Worker threads of a program in a namespace belong to the same namespace: as programs do that it starts,
 * they ask the thread that holds it (`remote-client.ts`).
 */
import workerThreads, { SHARE_ENV, type Worker, type WorkerOptions } from 'node:worker_threads';
import { currentNet } from './current.ts';
import { doorPath } from './place-door.ts';
import { isPreloaded, withPreload, withThreadPlace } from './place-environment.ts';

type WorkerClass = new (file: unknown, options?: WorkerOptions, ...more: unknown[]) => Worker;

/** Installs the patch of `node:worker_threads`. */
export function patchWorker(): void {
  const Original = workerThreads.Worker as unknown as WorkerClass;
  function PatchedWorker(...args: ConstructorParameters<WorkerClass>): object {
    const [file, options, ...more] = args;
    const target = new.target ?? Original;
    const net = currentNet();
    if (net === undefined) return Reflect.construct(Original, args, target);
    const given = [file, withLoader(options), ...more] as typeof args;
    return withThreadPlace(doorPath(net), () => Reflect.construct(Original, given, target));
  }
  Object.defineProperty(PatchedWorker, 'name', { value: 'Worker' });
  PatchedWorker.prototype = Original.prototype;
  Object.setPrototypeOf(PatchedWorker, Original);
  Object.assign(workerThreads, { Worker: PatchedWorker });
}

/** A thread loads what its process was told to load, unless it has options or an environment of its own. */
function withLoader(options: WorkerOptions | undefined): WorkerOptions | undefined {
  const env = options?.env;
  const isOwn = typeof env === 'object' || options?.execArgv !== undefined;
  if ((isPreloaded() && !isOwn) || env === SHARE_ENV) return options;
  return { ...options, env: withPreload((env ?? process.env) as NodeJS.ProcessEnv, {}) };
}
