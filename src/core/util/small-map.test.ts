/** SmallMap and SmallSet against the tables of the language. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SmallMap, SmallSet } from './small-map.ts';

/** Set, delete, clear, with keys that meet often. */
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constant('set' as const), fc.nat(20)) },
    { weight: 4, arbitrary: fc.tuple(fc.constant('delete' as const), fc.nat(20)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('clear' as const), fc.constant(0)) },
  ),
  { maxLength: 60 },
);

test('a SmallMap holds what a Map would, in the same order', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const model = new Map<number, number>();
      const map = new SmallMap<number, number>();
      list.forEach(([what, key], i) => {
        if (what === 'set') {
          model.set(key, i);
          map.set(key, i);
        } else if (what === 'delete') assert.equal(map.delete(key), model.delete(key));
        else {
          model.clear();
          map.clear();
        }
        assert.equal(map.size, model.size);
        assert.equal(map.get(key), model.get(key));
        assert.equal(map.has(key), model.has(key));
        assert.deepEqual([...map.entries()], [...model]);
        assert.deepEqual([...map.keys()], [...model.keys()]);
        assert.deepEqual([...map.values()], [...model.values()]);
      });
    }),
  );
});

test('what is deleted during a walk is not met, whatever the size', () => {
  for (const size of [1, 2, 3, 8, 9, 30]) {
    const set = new SmallSet<number>();
    for (let i = 0; i < size; i++) set.add(i);
    const met: number[] = [];
    for (const value of set) {
      met.push(value);
      set.delete(value);
      set.delete(value + 1);
    }
    assert.deepEqual(
      met,
      [...Array(size).keys()].filter((n) => n % 2 === 0),
    );
    assert.equal(set.size, 0);
  }
});
