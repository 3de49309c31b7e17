/**
 * `warren packetdrill`: runs scripts in virtual time against Warren, or in real time against the kernel it
 * runs on. Exit codes: 0 all passed, 1 some failed, 2 a script or the command line is not understood.
 */
import { readFileSync } from 'node:fs';
import { NetError } from '../core/errno.ts';
import { LinuxTargetError, runScripts } from '../linux/index.ts';
import {
  compileScript,
  configure,
  formatFailure,
  parseScript,
  type RunResult,
  runScript,
  ScriptError,
  type ScriptOption,
  warrenTarget,
} from '../sim/index.ts';

const USAGE = `usage: warren packetdrill [OPTION]… FILE…

  --on warren|linux      what the scripts run against (warren)
  -D SYM=VALUE           what a word in the scripts stands for (also --define=SYM=VALUE)
  --dry_run              only read the scripts
  -v, --verbose          show every packet
  -q, --quiet            show failures only
  -j N, --jobs=N         scripts at the same time, with --on linux (1)
  --attempts=N           how often a script that fails there is run at most (3)
  --seed=N               seed of everything random in Warren (1)

and packetdrill's own options, which rule over those in the scripts:
  --ip_version=ipv4|ipv4-mapped-ipv6|ipv6  --local_ip --remote_ip --gateway_ip --netmask_ip
  --bind_port --connect_port --mtu --mss --tolerance_usecs --tolerance_percent
  --tcp_ts_tick_usecs --strict_segments --send_omit_free
`;

interface Options {
  on: 'warren' | 'linux';
  readonly defines: Map<string, string>;
  dryRun: boolean;
  verbose: boolean;
  quiet: boolean;
  seed: number;
  jobs: number;
  attempts: number;
  readonly script: ScriptOption[];
  readonly files: string[];
}

class UsageError extends Error {}

/** Options of ours and of the command line: not the scripts'. */
const NO_POSITION = { line: 0, column: 0 };

export async function packetdrill(argv: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = readOptions(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`warren packetdrill: ${error.message}\n`);
    return 2;
  }
  if (options.files.length === 0) {
    process.stderr.write(USAGE);
    return 2;
  }
  const counts = { passed: 0, failed: 0, broken: 0 };
  try {
    for await (const verdict of verdicts(options)) counts[verdict]++;
  } catch (error) {
    if (!(error instanceof LinuxTargetError)) throw error;
    process.stderr.write(`warren packetdrill: ${error.message}\n`);
    return 2;
  }
  if (options.files.length > 1) {
    const { passed, failed, broken } = counts;
    const rest = broken > 0 ? `, ${broken} not understood` : '';
    process.stdout.write(`${passed} passed, ${failed} failed${rest}\n`);
  }
  if (counts.broken > 0) return 2;
  return counts.failed > 0 ? 1 : 0;
}

type Verdict = 'passed' | 'failed' | 'broken';

async function* verdicts(options: Options): AsyncGenerator<Verdict> {
  if (options.on === 'warren' || options.dryRun) {
    for (const file of options.files) yield await runFile(file, options);
    return;
  }
  const { files, defines, script, seed, jobs, attempts } = options;
  const settings = { defines, options: script, seed, jobs, attempts };
  const run = options.verbose ? { ...settings, trace } : settings;
  for await (const outcome of runScripts(files, run)) {
    if (outcome.kind === 'ran') yield report(outcome.result, options, outcome.attempts);
    else {
      process.stderr.write(`${outcome.message}\n`);
      yield 'broken';
    }
  }
}

function trace(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function runFile(file: string, options: Options): Promise<Verdict> {
  try {
    const script = parseScript(file, readFileSync(file, 'utf8'), options.defines, options.script);
    const config = configure(script, options.script, options.seed);
    const run = options.verbose ? { trace } : {};
    if (options.dryRun) {
      compileScript(script, config);
      if (!options.quiet) process.stdout.write(`ok ${file}\n`);
      return 'passed';
    }
    return report(await runScript(script, config, warrenTarget, run), options);
  } catch (error) {
    if (error instanceof ScriptError) process.stderr.write(`${error.message}\n`);
    else if (error instanceof NetError) process.stderr.write(`${file}: ${error.detail}\n`);
    else if (isFileError(error)) process.stderr.write(`${file}: ${error.message}\n`);
    else throw error;
    return 'broken';
  }
}

function isFileError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    ['ENOENT', 'EISDIR', 'EACCES'].includes(String((error as { code?: unknown }).code))
  );
}

function report(result: RunResult, options: Options, attempts = 1): Verdict {
  for (const line of result.printed) process.stdout.write(`${line}\n`);
  if (result.failure !== null) {
    process.stdout.write(`not ok ${result.file}\n${formatFailure(result)}\n`);
    return 'failed';
  }
  const again = attempts > 1 ? ` (attempt ${attempts})` : '';
  if (!options.quiet) process.stdout.write(`ok ${result.file}${again}\n`);
  return 'passed';
}

function readOptions(argv: readonly string[]): Options {
  const o: Options = {
    on: 'warren',
    defines: new Map(),
    dryRun: false,
    verbose: false,
    quiet: false,
    seed: 1,
    jobs: 1,
    attempts: 3,
    script: [],
    files: [],
  };
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    if (!word.startsWith('-') || word === '-') {
      o.files.push(word);
      continue;
    }
    const [name = '', ...rest] = word.split('=');
    const inline = rest.length > 0 ? rest.join('=') : null;
    readOption(o, name, inline, () => argv[++i] ?? fail(`${name} needs a value`));
  }
  return o;
}

function fail(message: string): never {
  throw new UsageError(message);
}

function readOption(o: Options, name: string, inline: string | null, next: () => string): void {
  switch (name) {
    case '--on': {
      const on = inline ?? next();
      if (on !== 'warren' && on !== 'linux') fail('--on is warren or linux');
      o.on = on as Options['on'];
      return;
    }
    case '--define':
    case '-D':
      define(o, inline ?? next());
      return;
    case '--dry_run':
      o.dryRun = true;
      return;
    case '-v':
    case '--verbose':
      o.verbose = true;
      return;
    case '-q':
    case '--quiet':
      o.quiet = true;
      return;
    case '-j':
    case '--jobs':
      o.jobs = count(name, inline ?? next());
      return;
    case '--attempts':
      o.attempts = count(name, inline ?? next());
      return;
    case '--seed':
      o.seed = Number(inline ?? next());
      if (!Number.isInteger(o.seed)) fail('--seed is a whole number');
      return;
    default:
      if (name.startsWith('-D')) define(o, `${name.slice(2)}=${inline ?? ''}`);
      else if (name.startsWith('--'))
        o.script.push({ name: name.slice(2), value: inline, position: NO_POSITION });
      else fail(`${name} is no option`);
  }
}

function count(name: string, text: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1) fail(`${name} is a whole number from 1 on`);
  return n;
}

function define(o: Options, text: string): void {
  const at = text.indexOf('=');
  if (at <= 0) fail('-D wants SYM=VALUE');
  o.defines.set(text.slice(0, at), text.slice(at + 1));
}
