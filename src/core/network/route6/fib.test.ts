/** The tables of IPv6 routes, in both of their forms. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createWorld } from '../../../../test/world.ts';
import { compareIp6, Ip6Addr, prefixOf, samePrefix } from '../../util/ip6-addr.ts';
import { NO_METRICS } from '../route/fib-info.ts';
import { RTN_UNICAST } from '../route/route.ts';
import { Fib6Table, FibNexthop6, FibRoute6 } from './fib.ts';
import { HashFib6 } from './hash-fib.ts';
import { table6Lookup } from './lookup.ts';
import { SmallFib6 } from './small-fib.ts';

const world = createWorld();
const net = world.addNet('a');
const [dev] = world.wire({ net }, { net: world.addNet('b') });

function routeOf(dst: Ip6Addr, prefixLen: number, metric: number): FibRoute6 {
  return new FibRoute6({
    table: 254,
    dst: prefixOf(dst, prefixLen),
    prefixLen,
    metric,
    type: RTN_UNICAST,
    protocol: 3,
    prefsrc: null,
    nexthops: [new FibNexthop6(dev, null, 1, 0)],
    metrics: NO_METRICS,
    expiresUs: Number.POSITIVE_INFINITY,
  });
}

/** Addresses that share their first bits with others. */
const address = fc
  .tuple(fc.constantFrom(0x20010db8, 0x20010db9), fc.nat(3), fc.nat(3), fc.nat(15))
  .map(([a, b, c, d]) => new Ip6Addr(a, b << 28, c << 28, d));
const prefix = fc.tuple(address, fc.constantFrom(0, 32, 33, 36, 64, 66, 127, 128), fc.nat(2));

for (const [name, make] of Object.entries({
  small: () => new SmallFib6(),
  hash: () => new HashFib6(),
}))
  test(`S15: a ${name} table finds the longest prefix, then the shorter ones, best routes first`, () => {
    fc.assert(
      fc.property(
        fc.array(prefix, { maxLength: 40 }),
        fc.array(fc.nat(39), { maxLength: 20 }),
        fc.array(address, { maxLength: 6 }),
        (prefixes, gone, addresses) => {
          const store = make();
          let model = prefixes.map(([dst, length, metric]) => routeOf(dst, length, metric));
          for (const route of model) store.insert(route);
          for (const n of gone) {
            const route = model[n];
            if (route === undefined) continue;
            store.remove(route);
            model = model.filter((r) => r !== route);
          }
          assert.equal(store.size, model.length);
          assert.deepEqual(new Set(store.through(dev)), new Set(model));
          for (const addr of addresses) {
            const met: FibRoute6[] = [];
            let below = 129;
            for (;;) {
              const routes = store.match(addr, below);
              if (routes === null) break;
              met.push(...routes);
              below = (routes[0] as FibRoute6).prefixLen;
            }
            const covering = model
              .filter((r) => samePrefix(r.dst, addr, r.prefixLen))
              .sort((a, b) => b.prefixLen - a.prefixLen || a.metric - b.metric);
            assert.deepEqual(met, covering);
          }
          for (const r of model)
            assert.deepEqual(
              store.at(r.dst, r.prefixLen),
              model
                .filter((o) => o.prefixLen === r.prefixLen && compareIp6(o.dst, r.dst) === 0)
                .sort((a, b) => a.metric - b.metric),
            );
        },
      ),
    );
  });

test('S15: a table that grows and shrinks changes its form, and nothing else', () => {
  const table = new Fib6Table(254);
  const routes = [...Array(500).keys()].map((n) =>
    routeOf(new Ip6Addr(0x20010db8, n, 0, 0), 64, 1),
  );
  const find = (n: number): FibRoute6 | undefined => {
    const dst = new Ip6Addr(0x20010db8, n, 5, 5);
    const found = table6Lookup(net, table, { dst, src: dst, oif: 0, strict: false });
    return typeof found === 'number' ? undefined : found.route;
  };
  for (const route of routes) table.insert(route);
  assert.deepEqual(table.list(), routes);
  for (let n = 0; n < 500; n += 7) assert.equal(find(n), routes[n]);
  for (const route of routes.slice(10)) table.remove(route);
  assert.deepEqual(table.list(), routes.slice(0, 10));
  assert.equal(find(3), routes[3]);
  assert.equal(find(12), undefined);
});
