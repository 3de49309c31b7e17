/** Words of commands: quotes, parameters, substitutions, arithmetic, fields (POSIX XCU §2.6). */
import { endOfExpansion, ShellSyntaxError } from './shell-parse.ts';

export interface WordScope {
  readonly variables: Map<string, string>;
  /** `$?` */
  readonly status: () => number;
  /** What a command prints. */
  readonly substitute: (command: string) => string;
}

/** The fields that a word becomes: one, unless an expansion outside quotes splits it or leaves nothing. */
export function expandWord(word: string, scope: WordScope): string[] {
  const fields: string[] = [];
  let field = '';
  let isField = false;
  const put = (text: string): void => {
    field += text;
    isField = true;
  };
  const split = (text: string): void => {
    const parts = text.split(/[ \t\n]+/);
    parts.forEach((part, i) => {
      if (i > 0 && isField) {
        fields.push(field);
        field = '';
        isField = false;
      }
      if (part !== '') put(part);
    });
  };
  for (let i = 0; i < word.length; ) {
    const c = word[i] as string;
    if (c === "'") {
      const end = word.indexOf("'", i + 1);
      put(word.slice(i + 1, end));
      i = end + 1;
    } else if (c === '"') {
      const { text, end } = doubleQuoted(word, i + 1, scope);
      put(text);
      i = end;
    } else if (c === '\\') {
      if (word[i + 1] !== '\n') put(word[i + 1] ?? '');
      i += 2;
    } else if (c === '$') {
      const end = endOfExpansion(word, i);
      split(expansion(word.slice(i, end), scope));
      i = end;
    } else {
      put(c);
      i++;
    }
  }
  if (isField) fields.push(field);
  return fields;
}

/** A word that is not split: of an assignment, or a file's name. */
export function expandWhole(word: string, scope: WordScope): string {
  return expandWord(word, scope).join(' ');
}

function doubleQuoted(
  word: string,
  from: number,
  scope: WordScope,
): { readonly text: string; readonly end: number } {
  let text = '';
  let i = from;
  while (word[i] !== '"') {
    const c = word[i] as string;
    if (c === '\\') {
      const next = word[i + 1] ?? '';
      if (!'$`"\\\n'.includes(next)) text += '\\';
      if (next !== '\n') text += next;
      i += 2;
    } else if (c === '$') {
      const end = endOfExpansion(word, i);
      text += expansion(word.slice(i, end), scope);
      i = end;
    } else {
      text += c;
      i++;
    }
  }
  return { text, end: i + 1 };
}

function expansion(text: string, scope: WordScope): string {
  if (text === '$') return '$';
  if (text.startsWith('$((') && text.endsWith('))'))
    return String(arithmetic(text.slice(3, -2), scope));
  if (text.startsWith('$(')) return scope.substitute(text.slice(2, -1)).replace(/\n+$/, '');
  if (!text.startsWith('${')) return parameter(text.slice(1), scope) ?? '';
  const m = /^([A-Za-z_]\w*|[0-9?$#])(?:(:?[-=+])([\s\S]*)|(##?|%%?)([\s\S]*))?$/.exec(
    text.slice(2, -1),
  );
  if (m === null) throw new ShellSyntaxError(`"${text}" is not supported in commands`);
  const value = parameter(m[1] as string, scope);
  const [, , op, word = '', cut, pattern = ''] = m;
  if (cut !== undefined) return trimmed(value ?? '', cut, pattern);
  if (op === undefined) return value ?? '';
  const isSet = value !== undefined && (value !== '' || !op.startsWith(':'));
  if (op.endsWith('+')) return isSet ? expandWhole(word, scope) : '';
  if (isSet) return value;
  const other = expandWhole(word, scope);
  if (op.endsWith('=')) scope.variables.set(m[1] as string, other);
  return other;
}

function parameter(name: string, scope: WordScope): string | undefined {
  if (name === '?') return String(scope.status());
  if (name === '#') return '0';
  if (name === '$') return '2';
  return scope.variables.get(name);
}

/** `${x#…}`, `${x%…}` with `*` and `?` in the pattern. */
function trimmed(value: string, cut: string, pattern: string): string {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', cut.length === 2 ? '.*' : '.*?')
    .replaceAll('?', cut.length === 2 ? '.' : '.');
  if (cut.startsWith('#')) return value.replace(new RegExp(`^${source}`), '');
  // The shortest end that fits begins as late as possible.
  const whole = new RegExp(`^${source}$`);
  const starts = Array.from({ length: value.length + 1 }, (_, i) => i);
  if (cut.length === 1) starts.reverse();
  const at = starts.find((i) => whole.test(value.slice(i)));
  return at === undefined ? value : value.slice(0, at);
}

const NUMBER_OR_NAME = /\s*(\d+|0[xX][0-9a-fA-F]+|[A-Za-z_]\w*)/y;
const OPERATORS: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<=', '>=', '<', '>'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];

/** `$(( … ))` with C's operators. */
function arithmetic(text: string, scope: WordScope): number {
  const source = text.replace(/\$\{?([A-Za-z_]\w*)\}?/g, '$1');
  let at = 0;
  let depth = 0;
  const sign = (words: readonly string[]): string | null => {
    while (/\s/.test(source[at] ?? '')) at++;
    const found = words.find((w) => source.startsWith(w, at));
    // "<" is not the first half of "<<".
    if (
      found === undefined ||
      (found.length === 1 && source.startsWith(found + found, at) && '<>&|'.includes(found))
    )
      return null;
    at += found.length;
    return found;
  };
  const atom = (): number => {
    if (++depth > 100) throw new ShellSyntaxError('this arithmetic is nested too deep');
    const unary = sign(['-', '+', '!', '~', '(']);
    let value: number;
    if (unary === '(') {
      value = level(0);
      if (sign([')']) === null) throw new ShellSyntaxError(`"${text}" is no arithmetic`);
    } else if (unary !== null) {
      const of = atom();
      value = applyUnary(unary, of);
    } else {
      NUMBER_OR_NAME.lastIndex = at;
      const found = NUMBER_OR_NAME.exec(source);
      if (found === null) throw new ShellSyntaxError(`"${text}" is no arithmetic`);
      at = NUMBER_OR_NAME.lastIndex;
      const word = found[1] as string;
      value = /^\d/.test(word) ? Number(word) : Number(scope.variables.get(word) ?? 0);
    }
    depth--;
    return value;
  };
  const level = (n: number): number => {
    const ops = OPERATORS[n];
    if (ops === undefined) return atom();
    let left = level(n + 1);
    for (let op = sign(ops); op !== null; op = sign(ops)) left = calculate(op, left, level(n + 1));
    return left;
  };
  const value = level(0);
  if (source.slice(at).trim() !== '') throw new ShellSyntaxError(`"${text}" is no arithmetic`);
  return value;
}

function applyUnary(op: string, of: number): number {
  if (op === '-') return -of;
  if (op === '!') return Number(of === 0);
  return op === '~' ? ~of : of;
}

function calculate(op: string, a: number, b: number): number {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
    case '%':
      if (b === 0) throw new ShellSyntaxError('division by zero in a command');
      return op === '/' ? Math.trunc(a / b) : a % b;
    case '&&':
      return Number(a !== 0 && b !== 0);
    case '||':
      return Number(a !== 0 || b !== 0);
    case '==':
      return Number(a === b);
    case '!=':
      return Number(a !== b);
    case '<':
      return Number(a < b);
    case '>':
      return Number(a > b);
    case '<=':
      return Number(a <= b);
    case '>=':
      return Number(a >= b);
    case '<<':
      return a * 2 ** b;
    case '>>':
      return Math.floor(a / 2 ** b);
    default:
      return op === '&' ? a & b : op === '|' ? a | b : a ^ b;
  }
}
