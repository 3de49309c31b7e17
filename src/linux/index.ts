/** Packetdrill scripts on the real kernel: `import { linuxTarget } from 'warren/linux'`. */
export { LinuxTargetError } from './error.ts';
export { type IsolatedJob, type IsolatedRun, runIsolated } from './isolate.ts';
export type { ScriptOutcome } from './script-job.ts';
export { runScripts, type ScriptsOptions } from './scripts.ts';
export { type LinuxOptions, linuxTarget } from './target.ts';
