/** packetdrill scripts against Warren or Linux: what the command and the tests use. */
export { type Config, configure } from './config.ts';
export { parseScript } from './parse.ts';
export { type Failure, formatFailure, type RunResult } from './result.ts';
export { type RunOptions, runScript } from './run.ts';
export { ScriptError } from './scanner.ts';
export type { Script, ScriptOption } from './script.ts';
export type * from './target.ts';
export { warrenTarget } from './warren-target.ts';
