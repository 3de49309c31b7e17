/** Timers against a sorted list. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Timer, TimerQueue } from './timer.ts';

test('timers fire in order of time, then of arming', () => {
  const fired: string[] = [];
  const queue = new TimerQueue(() => {});
  const make = (name: string): Timer => new Timer(queue, () => fired.push(name));
  const [a, b, c] = [make('a'), make('b'), make('c')];
  a.set(10);
  b.set(5);
  c.set(5);
  a.set(5);
  while (queue.fireNext(10));
  assert.deepEqual(fired, ['b', 'c', 'a']);
  assert.equal(queue.count, 0);
  assert.equal(queue.nextAtUs(), Number.POSITIVE_INFINITY);
});

test('a timer re-armed to a later time fires once, then', () => {
  let count = 0;
  const queue = new TimerQueue(() => {});
  const t = new Timer(queue, () => count++);
  t.set(5);
  t.set(50);
  assert.equal(queue.fireNext(49), false);
  assert.equal(queue.nextAtUs(), 50);
  assert.equal(queue.fireNext(50), true);
  assert.equal(queue.fireNext(1000), false);
  assert.equal(count, 1);
});

test('any sequence of arming and clearing behaves as a sorted list', () => {
  const step = fc.record({ timer: fc.nat(9), at: fc.nat(30), clear: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const queue = new TimerQueue(() => {});
      const fired: number[] = [];
      const timers = Array.from({ length: 10 }, (_, i) => new Timer(queue, () => fired.push(i)));
      const model = new Map<number, number>();
      for (const s of steps) {
        if (s.clear) {
          timers[s.timer]?.clear();
          model.delete(s.timer);
        } else {
          timers[s.timer]?.set(s.at);
          model.set(s.timer, s.at);
        }
        assert.equal(queue.count, model.size);
        assert.equal(queue.nextAtUs(), Math.min(...model.values()));
      }
      const due: number[] = [];
      for (let now = 0; now <= 30; now++) {
        while (queue.fireNext(now)) due.push(now);
      }
      assert.deepEqual(
        due,
        [...model.values()].sort((x, y) => x - y),
      );
      assert.deepEqual(fired.toSorted(), [...model.keys()].toSorted());
    }),
  );
});
