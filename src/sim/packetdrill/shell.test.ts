/** Command lines: the shell, and programs of text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ProgramResult, type ShellHost, ShellRun } from './shell-run.ts';
import { TEXT_PROGRAMS } from './shell-text.ts';

/** Programs of text, and files in a map. */
class FakeHost implements ShellHost {
  readonly files = new Map<string, string>();

  program(name: string, args: readonly string[], input: string): ProgramResult {
    const text = Object.hasOwn(TEXT_PROGRAMS, name) ? TEXT_PROGRAMS[name] : undefined;
    if (name === 'complain') return { status: 1, output: 'out\n', errors: 'err\n' };
    if (name === 'true' || name === 'false')
      return { status: Number(name === 'false'), output: '' };
    if (text === undefined) throw new Error(`"${name}" is not known`);
    return text(args, input, this);
  }

  readFile(path: string): string {
    return this.files.get(path) ?? '';
  }

  writeFile(path: string, text: string, append: boolean): void {
    this.files.set(path, append ? (this.files.get(path) ?? '') + text : text);
  }

  exists(path: string): boolean {
    return this.files.has(path);
  }

  size(path: string): number {
    return this.readFile(path).length;
  }
}

function run(text: string, host = new FakeHost()): { output: string; status: number } {
  const { output, status } = new ShellRun(host, new Map([['HOME', '/root']])).run(text);
  return { output, status };
}

const printed = (text: string): string => run(text).output;

test('lists: and, or, not, semicolons, lines, comments', () => {
  assert.equal(printed('true && echo a || echo b'), 'a\n');
  assert.equal(printed('false && echo a || echo b; echo c # d'), 'b\nc\n');
  assert.equal(run('! false').status, 0);
  assert.equal(run('true\nfalse').status, 1);
  assert.equal(printed('echo a \\\n  b'), 'a b\n');
});

test('quotes, variables, expansions', () => {
  assert.equal(
    printed(`x='a b'; echo "$x" $HOME '$x' \${y:-none} "\\$x"`),
    'a b /root $x none $x\n',
  );
  assert.equal(printed('x="1  2"; echo $x; echo "$x"'), '1 2\n1  2\n');
  assert.equal(printed(`f=/tmp/a.pkt; echo \${f##*/} \${f%.pkt}`), 'a.pkt /tmp/a\n');
  assert.equal(printed('echo $((1 + 2 * (3 - 1) << 1)) $((7 / 2 == 3))'), '10 1\n');
  assert.equal(printed('echo "[$(echo a; echo b)]"'), '[a\nb]\n');
  assert.equal(printed('false; echo $?'), '1\n');
});

test('control structures', () => {
  assert.equal(printed('for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done'), '1\n3\n');
  assert.equal(printed('if false; then echo a; elif true; then echo b; else echo c; fi'), 'b\n');
  assert.equal(printed('n=3; while [ $n -gt 1 ]; do n=$((n - 1)); echo $n; done'), '2\n1\n');
  assert.equal(printed('x=1; (x=2; exit 1); echo $? $x'), '1 1\n');
  assert.equal(run('(exit 3); [ $? -eq 3 ] && { exit 4; }').status, 4);
  assert.equal(run('set -e; false; echo never').output, '');
  assert.equal(printed("sh -c 'echo in; exit 2' || echo $?"), 'in\n2\n');
});

test('redirections and pipes', () => {
  const host = new FakeHost();
  run('echo a > /f; echo b >> /f; complain > /g 2>&1; complain 2>/h', host);
  assert.deepEqual(
    [...host.files],
    [
      ['/f', 'a\nb\n'],
      ['/g', 'out\nerr\n'],
      ['/h', 'err\n'],
    ],
  );
  assert.equal(run('cat < /f | grep -c .', host).output, '2\n');
  assert.equal(run('[ -s /f -a ! -e /nowhere ]', host).status, 0);
  assert.equal(printed('complain 2>&1 >/dev/null | grep err'), 'err\n');
});

test('programs of text', () => {
  const text = 'printf "tcp 1\\nudp 2\\ntcp 30\\n"';
  assert.equal(printed(`${text} | grep tcp | awk '{print $2}'`), '1\n30\n');
  assert.equal(printed(`${text} | grep -v -E 'u.p' | wc -l`), '2\n');
  assert.equal(printed(`${text} | cut -d' ' -f2 | sort -rn | head -1`), '30\n');
  assert.equal(printed(`${text} | sed 's/\\(.\\)cp/<\\1>/' | tail -n 1`), '<t> 30\n');
  assert.equal(printed(`${text} | sed -n 2p; seq 2 3`), 'udp 2\n2\n3\n');
  assert.equal(printed('echo abc | tr a-b X; expr 3 + 4; basename /a/b'), 'XXc\n7\nb\n');
  assert.equal(run(`${text} | grep -q -w 3`).status, 1);
});

test('what is not understood is refused', () => {
  assert.throws(() => run('iptables -L'), /"iptables" is not known/);
  assert.throws(() => run('sleep 1 &'), /background/);
  assert.throws(() => run('echo "a'), /no closing quote/);
  assert.throws(() => run('if true; then echo a'), /"fi" is missing/);
  assert.throws(() => run('case x in esac'), /"case" is not supported/);
  assert.throws(() => run('cat << EOF'), /"<<" is not supported/);
  assert.throws(() => run('while true; do :; done 2>&1'), /does not end|not known/);
});
