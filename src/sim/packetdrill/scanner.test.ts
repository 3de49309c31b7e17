/** The scanner, numbers and times of scripts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInteger, parseTime } from './parse-number.ts';
import { Scanner, ScriptError } from './scanner.ts';

const scanner = (text: string): Scanner => new Scanner('x.pkt', text);

test('the scanner skips blanks and comments of every kind', () => {
  const s = scanner(' // one\n# two\n /* three\n four */ word');
  assert.equal(s.word(), 'word');
  assert.ok(s.atEnd);
  assert.throws(() => scanner('/* never').skip(), /x\.pkt:1:1: this comment has no end/);
});

test('positions count lines and columns from 1', () => {
  const s = scanner('a\n bc\n\nd');
  assert.deepEqual(s.position(0), { line: 1, column: 1 });
  assert.deepEqual(s.position(3), { line: 2, column: 2 });
  assert.deepEqual(s.position(7), { line: 4, column: 1 });
});

test('an error names file, line and column', () => {
  const s = scanner('\n  oops');
  s.skip();
  assert.throws(() => s.expectSign('(', 'here'), {
    name: 'Error',
    message: 'x.pkt:2:3: "(" is missing here; found "oops"',
  });
  assert.throws(() => scanner('').fail(scanner('').found()), ScriptError);
});

test('a word is looked at without being taken, and taken if it is the right one', () => {
  const s = scanner('ack 5');
  assert.equal(s.peekWord(), 'ack');
  assert.equal(s.keyword('win'), false);
  assert.equal(s.keyword('ack'), true);
  assert.equal(parseInteger(s, 'n'), 5);
});

test('integers: decimal, hexadecimal, negative, in their range', () => {
  assert.equal(parseInteger(scanner('0x1F'), 'n'), 31);
  assert.equal(parseInteger(scanner('-0x10'), 'n', -100), -16);
  assert.throws(
    () => parseInteger(scanner('256'), 'a byte', 0, 255),
    /between 0 and 255; found 256/,
  );
  assert.throws(() => parseInteger(scanner('12ab'), 'n'), /must be a whole number/);
});

test('times', () => {
  const time = (text: string): unknown => parseTime(scanner(text));
  assert.deepEqual(time('0'), { kind: 'absolute', us: 0, endUs: null });
  assert.deepEqual(time('+.1'), { kind: 'relative', us: 100_000, endUs: null });
  assert.deepEqual(time('*'), { kind: 'any', us: 0, endUs: null });
  assert.deepEqual(time('1.5~2'), { kind: 'absolute', us: 1_500_000, endUs: 2_000_000 });
  assert.deepEqual(time('+.1~+.2'), { kind: 'relative', us: 100_000, endUs: 200_000 });
  assert.throws(() => time('2~1'), /ends before it begins/);
  assert.throws(() => time('1~+2'), /begins and ends relative, or neither/);
});
