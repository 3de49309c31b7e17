/**
 * Packs the project as npm would publish it, installs the tarball in an empty folder without
 * development dependencies, and uses it there as a stranger would: imports every export, starts the
 * command, type-checks a small consumer. `npm run test:pack`.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** @type {{ version: string, exports: Record<string, unknown> }} */
const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'warren-pack-'));
let failed = 0;
let passed = 0;
try {
  install();
  for (const path of Object.keys(manifest.exports)) importOne(`warren${path.slice(1)}`);
  expect('require("warren/core")', node(['-e', 'require("warren/core")']));
  command();
  typeCheck('nodenext', { module: 'nodenext', types: ['node'] }, Object.keys(manifest.exports));
  const universal = ['./core', './app', './tools', './sim', './lab'];
  typeCheck('bundler', { module: 'esnext', moduleResolution: 'bundler', types: [] }, universal);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`pack-test: ${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

/**
 * @param {string} name
 * @param {string | undefined} problem
 */
function expect(name, problem) {
  if (problem === undefined) passed++;
  else failed++;
  console.log(problem === undefined ? `✔ ${name}` : `✖ ${name}\n${problem}`);
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {string} cwd
 * @returns {{ problem: string | undefined, stdout: string }}
 */
function run(program, args, cwd = folder) {
  const shell = process.platform === 'win32' && program === 'npm';
  const child = spawnSync(program, args, { cwd, encoding: 'utf8', shell, timeout: 120_000 });
  const problem = `${child.stdout}${child.stderr}${child.error ?? ''}`;
  return { problem: child.status === 0 ? undefined : problem, stdout: child.stdout };
}

/**
 * @param {string[]} args
 * @returns {string | undefined} what went wrong
 */
function node(args) {
  return run(process.execPath, ['--disable-warning=ExperimentalWarning', ...args]).problem;
}

function install() {
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const packed = run('npm', pack, '.');
  expect('npm pack', packed.problem);
  const output = JSON.parse(packed.stdout);
  /** @type {{ filename: string, files: { path: string }[] }} */
  const tarball = Array.isArray(output) ? output[0] : Object.values(output)[0];
  const odd = tarball.files.map((f) => f.path).filter((f) => /\.test\.|tsbuildinfo|^src\//.test(f));
  expect('the tarball holds no tests and no sources', odd.length > 0 ? odd.join('\n') : undefined);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }\n');
  const flags = ['--omit=dev', '--prefer-offline', '--no-audit', '--no-fund'];
  expect('npm install', run('npm', ['install', ...flags, `./${tarball.filename}`]).problem);
}

/** @param {string} specifier */
function importOne(specifier) {
  const json = specifier.endsWith('.json') ? ", { with: { type: 'json' } }" : '';
  const problem = node(['--input-type=module', '-e', importing(specifier, json)]);
  // The runners are the consumer's own: without them the import names what is missing.
  const runner = { 'warren/vitest': 'vitest', 'warren/jest-environment': 'jest' }[specifier];
  if (runner !== undefined) {
    const clear = new RegExp(`Cannot find (package|module) '${runner}`).test(`${problem}`);
    expect(`import ${specifier} without ${runner} names it`, clear ? undefined : `${problem}`);
  } else expect(`import ${specifier}`, problem);
}

/**
 * @param {string} specifier
 * @param {string} json
 * @returns {string} a program that imports it
 */
function importing(specifier, json) {
  // What jest puts there.
  const globals = specifier === 'warren/jest' ? 'globalThis.netTest = () => {};' : '';
  return `${globals} const m = await import('${specifier}'${json});
    if (Object.keys(m).length === 0 && !/register$|netns$/.test('${specifier}')) throw new Error('empty')
    process.exit(0)`;
}

function command() {
  const { problem, stdout } = run('npm', ['exec', '--no', '--', 'warren', '--version']);
  const wrong = stdout.includes(manifest.version) ? undefined : `printed ${stdout}`;
  expect('warren --version', problem ?? wrong);
}

/**
 * @param {string} name
 * @param {object} options
 * @param {string[]} paths
 */
function typeCheck(name, options, paths) {
  const consumer = join(folder, name);
  mkdirSync(consumer);
  const specifiers = paths.filter((p) => !p.endsWith('.json')).map((p) => `warren${p.slice(1)}`);
  const imports = specifiers.map((s, i) => `import * as m${i} from '${s}';`);
  const uses = specifiers.map((_, i) => `m${i}`).join(', ');
  writeFileSync(
    join(consumer, 'consumer.ts'),
    `${imports.join('\n')}\nexport const all: object[] = [${uses}];\n`,
  );
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    typeRoots: [resolve('node_modules/@types')],
    ...options,
  };
  writeFileSync(join(consumer, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  const tsc = resolve('node_modules/typescript/bin/tsc');
  expect(`types for a consumer (${name})`, node([tsc, '-p', consumer]));
}
