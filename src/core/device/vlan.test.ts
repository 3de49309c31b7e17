/** VLAN devices: tags on virtual wires, at byte edges, inside one another, and in other namespaces. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { ipTool } from '../../tools/ip.ts';
import { Kernel } from '../control/kernel.ts';
import type { Namespace } from '../control/namespace.ts';
import { Socket } from '../socket/socket.ts';
import { AF_INET, SOCK_DGRAM } from '../transport/sock.ts';
import { ipv4 } from '../util/address.ts';
import { tunAdd, tunAttach } from './tun.ts';

const S = 1_000_000;

class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  readonly a: Namespace = this.kernel.netns.add('a');
  readonly b: Namespace = this.kernel.netns.add('b');

  constructor() {
    this.kernel.veth(
      { netns: this.a, name: 'v0', mac: '02:00:00:00:00:01', up: true },
      { netns: this.b, name: 'v1', mac: '02:00:00:00:00:02', up: true },
    );
  }

  run(us = S): void {
    this.clock.runFor(this.kernel.core, us);
  }

  /** What `ip WORDS` prints in a. */
  ip(words: string): string {
    const { netns } = this.kernel;
    const ctx = { ns: this.a, findNetns: (n: string) => netns.find(n), listNetns: () => [] };
    const r = ipTool(ctx, words.split(' '));
    return r.stdout + r.stderr;
  }
}

/** How many of `count` datagrams from one namespace arrive in the other. */
function arrives(w: World, from: Namespace, to: Namespace, addr: string, size = 100): boolean {
  const s = Socket.create(to.net, AF_INET, SOCK_DGRAM);
  const c = Socket.create(from.net, AF_INET, SOCK_DGRAM);
  assert.ok(typeof s !== 'number' && typeof c !== 'number');
  s.bind({ family: AF_INET, addr: 0, port: 9 });
  c.sendto(new Uint8Array(size), 0, { family: AF_INET, addr: ipv4(addr), port: 9 });
  w.run(5 * S);
  const got = s.recv(100_000);
  s.close();
  c.close();
  return typeof got !== 'number' && got.len === size;
}

function vlanIn(
  ns: Namespace,
  link: string,
  id: number,
  address: string,
  protocol: '802.1Q' | '802.1ad' = '802.1Q',
): string {
  const name = `${link}.${id}`;
  ns.link.add({ kind: 'vlan', name, link, vlan: { id, protocol }, up: true });
  ns.addr.add({ local: address, dev: name });
  return name;
}

test('two that share id and protocol hear each other, others do not', () => {
  const w = new World();
  vlanIn(w.a, 'v0', 10, '10.0.10.1/24');
  vlanIn(w.b, 'v1', 10, '10.0.10.2/24');
  vlanIn(w.a, 'v0', 20, '10.0.20.1/24');
  vlanIn(w.b, 'v1', 21, '10.0.20.2/24');
  vlanIn(w.a, 'v0', 30, '10.0.30.1/24');
  vlanIn(w.b, 'v1', 30, '10.0.30.2/24', '802.1ad');
  assert.ok(arrives(w, w.a, w.b, '10.0.10.2'));
  assert.ok(arrives(w, w.b, w.a, '10.0.10.1', 5000), 'in fragments');
  assert.ok(!arrives(w, w.a, w.b, '10.0.20.2'));
  assert.ok(!arrives(w, w.a, w.b, '10.0.30.2'));
  // Nobody learnt anything from the requests of another VLAN.
  assert.deepEqual(
    w.b.neigh.list('inet').map((n) => n.dev),
    ['v1.10'],
  );
});

test('tags in tags', () => {
  const w = new World();
  vlanIn(w.a, 'v0', 100, '10.0.0.1/24', '802.1ad');
  vlanIn(w.b, 'v1', 100, '10.0.0.2/24', '802.1ad');
  vlanIn(w.a, 'v0.100', 7, '10.7.0.1/24');
  vlanIn(w.b, 'v1.100', 7, '10.7.0.2/24');
  assert.ok(arrives(w, w.a, w.b, '10.7.0.2'));
  assert.ok(arrives(w, w.b, w.a, '10.0.0.1'));
  // Without the inner device the frame is somebody else's.
  w.b.link.del('v1.100.7');
  assert.ok(!arrives(w, w.a, w.b, '10.7.0.2'));
});

test('a bridge that knows nothing of VLANs passes tagged frames, and has VLANs of its own', () => {
  const w = new World();
  const s = w.kernel.netns.add('s');
  for (const [ns, name] of [
    [w.a, 'x0'],
    [w.b, 'x1'],
  ] as const)
    w.kernel.veth({ netns: ns, name, up: true }, { netns: s, name: `p${name}`, up: true });
  w.kernel.bridge({ netns: s, name: 'br0', ports: ['px0', 'px1'], up: true });
  vlanIn(w.a, 'x0', 5, '10.5.0.1/24');
  vlanIn(w.b, 'x1', 5, '10.5.0.2/24');
  vlanIn(s, 'br0', 5, '10.5.0.3/24');
  assert.ok(arrives(w, w.a, w.b, '10.5.0.2'));
  assert.ok(arrives(w, w.a, s, '10.5.0.3'));
  assert.ok(arrives(w, s, w.b, '10.5.0.2'));
  assert.equal(s.stats().mib['Udp.InDatagrams'], 1);
});

test('at a byte edge the tags are bytes, and bytes are tags', () => {
  const w = new World();
  const tap = tunAdd(w.a.net, 'tap0', { mode: 'tap', mac: 0x020000000055 });
  assert.ok(typeof tap !== 'number');
  const port = tunAttach(tap);
  assert.ok(typeof port !== 'number');
  const frames: Uint8Array[] = [];
  port.onTransmit = (f) => frames.push(f);
  w.a.link.set('tap0', { up: true });
  vlanIn(w.a, 'tap0', 0x123, '10.0.0.1/24', '802.1ad');
  vlanIn(w.a, 'tap0.291', 0x45, '10.1.0.1/24');
  const c = Socket.create(w.a.net, AF_INET, SOCK_DGRAM);
  assert.ok(typeof c !== 'number');
  c.sendto(new Uint8Array(1), 0, { family: AF_INET, addr: ipv4('10.1.0.2'), port: 9 });
  w.run(1000);
  const request = frames[0];
  assert.ok(request !== undefined);
  const hex = Buffer.from(request).toString('hex');
  assert.equal(hex.slice(0, 44), 'ffffffffffff02000000005588a80123810000450806');
  assert.equal(request.length, 14 + 8 + 28);
  // The answer, with the same tags, from the host.
  const reply = request.slice();
  reply.set([0x02, 0, 0, 0, 0, 0x55, 0x02, 0, 0, 0, 0, 0x66], 0);
  reply[29] = 2;
  reply.set([0x02, 0, 0, 0, 0, 0x66, 10, 1, 0, 2, 0x02, 0, 0, 0, 0, 0x55, 10, 1, 0, 1], 30);
  assert.equal(port.receive(reply), reply.length);
  w.run(1000);
  assert.equal(w.a.neigh.get('10.1.0.2', 'tap0.291.69').lladdr, '02:00:00:00:00:66');
  assert.equal(frames.length, 2, 'the datagram');
  // A priority tag alone belongs to nobody: the device itself has the frame.
  w.a.addr.add({ local: '10.9.0.1/24', dev: 'tap0' });
  const untagged = Uint8Array.from([
    ...reply.slice(0, 12),
    0x81,
    0,
    0x60,
    0,
    8,
    6,
    ...reply.slice(22),
  ]);
  untagged.set([10, 9, 0, 2], 32);
  untagged[25] = 1;
  untagged.set([10, 9, 0, 1], 42);
  assert.equal(port.receive(untagged), untagged.length);
  w.run();
  assert.equal(w.a.neigh.get('10.9.0.2', 'tap0').lladdr, '02:00:00:00:00:66');
});

test('up, down, MTU and MAC follow the device below', () => {
  const w = new World();
  const { a } = w;
  a.link.add({ kind: 'vlan', name: 'x', link: 'v0', vlan: { id: 1 } });
  a.link.add({ kind: 'vlan', name: 'y', link: 'v0', vlan: { id: 2, looseBinding: true } });
  assert.equal(a.link.show('x').address, '02:00:00:00:00:01');
  a.link.set('v0', { up: false });
  assert.throws(() => a.link.set('x', { up: true }), { code: 'ENETDOWN' });
  a.link.set('y', { up: true });
  assert.equal(a.link.show('y').operState, 'LOWERLAYERDOWN');
  a.link.set('v0', { up: true });
  assert.deepEqual([a.link.show('x').operState, a.link.show('y').operState], ['UP', 'UP']);
  assert.throws(() => a.link.set('x', { mtu: 1600 }), { code: 'ERANGE' });
  a.link.set('v0', { mtu: 1400 });
  assert.equal(a.link.show('x').mtu, 1400);
  a.link.set('y', { address: '02:00:00:00:00:99' });
  a.link.set('v0', { address: '02:00:00:00:00:98' });
  assert.deepEqual(
    [a.link.show('x').address, a.link.show('y').address],
    ['02:00:00:00:00:98', '02:00:00:00:00:99'],
  );
  a.link.set('v0', { up: false });
  assert.deepEqual([a.link.show('x').up, a.link.show('y').up], [false, true]);
});

test('what is refused, and what iproute2 prints', () => {
  const w = new World();
  assert.equal(w.ip('link add x link v0 type vlan id 10'), '');
  assert.match(
    w.ip('-d link show x'),
    /^3: x@v0: <BROADCAST,MULTICAST> .*\n.*\n {4}vlan protocol 802\.1Q id 10 <REORDER_HDR> /,
  );
  const [shown] = JSON.parse(w.ip('-d -j link show x')) as { linkinfo: unknown }[];
  assert.deepEqual(shown?.linkinfo, {
    info_kind: 'vlan',
    info_data: { protocol: '802.1Q', id: 10, flags: ['REORDER_HDR'] },
  });
  assert.equal(w.ip('link add y link v0 type vlan id 10'), 'Error: VLAN device already exists.\n');
  assert.equal(w.ip('link add y link v0 type vlan id 10 protocol 802.1ad loose_binding on'), '');
  assert.match(w.ip('-d link show y'), /vlan protocol 802\.1ad id 10 <REORDER_HDR,LOOSE_BINDING> /);
  assert.equal(w.ip('link add z link v0 type vlan id 4095'), 'Error: Invalid VLAN id.\n');
  assert.equal(w.ip('link add z link v0 type vlan'), 'Error: VLAN properties not specified.\n');
  assert.equal(w.ip('link add z type vlan id 3'), 'Error: link not specified.\n');
  assert.equal(
    w.ip('link add z link lo type vlan id 3'),
    'Error: VLANs not supported on device.\n',
  );
  assert.match(w.ip('link add z link v0 type vlan id x'), /argument "x" is wrong: id is invalid/);
  assert.match(w.ip('link add z link v0 type vlan id 3 reorder_hdr off'), /not implemented/);
});
