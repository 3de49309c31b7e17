/**
 * How a program or a thread learns that it belongs into a namespace which another holds: by an environment
 * variable, or by the data that a thread is started with. The program itself sees neither.
 */
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';

/** Path of the unix domain socket where the holder gives places out (`place-door.ts`). */
const VARIABLE = 'WARREN_PLACE';
const THREAD_DATA = 'warren.place';
/** What Node loads before a program. */
const PRELOAD: string = new URL(
  import.meta.url.endsWith('.ts') ? './register.ts' : './register.js',
  import.meta.url,
).href;
const OPTION = `--import=${PRELOAD}`;

let preloaded = false;

/** The path that this program or thread was given, or nothing; removes its traces. */
export function takePlace(): string {
  preloaded = true;
  const ofThread = getEnvironmentData(THREAD_DATA);
  setEnvironmentData(THREAD_DATA, undefined);
  const { [VARIABLE]: ofProcess, NODE_OPTIONS: options } = process.env;
  if (ofProcess !== undefined) delete process.env[VARIABLE];
  if (options?.includes(OPTION) === true) {
    const left = options.replace(OPTION, '').trim();
    if (left === '') delete process.env['NODE_OPTIONS'];
    else process.env['NODE_OPTIONS'] = left;
  }
  return typeof ofThread === 'string' ? ofThread : (ofProcess ?? '');
}

type Environment = Readonly<Record<string, string | undefined>>;

/** An environment in which Node enters what `variables` say. */
export function withPreload(env: Environment, variables: Environment): NodeJS.ProcessEnv {
  const options = env['NODE_OPTIONS'];
  const all = options === undefined || options === '' ? OPTION : `${options} ${OPTION}`;
  return { ...env, ...variables, NODE_OPTIONS: all };
}

/** The environment of a program that belongs to `place`. */
export function placeEnvironment(env: Environment, place: string): NodeJS.ProcessEnv {
  return withPreload(env, { [VARIABLE]: place });
}

/** Threads of this process load `register.ts` without being told to. */
export function isPreloaded(): boolean {
  return preloaded;
}

/** Calls `start`, which starts a thread that belongs to `place`. */
export function withThreadPlace<T>(place: string, start: () => T): T {
  setEnvironmentData(THREAD_DATA, place);
  try {
    return start();
  } finally {
    setEnvironmentData(THREAD_DATA, undefined);
  }
}
