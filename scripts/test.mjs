/**
 * Runs the tests. Arguments filter by path: `npm test -- tcp udp`. All `*.test.ts` files share one
 * process (a process per file takes ten times as long); each `*.proc.test.ts` has its own, because
 * it patches Node's globals. Node >= 22.18 reads TypeScript itself; for older Nodes the tests are
 * compiled to build/ first. The working directory is the project's root in either case.
 *
 * WARREN_TEST_NODE     another Node executable to run the tests with
 * WARREN_TEST_TIMEOUT  seconds for the shared process (default 600)
 * WARREN_TEST_JOBS     processes at the same time (default: 4, or fewer processors)
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, NODE_FLAGS, runnable, runsTypeScript } from './runtime.mjs';

/**
 * @typedef {import('./totals-reporter.mjs').Totals} Totals
 * @typedef {{ files: string[], exit: number | string | null, totals: Totals | undefined }} Outcome
 */

const node = process.env['WARREN_TEST_NODE'] ?? process.execPath;
const native = runsTypeScript(node);
const scratch = mkdtempSync(join(tmpdir(), 'warren-test-'));
const started = performance.now();
process.exitCode = await main(process.argv.slice(2).filter((a) => !a.startsWith('-')));
rmSync(scratch, { recursive: true, force: true });

/**
 * @param {string[]} filters
 * @returns {Promise<number>} exit code
 */
async function main(filters) {
  const files = testFiles(filters);
  if (files.length === 0) {
    console.error(`no test files match: ${filters.join(' ') || '(no filter)'}`);
    return 1;
  }
  if (!compile(files)) return 1;
  const own = files.filter((f) => f.endsWith('.proc.test.ts'));
  const shared = files.filter((f) => !f.endsWith('.proc.test.ts'));
  // The shared process first: it takes longest.
  const all = own.map((file) => [file]);
  return summary(await runAll(shared.length > 0 ? [shared, ...all] : all));
}

/**
 * @param {string[]} filters
 * @returns {string[]}
 */
function testFiles(filters) {
  return ['src', 'test']
    .filter((dir) => existsSync(dir))
    .flatMap((dir) =>
      readdirSync(dir, { recursive: true, encoding: 'utf8' }).map(
        (f) => `${dir}/${f.replaceAll('\\', '/')}`,
      ),
    )
    .filter((f) => f.endsWith('.test.ts') && !f.startsWith('test/browser/'))
    .filter((f) => filters.length === 0 || filters.some((x) => f.includes(x)))
    .sort();
}

/**
 * Brings dist/ up to date (tests of the command start it), and build/ where Node needs it. A type
 * error does not stop the tests, since tsc emits all the same: `npm run check` is where types fail.
 * @param {string[]} files
 * @returns {boolean}
 */
function compile(files) {
  const projects = native ? ['src'] : ['src', 'test'];
  if (process.env['WARREN_NO_BUILD'] === undefined && !build(projects))
    console.error('type errors above; running the tests all the same');
  const missing = files.map((f) => runnable(f, native)).filter((f) => !existsSync(f));
  for (const f of missing) console.error(`was not compiled: ${f}`);
  return missing.length === 0;
}

/**
 * @param {string[][]} processes the files of each
 * @returns {Promise<Outcome[]>}
 */
async function runAll(processes) {
  const jobs = Number(process.env['WARREN_TEST_JOBS'] ?? Math.min(4, availableParallelism()));
  const queue = [...processes];
  /** @type {Outcome[]} */
  const outcomes = [];
  const worker = async () => {
    for (let files = queue.shift(); files !== undefined; files = queue.shift())
      outcomes.push(await run(files, files[0]?.endsWith('.proc.test.ts') === true));
  };
  await Promise.all(Array.from({ length: Math.max(1, jobs) }, worker));
  return outcomes;
}

/**
 * Runs test files in one child process.
 * @param {string[]} files
 * @param {boolean} own a process of its own: its output is held back until it ends
 * @returns {Promise<Outcome>}
 */
function run(files, own) {
  const result = join(scratch, `${files[0]?.replaceAll('/', '_')}.json`);
  const reporter = process.env['CI'] === undefined ? 'spec' : 'dot';
  const flags = [
    ...NODE_FLAGS,
    `--test-reporter=${reporter}`,
    '--test-reporter-destination=stdout',
    '--test-reporter=./scripts/totals-reporter.mjs',
    `--test-reporter-destination=${result}`,
  ];
  const child = spawn(node, [...flags, 'scripts/test-process.mjs'], {
    stdio: ['ignore', own ? 'pipe' : 'inherit', own ? 'pipe' : 'inherit'],
    env: {
      ...process.env,
      WARREN_TEST_FILES: JSON.stringify(files.map((f) => runnable(f, native))),
    },
  });
  /** @type {Buffer[]} */
  const output = [];
  child.stdout?.on('data', (chunk) => output.push(chunk));
  child.stderr?.on('data', (chunk) => output.push(chunk));
  const seconds = Number(process.env['WARREN_TEST_TIMEOUT'] ?? 600);
  const term = setTimeout(() => child.kill('SIGTERM'), seconds * 1000);
  const kill = setTimeout(() => child.kill('SIGKILL'), (seconds + 5) * 1000);
  return new Promise((resolve) => {
    child.on('close', (exit, signal) => {
      clearTimeout(term);
      clearTimeout(kill);
      if (own) process.stdout.write(`\n── ${files[0]}\n${Buffer.concat(output)}`);
      resolve({ files, exit: exit ?? signal, totals: readTotals(result) });
    });
  });
}

/**
 * @param {string} file
 * @returns {Totals | undefined} nothing if the process died before its end
 */
function readTotals(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Prints the sums in the form of node:test's own summary.
 * @param {Outcome[]} outcomes
 * @returns {number} exit code
 */
function summary(outcomes) {
  const sum = { tests: 0, pass: 0, fail: 0, skipped: 0, todo: 0 };
  const problems = [];
  for (const { files, exit, totals } of outcomes) {
    const name = files.length === 1 ? files[0] : `${files.length} files`;
    if (totals !== undefined) {
      for (const key of /** @type {(keyof typeof sum)[]} */ (Object.keys(sum)))
        sum[key] += totals[key];
      problems.push(...totals.failed);
      if (totals.tests === 0) problems.push(`${name}: no tests`);
    }
    const died = totals === undefined || (exit !== 0 && totals.failed.length === 0);
    if (died) {
      sum.tests++;
      sum.fail++;
      problems.push(`${name}: the process ended with ${exit}`);
    }
  }
  if (problems.length > 0) console.log(`\nfailed:\n${problems.map((p) => `  ${p}`).join('\n')}`);
  console.log(`\nall ${outcomes.length} processes:`);
  for (const [key, value] of Object.entries(sum)) console.log(`ℹ ${key} ${value}`);
  console.log(`ℹ duration_ms ${Math.round(performance.now() - started)}`);
  return problems.length > 0 || sum.tests === 0 ? 1 : 0;
}
