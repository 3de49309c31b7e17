/** One script against the kernel: what `scripts.ts` runs in a process and a namespace of its own. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  type Config,
  configure,
  parseScript,
  type RunResult,
  runScript,
  type Script,
  ScriptError,
  type ScriptOption,
  warrenTarget,
} from '../sim/index.ts';
import { loadFfi } from './ffi.ts';
import { linuxTarget } from './target.ts';
import { Workshop } from './workshop.ts';

export interface ScriptJob {
  readonly file: string;
  readonly defines: ReadonlyMap<string, string>;
  /** Those of the command line, which rule over the script's. */
  readonly options: readonly ScriptOption[];
  readonly seed: number;
  readonly trace: boolean;
}

/** `refused`: the script was not understood, or not found; nothing ran. */
export type ScriptOutcome =
  | {
      readonly kind: 'ran';
      readonly file: string;
      /** Of the last attempt. */
      readonly result: RunResult;
      readonly attempts: number;
    }
  | { readonly kind: 'refused'; readonly file: string; readonly message: string };

/** Where names of files count from. */
const folder = process.cwd();
let shared: Promise<Workshop> | null = null;

export async function run(job: ScriptJob, emit: (line: unknown) => void): Promise<ScriptOutcome> {
  const { file } = job;
  try {
    const path = resolve(folder, file);
    const script = parseScript(file, readFileSync(path, 'utf8'), job.defines, job.options);
    const config = configure(script, job.options, job.seed);
    // What a script calls by a relative path lies beside it.
    process.chdir(dirname(path));
    await rehearse(script, config);
    shared ??= loadFfi().then((ffi) => new Workshop(ffi, true));
    const workshop = await shared;
    // Rubbish of the scripts before is not to be collected in the middle of this one.
    globalThis.gc?.();
    const target = (): ReturnType<typeof linuxTarget> =>
      linuxTarget(config, { realtime: true, workshop });
    const result = await runScript(script, config, target, job.trace ? { trace: emit } : {});
    return { kind: 'ran', file, result, attempts: 1 };
  } catch (error) {
    if (error instanceof ScriptError) return { kind: 'refused', file, message: error.message };
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EISDIR' || code === 'EACCES')
      return { kind: 'refused', file, message: `${file}: ${message}` };
    throw error;
  }
}

/**
 * The same script in virtual time, against Warren, whatever comes of it: V8 has compiled then what the
 * kernel would have to wait for. Milliseconds count once time is real.
 */
async function rehearse(script: Script, config: Config): Promise<void> {
  try {
    await runScript(script, config, warrenTarget);
  } catch {
    // Warren does not have everything that the kernel has.
  }
}
