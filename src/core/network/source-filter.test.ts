/** Source filters: an interface's filter follows from its sockets', whatever the order of changes (RFC 3376 §3.2). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../util/random.ts';
import {
  ALLOW_NEW_SOURCES,
  ANY_SOURCE,
  BLOCK_OLD_SOURCES,
  CHANGE_TO_EXCLUDE,
  CHANGE_TO_INCLUDE,
  filterAllows,
  GroupFilter,
  leaveRecord,
  MCAST_EXCLUDE,
  MCAST_INCLUDE,
  MODE_IS_EXCLUDE,
  MODE_IS_INCLUDE,
  type SourceFilter,
} from './source-filter.ts';

const same = (a: number, b: number): boolean => a === b;
const only = (...sources: number[]): SourceFilter<number> => ({ mode: MCAST_INCLUDE, sources });
const allBut = (...sources: number[]): SourceFilter<number> => ({ mode: MCAST_EXCLUDE, sources });

test('E1: the mode changes with the first and the last who excludes, and is told robustness times', () => {
  const g = new GroupFilter<number>(same);
  assert.equal(g.change(null, ANY_SOURCE, 2), true);
  assert.deepEqual(g.takeChanges(), [{ type: CHANGE_TO_EXCLUDE, sources: [] }]);
  assert.equal(g.pending, true);
  assert.deepEqual(g.takeChanges(), [{ type: CHANGE_TO_EXCLUDE, sources: [] }]);
  assert.equal(g.pending, false);
  assert.equal(g.change(null, only(1), 2), false, 'who excludes nothing wants 1 already');
  assert.equal(g.change(ANY_SOURCE, null, 1), true);
  assert.deepEqual(g.takeChanges(), [{ type: CHANGE_TO_INCLUDE, sources: [1] }]);
});

test('E1: senders that come and go are allowed and blocked (RFC 3376 §5.1)', () => {
  const g = new GroupFilter<number>(same);
  g.change(null, only(1, 2), 1);
  assert.deepEqual(g.takeChanges(), [{ type: ALLOW_NEW_SOURCES, sources: [1, 2] }]);
  g.change(only(1, 2), only(2, 3), 1);
  assert.deepEqual(g.takeChanges(), [
    { type: ALLOW_NEW_SOURCES, sources: [3] },
    { type: BLOCK_OLD_SOURCES, sources: [1] },
  ]);
  const x = new GroupFilter<number>(same);
  x.change(null, ANY_SOURCE, 1);
  x.takeChanges();
  x.change(ANY_SOURCE, allBut(5), 1);
  assert.deepEqual(x.takeChanges(), [{ type: BLOCK_OLD_SOURCES, sources: [5] }]);
  x.change(allBut(5), ANY_SOURCE, 1);
  assert.deepEqual(x.takeChanges(), [{ type: ALLOW_NEW_SOURCES, sources: [5] }]);
});

test('E1: queries are answered with what is wanted now (RFC 3376 §5.2)', () => {
  const g = new GroupFilter<number>(same);
  g.change(null, allBut(7), 1);
  assert.deepEqual(g.currentState(null), { type: MODE_IS_EXCLUDE, sources: [7] });
  assert.deepEqual(g.currentState([7, 8]), { type: MODE_IS_INCLUDE, sources: [8] });
  assert.equal(g.currentState([7]), null);
  assert.deepEqual(leaveRecord(allBut(7)), { type: CHANGE_TO_INCLUDE, sources: [] });
  assert.equal(leaveRecord(only()), null);
});

test('E1: after any changes the interface wants exactly what one of its sockets wants', () => {
  const random = new Random(11, 'source-filter');
  const SOURCES = 6;
  for (let round = 0; round < 200; round++) {
    const g = new GroupFilter<number>(same);
    const users: SourceFilter<number>[] = [];
    // What a router knows that hears every report: it starts with nothing wanted.
    let routerMode: number = MCAST_INCLUDE;
    let routerList = new Set<number>();
    for (let step = 0; step < 12; step++) {
      const sources = [0, 1, 2, 3, 4, 5].filter(() => random.below(2) === 0);
      const to: SourceFilter<number> = {
        mode: random.below(2) === 0 ? MCAST_INCLUDE : MCAST_EXCLUDE,
        sources,
      };
      const i = random.below(users.length + 1);
      const from = users[i] ?? null;
      const gone = from !== null && random.below(3) === 0;
      g.change(from, gone ? null : to, 1);
      if (gone) users.splice(i, 1);
      else users[i] = to;
      for (const r of g.takeChanges()) {
        if (r.type === CHANGE_TO_EXCLUDE || r.type === CHANGE_TO_INCLUDE) {
          routerMode = r.type === CHANGE_TO_EXCLUDE ? MCAST_EXCLUDE : MCAST_INCLUDE;
          routerList = new Set(r.sources);
          continue;
        }
        const insert = (r.type === ALLOW_NEW_SOURCES) === (routerMode === MCAST_INCLUDE);
        for (const s of r.sources) insert ? routerList.add(s) : routerList.delete(s);
      }
      for (let s = 0; s < SOURCES; s++) {
        const wanted = users.some((u) => filterAllows(u, s, same));
        assert.equal(g.allows(s), wanted);
        assert.equal(routerList.has(s) === (routerMode === MCAST_INCLUDE), wanted);
      }
      assert.equal(g.pending, false);
    }
  }
});
