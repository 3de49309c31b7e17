/** Runs code of scripts: Python's rules for numbers, texts, lists and truth. */
import { CodeError } from './code-lex.ts';
import type { Expr, Statement } from './code-parse.ts';

export type CodeValue = number | string | boolean | null | readonly CodeValue[];

/** An assertion that does not hold. */
export class AssertionFailed extends Error {
  readonly line: number;

  constructor(line: number, sentence: string) {
    super(sentence);
    this.line = line;
  }
}

export interface CodeScope {
  /** Variables that the script made; kept from block to block. */
  readonly variables: Map<string, CodeValue>;
  /** What the runner knows: fields of TCP_INFO, constants. */
  readonly lookup: (name: string) => CodeValue | undefined;
  readonly print: (text: string) => void;
}

/** @throws AssertionFailed, CodeError */
export function runCode(statements: readonly Statement[], scope: CodeScope): void {
  for (const s of statements) runStatement(s, scope);
}

function runStatement(s: Statement, scope: CodeScope): void {
  switch (s.kind) {
    case 'assert':
      if (truth(evaluate(s.test, scope))) return;
      throw new AssertionFailed(s.line, assertionText(s, scope));
    case 'assign':
      assign(s, scope);
      return;
    case 'if':
      runCode(truth(evaluate(s.test, scope)) ? s.yes : s.no, scope);
      return;
    case 'expr':
      evaluate(s.value, scope);
      return;
    default:
  }
}

/** The assertion with the values of its names. */
function assertionText(s: Statement & { readonly kind: 'assert' }, scope: CodeScope): string {
  const names = new Set<string>();
  collectNames(s.test, names);
  const values = [...names].map((name) => `${name} is ${format(lookup(name, s.line, scope))}`);
  const message = s.message === null ? '' : `: ${format(evaluate(s.message, scope))}`;
  return `assert ${s.text}${message}${values.length === 0 ? '' : ` (${values.join(', ')})`}`;
}

function collectNames(e: Expr, out: Set<string>): void {
  if (e.kind === 'name') {
    out.add(e.name);
    return;
  }
  for (const part of Object.values(e)) {
    const parts: unknown[] = Array.isArray(part) ? part : [part];
    for (const p of parts) {
      if (typeof p !== 'object' || p === null) continue;
      const inner = 'right' in p && !('kind' in p) ? (p as { right: Expr }).right : p;
      if ('kind' in inner) collectNames(inner as Expr, out);
    }
  }
}

function assign(s: Statement & { readonly kind: 'assign' }, scope: CodeScope): void {
  const value = evaluate(s.value, scope);
  const [first] = s.names;
  if (s.op !== null) {
    const old = lookup(first as string, s.line, scope);
    scope.variables.set(first as string, binary(s.op, old, value, s.line));
    return;
  }
  if (s.names.length === 1) {
    scope.variables.set(first as string, value);
    return;
  }
  if (!Array.isArray(value) || value.length !== s.names.length)
    throw new CodeError(s.line, `${s.names.length} values are needed`);
  s.names.forEach((name, i) => {
    scope.variables.set(name, (value as readonly CodeValue[])[i] as CodeValue);
  });
}

function lookup(name: string, line: number, scope: CodeScope): CodeValue {
  const value = scope.variables.get(name) ?? scope.lookup(name);
  if (value === undefined) throw new CodeError(line, `name "${name}" is not defined`);
  return value;
}

function evaluate(e: Expr, scope: CodeScope): CodeValue {
  switch (e.kind) {
    case 'constant':
      return e.value;
    case 'name':
      return lookup(e.name, e.line, scope);
    case 'list':
      return e.items.map((item) => evaluate(item, scope));
    case 'unary':
      return unary(e.op, evaluate(e.of, scope), e.line);
    case 'binary':
      return binary(e.op, evaluate(e.left, scope), evaluate(e.right, scope), e.line);
    case 'logic': {
      const left = evaluate(e.left, scope);
      return truth(left) === (e.op === 'or') ? left : evaluate(e.right, scope);
    }
    case 'compare':
      return compareChain(e, scope);
    case 'choice':
      return evaluate(truth(evaluate(e.test, scope)) ? e.yes : e.no, scope);
    case 'index':
      return index(evaluate(e.of, scope), evaluate(e.at, scope), e.line);
    default:
      return call(e, scope);
  }
}

function truth(v: CodeValue): boolean {
  if (Array.isArray(v)) return v.length > 0;
  return Boolean(v);
}

function compareChain(e: Expr & { readonly kind: 'compare' }, scope: CodeScope): boolean {
  let left = evaluate(e.first, scope);
  for (const { op, right } of e.rest) {
    const value = evaluate(right, scope);
    if (!compare(op, left, value, e.line)) return false;
    left = value;
  }
  return true;
}

function compare(op: string, a: CodeValue, b: CodeValue, line: number): boolean {
  switch (op) {
    case '==':
      return same(a, b);
    case '!=':
      return !same(a, b);
    case 'in':
      return contains(b, a, line);
    case 'not in':
      return !contains(b, a, line);
    default:
      return ordered(op, a, b, line);
  }
}

function same(a: CodeValue, b: CodeValue): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => same(item, b[i] as CodeValue));
  if (typeof a === 'boolean' || typeof b === 'boolean') return plain(a) === plain(b);
  return a === b;
}

/** True and False are 1 and 0. */
function plain(v: CodeValue): CodeValue {
  return typeof v === 'boolean' ? Number(v) : v;
}

function contains(where: CodeValue, what: CodeValue, line: number): boolean {
  if (Array.isArray(where)) return where.some((item) => same(item, what));
  if (typeof where === 'string' && typeof what === 'string') return where.includes(what);
  throw new CodeError(line, '"in" needs a list or texts');
}

function ordered(op: string, a: CodeValue, b: CodeValue, line: number): boolean {
  const x = plain(a);
  const y = plain(b);
  const fits =
    (typeof x === 'number' && typeof y === 'number') ||
    (typeof x === 'string' && typeof y === 'string');
  if (!fits) throw new CodeError(line, `"${op}" compares two numbers or two texts`);
  if (op === '<') return x < y;
  if (op === '>') return x > y;
  return op === '<=' ? x <= y : x >= y;
}

function number(v: CodeValue, op: string, line: number): number {
  const n = plain(v);
  if (typeof n !== 'number') throw new CodeError(line, `"${op}" needs numbers`);
  return n;
}

function unary(op: string, v: CodeValue, line: number): CodeValue {
  if (op === 'not') return !truth(v);
  const n = number(v, op, line);
  if (op === '-') return -n;
  return op === '~' ? Number(~BigInt(Math.trunc(n))) : n;
}

function binary(op: string, left: CodeValue, right: CodeValue, line: number): CodeValue {
  if (op === '+' && typeof left === 'string' && typeof right === 'string') return left + right;
  if (op === '+' && Array.isArray(left) && Array.isArray(right)) return [...left, ...right];
  if (op === '%' && typeof left === 'string') return substitute(left, right);
  const a = number(left, op, line);
  const b = number(right, op, line);
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '**':
      return a ** b;
    case '/':
    case '//':
    case '%':
      return divide(op, a, b, line);
    default:
      return bits(op, a, b, line);
  }
}

function divide(op: string, a: number, b: number, line: number): number {
  if (b === 0) throw new CodeError(line, 'division by zero');
  if (op === '/') return a / b;
  const quotient = Math.floor(a / b);
  return op === '//' ? quotient : a - quotient * b;
}

/** Integers of any length, as Python's. */
function bits(op: string, a: number, b: number, line: number): number {
  if (!Number.isInteger(a) || !Number.isInteger(b))
    throw new CodeError(line, `"${op}" needs whole numbers`);
  if ((op === '<<' || op === '>>') && (b < 0 || b > 1000))
    throw new CodeError(line, `"${op}" shifts by 0 to 1000`);
  const x = BigInt(a);
  const y = BigInt(b);
  if (op === '&') return Number(x & y);
  if (op === '|') return Number(x | y);
  if (op === '^') return Number(x ^ y);
  return Number(op === '<<' ? x << y : x >> y);
}

/** `"cwnd %d" % n` */
function substitute(text: string, values: CodeValue): string {
  const list = Array.isArray(values) ? [...values] : [values];
  return text.replace(/%[-+ 0-9.]*[dsxfr%]/g, (found) =>
    found === '%%' ? '%' : format((list.shift() ?? null) as CodeValue),
  );
}

function index(v: CodeValue, at: CodeValue, line: number): CodeValue {
  const i = number(at, '[]', line);
  if (!Array.isArray(v) && typeof v !== 'string')
    throw new CodeError(line, 'only lists have items');
  const item = (v as readonly CodeValue[]).at(i) as CodeValue | undefined;
  if (item === undefined) throw new CodeError(line, `there is no item ${i}`);
  return item;
}

function call(e: Expr & { readonly kind: 'call' }, scope: CodeScope): CodeValue {
  const args = e.args.map((arg) => evaluate(arg, scope));
  const numbers = (): number[] => {
    const flat = args.length === 1 && Array.isArray(args[0]) ? args[0] : args;
    return (flat as CodeValue[]).map((v) => number(v, e.name, e.line));
  };
  switch (e.name) {
    case 'print':
      scope.print(args.map(format).join(' '));
      return null;
    case 'min':
      return Math.min(...numbers());
    case 'max':
      return Math.max(...numbers());
    case 'abs':
      return Math.abs(number(args[0] ?? null, 'abs', e.line));
    case 'int':
      return Math.trunc(Number(args[0]));
    case 'float':
      return Number(args[0]);
    case 'round':
      return Math.round(number(args[0] ?? null, 'round', e.line));
    case 'str':
      return format(args[0] ?? null);
    case 'hex':
      return `0x${number(args[0] ?? null, 'hex', e.line).toString(16)}`;
    case 'len': {
      const [v] = args;
      if (Array.isArray(v) || typeof v === 'string') return v.length;
      throw new CodeError(e.line, 'len() needs a list or a text');
    }
    default:
      throw new CodeError(e.line, `"${e.name}()" is not supported in code`);
  }
}

function format(v: CodeValue): string {
  if (Array.isArray(v)) return `[${v.map(format).join(', ')}]`;
  if (v === true) return 'True';
  if (v === false) return 'False';
  return v === null ? 'None' : String(v);
}
