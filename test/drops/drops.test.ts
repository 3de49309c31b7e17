/**
 * Every exit of the data path has a reason, and every reason is reached: one way to die for each name of
 * `DropReason`. A name that nothing reaches does not belong there.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { DropReason } from '../../src/core/drop.ts';
import { IP_WAYS } from './ip-ways.ts';
import { IP6_WAYS } from './ip6-ways.ts';
import { LINK_WAYS } from './link-ways.ts';
import { Scene } from './scene.ts';
import { TCP_WAYS } from './tcp-ways.ts';

const WAYS = { ...LINK_WAYS, ...IP_WAYS, ...IP6_WAYS, ...TCP_WAYS };

for (const [reason, die] of Object.entries(WAYS))
  test(`a packet dies of ${reason}`, () => {
    const scene = new Scene();
    die(scene);
    assert.ok(
      scene.reasons.has(reason as DropReason),
      `it died of ${[...scene.reasons].join(', ') || 'nothing'}`,
    );
    assert.ok([...scene.kernel.namespaces.values()].some((n) => n.drops.has(reason as DropReason)));
  });

test('every reason has a way to it', () => {
  const source = readFileSync('src/core/drop.ts', 'utf8');
  const names = [...source.matchAll(/^ {2}\| '(\w+)'/gm)].map((m) => m[1] ?? '');
  assert.ok(names.length > 50);
  assert.deepEqual(
    names.filter((name) => !(name in WAYS)),
    [],
  );
});
