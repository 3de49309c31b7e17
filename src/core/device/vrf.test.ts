/** vrf: routing domains inside a namespace: tables, sockets, what is local to one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceLab } from '../../../test/device-lab.ts';
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from '../transport/sock.ts';
import { SO_BINDTODEVICE, SOL_SOCKET } from '../transport/sockopt-names.ts';
import { ipv4 } from '../util/address.ts';
import { ip6 } from '../util/ip6-addr.ts';

/** r has vrfs red and blue, with one wire each, to ra and rb; both sides use the same addresses. */
function lab(): DeviceLab {
  const w = new DeviceLab(['r', 'a', 'b']);
  w.script(`
    r link add red type vrf table 10
    r link add blue type vrf table 20
    r link set red up
    r link set blue up
    r link add e0 type veth peer name eth0 netns a
    r link add e1 type veth peer name eth0 netns b
    r link set e0 master red
    r link set e1 master blue
    r link set e0 up
    r link set e1 up
    a link set eth0 up
    b link set eth0 up
    r addr add 10.0.0.1/24 dev e0
    r addr add 10.0.0.1/24 dev e1
    a addr add 10.0.0.2/24 dev eth0
    b addr add 10.0.0.2/24 dev eth0`);
  return w;
}

test('vrf: each domain has its own table; equal addresses are not in each other’s way', () => {
  const w = lab();
  assert.match(w.ip('r', 'route show vrf red'), /^10\.0\.0\.0\/24 dev e0 proto kernel/);
  assert.match(
    w.ip('r', 'route show table 20'),
    /local 10\.0\.0\.1 dev e1 proto kernel scope host/,
  );
  assert.equal(w.ip('r', 'route show'), '');
  assert.equal(w.ping('a', '10.0.0.1'), true);
  assert.equal(w.ping('b', '10.0.0.1'), true);
  assert.equal(w.ping('r', '-I red 10.0.0.2'), true);
  assert.equal(w.ns('a').stats().mib['Icmp.InEchos'], 1);
  assert.equal(w.ping('r', '-I blue 10.0.0.2'), true);
  assert.equal(w.ns('b').stats().mib['Icmp.InEchos'], 1);
  assert.match(String(w.ping('r', '10.0.0.2')), /Network is unreachable/);
  assert.equal(w.dev('r', 'red').stats.rxPackets, 2);
});

test('vrf: is listed as Linux lists it, and cannot move', () => {
  const w = lab();
  const red = w.json('r', 'link show red');
  assert.deepEqual(red.flags, ['NOARP', 'MASTER', 'UP', 'LOWER_UP']);
  assert.deepEqual([red.mtu, red.min_mtu, red.max_mtu], [65575, 1280, 65575]);
  assert.deepEqual(red.linkinfo, { info_kind: 'vrf', info_data: { table: 10 } });
  assert.equal(red.operstate, 'UP');
  assert.match(w.ip('r', 'link show vrf red'), /: e0@/);
  assert.match(w.ip('r', 'link set red netns a'), /netns is immutable/);
  assert.match(w.ip('r', 'link add x type vrf'), /VRF table id is missing/);
  assert.match(w.ip('r', 'link add x type vrf table 0'), /Invalid VRF table id/);
  assert.match(w.ip('r', 'link set lo master red'), /Can not enslave loopback device to a VRF/);
  assert.match(
    w.ip('r', 'link set blue master red'),
    /Can not enslave an L3 master device to a VRF/,
  );
  assert.match(w.ip('r', 'route show vrf nope'), /Invalid VRF/);
});

test('vrf: a server hears its own domain; unbound it hears both only if the sysctl says so', () => {
  const w = lab();
  const hear = (bound: string): string[] => {
    const s = w.socket('r', SOCK_DGRAM);
    if (bound !== '') assert.equal(s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, bound), 0);
    s.bind({ family: AF_INET, addr: 0, port: 9 });
    const from: string[] = [];
    for (const ns of ['a', 'b']) {
      const c = w.socket(ns, SOCK_DGRAM);
      c.sendto(new Uint8Array(1), 0, { family: AF_INET, addr: ipv4('10.0.0.1'), port: 9 });
      w.run(3_000_000);
      c.close();
      if (typeof s.recv(10) !== 'number') from.push(ns);
    }
    s.close();
    return from;
  };
  assert.deepEqual(hear('red'), ['a']);
  assert.deepEqual(hear('blue'), ['b']);
  assert.deepEqual(hear('e0'), ['a']);
  assert.deepEqual(hear(''), []);
  w.script('r sysctl net.ipv4.udp_l3mdev_accept=1');
  assert.deepEqual(hear(''), ['a', 'b']);
});

test('vrf: TCP servers of two domains share a port; a child stays in the domain of its SYN', () => {
  const w = lab();
  const serve = (dev: string): ReturnType<DeviceLab['socket']> => {
    const s = w.socket('r', SOCK_STREAM);
    if (dev !== '') assert.equal(s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, dev), 0);
    assert.equal(s.bind({ family: AF_INET, addr: 0, port: 80 }), 0, dev);
    assert.equal(s.listen(4), 0);
    return s;
  };
  const red = serve('red');
  const blue = serve('blue');
  const plain = serve('');
  for (const [ns, server] of [
    ['a', red],
    ['b', blue],
  ] as const) {
    const c = w.socket(ns, SOCK_STREAM);
    c.connect({ family: AF_INET, addr: ipv4('10.0.0.1'), port: 80 });
    w.run();
    assert.equal(typeof plain.accept(), 'number');
    const child = server.accept();
    assert.ok(typeof child !== 'number', ns);
    assert.equal(c.send(new Uint8Array(100_000)) > 0, true);
    w.run();
    const got = child.recv(1_000_000);
    assert.ok(typeof got !== 'number' && got.len > 0);
    child.close();
    c.close();
    w.run();
  }
  for (const s of [red, blue, plain]) s.close();
  // One server for all domains.
  w.script('r sysctl net.ipv4.tcp_l3mdev_accept=1');
  assert.equal(w.stream('a', 'r', '10.0.0.1', 50_000, 81), 50_000);
  assert.equal(w.stream('b', 'r', '10.0.0.1', 50_000, 82), 50_000);
});

test('vrf: a port nobody listens on is refused by way of the domain', () => {
  const w = lab();
  const c = w.socket('a', SOCK_STREAM);
  assert.equal(c.connect({ family: AF_INET, addr: ipv4('10.0.0.1'), port: 81 }), -115);
  w.run(500_000);
  assert.equal(c.connect({ family: AF_INET, addr: ipv4('10.0.0.1'), port: 81 }), -111);
  c.close();
});

test('vrf: forwards inside a domain by its table; a leak is a route', () => {
  const w = lab();
  w.script(`
    r sysctl net.ipv4.ip_forward=1
    r link add e2 type veth peer name eth1 netns b
    r link set e2 master red
    r link set e2 up
    b link set eth1 up
    r addr add 10.7.0.1/24 dev e2
    b addr add 10.7.0.2/24 dev eth1
    a route add default via 10.0.0.1
    b route add 10.8.0.0/16 via 10.7.0.1
    a addr add 10.8.0.1/32 dev lo
    r route add 10.8.0.0/16 via 10.0.0.2 vrf red`);
  assert.equal(w.ping('b', '-I 10.7.0.2 10.8.0.1'), true);
  assert.equal(w.ns('r').stats().mib['Ip.ForwDatagrams'], 2);
  assert.equal(w.ping('a', '-I 10.8.0.1 10.7.0.2'), true);
  // From blue there is no way to red.
  assert.match(w.ip('r', 'route get 10.7.0.2 vrf blue'), /Network is unreachable/);
  w.script('r route add 10.7.0.0/24 dev e2 vrf blue');
  assert.match(w.ip('r', 'route get 10.7.0.2 vrf blue'), /^10\.7\.0\.2 dev e2 /);
});

test('vrf: addresses of the domain itself are reached over its device, as over lo', () => {
  const w = lab();
  w.script('r addr add 10.99.0.1/32 dev red');
  assert.equal(w.ping('r', '-I red 10.99.0.1'), true);
  assert.equal(w.ping('r', '-I red 10.0.0.1'), true);
  assert.equal(w.dev('r', 'lo').stats.txPackets, 0);
  assert.equal(w.dev('r', 'red').stats.txPackets, 4);
  w.script('a route add default via 10.0.0.1');
  assert.equal(w.ping('a', '10.99.0.1'), true);
});

test('vrf: who leaves it gets its routes in the common table; without it there is no rule', () => {
  const w = lab();
  w.script('r link set e0 nomaster');
  assert.match(w.ip('r', 'route show'), /^10\.0\.0\.0\/24 dev e0/);
  assert.equal(w.ping('a', '10.0.0.1'), true);
  w.script('r link del blue');
  assert.equal(w.dev('r', 'e1').master, null);
  w.script('r link del red');
  assert.equal(w.ns('r').net.l3mdevs, 0);
  assert.equal(w.udp('a', 'r', '10.0.0.1'), '10.0.0.2');
});

test('vrf: IPv6 has its tables too', () => {
  const w = new DeviceLab(['r', 'a', 'b'], true);
  w.script(`
    r link add red type vrf table 10
    r link set red up
    r link add e0 type veth peer name eth0 netns a
    r link set e0 master red
    r link set e0 up
    a link set eth0 up
    r addr add fd00::1/64 dev e0 nodad
    a addr add fd00::2/64 dev eth0 nodad`);
  w.run(3_000_000);
  assert.equal(w.ping('a', 'fd00::1'), true);
  assert.match(w.ip('r', '-6 route show table 10'), /fd00::\/64 dev e0/);
  assert.doesNotMatch(w.ip('r', '-6 route show'), /fd00/);
});

test('V2: vrf: UDP and raw over IPv6: bound to the domain, to its port, or to nothing with *_l3mdev_accept', () => {
  const w = new DeviceLab(['r', 'a'], true);
  w.script(`
    r link add red type vrf table 10
    r link set red up
    r link add e0 type veth peer name eth0 netns a
    r link set e0 master red
    r link set e0 up
    a link set eth0 up
    r addr add fd00::1/64 dev e0 nodad
    a addr add fd00::2/64 dev eth0 nodad`);
  w.run(3_000_000);
  const addr6 = ip6('fd00::1');
  const hears = (bound: string, type: number): boolean => {
    const proto = type === SOCK_RAW ? 253 : 0;
    const s = w.socket('r', type, AF_INET6, proto);
    if (bound !== '') assert.equal(s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, bound), 0);
    if (type === SOCK_DGRAM) s.bind({ family: AF_INET6, addr: 0, addr6: ip6('::'), port: 9 });
    const c = w.socket('a', type, AF_INET6, proto);
    c.sendto(new Uint8Array(1), 0, {
      family: AF_INET6,
      addr: 0,
      addr6,
      port: type === SOCK_DGRAM ? 9 : 0,
    });
    w.run(100_000);
    const got = typeof s.recv(10) !== 'number';
    c.close();
    s.close();
    return got;
  };
  const all = (): boolean[][] =>
    [SOCK_DGRAM, SOCK_RAW].map((type) => ['red', 'e0', 'lo', ''].map((dev) => hears(dev, type)));
  assert.deepEqual(all(), [
    [true, true, false, false],
    [true, true, false, true],
  ]);
  w.script('r sysctl net.ipv4.udp_l3mdev_accept=1\nr sysctl net.ipv4.raw_l3mdev_accept=0');
  assert.deepEqual(all(), [
    [true, true, false, true],
    [true, true, false, false],
  ]);
});
