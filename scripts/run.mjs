/**
 * Runs one TypeScript program of the project on any supported Node:
 * `node scripts/run.mjs bench/index.ts [arguments]`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { build, NODE_FLAGS, runnable, runsTypeScript } from './runtime.mjs';

const [entry, ...args] = process.argv.slice(2);
if (entry === undefined || !existsSync(entry)) {
  console.error(`run.mjs: no such file: ${entry ?? '(none given)'}`);
  process.exit(1);
}
const native = runsTypeScript(process.execPath);
if (!native && !build(['test'])) {
  console.error('run.mjs: the sources do not compile');
  process.exit(1);
}
const program = [...NODE_FLAGS, '--expose-gc', runnable(entry, native), ...args];
const child = spawnSync(process.execPath, program, { stdio: 'inherit' });
process.exit(child.status ?? 1);
