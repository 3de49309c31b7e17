/** Look-up, source addresses, several ways, and what is kept of decisions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addAddress, addRoute, createWorld } from '../../../../test/world.ts';
import { EACCES, EEXIST, EHOSTUNREACH, EINVAL, ENETUNREACH } from '../../errno.ts';
import { devClose, devOpen } from '../../link/device-state.ts';
import type { NetNs } from '../../net.ts';
import { formatIpv4, ipv4, maskOf } from '../../util/address.ts';
import { BigFib } from './big-fib.ts';
import { fibAdd, fibDel, type RouteSpec } from './change.ts';
import { RT_TABLE_MAIN } from './fib.ts';
import { type FibInfo, FibInfos, FibNexthop, NO_METRICS } from './fib-info.ts';
import { compareRoutes, FibRoute } from './fib-route.ts';
import { routeOutput } from './output.ts';
import { PrefixTrie } from './prefix-trie.ts';
import { type Route, RTN_BLACKHOLE, RTN_PROHIBIT, RTN_UNICAST, RTN_UNREACHABLE } from './route.ts';
import { SmallFib } from './small-fib.ts';

function routeTo(net: NetNs, dst: string, src = '0.0.0.0', oif = 0): Route {
  const route = routeOutput(net, ipv4(dst), ipv4(src), oif, 0);
  assert.ok(typeof route !== 'number', `no route: ${String(route)}`);
  return route;
}

/** What a table must do, the slow way. */
class Model {
  readonly routes: FibRoute[] = [];

  insert(route: FibRoute): void {
    const i = this.routes.findIndex(
      (r) => r.dst === route.dst && r.prefixLen === route.prefixLen && compareRoutes(route, r) < 0,
    );
    if (i < 0) this.routes.push(route);
    else this.routes.splice(i, 0, route);
  }

  remove(route: FibRoute): void {
    this.routes.splice(this.routes.indexOf(route), 1);
  }

  best(addr: number, oif: number): FibRoute | undefined {
    for (let length = 32; length >= 0; length--)
      for (const r of this.routes)
        if (r.prefixLen === length && (addr & maskOf(length)) === r.dst)
          if (oif === 0 || r.nexthops[0]?.dev.ifindex === oif) return r;
    return undefined;
  }
}

/** Prefixes that lie close together, so that they cover each other. */
const prefix = fc
  .record({
    addr: fc.oneof(
      fc.integer(),
      fc.integer({ min: 0, max: 1023 }).map((n) => 0x0a000000 | (n << 6) | 0),
      fc.integer({ min: 0, max: 255 }).map((n) => 0x0a000100 | n),
    ),
    length: fc.oneof(fc.integer({ min: 0, max: 32 }), fc.constantFrom(8, 16, 20, 24, 25, 32)),
    priority: fc.integer({ min: 0, max: 2 }),
    second: fc.boolean(),
  })
  .map((p) => ({ ...p, addr: p.addr & maskOf(p.length) }));

const stores = {
  small: (): SmallFib => new SmallFib(),
  big: (): BigFib => new BigFib(RT_TABLE_MAIN),
};

for (const [name, make] of Object.entries(stores))
  test(`S5: a ${name} table finds the longest prefix that serves, whatever came and went before`, () => {
    const world = createWorld();
    const net = world.addNet('a');
    const [one] = world.wire({ net }, { net: world.addNet('b') });
    const [two] = world.wire({ net }, { net: world.addNet('c') });
    const infos = new FibInfos();
    const infoOf = (priority: number, second: boolean): FibInfo => {
      const info = infos.intern({
        type: RTN_UNICAST,
        scope: 0,
        protocol: 3,
        prefsrc: 0,
        priority,
        nexthops: [new FibNexthop(second ? two : one, 0, 1, 254, 0)],
        metrics: NO_METRICS,
      });
      infos.hold(info);
      return info;
    };
    fc.assert(
      fc.property(
        fc.array(prefix, { maxLength: 60 }),
        fc.array(fc.nat(59), { maxLength: 40 }),
        fc.array(fc.integer(), { maxLength: 8 }),
        (prefixes, gone, addresses) => {
          const store = make();
          const model = new Model();
          for (const p of prefixes) {
            const info = infoOf(p.priority, p.second);
            const route = new FibRoute(RT_TABLE_MAIN, p.addr, p.length, 0, info);
            store.insert(route, true);
            model.insert(route);
          }
          for (const n of gone) {
            const route = model.routes[n];
            if (route === undefined) continue;
            // A twin that is exactly alike may go instead.
            assert.ok(store.remove(route));
            model.remove(model.routes.find((r) => isAlike(r, route)) as FibRoute);
          }
          assert.equal(store.size, model.routes.length);
          const ask = [...addresses, ...prefixes.map((p) => p.addr | 1), 0x0a000101];
          for (const addr of ask)
            for (const oif of [0, two.ifindex]) {
              const found = store.lookup(net, RT_TABLE_MAIN, { dst: addr, tos: 0, scope: 0, oif });
              const best = model.best(addr, oif);
              if (typeof found === 'number') assert.equal(best, undefined);
              else {
                assert.equal(found.prefixLen, best?.prefixLen);
                assert.equal(found.info, best?.info);
              }
            }
          for (const p of prefixes)
            assert.deepEqual(
              store.at(p.addr, p.length).map((r) => r.info),
              model.routes
                .filter((r) => r.dst === p.addr && r.prefixLen === p.length)
                .map((r) => r.info),
            );
        },
      ),
    );
  });

function isAlike(a: FibRoute, b: FibRoute): boolean {
  return a.dst === b.dst && a.prefixLen === b.prefixLen && a.info === b.info;
}

test('S5: a table that grows and shrinks changes its form, and nothing else', () => {
  const world = createWorld();
  const net = world.addNet('a');
  world.wire({ net, cidr: '10.0.0.1/8' }, { net: world.addNet('b') });
  const mode = { create: true, exclusive: true, replace: false, append: false };
  const spec = (n: number): RouteSpec => ({
    table: RT_TABLE_MAIN,
    dst: (0x14000000 + n * 256) | 0,
    prefixLen: 24,
    tos: 0,
    priority: 0,
    type: RTN_UNICAST,
    scope: 0,
    protocol: 3,
    prefsrc: 0,
    nexthops: [{ gateway: ipv4('10.0.0.9') + (n % 7), dev: null, weight: 1, onlink: false }],
    metrics: NO_METRICS,
  });
  const gatewayOf = (n: number): number => {
    const route = routeOutput(net, (0x14000000 + n * 256 + 5) | 0, 0, 0, 0);
    return typeof route === 'number' ? route : route.gateway;
  };
  for (let n = 0; n < 3000; n++) assert.equal(fibAdd(net, spec(n), mode), 0);
  assert.equal(fibAdd(net, spec(17), mode), -EEXIST);
  for (let n = 0; n < 3000; n += 13) assert.equal(gatewayOf(n), ipv4('10.0.0.9') + (n % 7));
  assert.equal(net.ipv4.table(RT_TABLE_MAIN).list().length, 3001);
  for (let n = 0; n < 2900; n++)
    assert.equal(fibDel(net, { table: RT_TABLE_MAIN, dst: spec(n).dst, prefixLen: 24 }), 0);
  for (let n = 2900; n < 3000; n++) assert.equal(gatewayOf(n), ipv4('10.0.0.9') + (n % 7));
  assert.equal(gatewayOf(100), -ENETUNREACH);
  assert.equal(net.ipv4.table(RT_TABLE_MAIN).list().length, 101);
  assert.ok([...net.ipv4.fibInfos].length < 20, 'routes that say the same share it');
});

test('a trie gives its memory back', () => {
  const trie = new PrefixTrie();
  const add = (n: number): number => trie.add((0x0a000000 + n * 64) | 0, 26);
  let numbers = [...Array(4000).keys()].map(add);
  const { bytes } = trie;
  for (let round = 0; round < 5; round++) {
    for (const [n, p] of numbers.entries()) trie.remove(p, (0x0a000000 + n * 64) | 0);
    assert.equal(trie.find(0x0a000001), 0);
    numbers = [...Array(4000).keys()].map(add);
  }
  assert.equal(trie.bytes, bytes);
});

test('a trie of many prefixes has a larger first level, and finds the same', () => {
  const trie = new PrefixTrie();
  const numbers = new Map<number, number>();
  for (let n = 0; n < 52_000; n++) {
    const addr = (0x0b000000 + n * 4096) | 0;
    numbers.set(addr, trie.add(addr, 20 + (n % 5)));
  }
  trie.add(0, 0);
  for (const [addr, p] of numbers) {
    assert.equal(trie.find(addr), p);
    assert.equal(trie.lengthOf(trie.shorter(p)), 0);
  }
  assert.deepEqual(
    [...trie.prefixes()].slice(1),
    [...numbers].map(([addr, p]) => [p, addr]),
  );
  for (const [addr, p] of numbers) trie.remove(p, addr);
  assert.equal(trie.size, 1);
  for (const addr of numbers.keys()) assert.equal(trie.lengthOf(trie.find(addr)), 0);
});

test('a route that refuses says so with its own error', () => {
  const world = createWorld();
  const net = world.addNet('a');
  for (const [prefix, type, errno] of [
    ['10.1.0.0/16', RTN_UNREACHABLE, EHOSTUNREACH],
    ['10.2.0.0/16', RTN_PROHIBIT, EACCES],
    ['10.3.0.0/16', RTN_BLACKHOLE, EINVAL],
  ] as const) {
    addRoute(net, prefix, { type });
    assert.equal(routeOutput(net, ipv4(prefix.slice(0, -3)) + 1, 0, 0, 0), -errno);
  }
  assert.equal(routeOutput(net, ipv4('10.4.0.1'), 0, 0, 0), -ENETUNREACH);
});

test('what changes in one namespace leaves the kept routes of another alone', () => {
  const world = createWorld();
  const a = world.addNet('a');
  const b = world.addNet('b');
  world.wire({ net: a, cidr: '10.0.0.1/24' }, { net: b, cidr: '10.0.0.2/24' });
  const before = routeTo(b, '10.0.0.1');
  addRoute(a, '10.9.0.0/16', { via: '10.0.0.2' });
  assert.equal(routeTo(b, '10.0.0.1'), before);
  assert.equal(before.generation, b.ipv4.generation);
  assert.equal(routeOutput(b, ipv4('10.9.0.1'), 0, 0, 0), -ENETUNREACH);
  assert.equal(formatIpv4(routeTo(a, '10.9.0.1').gateway), '10.0.0.2');
});

test('a source address is that of the route, or the subnet of the gateway', () => {
  const world = createWorld();
  const net = world.addNet('a');
  const [dev] = world.wire({ net, cidr: '10.0.0.1/24' }, { net: world.addNet('b') });
  addAddress(dev, '10.1.0.1/24');
  addAddress(dev, '10.1.0.2/24');
  addRoute(net, '20.0.0.0/8', { via: '10.1.0.9' });
  assert.equal(formatIpv4(routeTo(net, '20.0.0.1').src), '10.1.0.1');
  assert.equal(formatIpv4(routeTo(net, '127.0.0.9').src), '127.0.0.1');
  assert.equal(formatIpv4(routeTo(net, '10.1.0.2').src), '10.1.0.1');
  assert.equal(formatIpv4(routeTo(net, '99.0.0.1', '0.0.0.0', dev.ifindex).src), '10.0.0.1');
});

test('flows are shared out over the ways of a route by weight, and over those that live', () => {
  const world = createWorld();
  const net = world.addNet('a');
  const [one] = world.wire({ net, cidr: '10.0.0.1/24' }, { net: world.addNet('b') });
  const [two] = world.wire({ net, cidr: '10.0.1.1/24' }, { net: world.addNet('c') });
  const way = (gateway: string, weight: number): RouteSpec['nexthops'][number] => ({
    gateway: ipv4(gateway),
    dev: null,
    weight,
    onlink: false,
  });
  const spec: RouteSpec = {
    table: RT_TABLE_MAIN,
    dst: ipv4('20.0.0.0'),
    prefixLen: 8,
    tos: 0,
    priority: 0,
    type: RTN_UNICAST,
    scope: 0,
    protocol: 3,
    prefsrc: 0,
    nexthops: [way('10.0.0.9', 3), way('10.0.1.9', 1)],
    metrics: NO_METRICS,
  };
  const mode = { create: true, exclusive: true, replace: false, append: false };
  assert.equal(fibAdd(net, spec, mode), 0);
  const countOf = (): number => {
    let first = 0;
    for (let i = 0; i < 1000; i++) {
      const route = routeOutput(net, (ipv4('20.0.0.0') + i * 7919) | 0, 0, 0, 0);
      assert.ok(typeof route !== 'number');
      if (route.dev === one) first++;
    }
    return first;
  };
  const share = countOf();
  assert.ok(share > 680 && share < 820, String(share));
  devClose(one);
  assert.equal(countOf(), 0);
  devOpen(one);
  assert.ok(Math.abs(countOf() - share) < 1);
  devClose(two);
  assert.equal(countOf(), 1000);
});

test('the cache of routes is bounded, whatever is asked for', () => {
  const world = createWorld();
  const net = world.addNet('a');
  world.wire({ net, cidr: '10.0.0.1/8' }, { net: world.addNet('b') });
  for (let i = 0; i < 5000; i++) routeTo(net, `10.1.${i >> 8}.${i & 255}`);
  const kept: unknown = Reflect.get(net.ipv4.outputCache, 'entries');
  assert.ok(Array.isArray(kept) && kept.length <= 256);
});
