/** Values of code in scripts, and Python's rules for their truth, equality and order. */
import { CodeError } from './code-lex.ts';

export type CodeValue = number | string | boolean | null | readonly CodeValue[];

export function truth(v: CodeValue): boolean {
  if (Array.isArray(v)) return v.length > 0;
  return Boolean(v);
}

export function same(a: CodeValue, b: CodeValue): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => same(item, b[i] as CodeValue));
  if (typeof a === 'boolean' || typeof b === 'boolean') return plain(a) === plain(b);
  return a === b;
}

/** True and False are 1 and 0. */
export function plain(v: CodeValue): CodeValue {
  return typeof v === 'boolean' ? Number(v) : v;
}

export function ordered(op: string, a: CodeValue, b: CodeValue, line: number): boolean {
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

export function number(v: CodeValue, op: string, line: number): number {
  const n = plain(v);
  if (typeof n !== 'number') throw new CodeError(line, `"${op}" needs numbers`);
  return n;
}

export function format(v: CodeValue): string {
  if (Array.isArray(v)) return `[${(v as readonly CodeValue[]).map(format).join(', ')}]`;
  if (v === true) return 'True';
  if (v === false) return 'False';
  return v === null ? 'None' : String(v);
}
