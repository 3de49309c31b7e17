/** The tree of a namespace: paths, errors, links, sizes; the bytes are compared with Linux in test/linux/proc.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { Kernel, type Namespace, Socket, unprivileged } from '../../index.ts';
import { LcTrie, TrieLeaf, TrieNode } from './lc-trie.ts';

interface World {
  readonly clock: VirtualClock;
  readonly kernel: Kernel;
  readonly a: Namespace;
  readonly b: Namespace;
}

function world(): World {
  const clock = new VirtualClock(1);
  const kernel = new Kernel({ env: clock, seed: 1 });
  const [a, b] = ['a', 'b'].map((n) => kernel.netns.add(n)) as [Namespace, Namespace];
  kernel.veth(
    { netns: a, name: 'eth0', address: '10.0.0.1/24', up: true },
    { netns: b, name: 'eth0', address: '10.0.0.2/24', up: true },
  );
  return { clock, kernel, a, b };
}

function udp(ns: Namespace, port: number): Socket {
  const socket = Socket.create(ns.net, 2, 2);
  assert.ok(typeof socket !== 'number');
  assert.equal(socket.bind({ family: 2, addr: 0, port }), 0);
  return socket;
}

test('S13: each namespace has files of its own', () => {
  const { clock, kernel, a, b } = world();
  udp(a, 5353);
  assert.match(a.fs.read('/proc/net/udp'), / 00000000:14E9 00000000:0000 07 /);
  assert.doesNotMatch(b.fs.read('/proc/net/udp'), /14E9/);
  a.ip('route add 192.0.2.0/24 via 10.0.0.2');
  assert.match(a.fs.read('/proc/net/route'), /^eth0\t000200C0\t0200000A\t0003\t/m);
  assert.doesNotMatch(b.fs.read('/proc/net/route'), /000200C0/);
  a.ip('link add name other0 type veth peer name other1');
  assert.deepEqual([...a.fs.list('/sys/class/net')].sort(), ['eth0', 'lo', 'other0', 'other1']);
  assert.deepEqual([...b.fs.list('/sys/class/net')].sort(), ['eth0', 'lo']);
  assert.notEqual(a.fs.readlink('/proc/self/ns/net'), b.fs.readlink('/proc/self/ns/net'));
  clock.runFor(kernel.core, 1000);
});

test('S13: paths lead over links and dots; what is not there says so', () => {
  const { a } = world();
  const { fs } = a;
  assert.equal(fs.read('/proc/net/dev'), fs.read('/proc/self/net/../net/./dev'));
  assert.equal(fs.read('/sys/class/net/eth0/mtu'), '1500\n');
  assert.equal(fs.read('/sys/devices/virtual/net/eth0/mtu'), '1500\n');
  assert.deepEqual(fs.stat('/proc/net', false), { kind: 'link', mode: 0o777 });
  assert.deepEqual(fs.stat('/proc/net'), { kind: 'directory', mode: 0o555 });
  assert.deepEqual(fs.stat('/proc/net/tcp'), { kind: 'file', mode: 0o444 });
  assert.deepEqual(fs.stat('/proc/sys/net/ipv4/ip_forward'), { kind: 'file', mode: 0o644 });
  assert.deepEqual(fs.stat('/proc/sys/net/ipv4/route/flush'), { kind: 'file', mode: 0o200 });
  const refusals: readonly (readonly [() => unknown, string])[] = [
    [() => fs.read('/etc/passwd'), 'ENOENT'],
    [() => fs.read('/proc/net/wireless'), 'ENOENT'],
    [() => fs.read('/proc/net/unix'), 'ENOENT'],
    [() => fs.read('/proc/net/tcp/x'), 'ENOTDIR'],
    [() => fs.read('/proc/net'), 'EISDIR'],
    [() => fs.list('/proc/net/tcp'), 'ENOTDIR'],
    [() => fs.read('/proc/sys/net/ipv4/route/flush'), 'EACCES'],
    [() => fs.write('/proc/net/tcp', 'x'), 'EACCES'],
    [() => fs.write('/sys/class/net/eth0/address', 'x'), 'EACCES'],
    [() => fs.write('/proc/sys/net', 'x'), 'EISDIR'],
    [() => fs.write('/proc/sys/net/ipv4/ip_forward', 'x'), 'EINVAL'],
    [() => fs.write('/sys/class/net/eth0/mtu', '99999999'), 'EINVAL'],
    [() => fs.read('/sys/class/net/lo/speed'), 'EINVAL'],
    [() => fs.readlink('/proc/net/tcp'), 'ENOENT'],
    [() => fs.read('/proc/sys/net/ipv4/toString'), 'ENOENT'],
    [() => fs.read('/proc/net/constructor'), 'ENOENT'],
    [() => fs.read('/sys/class/net/eth0/constructor'), 'ENOENT'],
  ];
  for (const [call, code] of refusals) assert.throws(call, { code }, String(call));
});

test('S13, S14: what is written holds, and a dot in the name of a device stays one', () => {
  const { a, b } = world();
  a.fs.write('/proc/sys/net/ipv4/ip_forward', '1\n');
  assert.equal(a.sysctl.get('net.ipv4.ip_forward'), '1');
  assert.equal(b.sysctl.get('net.ipv4.ip_forward'), '0');
  a.ip('link add link eth0 name eth0.5 type vlan id 5');
  a.fs.write('/proc/sys/net/ipv4/conf/eth0.5/rp_filter', '2');
  assert.equal(a.fs.read('/proc/sys/net/ipv4/conf/eth0.5/rp_filter'), '2\n');
  assert.ok(a.fs.list('/proc/sys/net/ipv4/conf').includes('eth0.5'));
  a.fs.write('/sys/class/net/eth0.5/ifalias', 'a vlan\n');
  assert.match(a.ip('link show eth0.5'), /alias a vlan/);
  a.fs.write('/sys/class/net/eth0/flags', '0x1002');
  assert.equal(a.fs.read('/sys/class/net/eth0/operstate'), 'down\n');
});

test('S13, E14: who is inside and may not change the network reads, and writes nothing', () => {
  const { a } = world();
  const { fs } = a.inside(unprivileged(1000));
  assert.equal(fs.read('/sys/class/net/eth0/mtu'), '1500\n');
  for (const path of [
    '/sys/class/net/eth0/mtu',
    '/sys/class/net/eth0/carrier',
    '/sys/class/net/eth0/proto_down',
    '/proc/sys/net/ipv4/ip_forward',
  ])
    assert.throws(() => fs.write(path, '1'), { code: 'EPERM' }, path);
});

test('S13: 100,000 sockets are told in pieces of bounded size, in time that grows with their number', () => {
  const { a } = world();
  a.ip('link set lo up');
  const address = (i: number): number => 0x7f000000 | (1 + Math.floor(i / 50_000)) | 0;
  for (let i = 0; i < 100_000; i++) {
    const socket = Socket.create(a.net, 2, 2);
    assert.ok(typeof socket !== 'number');
    const port = 1024 + (i % 50_000);
    assert.equal(socket.bind({ family: 2, addr: address(i), port }), 0);
  }
  let lines = 0;
  let longest = 0;
  for (const piece of a.fs.pieces('/proc/net/udp')) {
    longest = Math.max(longest, piece.length);
    lines += piece.split('\n').length - 1;
  }
  assert.equal(lines, 100_001);
  assert.ok(longest < 40_000, `a piece of ${longest} characters`);
});

test('fib_trie: every route is found where its address leads, whatever was put in before', () => {
  let seed = 7;
  const random = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed;
  };
  const trie = new LcTrie<number>();
  const keys = new Set<number>();
  for (let i = 0; i < 3000; i++) {
    const key = (random() & (i % 3 === 0 ? 0xffff0000 : 0xfffffff0)) >>> 0;
    keys.add(key);
    trie.leaf(key).values.push(i);
  }
  const found = new Set<number>();
  const visit = (node: TrieNode<number> | TrieLeaf<number> | null, depth: number): void => {
    assert.ok(depth < 33);
    if (node instanceof TrieLeaf) found.add(node.key);
    if (!(node instanceof TrieNode)) return;
    assert.equal(node.emptyChildren, node.children.filter((c) => c === null).length);
    assert.equal(node.fullChildren, node.children.filter((c) => node.isFull(c)).length);
    assert.ok(node.children.length - node.emptyChildren > 1, 'a node with one child is none');
    for (const child of node.children) visit(child, depth + 1);
  };
  visit(trie.root, 0);
  assert.deepEqual(found, keys);
  for (const key of keys) assert.equal(trie.leaf(key).key, key);
});
