/**
 * How the project's own TypeScript is run: directly where Node strips types itself (>= 22.18),
 * else from build/, the tree that `tsc -b test` compiles. Shared by the other scripts.
 */
import { spawnSync } from 'node:child_process';

export const TSC = 'node_modules/typescript/bin/tsc';

/** Flags for a Node that runs our sources: type stripping still warns on some versions. */
export const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--enable-source-maps'];

/**
 * Whether this Node executable runs .ts files as they are.
 * @param {string} node
 * @returns {boolean}
 */
export function runsTypeScript(node) {
  if (node === process.execPath) return isStripping(process.features);
  const probe = spawnSync(node, ['-p', 'process.features.typescript'], { encoding: 'utf8' });
  if (probe.status !== 0) throw new Error(`${node} does not run: ${probe.stderr ?? probe.error}`);
  return isStripping({ typescript: probe.stdout.trim() });
}

/**
 * @param {object} features `process.features`; the typings of Node 20 do not know `typescript`
 * @returns {boolean}
 */
function isStripping(features) {
  const mode = /** @type {{ typescript?: unknown }} */ (features).typescript;
  return mode === 'strip' || mode === 'transform';
}

/**
 * Runs `tsc -b` on the given projects; prints its errors.
 * @param {string[]} projects
 * @returns {boolean} whether all is well
 */
export function build(projects) {
  const tsc = spawnSync(process.execPath, [TSC, '-b', ...projects], { stdio: 'inherit' });
  return tsc.status === 0;
}

/**
 * The file to run for a TypeScript source.
 * @param {string} file path from the project's root
 * @param {boolean} native
 * @returns {string}
 */
export function runnable(file, native) {
  return native ? file : `build/${file.replace(/\.ts$/, '.js')}`;
}
