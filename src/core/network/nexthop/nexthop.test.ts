/** Nexthop objects in the data path: groups, resilient groups, what becomes of routes; hash policies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { Kernel, type Namespace } from '../../index.ts';
import { ipv4 } from '../../util/address.ts';
import { ip6 } from '../../util/ip6-addr.ts';
import { routeOutput } from '../route/output.ts';
import { routeOutput6 } from '../route6/output.ts';

interface Lab {
  readonly ns: Namespace;
  readonly run: (seconds: number) => void;
}

/** Three wires, v0 to v2, with nexthops 1 to 3 of IPv4 and 11 to 13 of IPv6 on them. */
function threeWays(): Lab {
  const clock = new VirtualClock();
  const kernel = new Kernel({ env: clock, seed: 1 });
  const ns = kernel.netns.add('a');
  for (const i of [0, 1, 2]) {
    const other = kernel.netns.add(`r${i}`);
    kernel.veth(
      { netns: ns, name: `v${i}`, address: `10.0.${i}.1/24`, up: true },
      { netns: other, name: 'eth0', address: `10.0.${i}.2/24`, up: true },
    );
    ns.ip(`-6 addr add fd00:0:0:${i}::1/64 dev v${i} nodad`);
    ns.ip(`nexthop add id ${i + 1} via 10.0.${i}.2 dev v${i}`);
    ns.ip(`nexthop add id ${i + 11} via fd00:0:0:${i}::2 dev v${i}`);
  }
  return { ns, run: (seconds) => clock.runFor(kernel.core, seconds * 1e6) };
}

const SRC = '10.0.0.1';

/** Flow `n` to 99.0.0.0/8: the device by which it leaves. */
function wayOf(
  ns: Namespace,
  n: number,
  flow = { mark: 0, protocol: 6, sport: n, dport: 80 },
): string {
  const route = routeOutput(ns.net, ipv4('99.0.0.0') + n, ipv4(SRC), 0, 0, flow);
  return typeof route === 'number' ? String(route) : route.dev.name;
}

function shares(ns: Namespace, flows = 2000): Map<string, number> {
  const count = new Map<string, number>();
  for (let n = 0; n < flows; n++) {
    const dev = wayOf(ns, n);
    count.set(dev, (count.get(dev) ?? 0) + 1);
  }
  return count;
}

function near(is: number | undefined, wanted: number): void {
  assert.ok(is !== undefined && Math.abs(is - wanted) < wanted * 0.15, `${is}, not ${wanted}`);
}

test('S5: a group shares flows out by weight, in both families', () => {
  const { ns } = threeWays();
  ns.ip('nexthop add id 20 group 1,3/2');
  ns.ip('nexthop add id 21 group 11,3/12');
  ns.ip('route add 99.0.0.0/8 nhid 20');
  ns.ip('-6 route add fd99::/16 nhid 21');
  const count = shares(ns);
  near(count.get('v0'), 1500);
  near(count.get('v1'), 500);
  const devs = new Set<string>();
  for (let n = 0; n < 64; n++) {
    const route = routeOutput6(ns.net, ip6(`fd99::${n.toString(16)}`), ip6('::'), 0);
    if (typeof route !== 'number') devs.add(route.dev.name);
  }
  assert.deepEqual([...devs].sort(), ['v0', 'v1']);
});

test('S5: a nexthop that changes takes its routes along; one that goes takes them with it', () => {
  const { ns } = threeWays();
  ns.ip('nexthop add id 20 group 1/2');
  ns.ip('route add 99.0.0.0/8 nhid 20');
  ns.ip('route add 98.0.0.0/8 nhid 1');
  ns.ip('nexthop replace id 1 via 10.0.2.2 dev v2');
  assert.match(ns.ip('route get 98.0.0.1'), /via 10\.0\.2\.2 dev v2/);
  assert.deepEqual([...shares(ns).keys()].sort(), ['v1', 'v2']);
  ns.ip('nexthop del id 1');
  assert.equal(ns.ip('route show 98.0.0.0/8'), '');
  assert.deepEqual([...shares(ns).keys()], ['v1']);
  ns.ip('link set v1 down');
  assert.equal(ns.ip('route show 99.0.0.0/8'), '', 'the last member took the group along');
  assert.throws(() => ns.ip('nexthop get id 20'), /No such file or directory/);
});

test('S5: flows of a resilient group stay where they are when a member comes', () => {
  const { ns, run } = threeWays();
  run(1);
  ns.ip('nexthop add id 20 group 1/2 type resilient buckets 64 idle_timer 10 unbalanced_timer 0');
  ns.ip('route add 99.0.0.0/8 nhid 20');
  run(1);
  // Every bucket is in use.
  const before = Array.from({ length: 1000 }, (_, n) => wayOf(ns, n));
  run(1);
  ns.ip('nexthop replace id 20 group 1/2/3 type resilient');
  const after = Array.from({ length: 1000 }, (_, n) => wayOf(ns, n));
  assert.deepEqual(after, before, 'nobody moved');
  assert.match(ns.ip('nexthop show id 20'), /unbalanced_time 0 /);
  run(5);
  assert.match(ns.ip('nexthop show id 20'), /unbalanced_time 5 /);
  // Half of the flows go on; the buckets of the others are idle in the end.
  for (let i = 0; i < 12; i++) {
    for (let n = 0; n < 20; n++) assert.equal(wayOf(ns, n), before[n], 'who goes on stays');
    run(1);
  }
  const moved = Array.from({ length: 1000 }, (_, n) => wayOf(ns, n)).filter((w) => w === 'v2');
  assert.ok(moved.length > 200, `${moved.length} at the new member`);
  assert.match(ns.ip('nexthop show id 20'), /unbalanced_time 0 /, 'in balance');
});

test('S5: after unbalanced_timer buckets move even when they are in use', () => {
  const { ns, run } = threeWays();
  run(1);
  ns.ip('nexthop add id 20 group 1/2 type resilient buckets 32 idle_timer 100 unbalanced_timer 5');
  ns.ip('route add 99.0.0.0/8 nhid 20');
  run(1);
  const use = (): string[] => Array.from({ length: 500 }, (_, n) => wayOf(ns, n));
  use();
  ns.ip('nexthop replace id 20 group 1/2/3 type resilient');
  for (let i = 0; i < 4; i++) {
    run(1);
    assert.ok(!use().includes('v2'));
  }
  run(3);
  assert.ok(use().filter((w) => w === 'v2').length > 100);
});

test('S5: when a member of a resilient group goes, its flows alone move', () => {
  const { ns, run } = threeWays();
  run(1);
  ns.ip('nexthop add id 20 group 1/2/3 type resilient buckets 60');
  ns.ip('route add 99.0.0.0/8 nhid 20');
  run(1);
  const before = Array.from({ length: 1000 }, (_, n) => wayOf(ns, n));
  ns.ip('nexthop del id 3');
  const after = Array.from({ length: 1000 }, (_, n) => wayOf(ns, n));
  for (let n = 0; n < before.length; n++)
    if (before[n] === 'v2') assert.notEqual(after[n], 'v2');
    else assert.equal(after[n], before[n]);
  const count = shares(ns);
  near(count.get('v0'), 1000);
});

test('S5: fib_multipath_hash_policy says what tells flows apart', () => {
  const { ns } = threeWays();
  ns.ip('route add 99.0.0.0/8 nexthop via 10.0.0.2 nexthop via 10.0.1.2');
  const ways = (ports: readonly number[], dst = 7): Set<string> =>
    new Set(ports.map((sport) => wayOf(ns, dst, { mark: 0, protocol: 6, sport, dport: 80 })));
  const ports = Array.from({ length: 64 }, (_, i) => 1024 + i);
  assert.equal(ways(ports).size, 1, '0: addresses');
  ns.sysctl.set('net.ipv4.fib_multipath_hash_policy', 1);
  assert.equal(ways(ports).size, 2, '1: ports too');
  ns.sysctl.set('net.ipv4.fib_multipath_hash_policy', 3);
  ns.sysctl.set('net.ipv4.fib_multipath_hash_fields', 0x10);
  assert.equal(ways(ports).size, 2, '3: the fields that were named');
  const byPort = wayOf(ns, 1, { mark: 0, protocol: 6, sport: 5, dport: 80 });
  for (let n = 2; n < 40; n++)
    assert.equal(wayOf(ns, n, { mark: 0, protocol: 6, sport: 5, dport: 81 + n }), byPort);
  ns.sysctl.set('net.ipv4.fib_multipath_hash_policy', 2);
  assert.equal(ways(ports).size, 1, '2: addresses');
});

test('S5: ip monitor tells of nexthops, and of the routes that change with them', () => {
  const { ns } = threeWays();
  const seen: string[] = [];
  const stop = ns.kernel.watch((event) => {
    if ('nexthop' in event) seen.push(`${event.kind} ${event.nexthop.id}`);
    else if ('route' in event) seen.push(`${event.kind} ${event.route.dst}`);
    else if ('rule' in event) seen.push(`${event.kind} ${event.rule.priority}`);
  });
  ns.ip('nexthop add id 20 group 1/2');
  ns.ip('route add 99.0.0.0/8 nhid 20');
  ns.ip('nexthop replace id 1 via 10.0.2.2 dev v2');
  ns.ip('nexthop del id 1');
  ns.ip('nexthop del id 2');
  ns.ip('rule add fwmark 1 table 9 pref 5');
  ns.ip('rule del pref 5');
  stop();
  assert.deepEqual(seen, [
    'newnexthop 20',
    'newroute 99.0.0.0/8',
    'newnexthop 1',
    'newroute 99.0.0.0/8',
    'delnexthop 1',
    'newnexthop 20',
    'delnexthop 2',
    'delnexthop 20',
    'newrule 5',
    'delrule 5',
  ]);
});
