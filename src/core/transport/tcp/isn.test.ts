/** Initial sequence numbers (RFC 6528 §3): a clock for each connection, and no relation between connections. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWorld } from '../../../../test/world.ts';
import { initialSeq } from './isn.ts';

test('the numbers of one connection grow by one in 64 ns', () => {
  const w = createWorld();
  const net = w.addNet('a');
  const isn = (): number => initialSeq(net, 1, 2, 3, 4) >>> 0;
  const first = isn();
  w.run(1000);
  assert.equal((isn() - first) >>> 0, 15_625);
  w.run(999_000);
  assert.equal((isn() - first) >>> 0, 15_625_000);
});

test('those of other connections, namespaces and machines say nothing about it', () => {
  const world = createWorld();
  const net = world.addNet('a');
  const other = world.addNet('b');
  const seen = new Set<number>();
  const bits = new Array<number>(32).fill(0);
  const note = (n: number): void => {
    seen.add(n);
    for (let i = 0; i < 32; i++) if ((n & (1 << i)) !== 0) bits[i] = (bits[i] as number) + 1;
  };
  const base = initialSeq(net, 1, 2, 3, 4);
  for (let port = 1; port <= 2000; port++) note(initialSeq(net, 1, 2, port, 80) ^ base);
  for (let peer = 1; peer <= 2000; peer++) note(initialSeq(net, 1, peer << 8, 5, 80) ^ base);
  assert.equal(seen.size, 4000);
  // Each bit is as often set as not: six deviations of 4,000 throws are 190.
  for (const [i, n] of bits.entries()) assert.ok(Math.abs(n - 2000) < 190, `bit ${i}: ${n}`);
  assert.notEqual(initialSeq(other, 1, 2, 3, 4), base);
  const elsewhere = createWorld({ seed: 2 }).addNet('a');
  assert.notEqual(initialSeq(elsewhere, 1, 2, 3, 4), base);
});
