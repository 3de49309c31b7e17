/** The adapters under the runners themselves: a test that passes and one that fails, in vitest and in jest. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';

const root = mkdtempSync(join(tmpdir(), 'warren-runners-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** Uses all that a runner could hold back: globals, named imports, clocks, errors of its own realm. */
const BODY = `
netTest('ten minutes pass', async ({ net: n }) => {
  const { a, b } = n.lan('10.0.0.0/24', ['a', 'b']);
  b.start(() => { net.createServer((s) => s.end('hi')).listen(80); });
  await a.run(async () => {
    const before = Date.now();
    await sleep(300_000);
    await new Promise((resolve) => setTimeout(resolve, 300_000));
    expect(Date.now() - before).toBe(600_000);
    const [data] = await once(net.connect(80, 'b'), 'data');
    expect(String(data)).toBe('hi');
  });
});
netTest('nobody is there', async ({ net: n }) => {
  const { a } = n.lan('10.0.0.0/24', ['a', 'b']);
  await a.run(() => once(net.connect(80, 'b'), 'connect'));
});
netTest('an error of its own', async () => {
  throw new RangeError('mine');
});`;

const MODULES = `import net from 'node:net'; import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';`;
const REQUIRES = `const net = require('node:net'); const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');`;

/** A project with one test file; returns what the runner said. */
function run(
  name: string,
  files: Readonly<Record<string, string>>,
  command: readonly string[],
): Promise<string> {
  const folder = join(root, name);
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  symlinkSync(resolve('.'), join(folder, 'node_modules', 'warren'), 'junction');
  symlinkSync(resolve('node_modules/jest'), join(folder, 'node_modules', 'jest'), 'junction');
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, command, { cwd: folder, env: { ...env, CI: '1' } });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (d) => {
      said += d;
    });
  const timer = setTimeout(() => child.kill('SIGKILL'), 120_000);
  return new Promise((done) => {
    child.on('close', (code) => {
      clearTimeout(timer);
      done(`${stripVTControlCharacters(said)}\nexit ${code}`);
    });
  });
}

function check(said: string, replay: string): void {
  assert.match(said, /2 failed.*1 passed/);
  assert.match(said, /connect ECONNREFUSED 10\.0\.0\.2:80/);
  assert.match(said, /mine/);
  assert.ok(said.includes(`replay   WARREN_SEED=1 ${replay}`), said);
  assert.match(said, /exit 1$/);
}

test('vitest', async () => {
  const imports = `${MODULES} import { expect, netTest } from 'warren/vitest';`;
  const vitest = resolve('node_modules/vitest/vitest.mjs');
  check(
    await run('vitest', { 'a.test.mjs': imports + BODY }, [vitest, 'run', '--pool=threads']),
    'npx vitest run',
  );
});

const JEST = resolve('node_modules/jest/bin/jest.js');

test('jest, a CommonJS file', async () => {
  const config = '{ "jest": { "testEnvironment": "warren/jest-environment" } }';
  const files = { 'package.json': config, 'a.test.js': REQUIRES + BODY };
  check(await run('commonjs', files, [JEST, '--ci']), 'npx jest');
});

test('jest, an ES module', async () => {
  const config =
    '{ "jest": { "testEnvironment": "warren/jest-environment", "testMatch": ["**/*.mjs"] } }';
  const imports = `${MODULES} import { netTest } from 'warren/jest';`;
  const files = { 'package.json': config, 'a.mjs': imports + BODY };
  const command = ['--experimental-vm-modules', JEST, '--ci'];
  check(await run('modules', files, command), 'npx jest');
});

test('jest without the environment is told which', async () => {
  const config = '{ "jest": { "testMatch": ["**/*.mjs"] } }';
  const files = { 'package.json': config, 'a.mjs': "import 'warren/jest'" };
  const said = await run('without', files, ['--experimental-vm-modules', JEST, '--ci']);
  assert.match(said, /testEnvironment: 'warren\/jest-environment'/);
});
