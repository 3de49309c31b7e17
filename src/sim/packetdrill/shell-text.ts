/** Programs that make text of text, as far as commands in scripts use them (POSIX XCU §4). */
import { ShellSyntaxError } from './shell-parse.ts';
import type { ProgramResult, ShellHost } from './shell-run.ts';

type Program = (args: readonly string[], input: string, host: ShellHost) => ProgramResult;

function ok(output: string): ProgramResult {
  return { status: 0, output };
}

/** Lines without their ends. */
function lines(text: string): string[] {
  const out = text.split('\n');
  if (out.at(-1) === '') out.pop();
  return out;
}

function joined(list: readonly string[]): string {
  return list.map((l) => `${l}\n`).join('');
}

function refuse(name: string, what: string): never {
  throw new ShellSyntaxError(`"${name} ${what}" is not known to Warren`);
}

function expressionOf(name: string, source: string, flags = ''): RegExp {
  try {
    return new RegExp(source, flags);
  } catch {
    return refuse(name, source);
  }
}

/** Options of one letter, with and without value, and what is left. */
function split(
  name: string,
  args: readonly string[],
  flags: string,
  valued: string,
): { readonly on: Set<string>; readonly values: Map<string, string>; readonly rest: string[] } {
  const on = new Set<string>();
  const values = new Map<string, string>();
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (!/^-[A-Za-z0-9]/.test(arg)) {
      if (arg !== '--') rest.push(arg);
      continue;
    }
    for (let j = 1; j < arg.length; j++) {
      const letter = arg[j] as string;
      if (valued.includes(letter)) {
        values.set(letter, arg.slice(j + 1) || (args[++i] ?? ''));
        break;
      }
      if (!flags.includes(letter)) refuse(name, arg);
      on.add(letter);
    }
  }
  return { on, values, rest };
}

function textOf(files: readonly string[], input: string, host: ShellHost): string {
  if (files.length === 0) return input;
  return files.map((f) => (f === '-' ? input : host.readFile(f))).join('');
}

/** Suffixes of sizes. */
function bytesOf(text: string): number {
  const m = /^(\d+)([kKMG]?)(?:i?B)?$/.exec(text);
  if (m === null) return Number.NaN;
  const unit = { '': 1, k: 1024, K: 1024, M: 1 << 20, G: 1 << 30 }[m[2] ?? ''] ?? 1;
  return Number(m[1]) * unit;
}

const grep: Program = (args, input, host) => {
  const { on, values, rest } = split('grep', args, 'qcvEFPiwoxshn', 'em');
  const given = values.get('e');
  const [pattern = '', ...files] = given === undefined ? rest : [given, ...rest];
  const source = on.has('F') ? pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : basic(pattern, on);
  const word = on.has('x') ? `^(?:${source})$` : on.has('w') ? `\\b(?:${source})\\b` : source;
  const flags = on.has('i') ? 'gi' : 'g';
  const test = expressionOf('grep', word, flags.slice(1));
  const found: string[] = [];
  lines(textOf(files, input, host)).forEach((line, i) => {
    if (test.test(line) === on.has('v')) return;
    const prefix = on.has('n') ? `${i + 1}:` : '';
    if (on.has('o'))
      for (const m of line.matchAll(new RegExp(word, flags))) found.push(prefix + m[0]);
    else found.push(prefix + line);
  });
  const shown = found.slice(0, Number(values.get('m') ?? found.length));
  const status = found.length > 0 ? 0 : 1;
  if (on.has('q')) return { status, output: '' };
  return { status, output: on.has('c') ? `${found.length}\n` : joined(shown) };
};

/** A basic expression as an extended one: there `\+`, `\|`, `\(`, `\{` are what `+`, `|`, `(`, `{` are here. */
function basic(pattern: string, on: ReadonlySet<string>): string {
  const classes = pattern
    .replaceAll('[:digit:]', '0-9')
    .replaceAll('[:space:]', '\\s')
    .replaceAll('[:alpha:]', 'A-Za-z')
    .replaceAll('[:alnum:]', 'A-Za-z0-9');
  if (on.has('E') || on.has('P')) return classes;
  return classes.replace(/\\?[+?|(){}]/g, (c) => (c.length === 2 ? c.slice(1) : `\\${c}`));
}

const head: Program = (args, input, host) => {
  const short = args.map((a) => (/^-\d+$/.test(a) ? `-n${a.slice(1)}` : a));
  const { values, rest } = split('head', short, 'q', 'nc');
  const bytes = values.get('c');
  const isDevice = rest.some((f) => f.startsWith('/dev/'));
  if (bytes !== undefined) {
    if (isDevice) return ok('\0'.repeat(bytesOf(bytes)));
    return ok(textOf(rest, input, host).slice(0, bytesOf(bytes)));
  }
  return ok(joined(lines(textOf(rest, input, host)).slice(0, Number(values.get('n') ?? 10))));
};

const tail: Program = (args, input, host) => {
  const short = args.map((a) => (/^-\d+$/.test(a) ? `-n${a.slice(1)}` : a));
  const { values, rest } = split('tail', short, 'q', 'nc');
  const n = values.get('n') ?? '10';
  const all = lines(textOf(rest, input, host));
  return ok(joined(n.startsWith('+') ? all.slice(Number(n) - 1) : all.slice(-Number(n))));
};

const wc: Program = (args, input, host) => {
  const { on, rest } = split('wc', args, 'lwc', '');
  const text = textOf(rest, input, host);
  const counts: string[] = [];
  if (on.size === 0 || on.has('l')) counts.push(String(text.split('\n').length - 1));
  if (on.size === 0 || on.has('w'))
    counts.push(String(text.split(/\s+/).filter((w) => w !== '').length));
  if (on.size === 0 || on.has('c')) counts.push(String(text.length));
  return ok(`${[...counts, ...rest].join(' ')}\n`);
};

const cut: Program = (args, input, host) => {
  const { values, on, rest } = split('cut', args, 's', 'dfc');
  const delimiter = values.get('d') ?? '\t';
  const list = values.get('f') ?? values.get('c') ?? '';
  const wanted = (n: number): boolean =>
    list.split(',').some((part) => {
      const [from = '', to = from] = part.split('-');
      return n >= Number(from || 1) && n <= Number(to || (part.includes('-') ? 1e9 : from));
    });
  const out = lines(textOf(rest, input, host)).flatMap((line) => {
    if (values.has('c')) return [[...line].filter((_, i) => wanted(i + 1)).join('')];
    if (!line.includes(delimiter)) return on.has('s') ? [] : [line];
    const fields = line.split(delimiter).filter((_, i) => wanted(i + 1));
    return [fields.join(delimiter)];
  });
  return ok(joined(out));
};

const tr: Program = (args, input) => {
  const { on, rest } = split('tr', args, 'ds', '');
  const set = (text: string): string =>
    text
      .replace(/\\n/g, '\n')
      .replace(/\\t/g, '\t')
      .replace(/\[:space:\]/g, ' \t\n')
      .replace(/\[:digit:\]/g, '0123456789')
      .replace(/(.)-(.)/g, (_, a: string, b: string) => {
        let all = '';
        for (let c = a.charCodeAt(0); c <= b.charCodeAt(0); c++) all += String.fromCharCode(c);
        return all;
      });
  const from = set(rest[0] ?? '');
  const to = set(rest[1] ?? '');
  let out = '';
  for (const c of input) {
    const at = from.indexOf(c);
    if (at >= 0 && on.has('d')) continue;
    const put = at < 0 || to === '' ? c : (to[Math.min(at, to.length - 1)] as string);
    const isSqueezed = on.has('s') && out.endsWith(put) && (to === '' ? from : to).includes(put);
    if (!isSqueezed) out += put;
  }
  return ok(out);
};

const sort: Program = (args, input, host) => {
  const { on, rest } = split('sort', args, 'nru', '');
  const all = lines(textOf(rest, input, host)).sort((a, b) =>
    on.has('n') ? Number.parseFloat(a) - Number.parseFloat(b) : a < b ? -1 : a > b ? 1 : 0,
  );
  if (on.has('r')) all.reverse();
  return ok(joined(on.has('u') ? [...new Set(all)] : all));
};

const uniq: Program = (args, input, host) => {
  const { on, rest } = split('uniq', args, 'c', '');
  const out: { line: string; n: number }[] = [];
  for (const line of lines(textOf(rest, input, host))) {
    const last = out.at(-1);
    if (last?.line === line) last.n++;
    else out.push({ line, n: 1 });
  }
  return ok(
    joined(out.map(({ line, n }) => (on.has('c') ? `${String(n).padStart(7)} ${line}` : line))),
  );
};

/** `awk '{print $2}'`, `awk '/x/ {print $1, $NF}'`, with `-F`. */
const awk: Program = (args, input, host) => {
  const { values, rest } = split('awk', args, '', 'F');
  const [program = '', ...files] = rest;
  const m = /^\s*(?:\/((?:[^/\\]|\\.)*)\/)?\s*(?:\{\s*print\s*([^}]*?)\s*;?\s*\})?\s*$/.exec(
    program,
  );
  if (m === null) return refuse('awk', program);
  const separator = values.get('F');
  const items = m[2] === undefined || m[2] === '' ? ['$0'] : m[2].split(/\s*,\s*/);
  const out = lines(textOf(files, input, host)).flatMap((line) => {
    if (m[1] !== undefined && !expressionOf('awk', m[1]).test(line)) return [];
    const fields = separator === undefined ? line.trim().split(/\s+/) : line.split(separator);
    const value = (item: string): string => {
      if (item === '$0') return line;
      if (item === '$NF') return fields.at(-1) ?? '';
      if (item === 'NF') return String(fields.length);
      if (/^\$\d+$/.test(item)) return fields[Number(item.slice(1)) - 1] ?? '';
      return /^".*"$/.test(item) ? item.slice(1, -1) : refuse('awk', program);
    };
    return [
      items
        .map((item) =>
          item
            .split(/\s+(?=[$"])/)
            .map(value)
            .join(''),
        )
        .join(' '),
    ];
  });
  return ok(joined(out));
};

/** `sed 's/a/b/g'`, `sed -n 2p`, `sed -n '/x/p'`, `sed 1d` */
const sed: Program = (args, input, host) => {
  const { on, values, rest } = split('sed', args, 'nEr', 'e');
  const given = values.get('e');
  const [script = '', ...files] = given === undefined ? rest : [given, ...rest];
  const extended = new Set(on.has('E') || on.has('r') ? ['E'] : []);
  const swap = /^s(.)((?:(?!\1)[^\\]|\\.)*)\1((?:(?!\1)[^\\]|\\.)*)\1([gip]*)$/.exec(script);
  const pick = /^(?:(\d+)|\/((?:[^/\\]|\\.)*)\/)([pd])$/.exec(script);
  const all = lines(textOf(files, input, host));
  if (swap !== null) {
    const [, , from = '', to = '', flags = ''] = swap;
    const letters = [...new Set(flags)].filter((c) => c !== 'p').join('');
    const pattern = expressionOf('sed', basic(from, extended), letters);
    const by = to
      .replace(/\$/g, '$$$$')
      .replace(/\\(\d)/g, '$$$1')
      .replace(/(?<!\\)&/g, '$$&');
    const changed = all.map((l) => l.replace(pattern, by));
    if (!on.has('n')) return ok(joined(changed));
    return ok(joined(changed.filter((l, i) => flags.includes('p') && l !== all[i])));
  }
  if (pick === null) return refuse('sed', script);
  const [, line, pattern, verb] = pick;
  const fits = (text: string, i: number): boolean =>
    line === undefined
      ? expressionOf('sed', basic(pattern ?? '', extended)).test(text)
      : Number(line) === i + 1;
  return ok(
    joined(all.filter((l, i) => (verb === 'd' ? !fits(l, i) : fits(l, i) || !on.has('n')))),
  );
};

const seq: Program = (args) => {
  const n = args.map(Number);
  const [first = 1, step = 1, last = 1] =
    n.length === 1 ? [1, 1, n[0]] : n.length === 2 ? [n[0], 1, n[1]] : n;
  const out: string[] = [];
  for (let i = first; step > 0 ? i <= last : step < 0 && i >= last; i += step)
    if (out.push(String(i)) > 100_000) break;
  return ok(joined(out));
};

const printf: Program = ([format = '', ...args]) => {
  const rest = [...args];
  let out = '';
  let left: number;
  do {
    left = rest.length;
    out += format
      .replace(/\\n/g, '\n')
      .replace(/\\t/g, '\t')
      .replace(/\\x([0-9a-fA-F]{1,2})/g, (_, h: string) =>
        String.fromCharCode(Number.parseInt(h, 16)),
      )
      .replace(/\\0/g, '\0')
      .replace(/%(-?\d*)([sdcxu%])/g, (_, width: string, kind: string) => {
        if (kind === '%') return '%';
        const word = rest.shift() ?? '';
        const text = kind === 'x' ? Number(word).toString(16) : word;
        const size = Math.abs(Number(width || 0));
        return width.startsWith('-') ? text.padEnd(size) : text.padStart(size);
      });
    // A format that takes no words is printed once.
  } while (rest.length > 0 && rest.length < left);
  return ok(out);
};

const echo: Program = (args) => {
  const isOption = (a: string | undefined): boolean => a !== undefined && /^-[neE]+$/.test(a);
  let i = 0;
  while (isOption(args[i])) i++;
  const letters = args.slice(0, i).join('');
  let text = args.slice(i).join(' ');
  if (letters.includes('e')) text = text.replace(/\\n/g, '\n').replace(/\\t/g, '\t');
  return ok(letters.includes('n') ? text : `${text}\n`);
};

export const TEXT_PROGRAMS: Readonly<Record<string, Program>> = {
  grep,
  egrep: (args, input, host) => grep(['-E', ...args], input, host),
  fgrep: (args, input, host) => grep(['-F', ...args], input, host),
  head,
  tail,
  wc,
  cut,
  tr,
  sort,
  uniq,
  awk,
  gawk: awk,
  sed,
  seq,
  printf,
  echo,
  cat: (args, input, host) =>
    ok(
      textOf(
        args.filter((a) => a === '-' || !a.startsWith('-')),
        input,
        host,
      ),
    ),
  tee: (args, input, host) => {
    for (const file of args)
      if (!file.startsWith('-')) host.writeFile(file, input, args.includes('-a'));
    return ok(input);
  },
  basename: ([path = '']) => ok(`${path.slice(path.lastIndexOf('/') + 1)}\n`),
  dirname: ([path = '']) => ok(`${path.replace(/\/?[^/]*$/, '') || '.'}\n`),
  expr: (args) => expression(args),
};

/** `expr 1 + 2` */
function expression([a = '', op = '', b = '']: readonly string[]): ProgramResult {
  const x = Number(a);
  const y = Number(b);
  const values: Readonly<Record<string, number>> = {
    '+': x + y,
    '-': x - y,
    '*': x * y,
    '/': Math.trunc(x / y),
    '%': x % y,
    '=': Number(a === b),
    '<': Number(x < y),
    '>': Number(x > y),
  };
  const value = Object.hasOwn(values, op) ? values[op] : refuse('expr', `${a} ${op} ${b}`);
  return { status: value === 0 ? 1 : 0, output: `${value}\n` };
}

/** `[ a = b ]`, `[ 1 -gt 0 -a -f x ]` */
export function testExpression(name: string, args: readonly string[], host: ShellHost): boolean {
  const words = [...args];
  if (name === '[' && words.pop() !== ']') throw new ShellSyntaxError('"[" has no "]"');
  const or = words.lastIndexOf('-o');
  if (or > 0)
    return (
      testExpression('test', words.slice(0, or), host) ||
      testExpression('test', words.slice(or + 1), host)
    );
  const and = words.lastIndexOf('-a');
  if (and > 0)
    return (
      testExpression('test', words.slice(0, and), host) &&
      testExpression('test', words.slice(and + 1), host)
    );
  if (words[0] === '!' && words.length > 1) return !testExpression('test', words.slice(1), host);
  const [a = '', b = '', c = ''] = words;
  if (words.length <= 1) return a !== '';
  if (words.length === 2) return unaryTest(a, b, host);
  const tests: Readonly<Record<string, boolean>> = {
    '=': a === c,
    '==': a === c,
    '!=': a !== c,
    '<': a < c,
    '>': a > c,
    '-eq': Number(a) === Number(c),
    '-ne': Number(a) !== Number(c),
    '-gt': Number(a) > Number(c),
    '-ge': Number(a) >= Number(c),
    '-lt': Number(a) < Number(c),
    '-le': Number(a) <= Number(c),
  };
  const result = words.length === 3 && Object.hasOwn(tests, b) ? tests[b] : undefined;
  return result ?? refuse('test', args.join(' '));
}

function unaryTest(op: string, word: string, host: ShellHost): boolean {
  switch (op) {
    case '-n':
      return word !== '';
    case '-z':
      return word === '';
    case '-e':
    case '-f':
    case '-r':
    case '-w':
      return host.exists(word);
    case '-s':
      return host.exists(word) && host.size(word) > 0;
    case '-x':
    case '-d':
      return word === '/tmp' || word === '/proc' || word.startsWith('/proc/sys');
    default:
      return refuse('test', `${op} ${word}`);
  }
}
