/**
 * What Linux answered to single packets, fact by fact (test/data/linux-wire.json, made by linux_wire.py
 * there), against what this stack answers to the same packets.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { IP_SECTIONS, type Section } from './wire/ip-facts.ts';
import { IP6_SECTIONS } from './wire/ip6-facts.ts';
import { STILL_ALIVE, TCP_SECTIONS } from './wire/tcp-facts.ts';
import { type Fact, WireWorld } from './wire/wire-world.ts';

const LINUX: readonly Fact[] = named(
  JSON.parse(readFileSync('test/data/linux-wire.json', 'utf8')).results,
);

/** Facts that continue the one before them get its title in front: each has a name of its own. */
function named(facts: readonly Fact[]): Fact[] {
  let before = '';
  return facts.map((fact) => {
    if (fact.case === STILL_ALIVE) return { ...fact, case: `${before}${STILL_ALIVE}` };
    before = fact.case;
    return fact;
  });
}

/** All that the sections observed, by group and case; and the sections that did not come to their end. */
async function observe(sections: readonly Section[]): Promise<[Map<string, Fact>, string[]]> {
  const seen = new Map<string, Fact>();
  const errors: string[] = [];
  for (const section of sections) {
    const world = new WireWorld();
    try {
      await section(world);
    } catch (error) {
      errors.push(`${section.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
    for (const fact of world.facts) seen.set(keyOf(fact), fact);
  }
  return [seen, errors];
}

function keyOf(fact: Fact): string {
  return `${fact.group}: ${fact.case}`;
}

/** Random numbers and times of day, which no two runs share. */
function withoutNoise(observed: unknown): unknown {
  if (!Array.isArray(observed)) return observed;
  return observed.map((line) =>
    typeof line === 'string'
      ? line.replace(/(ipopts 44\w{6})\w{8}/, '$1').replace(/seq \d{6,}/, 'seq RANDOM')
      : line,
  );
}

/** Times in seconds may differ as two runs on Linux differ. */
function assertTimes(ours: unknown, linux: readonly number[]): void {
  assert.ok(Array.isArray(ours), String(ours));
  assert.equal(ours.length, linux.length, `${ours} against ${linux}`);
  for (const [i, at] of linux.entries())
    assert.ok(Math.abs(Number(ours[i]) - at) <= 0.15, `${ours} against ${linux}`);
}

function assertSame(ours: Fact, linux: Fact): void {
  const expected = linux.observed;
  if (Array.isArray(expected) && typeof expected[0] === 'number')
    assertTimes(ours.observed, expected);
  else if (linux.volatile === true)
    assert.deepEqual(withoutNoise(ours.observed), withoutNoise(expected));
  else assert.deepEqual(ours.observed, expected);
  assert.deepEqual(
    [ours.socket, ours.so_error, ours.state],
    [linux.socket, linux.so_error, linux.state],
  );
}

const [seen, errors] = await observe([...IP_SECTIONS, ...IP6_SECTIONS, ...TCP_SECTIONS]);

for (const linux of LINUX) {
  test(keyOf(linux), () => {
    const ours = seen.get(keyOf(linux));
    assert.ok(ours !== undefined, `not reached: ${errors.join('; ')}`);
    assertSame(ours, linux);
  });
}
