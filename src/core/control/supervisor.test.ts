/** The supervisor: every device of every namespace, one stream of what happens, every verb from outside. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { ipTool } from '../../tools/ip.ts';
import { isMonitor, monitorTool } from '../../tools/monitor.ts';
import { tunAdd } from '../device/tun.ts';
import type { ToolContext } from './ip/ip.ts';
import { Kernel } from './kernel.ts';
import type { Namespace } from './namespace.ts';
import type { WatchEvent } from './watch.ts';

function makeKernel(): Kernel {
  return new Kernel({ env: new VirtualClock(), seed: 1 });
}

function context(kernel: Kernel, ns: Namespace): ToolContext {
  const { netns } = kernel;
  return { ns, findNetns: (name) => netns.find(name), listNetns: () => netns.list() };
}

test('S19, V4, E5: 325 namespaces have a tun0 each, and nobody is confused', () => {
  const kernel = makeKernel();
  const host = kernel.netns.add('host');
  const guests = Array.from({ length: 325 }, (_, i) => kernel.netns.add(`ve${i}`));
  for (const ns of guests) assert.ok(typeof tunAdd(ns.net, 'tun0', { mode: 'tun' }) !== 'number');
  assert.equal(host.link.list().length, 1, 'the host has none of them');
  const all = kernel.links().filter((l) => l.link.name === 'tun0');
  assert.equal(all.length, 325);
  assert.equal(new Set(all.map((l) => `${l.netns.name}/${l.link.ifindex}`)).size, 325);
  // Every verb from outside: one of them, and no other.
  kernel.netns.get('ve7').link.set('tun0', { mtu: 1300, up: true });
  host.ip('-n ve8 addr add 10.8.0.1/24 dev tun0');
  const ctx = context(kernel, host);
  const listed = JSON.parse(ipTool(ctx, ['-all', '-j', 'link']).stdout) as {
    netns: string;
    ifname: string;
    mtu: number;
  }[];
  const tuns = listed.filter((l) => l.ifname === 'tun0');
  assert.equal(tuns.length, 325);
  assert.deepEqual(
    tuns.filter((l) => l.mtu === 1300).map((l) => l.netns),
    ['ve7'],
  );
  const text = ipTool(ctx, ['-all', '-br', 'addr']).stdout;
  assert.match(text, /\nnetns: ve8\nlo +DOWN +\ntun0 +DOWN +10\.8\.0\.1\/24 \n\nnetns: ve9\n/);
});

test('S19: -all lists, and refuses the rest by name', () => {
  const kernel = makeKernel();
  const a = kernel.netns.add('a');
  const anonymous = kernel.netns.add();
  a.link.set('lo', { up: true });
  const ctx = context(kernel, a);
  const run = (...words: string[]): string => {
    const { stdout, stderr } = ipTool(ctx, words);
    return stdout + stderr;
  };
  assert.equal(run('-a', 'route', 'show'), `\nnetns: a\n\nnetns: #${anonymous.net.id}\n`);
  assert.equal(run('-all', 'neigh'), `\nnetns: a\n\nnetns: #${anonymous.net.id}\n`);
  assert.match(run('-all', '-j', 'addr'), /^\[\{"netns":"a","ifindex":1,"ifname":"lo"/);
  assert.match(run('-all', 'link', 'set', 'lo', 'up'), /"ip link set" needs -n NAME/);
  assert.equal(anonymous.link.show('lo').up, false);
  kernel.netns.add('b');
  assert.equal(run('-all', 'netns', 'del'), '');
  assert.deepEqual(
    kernel.netns.list().map((n) => n.name),
    [null],
  );
});

test('S19: ip monitor all-nsid tells by id whose news it is; without it, its own alone', () => {
  const kernel = makeKernel();
  const a = kernel.netns.add('a');
  const b = kernel.netns.add('b');
  kernel.netns.add('unknown');
  a.ip('netns set b 7');
  let all = '';
  let own = '';
  const ctx = context(kernel, a);
  const one = monitorTool(ctx, ['monitor', 'link', 'all-nsid'], (text) => {
    all += text;
  });
  const two = monitorTool(ctx, ['-o', 'monitor', 'label', 'link', 'dev', 'lo'], (text) => {
    own += text;
  });
  assert.ok('stop' in one && 'stop' in two);
  b.link.set('lo', { up: true });
  a.link.set('lo', { up: true });
  a.link.add({ kind: 'dummy', name: 'd' });
  kernel.netns.get('unknown').link.set('lo', { up: true });
  one.stop();
  two.stop();
  a.link.set('lo', { up: false });
  const lo =
    '1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default \n' +
    '    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n';
  assert.ok(
    all.startsWith(`[nsid 7]${lo}[nsid current]${lo}[nsid current]2: d: <BROADCAST,NOARP>`),
  );
  assert.equal(own, `[LINK]${lo.replace('\n ', '\\ ')}`);
});

test('ip monitor: words', () => {
  const kernel = makeKernel();
  const ns = kernel.netns.add('a');
  const ctx = context(kernel, ns);
  const refusal = (...words: string[]): string => {
    const outcome = monitorTool(ctx, words, () => {});
    return 'stop' in outcome ? '' : outcome.stderr + outcome.stdout;
  };
  assert.match(refusal('monitor', 'frob'), /^Argument "frob" is unknown, try "ip monitor help"/);
  assert.match(refusal('monitor', 'mroute'), /"ip monitor mroute" is not implemented here/);
  assert.match(refusal('monitor', 'link', 'dev', 'nope'), /Device "nope" does not exist/);
  assert.match(refusal('monitor', 'help'), /^Usage: ip monitor/);
  assert.ok(isMonitor(ctx, ['-n', 'a', '-j', 'mon']));
  assert.ok(!isMonitor(ctx, ['link', 'show', 'monitor']));
  assert.throws(() => ns.ip('monitor'), { code: 'EOPNOTSUPP' });
});

test('S19: kernel.watch gives snapshots', () => {
  const kernel = makeKernel();
  const a = kernel.netns.add('a');
  const seen: WatchEvent[] = [];
  const stop = kernel.watch((e) => seen.push(e));
  a.link.set('lo', { up: true });
  a.route.add({ dst: '10.0.0.0/8', dev: 'lo' });
  a.neigh.add({ dst: '10.0.0.1', dev: 'lo', lladdr: '02:00:00:00:00:01' });
  stop();
  const kinds = seen.map((e) => e.kind);
  assert.deepEqual(kinds.slice(0, 2), ['newlink', 'newaddr']);
  assert.deepEqual(kinds.slice(-2), ['newroute', 'newneigh']);
  const [link, address] = seen;
  assert.ok(link?.kind === 'newlink' && link.netns === a && link.link.up);
  assert.ok(address?.kind === 'newaddr' && address.address.local === '127.0.0.1');
  const [route, neigh] = seen.slice(-2);
  assert.ok(route?.kind === 'newroute' && route.route.dst === '10.0.0.0/8');
  assert.ok(neigh?.kind === 'newneigh' && neigh.neighbour.state === 'PERMANENT');
  a.link.set('lo', { up: false });
  assert.ok(link.link.up, 'a snapshot does not change');
});

test("E5: ip monitor neigh tells of a bridge's addresses, too, as neighbours without an address of IP", () => {
  const kernel = makeKernel();
  const ns = kernel.netns.add('a');
  for (const words of [
    'link add br0 type bridge',
    'link add p type veth peer name q',
    'link set p master br0',
  ])
    assert.equal(ns.ip(words), '');
  let text = '';
  const started = monitorTool(context(kernel, ns), ['monitor', 'neigh'], (piece) => {
    text += piece;
  });
  assert.ok('stop' in started);
  ns.bridge.fdbAdd('02:00:00:00:00:77', 'p');
  ns.bridge.fdbDel('02:00:00:00:00:77', 'p');
  started.stop();
  assert.equal(
    text,
    'dev p lladdr 02:00:00:00:00:77 PERMANENT \nDeleted dev p lladdr 02:00:00:00:00:77 PERMANENT \n',
  );
});
