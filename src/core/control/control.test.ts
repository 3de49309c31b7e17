/** The typed calls: what they do, what they refuse, and that a refusal changes nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { EOPNOTSUPP, NetError } from '../errno.ts';
import { Kernel } from './kernel.ts';
import type { Namespace } from './namespace.ts';
import { splitWords } from './split-words.ts';

function world(): { kernel: Kernel; a: Namespace; b: Namespace } {
  const kernel = new Kernel({ env: new VirtualClock(), seed: 1 });
  return { kernel, a: kernel.netns.add('a'), b: kernel.netns.add('b') };
}

function refusal(code: string, detail?: string): (e: unknown) => boolean {
  return (e) =>
    e instanceof NetError && e.code === code && (detail === undefined || e.detail === detail);
}

test('the example of the documentation: a wire, addresses, a route by iproute2’s words', () => {
  const { kernel, a, b } = world();
  const [left, right] = kernel.veth(
    { netns: a, name: 'eth0', address: '10.0.0.1/24', up: true },
    { netns: b, name: 'eth0', address: ['10.0.0.2/24', '10.0.1.2/24'], up: true },
  );
  assert.deepEqual([left.operState, right.operState], ['UP', 'UP']);
  assert.equal(left.link?.netns, 'b');
  a.ip('route add default via 10.0.0.2');
  assert.equal(
    a.ip('route'),
    'default via 10.0.0.2 dev eth0 \n10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1 \n',
  );
  assert.deepEqual(a.route.get('8.8.8.8').gateway, '10.0.0.2');
  assert.equal(b.addr.list('eth0').length, 2);
});

test('a refused veth or bridge leaves nothing behind', () => {
  const { kernel, a, b } = world();
  assert.throws(
    () => kernel.veth({ netns: a, name: 'x', address: '10.0.0.1/99' }, { netns: b, name: 'y' }),
    refusal('EINVAL'),
  );
  assert.throws(
    () => kernel.bridge({ netns: a, name: 'br0', ports: ['nope'] }),
    refusal('ENODEV', 'Cannot find device "nope"'),
  );
  assert.throws(
    () => a.link.add({ kind: 'veth', name: 'x', peer: { name: 'lo' } }),
    refusal('EEXIST'),
  );
  assert.throws(() => a.link.add({ kind: 'veth', name: 'x', mtu: 10 }), refusal('EINVAL'));
  assert.deepEqual(
    [...a.link.list(), ...b.link.list()].map((l) => l.name),
    ['lo', 'lo'],
  );
});

test('link.set does everything or nothing', () => {
  const { a } = world();
  a.link.add({ kind: 'veth', name: 'v0', address: '02:00:00:00:00:01', peer: { name: 'v1' } });
  const before = a.link.show('v0');
  for (const bad of [{ mtu: 1 }, { name: 'lo' }, { master: 'v1' }, { master: 'nope' }])
    assert.throws(() =>
      a.link.set('v0', { address: '02:00:00:00:00:09', alias: 'x', up: true, mtu: 2000, ...bad }),
    );
  const after = a.link.show('v0');
  assert.deepEqual(after, { ...before, carrierChanges: after.carrierChanges });
});

test('an address, a route and a neighbour that are refused change nothing', () => {
  const { kernel, a, b } = world();
  kernel.veth({ netns: a, name: 'e', address: '10.0.0.1/24', up: true }, { netns: b, up: true });
  const before = [a.ip('addr'), a.ip('route show table all'), a.ip('neigh')];
  assert.throws(
    () => a.addr.add('10.0.0.1/24', 'e'),
    refusal('EEXIST', 'ipv4: Address already assigned'),
  );
  assert.throws(
    () => a.route.replace({ dst: '10.9.0.0/16', via: '9.9.9.9' }),
    refusal('ENETUNREACH', 'Nexthop has invalid gateway'),
  );
  assert.throws(() =>
    a.route.add({ dst: '10.0.0.0/24', dev: 'e', metric: 0, metrics: { mtu: 5 }, src: '1.2.3.4' }),
  );
  assert.throws(() => a.neigh.add({ dst: '10.0.0.9', dev: 'e' }), refusal('EINVAL'));
  assert.deepEqual([a.ip('addr'), a.ip('route show table all'), a.ip('neigh')], before);
});

test('addresses: lifetimes run out, in virtual time', () => {
  const clock = new VirtualClock();
  const kernel = new Kernel({ env: clock, seed: 1 });
  const ns = kernel.netns.add('a');
  ns.addr.add({ local: '10.0.0.1/8', dev: 'lo', validLft: 100, preferredLft: 50 });
  clock.runFor(kernel.core, 60_000_000);
  assert.deepEqual(
    ns.addr.list().map((x) => [x.validLft, x.preferredLft, x.deprecated]),
    [[40, 0, true]],
  );
  clock.runFor(kernel.core, 60_000_000);
  assert.equal(ns.addr.list().length, 0);
});

test('sysctls are per namespace, checked, and forwarding spreads', () => {
  const { kernel, a, b } = world();
  kernel.veth({ netns: a, name: 'e' }, { netns: b, name: 'e' });
  a.sysctl.set('net.ipv4.ip_forward', 1);
  assert.equal(a.sysctl.get('net/ipv4/conf/e/forwarding'), '1');
  assert.equal(a.sysctl.get('net.ipv4.conf.all.accept_redirects'), '0');
  assert.equal(b.sysctl.get('net.ipv4.conf.e.forwarding'), '0');
  assert.throws(() => a.sysctl.set('net.ipv4.ip_default_ttl', 256), refusal('EINVAL'));
  assert.throws(() => a.sysctl.get('net.ipv4.nope'), refusal('ENOENT'));
  assert.throws(
    () => a.sysctl.set('net.ipv4.tcp_available_congestion_control', 'x'),
    refusal('EPERM'),
  );
  assert.equal(a.sysctl.list('net.ipv4.conf.e').get('net.ipv4.conf.e.forwarding'), '1');
});

test('every sysctl that is listed reads, and takes back what it read', () => {
  const { a } = world();
  const all = a.sysctl.list();
  assert.ok(all.size > 100);
  for (const [name, value] of all)
    if (!/(available|allowed)_congestion_control$|hash_entries$/.test(name) || /child/.test(name))
      a.sysctl.set(name, value);
  assert.deepEqual(a.sysctl.list(), all);
});

test('a sysctl that rules nothing here is told back, bounded, or refused with the reason', () => {
  const { a } = world();
  a.sysctl.set('net.ipv4.tcp_comp_sack_slack_ns', '0');
  assert.equal(a.sysctl.get('net.ipv4.tcp_comp_sack_slack_ns'), '0');
  assert.throws(() => a.sysctl.set('net.ipv4.tcp_autocorking', '2'), refusal('EINVAL'));
  assert.throws(() => a.sysctl.set('net.ipv4.tcp_plb_enabled', '1'), /no flow labels/);
  assert.throws(() => a.sysctl.set('net.ipv4.tcp_ehash_entries', '1'), refusal('EPERM'));
});

test('netem goes on and off a device', () => {
  const { a } = world();
  a.link.set('lo', { up: true });
  a.qdisc.add('lo', 'delay 10ms');
  assert.throws(() => a.qdisc.add('lo', 'delay 10ms'), refusal('EEXIST'));
  assert.equal(a.link.show('lo').qdisc, 'netem');
  assert.throws(() => a.qdisc.replace('lo', 'dely 10ms'), refusal('EINVAL'));
  assert.equal(a.qdisc.list()[0]?.words, 'limit 1000 delay 10ms');
  a.qdisc.del('lo');
  assert.equal(a.link.show('lo').qdisc, 'noqueue');
});

test('namespaces come and go by name', () => {
  const { kernel, a, b } = world();
  kernel.veth({ netns: a, name: 'e' }, { netns: b, name: 'e' });
  assert.throws(() => kernel.netns.add('a'), refusal('EEXIST'));
  assert.throws(() => kernel.netns.add('a/b'), refusal('EINVAL'));
  assert.throws(() => kernel.netns.get('c'), refusal('ENOENT'));
  kernel.netns.del('b');
  assert.deepEqual(
    kernel.netns.list().map((n) => n.name),
    ['a'],
  );
  assert.equal(a.link.has('e'), false);
  const anonymous = kernel.netns.add();
  assert.equal(anonymous.name, null);
  anonymous.destroy();
  assert.equal(kernel.netns.list().length, 1);
});

test('run needs a runner', () => {
  const { kernel, a } = world();
  assert.throws(
    () => a.run(() => 1),
    (e) => e instanceof NetError && e.errno === -EOPNOTSUPP,
  );
  kernel.setRunner((_ns, fn) => fn());
  assert.equal(
    a.run(() => 1),
    1,
  );
});

test('stats have Linux’s names', () => {
  const { a } = world();
  const { mib, drops } = a.stats();
  assert.equal(mib['Tcp.ActiveOpens'], 0);
  assert.equal(mib['Ip.InReceives'], 0);
  assert.deepEqual(drops, {});
});

test('words are split as a shell splits them', () => {
  assert.deepEqual(splitWords(`  a "b c"  'd "e'f g""`), ['a', 'b c', 'd "ef', 'g']);
  assert.deepEqual(splitWords(`a ""`), ['a', '']);
});
