/** One script against the kernel: what `scripts.ts` runs in a process and a namespace of its own. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  configure,
  parseScript,
  type RunResult,
  runScript,
  ScriptError,
  type ScriptOption,
} from '../sim/index.ts';
import { linuxTarget } from './target.ts';

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
  | { readonly kind: 'ran'; readonly file: string; readonly result: RunResult }
  | { readonly kind: 'refused'; readonly file: string; readonly message: string };

export async function run(job: ScriptJob, emit: (line: unknown) => void): Promise<ScriptOutcome> {
  const { file } = job;
  try {
    const script = parseScript(file, readFileSync(file, 'utf8'), job.defines);
    const config = configure(script, job.options, job.seed);
    // What a script calls by a relative path lies beside it.
    process.chdir(dirname(resolve(file)));
    const target = (): ReturnType<typeof linuxTarget> => linuxTarget(config, { realtime: true });
    const result = await runScript(script, config, target, job.trace ? { trace: emit } : {});
    return { kind: 'ran', file, result };
  } catch (error) {
    if (error instanceof ScriptError) return { kind: 'refused', file, message: error.message };
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EISDIR' || code === 'EACCES')
      return { kind: 'refused', file, message: `${file}: ${message}` };
    throw error;
  }
}
