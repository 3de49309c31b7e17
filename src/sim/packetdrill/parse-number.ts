/** Numbers and times as scripts write them. */
import type { Scanner } from './scanner.ts';
import type { Time } from './script.ts';

const INTEGER = /-?(?:0[xX][0-9a-fA-F]+|\d+)(?![\w])/y;
const DECIMAL = /\d+\.\d+|\.\d+|\d+\.(?!\.)|\d+/y;

/** An integer in [min, max]. */
export function parseInteger(s: Scanner, what: string, min = 0, max = 0xffffffff): number {
  s.skip();
  const position = s.position();
  const found = s.take(INTEGER);
  if (found === null) return s.fail(`${what} must be a whole number; found ${s.found()}`);
  const text = found[0];
  const value = text.startsWith('-') ? -Number(text.slice(1)) : Number(text);
  if (value < min || value > max)
    s.fail(`${what} must be between ${min} and ${max}; found ${text}`, position);
  return value;
}

/** True if an integer comes next. */
export function isInteger(s: Scanner): boolean {
  s.skip();
  const before = s.at;
  const found = s.take(INTEGER) !== null;
  s.at = before;
  return found;
}

/** Seconds with a fraction, as µs. */
export function parseSeconds(s: Scanner): number {
  const found = s.next(DECIMAL);
  if (found === null) return s.fail(`a time in seconds is missing; found ${s.found()}`);
  const us = Math.round(Number(found[0]) * 1_000_000);
  if (us > 1e12) s.fail(`a time of ${found[0]} seconds is too long`);
  return us;
}

/** `1.5`, `+.1`, `1~2`, `+1~+2`, `+0~2`, `*` */
export function parseTime(s: Scanner): Time {
  if (s.sign('*')) return { kind: 'any', us: 0, endUs: null };
  const kind = s.sign('+') ? 'relative' : 'absolute';
  const us = parseSeconds(s);
  if (!s.sign('~')) return { kind, us, endUs: null };
  const position = s.position();
  const plus = s.sign('+');
  if (plus && kind === 'absolute')
    s.fail('a range of time begins and ends relative, or neither', position);
  const endUs = parseSeconds(s);
  if (endUs < us) s.fail('this range of time ends before it begins', position);
  return { kind, us, endUs };
}
