/** Code blocks: Python as scripts use it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodeError } from './code-lex.ts';
import { parseCode } from './code-parse.ts';
import { AssertionFailed, MAX_STEPS, runCode } from './code-run.ts';
import type { CodeValue } from './code-values.ts';

const KNOWN: ReadonlyMap<string, CodeValue> = new Map([
  ['tcpi_snd_cwnd', 10],
  ['TCPI_OPT_SACK', 2],
]);

function run(code: string): {
  readonly printed: string[];
  readonly variables: Map<string, CodeValue>;
} {
  const printed: string[] = [];
  const variables = new Map<string, CodeValue>();
  const scope = {
    variables,
    lookup: (name: string) => KNOWN.get(name),
    print: (text: string) => printed.push(text),
    steps: MAX_STEPS,
  };
  runCode(parseCode(code, 1), scope);
  return { printed, variables };
}

/** The value of one expression. */
const value = (expression: string): CodeValue | undefined =>
  run(`x = ${expression}`).variables.get('x');

test('numbers as Python has them', () => {
  assert.equal(value('7 // 2 + 7 % 3'), 4);
  assert.equal(value('-7 // 2'), -4);
  assert.equal(value('-7 % 3'), 2);
  assert.equal(value('-2 ** 2'), -4);
  assert.equal(value('2 ** 3 ** 2'), 512);
  assert.equal(value('1 << 40'), 2 ** 40);
  assert.equal(value('0xff & ~0x0f | 1'), 241);
  assert.equal(value('round(2.5) + round(3.5)'), 6);
  assert.equal(value('1_000 / 8'), 125);
});

test('comparisons chain, and `in`, `is` and `not` are known', () => {
  assert.equal(value('1 < 2 <= 2 != 3'), true);
  assert.equal(value('1 < 3 < 2'), false);
  assert.equal(value('10 in [tcpi_snd_cwnd] and 3 not in (1, 2)'), true);
  assert.equal(value('None is None and not 1 is not 1'), true);
  assert.equal(value('5 if 0 else 6'), 6);
  assert.equal(value('0 or "a" and "b"'), 'b');
});

test('texts and lists', () => {
  assert.equal(value('"%05.1f|%-4d|%x|%%" % (2.25, 7, 255)'), '002.3|7   |ff|%');
  assert.equal(value('"{} {1} {{}} {0:03d}".format(7, 8)'), '7 8 {} 007');
  assert.equal(value('f"cwnd {tcpi_snd_cwnd + 1}"'), 'cwnd 11');
  assert.deepEqual(value('[1, 2, 3, 4][1:-1] + [9] * 2'), [2, 3, 9, 9]);
  assert.deepEqual(value('"a b  c".split()'), ['a', 'b', 'c']);
  assert.deepEqual(value('sorted([3, 1, 2])[-1:]'), [3]);
  assert.equal(value('",".join(["a", "b"]).upper()[0]'), 'A');
});

test('statements: blocks, loops, several in a line', () => {
  const { printed, variables } = run(`
    import sys, os
    n = 0; m = 5
    for i, x in enumerate(range(3)):
        if x == 1: continue
        elif x == 2:
            n += 10
        else:
            n += 1
    while True:
        m -= 1
        if m < 0: break
    print n, "and", m
    print("done %d" % n)
  `);
  assert.deepEqual(printed, ['11 and -1', 'done 11']);
  assert.equal(variables.get('x'), 2);
});

test('an assertion that fails shows the values of its names', () => {
  assert.throws(
    () => run('\nassert tcpi_snd_cwnd == 11, "too small"'),
    (e) =>
      e instanceof AssertionFailed &&
      e.line === 2 &&
      e.message === 'assert tcpi_snd_cwnd == 11: too small (tcpi_snd_cwnd is 10)',
  );
});

test('what is not supported is refused by name, with its line', () => {
  const refused = (code: string, sentence: RegExp, line = 1): void =>
    assert.throws(
      () => run(code),
      (e) => e instanceof CodeError && e.line === line && sentence.test(e.message),
    );
  refused('import subprocess', /"import subprocess" is not supported/);
  refused('\ndef f(): pass', /"def" is not supported/, 2);
  refused('import os\nos.system("x")', /"os.system\(\)" is not supported/, 2);
  refused('x = unknown', /name "unknown" is not defined/);
  refused('x = eval("1")', /"eval\(\)" is not supported/);
  refused('x = 1 / 0', /division by zero/);
  refused('x = "a" < 1', /compares two numbers or two texts/);
  refused('break', /"break" is in no loop/);
  refused('if 1:\nx = 1', /an indented block is missing/, 2);
  refused('x = [1][5]', /there is no item 5/);
});

test('code that does not end is ended', () => {
  assert.throws(() => run('while True: pass'), /does not end/);
  assert.throws(() => run('x = "a" * 99999999'), /too often/);
  assert.throws(() => run('x = range(10 ** 9)'), /too long/);
});
