/** Warren in virtual time: `import { VirtualClock } from 'warren/sim'`; and packetdrill scripts against it. */
export { type Config, configure } from './packetdrill/config.ts';
export { parseScript } from './packetdrill/parse.ts';
export { type Failure, formatFailure, type RunResult } from './packetdrill/result.ts';
export { compileScript, type RunOptions, runScript } from './packetdrill/run.ts';
export { ScriptError } from './packetdrill/scanner.ts';
export type { Script, ScriptOption } from './packetdrill/script.ts';
export type * from './packetdrill/target.ts';
export { warrenTarget } from './packetdrill/warren-target.ts';
export { VirtualClock } from './virtual-clock.ts';
