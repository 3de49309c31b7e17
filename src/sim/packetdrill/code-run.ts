/** Runs code of scripts: Python's rules for numbers, texts, lists and truth. */

import { callFunction, callMethod, percent } from './code-functions.ts';
import { CodeError } from './code-lex.ts';
import type { Expr, Statement } from './code-parse.ts';
import { type CodeValue, format, number, ordered, same, truth } from './code-values.ts';

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
  /** Statements that may still run. */
  steps: number;
}

/** What one block may do at most, so that every script ends. */
export const MAX_STEPS = 1_000_000;

/** @throws AssertionFailed, CodeError */
export function runCode(statements: readonly Statement[], scope: CodeScope): void {
  for (const s of statements) {
    if (--scope.steps < 0) throw new CodeError('line' in s ? s.line : 0, 'this code does not end');
    runStatement(s, scope);
  }
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
    case 'import':
      for (const name of s.names) scope.variables.set(name, `<module '${name}'>`);
      return;
    case 'for':
      runFor(s, scope);
      return;
    case 'while': {
      while (truth(evaluate(s.test, scope))) if (!runBody(s.body, scope)) return;
      return;
    }
    case 'break':
    case 'continue':
      throw new LoopSignal(s.kind === 'break');
    default:
  }
}

/** Longest list or text that repetition makes. */
const MAX_LENGTH = 100_000;

class LoopSignal extends Error {
  readonly isBreak: boolean;

  constructor(isBreak: boolean) {
    super('outside of a loop');
    this.isBreak = isBreak;
  }
}

/** False: the loop ends. */
function runBody(body: readonly Statement[], scope: CodeScope): boolean {
  try {
    runCode(body, scope);
    return true;
  } catch (signal) {
    if (!(signal instanceof LoopSignal)) throw signal;
    return !signal.isBreak;
  }
}

function runFor(s: Statement & { readonly kind: 'for' }, scope: CodeScope): void {
  const value = evaluate(s.of, scope);
  if (!Array.isArray(value) && typeof value !== 'string')
    throw new CodeError(s.line, '"for" needs a list');
  for (const item of value as readonly CodeValue[]) {
    bind(s.names, item, s.line, scope);
    if (!runBody(s.body, scope)) return;
  }
}

function bind(names: readonly string[], value: CodeValue, line: number, scope: CodeScope): void {
  if (names.length === 1) {
    scope.variables.set(names[0] as string, value);
    return;
  }
  if (!Array.isArray(value) || value.length !== names.length)
    throw new CodeError(line, `${names.length} values are needed`);
  names.forEach((name, i) => {
    scope.variables.set(name, (value as readonly CodeValue[])[i] as CodeValue);
  });
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
  bind(s.names, value, s.line, scope);
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
    case 'slice':
      return slice(e, scope);
    case 'format':
      return e.parts.map((p) => (typeof p === 'string' ? p : format(evaluate(p, scope)))).join('');
    case 'method':
      return callMethod(
        evaluate(e.of, scope),
        e.name,
        e.args.map((arg) => evaluate(arg, scope)),
        e.line,
      );
    case 'index':
      return index(evaluate(e.of, scope), evaluate(e.at, scope), e.line);
    default:
      return call(e, scope);
  }
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

function contains(where: CodeValue, what: CodeValue, line: number): boolean {
  if (Array.isArray(where)) return where.some((item) => same(item, what));
  if (typeof where === 'string' && typeof what === 'string') return where.includes(what);
  throw new CodeError(line, '"in" needs a list or texts');
}

function unary(op: string, v: CodeValue, line: number): CodeValue {
  if (op === 'not') return !truth(v);
  const n = number(v, op, line);
  if (op === '-') return -n;
  if (op !== '~') return n;
  if (!Number.isInteger(n)) throw new CodeError(line, '"~" needs a whole number');
  return Number(~BigInt(n));
}

function binary(op: string, left: CodeValue, right: CodeValue, line: number): CodeValue {
  if (op === '+' && typeof left === 'string' && typeof right === 'string') {
    if (left.length + right.length > MAX_LENGTH) throw new CodeError(line, 'this text is too long');
    return left + right;
  }
  if (op === '+' && Array.isArray(left) && Array.isArray(right)) {
    if (left.length + right.length > MAX_LENGTH) throw new CodeError(line, 'this list is too long');
    return [...left, ...right];
  }
  if (op === '%' && typeof left === 'string') return percent(left, right);
  if (op === '*' && typeof right === 'number') {
    if (Array.isArray(left)) return repeat(left, right, line).flat();
    if (typeof left === 'string') return repeat(left, right, line).join('');
  }
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

function repeat<T>(what: T, times: number, line: number): T[] {
  const size = typeof what === 'string' || Array.isArray(what) ? what.length : 1;
  if (times * size > MAX_LENGTH) throw new CodeError(line, 'this is repeated too often');
  return Array.from({ length: Math.max(0, Math.trunc(times)) }, () => what);
}

function index(v: CodeValue, at: CodeValue, line: number): CodeValue {
  const i = number(at, '[]', line);
  if (!Array.isArray(v) && typeof v !== 'string')
    throw new CodeError(line, 'only lists have items');
  const item = (v as readonly CodeValue[]).at(i) as CodeValue | undefined;
  if (item === undefined) throw new CodeError(line, `there is no item ${i}`);
  return item;
}

function slice(e: Expr & { readonly kind: 'slice' }, scope: CodeScope): CodeValue {
  const of = evaluate(e.of, scope);
  if (!Array.isArray(of) && typeof of !== 'string')
    throw new CodeError(e.line, 'only lists and texts have parts');
  const bound = (x: Expr | null): number | undefined =>
    x === null ? undefined : number(evaluate(x, scope), '[:]', e.line);
  return (of as string).slice(bound(e.from), bound(e.to));
}

function call(e: Expr & { readonly kind: 'call' }, scope: CodeScope): CodeValue {
  const args = e.args.map((arg) => evaluate(arg, scope));
  if (e.name !== 'print') return callFunction(e.name, args, e.line);
  scope.print(args.map(format).join(' '));
  return null;
}
