/** Python's built-in functions and methods, as far as code in scripts uses them. */
import { CodeError } from './code-lex.ts';
import { type CodeValue, format, number, ordered, truth } from './code-values.ts';

/** Longest list that range() makes. */
const MAX_RANGE = 100_000;

export function callFunction(name: string, args: readonly CodeValue[], line: number): CodeValue {
  const first = args[0] ?? null;
  const flat = (args.length === 1 && Array.isArray(first) ? first : args) as readonly CodeValue[];
  switch (name) {
    case 'min':
    case 'max':
      return extreme(name, flat, line);
    case 'sum':
      return flat.reduce<number>((n, v) => n + number(v, 'sum', line), 0);
    case 'abs':
      return Math.abs(number(first, 'abs', line));
    case 'int':
      return toInteger(first, args[1], line);
    case 'float':
      return toNumber(Number(first), line);
    case 'round':
      return roundHalfEven(number(first, 'round', line), args[1] ?? null, line);
    case 'pow':
      return number(first, 'pow', line) ** number(args[1] ?? null, 'pow', line);
    case 'divmod': {
      const [a, b] = [number(first, name, line), number(args[1] ?? null, name, line)];
      if (b === 0) throw new CodeError(line, 'division by zero');
      return [Math.floor(a / b), a - Math.floor(a / b) * b];
    }
    case 'bool':
      return truth(first);
    case 'str':
    case 'repr':
      return name === 'repr' && typeof first === 'string' ? `'${first}'` : format(first);
    case 'hex':
    case 'oct':
    case 'bin':
      return based(name, number(first, name, line));
    case 'len':
      if (Array.isArray(first) || typeof first === 'string') return first.length;
      throw new CodeError(line, 'len() needs a list or a text');
    case 'range':
    case 'xrange':
      return range(
        args.map((v) => number(v, name, line)),
        line,
      );
    case 'list':
    case 'tuple':
      return typeof first === 'string' ? [...first] : Array.isArray(first) ? first : [];
    case 'sorted':
    case 'reversed':
    case 'any':
    case 'all':
    case 'enumerate':
      return onList(name, first, line);
    default:
      throw new CodeError(line, `"${name}()" is not supported in code`);
  }
}

function onList(name: string, value: CodeValue, line: number): CodeValue {
  if (!Array.isArray(value)) throw new CodeError(line, `${name}() needs a list`);
  const list = [...(value as readonly CodeValue[])];
  if (name === 'any') return list.some(truth);
  if (name === 'all') return list.every(truth);
  if (name === 'enumerate') return list.map((v, i) => [i, v]);
  if (name === 'reversed') return list.reverse();
  return list.sort((a, b) => (ordered('<', a, b, line) ? -1 : ordered('>', a, b, line) ? 1 : 0));
}

function extreme(name: string, list: readonly CodeValue[], line: number): CodeValue {
  const [head, ...rest] = list;
  if (head === undefined) throw new CodeError(line, `${name}() needs values`);
  const op = name === 'min' ? '<' : '>';
  return rest.reduce((a, b) => (ordered(op, b, a, line) ? b : a), head);
}

function toNumber(n: number, line: number): number {
  if (Number.isNaN(n)) throw new CodeError(line, 'this is no number');
  return n;
}

function toInteger(v: CodeValue, base: CodeValue | undefined, line: number): number {
  if (base === undefined) return toNumber(Math.trunc(Number(v)), line);
  const text = String(v)
    .trim()
    .replace(/^0[xXbBoO]/, '');
  const radix = number(base, 'int', line) || 10;
  return toNumber(Number.parseInt(text, radix), line);
}

/** Python rounds a half to the even side. */
function roundHalfEven(n: number, digits: CodeValue, line: number): number {
  const unit = digits === null ? 1 : 10 ** number(digits, 'round', line);
  const scaled = n * unit;
  const low = Math.floor(scaled);
  if (scaled - low !== 0.5) return Math.round(scaled) / unit;
  return (low % 2 === 0 ? low : low + 1) / unit;
}

function based(name: string, n: number): string {
  const [prefix, base] = name === 'hex' ? ['0x', 16] : name === 'oct' ? ['0o', 8] : ['0b', 2];
  return `${n < 0 ? '-' : ''}${prefix}${Math.abs(n).toString(base as number)}`;
}

function range(args: readonly number[], line: number): number[] {
  const [from, to, step = 1] =
    args.length < 2 ? [0, args[0] ?? 0] : (args as [number, number, number]);
  if (step === 0) throw new CodeError(line, 'range() goes nowhere');
  const n = Math.max(0, Math.ceil((to - from) / step));
  if (n > MAX_RANGE) throw new CodeError(line, 'this range is too long');
  return Array.from({ length: n }, (_, i) => from + i * step);
}

export function callMethod(
  of: CodeValue,
  name: string,
  args: readonly CodeValue[],
  line: number,
): CodeValue {
  const module = typeof of === 'string' ? /^<module '(\w+)'>$/.exec(of)?.[1] : undefined;
  if (module !== undefined) return callModule(module, name, args, line);
  if (typeof of === 'string') return callText(of, name, args, line);
  if (Array.isArray(of)) {
    if (name === 'index') return (of as readonly CodeValue[]).indexOf(args[0] ?? null);
    if (name === 'count') return of.filter((v) => v === args[0]).length;
  }
  throw new CodeError(line, `".${name}()" is not supported in code`);
}

function callModule(
  module: string,
  name: string,
  args: readonly CodeValue[],
  line: number,
): CodeValue {
  const fits = module === 'math' && /^(?:floor|ceil|sqrt|log2?|log10|exp|fabs|pow)$/.test(name);
  if (!fits) throw new CodeError(line, `"${module}.${name}()" is not supported in code`);
  const numbers = args.map((v) => number(v, name, line));
  const f = Math[(name === 'fabs' ? 'abs' : name) as 'floor'];
  return toNumber((f as (...n: number[]) => number)(...numbers), line);
}

function callText(text: string, name: string, args: readonly CodeValue[], line: number): CodeValue {
  const word = args[0] === undefined || args[0] === null ? null : format(args[0]);
  switch (name) {
    case 'format':
      return braces(text, args);
    case 'split':
      return word === null ? text.split(/\s+/).filter((w) => w !== '') : text.split(word);
    case 'splitlines':
      return text.split('\n').filter((l, i, all) => i < all.length - 1 || l !== '');
    case 'join':
      if (!Array.isArray(args[0])) throw new CodeError(line, 'join() needs a list');
      return (args[0] as readonly CodeValue[]).map(format).join(text);
    case 'strip':
      return text.trim();
    case 'lstrip':
      return text.trimStart();
    case 'rstrip':
      return text.trimEnd();
    case 'lower':
      return text.toLowerCase();
    case 'upper':
      return text.toUpperCase();
    case 'startswith':
      return text.startsWith(word ?? '');
    case 'endswith':
      return text.endsWith(word ?? '');
    case 'find':
      return text.indexOf(word ?? '');
    case 'replace':
      return text.split(word ?? '').join(format(args[1] ?? null));
    case 'isdigit':
      return /^\d+$/.test(text);
    case 'encode':
    case 'decode':
      return text;
    default:
      throw new CodeError(line, `".${name}()" of a text is not supported in code`);
  }
}

/** `"{} and {0:d}".format(…)` */
function braces(text: string, args: readonly CodeValue[]): string {
  let next = 0;
  return text.replace(/\{\{|\}\}|\{(\d*)(?::([^{}]*))?\}/g, (found, place, spec) => {
    if (found === '{{' || found === '}}') return found[0] as string;
    const value = args[place === '' || place === undefined ? next++ : Number(place)] ?? null;
    return spec === undefined ? format(value) : specified(value, `%${spec}`);
  });
}

/** `"cwnd %d" % n` */
export function percent(text: string, values: CodeValue): string {
  const list = Array.isArray(values) ? [...(values as readonly CodeValue[])] : [values];
  return text.replace(/%[-+ 0#]*\d*(?:\.\d+)?[diusrxXfeg%]/g, (found) =>
    found === '%%' ? '%' : specified(list.shift() ?? null, found),
  );
}

function specified(value: CodeValue, spec: string): string {
  const m = /^%([-+ 0#<>^,]*)(\d*)(?:\.(\d+))?([a-zA-Z]?)$/.exec(spec);
  if (m === null) return format(value);
  const [, flags = '', width = '', precision, kind = ''] = m;
  let text = format(value);
  const n = Number(value);
  const digits = Math.min(100, Number(precision ?? 6));
  if (/[di]/.test(kind)) text = String(Math.trunc(n));
  else if (/[xX]/.test(kind)) text = n.toString(16);
  else if (kind === 'f' || (kind === '' && precision !== undefined)) text = n.toFixed(digits);
  if (kind === 'X') text = text.toUpperCase();
  const size = Math.min(1000, Number(width || 0));
  if (flags.includes('-') || flags.includes('<')) return text.padEnd(size);
  return text.padStart(size, flags.includes('0') ? '0' : ' ');
}
