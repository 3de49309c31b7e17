/** Look-up, source addresses, several ways, and what is kept of decisions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addAddress, addRoute, createWorld } from '../../../../test/world.ts';
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH } from '../../errno.ts';
import { devClose, devOpen } from '../../link/device-state.ts';
import type { NetNs } from '../../net.ts';
import { formatIpv4, ipv4, maskOf } from '../../util/address.ts';
import { fibAdd, type RouteSpec } from './change.ts';
import { FibRoute, FibTable, NO_METRICS, RT_TABLE_MAIN } from './fib.ts';
import { tableLookup } from './lookup.ts';
import { routeOutput } from './output.ts';
import { type Route, RTN_BLACKHOLE, RTN_PROHIBIT, RTN_UNICAST, RTN_UNREACHABLE } from './route.ts';

function routeTo(net: NetNs, dst: string, src = '0.0.0.0', oif = 0): Route {
  const route = routeOutput(net, ipv4(dst), ipv4(src), oif, 0);
  assert.ok(typeof route !== 'number', `no route: ${String(route)}`);
  return route;
}

test('the longest prefix wins, whatever the order of insertion', () => {
  const world = createWorld();
  const [dev] = world.wire({ net: world.addNet('a') }, { net: world.addNet('b') });
  const prefix = fc.record({ addr: fc.integer(), length: fc.integer({ min: 0, max: 32 }) });
  fc.assert(
    fc.property(fc.array(prefix, { maxLength: 40 }), fc.integer(), (prefixes, addr) => {
      const table = new FibTable(RT_TABLE_MAIN);
      for (const [i, p] of prefixes.entries()) table.insert(routeOf(p.addr, p.length, i), true);
      let best = -1;
      for (const p of prefixes)
        if ((addr & maskOf(p.length)) === (p.addr & maskOf(p.length)))
          best = Math.max(best, p.length);
      const found = tableLookup(dev.net, table, { dst: addr, tos: 0, scope: 0, oif: 0 });
      const length = typeof found === 'number' ? -1 : found.route.prefixLen;
      assert.equal(length, best);
    }),
  );

  function routeOf(addr: number, prefixLen: number, priority: number): FibRoute {
    return new FibRoute({
      table: RT_TABLE_MAIN,
      dst: addr & maskOf(prefixLen),
      prefixLen,
      tos: 0,
      priority,
      type: RTN_UNICAST,
      scope: 0,
      protocol: 3,
      prefsrc: 0,
      nexthops: [{ dev, gateway: 0, weight: 1, scope: 254, flags: 0 }],
      metrics: NO_METRICS,
    });
  }
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
