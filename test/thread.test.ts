/** The demands of the thread of June 2006 that are about designs beside each other; the others are in `requirements.test.ts`. */
import assert from 'node:assert/strict';
import { cpSync, existsSync } from 'node:fs';
import { test } from 'node:test';
import { rewriteAll } from '../bench/global-state.ts';
import { type Guest, MODELS, type Model, World } from '../bench/thread-models.ts';
import { Kernel } from '../src/core/control/kernel.ts';
import type { Namespace } from '../src/core/control/namespace.ts';
import type { NetDevice } from '../src/core/link/net-device.ts';
import { Socket } from '../src/core/socket/socket.ts';
import { AF_INET, SOCK_DGRAM } from '../src/core/transport/sock.ts';
import { ipv4 } from '../src/core/util/address.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';

const model = (name: string): Model => {
  const found = MODELS.find((m) => m.name === name);
  assert.ok(found !== undefined, name);
  return found;
};

/** What a datagram from outside to a guest met on its way. */
interface Way {
  /** Devices that received it. */
  readonly received: readonly string[];
  readonly ttl: number;
  /** Datagrams that UDP of the host saw. */
  readonly hostUdp: number;
}

function wayOf(w: World, guest: Guest): Way {
  const server = guest.socket(SOCK_DGRAM);
  assert.equal(server.bind({ family: AF_INET, addr: 0, port: 9 }), 0);
  server.setsockopt(0, 12, 1);
  const client = Socket.create(w.outside.net, AF_INET, SOCK_DGRAM);
  assert.ok(typeof client !== 'number');
  if (guest.from !== null) client.bind({ family: AF_INET, addr: ipv4(guest.from), port: 0 });
  client.connect({ family: AF_INET, addr: ipv4(guest.address), port: 9 });
  // The first one finds the neighbours.
  client.send(new Uint8Array(1));
  w.run();
  server.recv(1);
  const received: string[] = [];
  w.kernel.core.tracer = {
    receive: (dev: NetDevice) => received.push(dev.net.name ?? ''),
    transmit: () => {},
    drop: () => {},
  };
  const before = w.host.stats().mib['Udp.InDatagrams'] ?? 0;
  client.send(new Uint8Array(1));
  w.run();
  const got = server.recv(1);
  assert.ok(typeof got !== 'number', 'it arrived');
  server.close();
  client.close();
  return {
    received,
    ttl: Number(got.control.find((c) => c.type === 2)?.value),
    hostUdp: (w.host.stats().mib['Udp.InDatagrams'] ?? 0) - before,
  };
}

for (const m of MODELS)
  test(`V7: ${m.name}: several guests, and each hears its own`, () => {
    const w = new World();
    m.prepare(w);
    const count = m.name.startsWith('the host') ? 1 : 3;
    for (let i = 0; i < count; i++) wayOf(w, m.add(w, i));
  });

test('E11, E12, V7: direct is one reception; through the parent there are two, and one transport layer', () => {
  const way = (name: string): Way => {
    const w = new World();
    const m = model(name);
    m.prepare(w);
    return wayOf(w, m.add(w, 0));
  };
  const direct = way('direct assignment');
  assert.deepEqual(direct, { received: ['g0'], ttl: 64, hostUdp: 0 });
  for (const name of ['veth and routing parent', 'venet', 'netkit l3 and routing parent'])
    assert.deepEqual(way(name), { received: ['host', 'g0'], ttl: 63, hostUdp: 0 }, name);
  assert.deepEqual(way('the host itself, no guest').received, ['host']);
});

test('E13, L1, L2: who picks is the driver: by MAC, by address; the host’s stack sees nothing', () => {
  for (const name of ['macvlan', 'ipvlan l2', 'ipvlan l3']) {
    const w = new World();
    const m = model(name);
    m.prepare(w);
    const { received, ttl } = wayOf(w, m.add(w, 0));
    assert.deepEqual(received, ['host', 'g0'], name);
    assert.equal(ttl, 64, name);
    assert.equal(w.host.stats().mib['Ip.ForwDatagrams'], 0);
  }
});

test('L3: flat: one stack, whose sockets are told apart by owner or by tag', () => {
  for (const name of ['flat, filter at bind', 'flat, tags']) {
    const w = new World();
    const m = model(name);
    m.prepare(w);
    assert.deepEqual(wayOf(w, m.add(w, 0)).received, ['host'], name);
    assert.deepEqual(
      [...w.kernel.netns.list()].map((n) => n.name),
      ['outside', 'host'],
    );
  }
});

test('V8: a thousand guests behind one card', () => {
  const w = new World();
  const m = model('macvlan');
  m.prepare(w);
  const guests = Array.from({ length: 1000 }, (_, i) => m.add(w, i));
  w.run();
  for (const i of [0, 499, 999]) wayOf(w, guests[i] as Guest);
  assert.equal([...w.host.net.devs].length, 2, 'lo and the card');
});

test('E6: bridge and router are ordinary: a namespace is either by its devices and sysctls alone', () => {
  const clock = new VirtualClock(1);
  const kernel = new Kernel({ env: clock, seed: 1 });
  const [a, s, r, b] = ['a', 's', 'r', 'b'].map((n) => kernel.netns.add(n)) as [
    Namespace,
    Namespace,
    Namespace,
    Namespace,
  ];
  const wire = (x: Namespace, nx: string, y: Namespace, ny: string): void => {
    kernel.veth({ netns: x, name: nx, up: true }, { netns: y, name: ny, up: true });
  };
  wire(a, 'eth0', s, 'pa');
  wire(r, 'r0', s, 'pr');
  wire(r, 'r1', b, 'eth0');
  for (const words of [
    'link add br0 type bridge',
    'link set br0 up',
    'link set pa master br0',
    'link set pr master br0',
  ])
    s.ip(words);
  a.ip('addr add 10.0.0.2/24 dev eth0');
  r.ip('addr add 10.0.0.1/24 dev r0');
  r.ip('addr add 10.0.1.1/24 dev r1');
  b.ip('addr add 10.0.1.2/24 dev eth0');
  a.ip('route add default via 10.0.0.1');
  b.ip('route add default via 10.0.1.1');
  const arrives = (): boolean => {
    const server = Socket.create(b.net, AF_INET, SOCK_DGRAM);
    const client = Socket.create(a.net, AF_INET, SOCK_DGRAM);
    assert.ok(typeof server !== 'number' && typeof client !== 'number');
    server.bind({ family: AF_INET, addr: 0, port: 9 });
    client.sendto(new Uint8Array(1), 0, { family: AF_INET, addr: ipv4('10.0.1.2'), port: 9 });
    clock.runFor(kernel.core, 100_000);
    const got = typeof server.recv(1) !== 'number';
    server.close();
    client.close();
    return got;
  };
  assert.equal(arrives(), false);
  r.sysctl.set('net.ipv4.ip_forward', '1');
  assert.equal(arrives(), true);
  // Policy stands where one controls the wire: at the switch, whatever a does.
  s.ip('link set pa policy ip 10.0.0.77');
  assert.equal(arrives(), false);
});

/** All that a namespace shows of itself. */
function dump(ns: Namespace): string {
  const list = [
    '-j -d -s link',
    '-j addr',
    '-j route show table all',
    '-j -6 route show table all',
    '-j neigh',
  ];
  const files = ['dev', 'route', 'arp', 'tcp', 'udp', 'snmp', 'if_inet6', 'igmp'];
  return [
    ...list.map((words) => ns.ip(words)),
    ...files.map((f) => ns.fs.read(`/proc/net/${f}`)),
    ns.sysctl.get('net.ipv4.ip_forward'),
  ].join('\n');
}

test('S4: tun/tap, routes, filters, sockets and sysctls of one leave every byte of the others as it was', () => {
  const clock = new VirtualClock(1);
  const kernel = new Kernel({ env: clock, seed: 1 });
  const [a, ...others] = ['a', 'b', 'c'].map((n) => kernel.netns.add(n)) as [
    Namespace,
    ...Namespace[],
  ];
  for (const ns of [a, ...others]) ns.ip('link set lo up');
  clock.runFor(kernel.core, 3_000_000);
  const before = others.map(dump);
  const own = dump(a);
  a.ip('link add tap0 type dummy');
  a.ip('link set tap0 up');
  a.ip('addr add 10.0.0.1/24 dev tap0');
  a.ip('addr add fd00::1/64 dev tap0');
  a.ip('route add 10.1.0.0/16 via 10.0.0.2');
  a.ip('neigh add 10.0.0.2 lladdr 02:00:00:00:00:99 dev tap0');
  a.sysctl.set('net.ipv4.ip_forward', '1');
  a.filter.add('tap0', { actions: [{ kind: 'drop' }] });
  const socket = Socket.create(a.net, AF_INET, SOCK_DGRAM);
  assert.ok(typeof socket !== 'number');
  socket.bind({ family: AF_INET, addr: 0, port: 53 });
  socket.sendto(new Uint8Array(1), 0, { family: AF_INET, addr: ipv4('127.0.0.1'), port: 53 });
  clock.runFor(kernel.core, 3_000_000);
  assert.deepEqual(others.map(dump), before);
  assert.notEqual(dump(a), own);
});

test('E10: the rival of the benchmark is the same code, with every look-up of a namespace made global', (t) => {
  if (!existsSync('dist/core/kernel.js')) {
    t.skip('dist is not built');
    return;
  }
  const dir = 'build/e10-core';
  cpSync('dist/core', dir, { recursive: true, filter: (f) => !f.endsWith('.map') });
  assert.ok(rewriteAll(dir) > 500, 'nothing was replaced: what is measured is no rival');
});
