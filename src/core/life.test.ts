/** The life of a namespace: what is in a new one, what keeps it alive, how it ends, and what is left (S7, E8). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutIpv6 } from '../../test/world.ts';
import { VirtualClock } from '../sim/virtual-clock.ts';
import { Kernel } from './control/kernel.ts';
import type { Namespace } from './control/namespace.ts';
import { TunPort, tunAdd, tunAttach } from './device/tun.ts';
import { Socket } from './socket/socket.ts';
import { AF_INET, SOCK_DGRAM, SOCK_STREAM } from './transport/sock.ts';
import { ipv4 } from './util/address.ts';

const S = 1_000_000;

class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });

  run(us = S): void {
    this.clock.runFor(this.kernel.core, us);
  }

  socket(ns: Namespace, type: number): Socket {
    const s = Socket.create(ns.net, AF_INET, type);
    assert.ok(typeof s !== 'number');
    return s;
  }

  /** 10.0.0.1 in a, 10.0.0.2 in b. */
  pair(a: Namespace, b: Namespace): void {
    this.kernel.veth(
      { netns: a, name: 'v0', address: '10.0.0.1/24', up: true },
      { netns: b, name: 'v1', address: '10.0.0.2/24', up: true },
    );
  }
}

function to(addr: string, port: number): { family: 2; addr: number; port: number } {
  return { family: AF_INET, addr: ipv4(addr), port };
}

test('E8: a new namespace has lo, down, and nothing else', () => {
  const { kernel } = new World();
  const ns = kernel.netns.add('a');
  assert.deepEqual(
    ns.link.list().map((l) => [l.name, l.ifindex, l.up, l.mtu, l.qdisc]),
    [['lo', 1, false, 65_536, 'noop']],
  );
  assert.deepEqual([ns.addr.list(), ns.route.list(0), ns.neigh.list()], [[], [], []]);
  assert.equal(kernel.core.timers.count, 0);
});

test('S7: a name keeps a namespace, and so do a socket, a handle and a task', async () => {
  const w = new World();
  const { kernel } = w;
  w.kernel.setRunner((_ns, fn) => fn());
  const bare = kernel.netns.add('bare');
  kernel.netns.del('bare');
  assert.equal(bare.alive, false);

  const withSocket = kernel.netns.add('s');
  const socket = w.socket(withSocket, SOCK_DGRAM);
  kernel.netns.del('s');
  assert.equal(kernel.netns.find('s'), undefined);
  assert.deepEqual([withSocket.alive, withSocket.name], [true, null]);
  kernel.netns.add('s');
  socket.close();
  w.run();
  assert.equal(withSocket.alive, false);

  const held = kernel.netns.add('h');
  const letGo = held.hold();
  kernel.netns.del('h');
  assert.ok(held.alive);
  letGo();
  letGo();
  w.run();
  assert.equal(held.alive, false);

  const busy = kernel.netns.add('t');
  let finish = (): void => {};
  const done = busy.run(() => new Promise<void>((resolve) => (finish = resolve)));
  kernel.netns.del('t');
  w.run();
  assert.ok(busy.alive);
  finish();
  await done;
  await Promise.resolve();
  w.run();
  assert.equal(busy.alive, false);
  const failing = kernel.netns.add('f');
  const failed = failing.run(() => Promise.reject(new Error('as it should')));
  kernel.netns.del('f');
  await assert.rejects(failed, { message: 'as it should' });
  w.run();
  assert.equal(failing.alive, false);
  assert.throws(() =>
    kernel.netns.get('s').run(() => {
      throw new Error('x');
    }),
  );
  kernel.netns.del('s');
  assert.equal(kernel.core.namespaces.size, 0);
});

test("S7: an anonymous namespace is its maker's until it lets go", () => {
  const w = new World();
  const ns = w.kernel.netns.add();
  assert.throws(() => w.kernel.netns.add('named').release(), { code: 'EINVAL' });
  const s = w.socket(ns, SOCK_STREAM);
  ns.release();
  ns.release();
  assert.ok(ns.alive);
  s.close();
  w.run();
  assert.equal(ns.alive, false);
});

test('S7: a connection that says goodbye keeps its namespace until it is over; TIME-WAIT does not', () => {
  const w = new World();
  const { kernel } = w;
  const a = kernel.netns.add('a');
  const b = kernel.netns.add('b');
  w.pair(a, b);
  const listener = w.socket(b, SOCK_STREAM);
  listener.bind(to('10.0.0.2', 80));
  listener.listen(1);
  const client = w.socket(a, SOCK_STREAM);
  client.connect(to('10.0.0.2', 80));
  w.run();
  const server = listener.accept();
  assert.ok(typeof server !== 'number');
  b.link.set('v1', { up: false });
  client.close();
  kernel.netns.del('a');
  w.run(10 * S);
  assert.ok(a.alive, 'its FIN is not acknowledged');
  assert.ok(b.link.has('v1'));
  b.link.set('v1', { up: true });
  w.run(60 * S);
  server.close();
  w.run(S);
  assert.equal(a.alive, false, 'TIME-WAIT does not keep it');
  assert.equal(b.link.has('v1'), false, 'the peer went with it');
});

test('S7: what ends with a namespace: peers elsewhere, ids, sockets, timers', () => {
  const w = new World();
  const { kernel } = w;
  const a = kernel.netns.add('a');
  const b = kernel.netns.add('b');
  // IPv6 would tell of routes and addresses of its own.
  withoutIpv6(b.net);
  w.pair(a, b);
  b.link.add({ kind: 'macvlan', name: 'm', link: 'v1' });
  assert.equal(b.link.show('v1').link?.netnsId, 0);
  const seen: string[] = [];
  kernel.watch((e) => {
    if (e.netns === b) seen.push(`${e.kind} ${'link' in e ? e.link.name : ''}`.trim());
    if (e.kind === 'delnetns') seen.push(`${e.netns.name} is gone`);
  });
  const s = w.socket(a, SOCK_DGRAM);
  s.sendto(new Uint8Array(1), 0, to('10.0.0.9', 9));
  assert.ok(kernel.core.timers.count > 0);
  a.destroy();
  assert.deepEqual(seen, [
    'delnsid',
    'newlink v1',
    'deladdr',
    'delroute',
    'dellink m',
    'dellink v1',
    'a is gone',
  ]);
  assert.deepEqual([...b.net.nsids.list()], []);
  assert.equal(s.close(), 0);
  b.destroy();
  w.run();
  assert.equal(kernel.core.timers.count, 0);
});

test('S7: a real device goes to the initial namespace, and finds a name there', () => {
  const w = new World();
  const { kernel } = w;
  const a = kernel.netns.add('a');
  const cards = ['eth0', 'eth1', 'eth2'].map((name) => {
    const dev = tunAdd(a.net, name, { mode: 'tap', real: true });
    assert.ok(typeof dev !== 'number');
    return dev;
  });
  const port = tunAttach(cards[0] as (typeof cards)[0]);
  assert.ok(port instanceof TunPort);
  tunAdd(a.net, 'tap0', { mode: 'tap' });
  const { init } = kernel.netns;
  assert.equal(init.name, null);
  tunAdd(init.net, 'eth1', { mode: 'tap' });
  tunAdd(init.net, 'eth2', { mode: 'tap' });
  init.link.add({ kind: 'dummy', name: 'dev4' });
  a.link.set('eth0', { up: true });
  kernel.netns.del('a');
  assert.equal(a.alive, false);
  assert.deepEqual(
    cards.map((d) => [d.name, d.net === init.net, d.up]),
    [
      ['eth0', true, false],
      ['dev3', true, false],
      ['dev0', true, false],
    ],
  );
  init.link.set('eth0', { up: true });
  assert.equal(port.receive(new Uint8Array(60)), 60);
  assert.throws(() => kernel.netns.remove(init), { code: 'EBUSY' });
  init.release();
  assert.ok(init.alive);
});

test('S12: what a new namespace inherits, and from whom', () => {
  const { kernel } = new World();
  const early = kernel.netns.add('early');
  const { init } = kernel.netns;
  init.sysctl.set('net.ipv4.conf.default.rp_filter', 2);
  init.sysctl.set('net.ipv4.conf.all.arp_ignore', 1);
  init.sysctl.set('net.ipv4.tcp_congestion_control', 'reno');
  init.sysctl.set('net.ipv4.tcp_rmem', '4096 8192 16384');
  init.sysctl.set('net.ipv4.ip_default_ttl', 9);
  const settings = (ns: Namespace): string[] =>
    [
      'net.ipv4.conf.default.rp_filter',
      'net.ipv4.conf.lo.rp_filter',
      'net.ipv4.conf.all.arp_ignore',
      'net.ipv4.tcp_congestion_control',
      'net.ipv4.tcp_rmem',
      'net.ipv4.ip_default_ttl',
    ].map((name) => ns.sysctl.get(name));
  assert.deepEqual(settings(early), ['0', '0', '0', 'cubic', '4096\t131072\t33554432', '64']);
  const tcp = ['reno', '4096\t8192\t16384', '64'];
  assert.deepEqual(settings(kernel.netns.add('copy')), ['2', '2', '1', ...tcp]);
  init.sysctl.set('net.core.devconf_inherit_init_net', 2);
  assert.deepEqual(settings(kernel.netns.add('fresh')), ['0', '0', '0', ...tcp]);
  init.sysctl.set('net.ipv6.conf.default.ndisc_tclass', 5);
  init.sysctl.set('net.ipv6.conf.all.ndisc_tclass', 6);
  const classes = [0, 1, 2, 3].map((value) => {
    init.sysctl.set('net.core.devconf_inherit_init_net', value);
    const ns = kernel.netns.add(null);
    return ['default', 'all', 'lo'].map((dir) =>
      ns.sysctl.get(`net.ipv6.conf.${dir}.ndisc_tclass`),
    );
  });
  // As a kernel answers (Linux 6.18).
  assert.deepEqual(classes, [
    ['0', '0', '0'],
    ['5', '6', '5'],
    ['0', '0', '0'],
    ['5', '6', '5'],
  ]);
  assert.throws(() => early.sysctl.get('net.core.devconf_inherit_init_net'), { code: 'ENOENT' });
  assert.throws(() => init.sysctl.set('net.core.devconf_inherit_init_net', 4), { code: 'EINVAL' });
});

test('S7: many come and go, and leave nothing behind', () => {
  const w = new World();
  const { kernel } = w;
  const hub = kernel.netns.add('hub');
  // It would ask for routers for ever.
  hub.sysctl.set('net.ipv6.conf.default.router_solicitations', 0);
  hub.link.add({ kind: 'bridge', name: 'br0', up: true });
  for (let i = 0; i < 3000; i++) {
    const ns = kernel.netns.add('n');
    ns.link.set('lo', { up: true });
    if (i % 10 === 0) {
      w.pair(ns, hub);
      hub.link.set('v1', { master: 'br0' });
      const s = w.socket(ns, SOCK_DGRAM);
      s.sendto(new Uint8Array(1), 0, to('10.0.0.2', 9));
      s.close();
    }
    kernel.netns.del('n');
    if (i % 100 === 0) w.run(1000);
  }
  w.run(400 * S);
  assert.equal(kernel.core.namespaces.size, 1);
  assert.equal(hub.link.list().length, 2);
  assert.deepEqual([...hub.net.nsids.list()], []);
  assert.equal(kernel.core.timers.count, 0);
  assert.equal(kernel.core.backlogLength, 0);
});
