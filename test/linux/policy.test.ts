/**
 * Rules, routes and nexthops, differentially: some hundred commands of `ip rule|route|nexthop`, refusals included, on
 * this machine's kernel and here (`test/data/policy`), and which way thousands of packets would take under tables and
 * rules that chance made.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { askLinux, askWarren, normalOutcome, runLinux, runWarren, SETUP } from './batch.ts';
import { linuxMissing } from './linux-world.ts';
import { randomPolicy } from './random-policy.ts';
import { skipWithout, toolsMissing } from './tools.ts';

const FOLDER = 'test/data/policy';
/** What the whole suite has to have. */
const COMMANDS = 300;
const REFUSALS = 100;

const files = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

function linesOf(file: string): string[] {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  return [...SETUP, ...lines.map((line) => (/^(?:wait|sysctl) /.test(line) ? line : `ip ${line}`))];
}

test('S5: Linux and Warren agree: ip rule, ip route, ip nexthop', { concurrency: 4 }, async (t) => {
  if (skipWithout(t, linuxMissing() ?? toolsMissing(['ip', 'sysctl']))) return;
  let commands = 0;
  let refusals = 0;
  await Promise.all(
    files.map((file) =>
      t.test(file, async () => {
        const lines = linesOf(file);
        const linux = (await runLinux(lines)).map(normalOutcome);
        const warren = runWarren(lines).map(normalOutcome);
        assert.equal(linux.length, lines.length);
        commands += lines.length - SETUP.length;
        refusals += linux.filter((o) => (o as { code: number }).code !== 0).length;
        const found = lines.flatMap((line, i) =>
          isDeepStrictEqual(linux[i], warren[i])
            ? []
            : `${line}\n  Linux:  ${JSON.stringify(linux[i])}\n  Warren: ${JSON.stringify(warren[i])}`,
        );
        assert.equal(found.length, 0, `\n${found.join('\n')}\n`);
      }),
    ),
  );
  assert.ok(commands >= COMMANDS, `${commands} commands`);
  assert.ok(refusals >= REFUSALS, `${refusals} refusals`);
});

for (const is6 of [false, true])
  test(`S5: the same way under random tables and rules: IPv${is6 ? 6 : 4}`, async (t) => {
    if (skipWithout(t, linuxMissing() ?? toolsMissing(['ip', 'sysctl']))) return;
    const family = is6 ? '-6' : '-4';
    const { changes, questions } = randomPolicy(is6, 7);
    const [linux, warren] = [
      await askLinux(family, changes, questions),
      askWarren(family, changes, questions),
    ];
    assert.equal(linux.length, questions.length);
    const found = questions.flatMap((question, i) =>
      linux[i] === warren[i] ? [] : `${question}\n  Linux:  ${linux[i]}\n  Warren: ${warren[i]}`,
    );
    const distinct = new Set(linux).size;
    assert.ok(distinct > questions.length / 8, `${distinct} different answers`);
    assert.equal(found.length, 0, `\n${found.slice(0, 20).join('\n')}\n${found.length} differ`);
  });
