/**
 * Everything that can be said about the sources without running them, in a few seconds: format and
 * lint, types of all projects, the API text, the rules of the house. `npm run check`.
 */
import { spawn } from 'node:child_process';
import { TSC } from './runtime.mjs';

const colors = process.stdout.isTTY ? 'force' : 'off';
const started = performance.now();
const passed = [
  ...(await Promise.all([
    step('format and lint', ['node_modules/@biomejs/biome/bin/biome', 'ci', `--colors=${colors}`]),
    step('types', [TSC, '-b', '--pretty', String(process.stdout.isTTY === true)]),
  ])),
  ...(await Promise.all([
    step('API text', ['scripts/api.mjs', '--check']),
    step('tidy', ['scripts/test.mjs', 'test/tidy'], { WARREN_NO_BUILD: '1' }),
  ])),
];
const failed = passed.filter((ok) => !ok).length;
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(
  failed === 0 ? `check: all well in ${seconds} s` : `check: ${failed} of ${passed.length} failed`,
);
process.exitCode = failed === 0 ? 0 : 1;

/**
 * Runs a Node program; shows its output only if it fails.
 * @param {string} name
 * @param {string[]} program
 * @param {Record<string, string>} env
 * @returns {Promise<boolean>}
 */
function step(name, program, env = {}) {
  const begun = performance.now();
  const child = spawn(process.execPath, program, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  /** @type {Buffer[]} */
  const output = [];
  child.stdout.on('data', (chunk) => output.push(chunk));
  child.stderr.on('data', (chunk) => output.push(chunk));
  return new Promise((resolve) => {
    child.on('close', (code) => {
      if (code !== 0) process.stdout.write(Buffer.concat(output));
      const ms = Math.round(performance.now() - begun);
      console.log(`${code === 0 ? '✔' : '✖'} ${name} (${ms} ms)`);
      resolve(code === 0);
    });
  });
}
