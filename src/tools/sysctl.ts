/** `sysctl` (procps-ng) over the sysctls of a namespace. */

import type { ToolContext, ToolResult } from '../core/control/ip/ip.ts';
import { NetError } from '../core/index.ts';

interface Options {
  write: boolean;
  all: boolean;
  /** `-n`: values only. */
  values: boolean;
  /** `-N`: names only. */
  names: boolean;
  quiet: boolean;
  /** `-e`: unknown names are no errors. */
  ignore: boolean;
  pattern: RegExp | undefined;
}

const USAGE = `Usage:
 sysctl [options] [variable[=value] ...]

Options:
  -a, --all      display all variables
  -e, --ignore   ignore unknown variables errors
  -N, --names    print variable names without values
  -n, --values   print only values of the given variable(s)
  -q, --quiet    do not echo variable set
  -r, --pattern  select setting that match expression
  -w, --write    enable writing a value to variable
`;

const LONG: Readonly<Record<string, string>> = {
  '--all': 'a',
  '--ignore': 'e',
  '--names': 'N',
  '--values': 'n',
  '--quiet': 'q',
  '--pattern': 'r',
  '--write': 'w',
};

/** Runs `sysctl` with the words that follow its name. */
export function sysctlTool(ctx: ToolContext, argv: readonly string[]): ToolResult {
  const options: Options = {
    write: false,
    all: false,
    values: false,
    names: false,
    quiet: false,
    ignore: false,
    pattern: undefined,
  };
  const variables: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    if (!word.startsWith('-')) variables.push(word);
    else if (!setOption(options, word, () => argv[++i] ?? ''))
      return {
        stdout: '',
        stderr: `sysctl: ${word} is not implemented here; the options are -a -e -N -n -q -r -w\n`,
        code: 1,
      };
  }
  if (!options.all && variables.length === 0) return { stdout: `\n${USAGE}`, stderr: '', code: 1 };
  return run(ctx, options, variables);
}

function setOption(o: Options, word: string, value: () => string): boolean {
  const long = LONG[word];
  const letters = long ?? (word.startsWith('--') ? '?' : word.slice(1));
  for (const letter of letters) {
    if (letter === 'w') o.write = true;
    else if (letter === 'a' || letter === 'A' || letter === 'X') o.all = true;
    else if (letter === 'n') o.values = true;
    else if (letter === 'N') o.names = true;
    else if (letter === 'q') o.quiet = true;
    else if (letter === 'e') o.ignore = true;
    else if (letter === 'r') o.pattern = new RegExp(value());
    else return false;
  }
  return true;
}

/** What the variables gave, in order. */
interface Outcome {
  stdout: string;
  stderr: string;
  code: number;
}

function run(ctx: ToolContext, o: Options, variables: readonly string[]): ToolResult {
  const out: Outcome = { stdout: '', stderr: '', code: 0 };
  if (o.all) showAll(ctx, o, '', out);
  variables.forEach((word, i) => {
    try {
      if (word.includes('=')) assign(ctx, o, word, out);
      else if (o.write) {
        out.stderr += `sysctl: command line(${i}): invalid syntax, continuing...\n`;
        out.code = 1;
      } else show(ctx, o, word, out);
    } catch (e) {
      if (!(e instanceof NetError)) throw e;
      if (o.ignore && e.code === 'ENOENT' && e.detail.startsWith('cannot stat')) return;
      out.stderr += `sysctl: ${e.detail}\n`;
      out.code = 1;
    }
  });
  return out;
}

function assign(ctx: ToolContext, o: Options, word: string, out: Outcome): void {
  const at = word.indexOf('=');
  const name = dotted(word.slice(0, at).trim());
  const value = word.slice(at + 1).trim();
  ctx.ns.sysctl.set(name, value);
  if (!o.quiet) out.stdout += line(o, name, value);
}

/** One variable, or all of a directory. */
function show(ctx: ToolContext, o: Options, word: string, out: Outcome): void {
  const name = dotted(word);
  const inside = ctx.ns.sysctl.list(name);
  if (inside.size > 0 && !inside.has(name)) showAll(ctx, o, name, out);
  else out.stdout += line(o, name, ctx.ns.sysctl.get(name));
}

function showAll(ctx: ToolContext, o: Options, prefix: string, out: Outcome): void {
  for (const [name, value] of ctx.ns.sysctl.list(prefix))
    if (o.pattern === undefined || o.pattern.test(name)) out.stdout += line(o, name, value);
}

function line(o: Options, name: string, value: string): string {
  if (o.names) return `${name}\n`;
  return o.values ? `${value}\n` : `${name} = ${value}\n`;
}

/** `net/ipv4/x` is `net.ipv4.x`. */
function dotted(name: string): string {
  if (/[./]/.exec(name)?.[0] !== '/') return name;
  return name.replace(/[./]/g, (c) => (c === '/' ? '.' : '/'));
}
