/** Policy rules in the data path: which table a packet's way comes from, and what a namespace without rules pays. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, tcp, udp } from '../../../../test/world.ts';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { Kernel, type Namespace } from '../../index.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { SO_MARK, SOL_SOCKET } from '../../transport/sockopt-names.ts';
import { ipv4 } from '../../util/address.ts';
import { ip6 } from '../../util/ip6-addr.ts';
import { updatePmtu } from '../route/exception.ts';
import { routeOutput } from '../route/output.ts';
import { updatePmtu6 } from '../route6/exception.ts';
import { routeOutput6 } from '../route6/output.ts';

/** Two wires to two routers; main leads by the first, table 100 by the second. */
function twoWays(): { ns: Namespace; net: NetNs } {
  const kernel = new Kernel({ env: new VirtualClock(), seed: 1 });
  const ns = kernel.netns.add('a');
  for (const [i, name] of ['v0', 'v1'].entries()) {
    kernel.veth(
      { netns: ns, name, address: `10.0.${i}.1/24`, up: true },
      { netns: kernel.netns.add(`r${i}`), name: 'eth0', address: `10.0.${i}.2/24`, up: true },
    );
    ns.ip(`-6 addr add fd00:0:0:${i}::1/64 dev ${name} nodad`);
  }
  ns.ip('route add default via 10.0.0.2');
  ns.ip('route add default via 10.0.1.2 table 100');
  ns.ip('-6 route add default via fd00:0:0:0::2');
  ns.ip('-6 route add default via fd00:0:0:1::2 table 100');
  return { ns, net: ns.net };
}

const FLOW = { mark: 0, protocol: 6, sport: 0, dport: 0 };

/** The device by which a packet leaves. */
function wayOf(net: NetNs, flow: Partial<typeof FLOW> = {}, src = '0.0.0.0', tos = 0): string {
  const route = routeOutput(net, ipv4('9.9.9.9'), ipv4(src), 0, tos, { ...FLOW, ...flow });
  return typeof route === 'number' ? String(route) : route.dev.name;
}

function wayOf6(net: NetNs, flow: Partial<typeof FLOW> = {}, src = '::'): string {
  const route = routeOutput6(net, ip6('2001:db8::9'), ip6(src), 0, { ...FLOW, ...flow });
  return typeof route === 'number' ? String(route) : route.dev.name;
}

test('S5: a namespace that never changed its rules has none, and pays one comparison', () => {
  const { ns, net } = twoWays();
  assert.equal(wayOf(net), 'v0');
  assert.equal(ns.rule.list().length, 3);
  assert.equal(ns.rule6.list().length, 2);
  assert.equal(net.ipv4.rules, null);
  assert.equal(net.ipv6.rules, null);
  ns.ip('rule add fwmark 7 table 100');
  assert.notEqual(net.ipv4.rules, null);
  assert.equal(net.ipv6.rules, null, 'each family has its own');
});

for (const [rule, yes, no] of [
  ['fwmark 0x10/0xf0', { mark: 0x1f }, { mark: 0x2f }],
  ['ipproto udp', { protocol: 17 }, { protocol: 6 }],
  ['dport 80-90', { dport: 85 }, { dport: 91 }],
  ['sport 0x1000/0xf000', { sport: 0x1234 }, { sport: 0x2234 }],
  ['not fwmark 3', { mark: 4 }, { mark: 3 }],
] as const)
  test(`S5: a rule of both families: ${rule}`, () => {
    const { ns, net } = twoWays();
    for (const family of ['', '-6 ']) ns.ip(`${family}rule add ${rule} table 100`);
    assert.deepEqual([wayOf(net, yes), wayOf6(net, yes)], ['v1', 'v1']);
    assert.deepEqual([wayOf(net, no), wayOf6(net, no)], ['v0', 'v0']);
    // What was found for one flow is not another's, in whatever order they come.
    assert.deepEqual([wayOf(net, yes), wayOf6(net, yes)], ['v1', 'v1']);
  });

test('S5: the source, TOS, goto, nop, suppression and refusals decide', () => {
  const { ns, net } = twoWays();
  ns.ip('rule add from 10.0.1.1 table 100');
  assert.equal(wayOf(net, {}, '10.0.1.1'), 'v1');
  assert.equal(wayOf(net, {}, '10.0.0.1'), 'v0');
  ns.ip('rule add tos 0x10 table 100');
  assert.equal(wayOf(net, {}, '0.0.0.0', 0x10), 'v1');
  ns.ip('rule flush');
  ns.ip('rule add table main pref 32766');
  ns.ip('rule add goto 300 pref 100');
  ns.ip('rule add prohibit pref 200');
  ns.ip('rule add nop pref 300');
  assert.equal(wayOf(net), 'v0', 'the goto passes over the refusal');
  ns.ip('rule del pref 300');
  assert.equal(wayOf(net), '-13', 'EACCES: there is nowhere to go to');
  ns.ip('rule del pref 200');
  ns.ip('rule add table main suppress_prefixlength 0 pref 50');
  ns.ip('rule add table 100 pref 60');
  assert.equal(wayOf(net), 'v1', 'the default route of main does not count');
  ns.ip('rule add table 100 suppress_ifgroup 5 pref 55');
  ns.ip('link set v1 group 5');
  ns.ip('rule del pref 60');
  assert.equal(wayOf(net), 'v0', 'nor what leads by a device of the group');
});

test('S5: a rule that names a device rests while there is none, and wakes when one gets its name', () => {
  const { ns, net } = twoWays();
  ns.ip('rule add oif uplink unreachable');
  assert.match(ns.ip('rule'), /oif uplink \[detached\] unreachable/);
  const out = (): number | string => {
    const index = ns.net.devs.find('v1')?.ifindex ?? ns.net.devs.find('uplink')?.ifindex ?? 0;
    const route = routeOutput(net, ipv4('10.0.1.9'), 0, index, 0);
    return typeof route === 'number' ? route : route.gateway === 0 ? 'on link' : 'by a gateway';
  };
  assert.equal(out(), 'on link');
  ns.ip('link set v1 name uplink');
  assert.match(ns.ip('rule'), /oif uplink unreachable/);
  assert.equal(ns.ip('route get 9.9.9.9 oif v0').includes('via 10.0.0.2'), true);
  // LINUX: with a device given, the tables are not believed.
  assert.equal(ns.ip('route get 9.9.9.9 oif uplink').includes('via'), false);
});

test('S5: the first vrf brings rule 1000 in both families; who deletes it has no vrf tables', () => {
  const { ns } = twoWays();
  ns.ip('link add red type vrf table 77');
  for (const family of ['', '-6 '])
    assert.match(ns.ip(`${family}rule`), /^1000:\tfrom all lookup \[l3mdev-table\]$/m);
  ns.ip('link set red up');
  ns.ip('route add 9.9.9.0/24 via 10.0.1.2 table 77');
  assert.match(ns.ip('route get 9.9.9.9 vrf red'), /via 10\.0\.1\.2 dev v1 table 77/);
  ns.ip('rule del pref 1000');
  assert.doesNotMatch(ns.ip('route get 9.9.9.9 vrf red'), /table 77/);
  ns.ip('link add blue type vrf table 78');
  assert.doesNotMatch(ns.ip('rule'), /1000:/, 'it comes with the first one alone');
});

test('S5: sockets and forwarded packets: marks, ports, the device by which they came', () => {
  const clock = new VirtualClock();
  const kernel = new Kernel({ env: clock, seed: 1 });
  const [a, r] = [kernel.netns.add('a'), kernel.netns.add('r')];
  const wire = (i: number, other: Namespace): void =>
    void kernel.veth(
      { netns: r, name: `r${i}`, address: `10.0.${i}.2/24`, up: true },
      { netns: other, name: 'eth0', address: `10.0.${i}.1/24`, up: true },
    );
  wire(0, a);
  wire(1, kernel.netns.add('b'));
  wire(2, kernel.netns.add('c'));
  r.sysctl.set('net.ipv4.ip_forward', 1);
  a.ip('route add default via 10.0.0.2');
  r.ip('route add default via 10.0.1.1');
  r.ip('route add default via 10.0.2.1 table 100');
  r.ip('rule add iif r0 ipproto udp dport 53 table 100');
  const seenB = sent(r.net.devs.find('r1') as NetDevice);
  const seenC = sent(r.net.devs.find('r2') as NetDevice);
  const run = (): void => clock.runFor(kernel.core, 10_000);
  const socket = udp(a.net);
  for (const port of [52, 53]) socket.sendto(new Uint8Array(1), 0, at('99.9.9.9', port));
  run();
  assert.deepEqual([seenB(), seenC()], [['99.9.9.9:52'], ['99.9.9.9:53']]);
  r.ip('rule add fwmark 5 table 100');
  const own = udp(r.net);
  own.sendto(new Uint8Array(1), 0, at('99.9.9.9', 7));
  own.setsockopt(SOL_SOCKET, SO_MARK, 5);
  own.sendto(new Uint8Array(1), 0, at('99.9.9.9', 8));
  run();
  assert.deepEqual([seenB(), seenC()], [['99.9.9.9:7'], ['99.9.9.9:8']]);
  r.ip('rule add ipproto tcp dport 443 table 100');
  for (const port of [80, 443]) tcp(r.net).connect(at('99.9.9.9', port));
  run();
  assert.deepEqual([seenB(), seenC()], [['99.9.9.9:80'], ['99.9.9.9:443']]);
});

test('S7: a change makes decisions anew in its own namespace, and in no other', () => {
  const one = twoWays();
  const two = twoWays();
  const dsts = 4;
  const ask = (): void => {
    for (const { net } of [one, two])
      for (let i = 0; i < 100; i++) {
        routeOutput(net, ipv4('9.9.9.9') + (i % dsts), 0, 0, 0);
        routeOutput6(net, ip6(`2001:db8::${i % dsts}`), ip6('::'), 0);
      }
  };
  /** Decisions that a round of questions needs: IPv4 here, IPv6 here, both elsewhere. */
  const needed = (): readonly [number, number, number] => {
    const was = [one.net.ipv4.decisions, one.net.ipv6.decisions] as const;
    const others = two.net.ipv4.decisions + two.net.ipv6.decisions;
    ask();
    return [
      one.net.ipv4.decisions - was[0],
      one.net.ipv6.decisions - was[1],
      two.net.ipv4.decisions + two.net.ipv6.decisions - others,
    ];
  };
  ask();
  assert.deepEqual(needed(), [0, 0, 0], 'all of them are kept');
  for (const change of [
    'route add 20.0.0.0/8 via 10.0.0.2',
    'rule add from 1.2.3.4 table 100',
    'addr add 10.7.0.1/24 dev v0',
    'route flush cache',
  ]) {
    one.ns.ip(change);
    const [v4, v6, elsewhere] = needed();
    assert.equal(v4, dsts, `one for each destination: ${change}`);
    assert.equal(v6, 0, 'the other family is not concerned');
    assert.equal(elsewhere, 0);
  }
  for (const change of [
    '-6 route add fd20::/16 via fd00:0:0:0::2',
    '-6 rule add from fd99::/64 table 100',
    '-6 route flush cache',
  ]) {
    one.ns.ip(change);
    const [v4, v6, elsewhere] = needed();
    assert.equal(v4, 0);
    // Kept from the second time on, and two may have one place at first.
    assert.ok(v6 >= dsts && v6 <= 3 * dsts, `${v6} after ${change}`);
    assert.equal(elsewhere, 0);
  }
  assert.deepEqual(needed(), [0, 0, 0]);
  one.ns.ip('rule add fwmark 1 table 100');
  assert.deepEqual(needed(), [100, 0, 0], 'by a mark none can be kept');
});

test('S7: what was learnt of a destination is bounded, expires, and goes with the routes that it was about', () => {
  const { ns, net } = twoWays();
  const learn = (dst: string): void => updatePmtu(net, ipv4(dst), 1000, null);
  const learn6 = (dst: string): void => {
    const route = routeOutput6(net, ip6(dst), ip6('::'), 0);
    if (typeof route !== 'number') updatePmtu6(net, ip6(dst), 1300, route);
  };
  ns.ip('route add 20.0.0.0/8 via 10.0.0.2');
  ns.ip('-6 route add fd20::/16 via fd00:0:0:0::2');
  for (const dst of ['20.1.1.1', '30.1.1.1']) learn(dst);
  for (const dst of ['fd20::1', 'fd30::1']) learn6(dst);
  assert.match(
    ns.ip('route show cache'),
    /^20\.1\.1\.1 via .*\n +cache expires 600sec mtu 1000 $/m,
  );
  assert.match(ns.ip('-6 route show cache'), /^fd20::1 from :: via .* expires 600sec mtu 1300 /m);
  ns.ip('route replace 20.0.0.0/8 via 10.0.1.2');
  ns.ip('-6 route replace fd20::/16 via fd00:0:0:1::2');
  assert.doesNotMatch(ns.ip('route show cache'), /^20/m, 'another way, another MTU');
  assert.match(ns.ip('route show cache'), /^30\.1\.1\.1 /m);
  assert.doesNotMatch(ns.ip('-6 route show cache'), /^fd20/m);
  assert.match(ns.ip('-6 route show cache'), /^fd30::1 /m);
  ns.ip('route flush cache');
  ns.ip('-6 route flush cache');
  assert.equal(ns.ip('route show cache') + ns.ip('-6 route show cache'), '');
  for (let i = 0; i < 5000; i++) updatePmtu(net, i, 1000, null);
  assert.equal(net.ipv4.exceptions.size, 2048);
});

/** Destinations of what leaves by a device since the last time that somebody asked. */
function sent(dev: NetDevice): () => string[] {
  let seen: string[] = [];
  dev.taps = [
    {
      tap: (pkt, _dev, outgoing) => {
        const port = pkt.udp?.dport ?? pkt.tcp?.dport;
        if (outgoing && pkt.ip !== null && port !== undefined) {
          const { dst } = pkt.ip;
          seen.push(`${[24, 16, 8, 0].map((n) => (dst >>> n) & 255).join('.')}:${port}`);
        }
      },
    },
  ];
  return () => {
    const all = seen;
    seen = [];
    return all;
  };
}
