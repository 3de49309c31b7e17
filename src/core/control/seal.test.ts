/** E14: who is inside of a sealed namespace changes nothing, while traffic flows and the outside manages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { bridgeTool } from '../../tools/bridge.ts';
import { ipTool } from '../../tools/ip.ts';
import { monitorTool } from '../../tools/monitor.ts';
import { sysctlTool } from '../../tools/sysctl.ts';
import { tcTool } from '../../tools/tc.ts';
import { errnoName } from '../errno.ts';
import { SUPERVISOR, unprivileged } from '../socket/credentials.ts';
import { Socket } from '../socket/socket.ts';
import { AF_INET, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from '../transport/sock.ts';
import { ipv4 } from '../util/address.ts';
import type { ToolContext, ToolResult } from './ip/ip.ts';
import { Kernel } from './kernel.ts';
import type { Namespace } from './namespace.ts';

class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  readonly a: Namespace = this.kernel.netns.add('a');
  readonly b: Namespace = this.kernel.netns.add('b');
  readonly inside: Namespace = this.a.inside();

  constructor() {
    this.kernel.veth(
      { netns: this.a, name: 'v0', address: '10.0.0.1/24', up: true },
      { netns: this.b, name: 'v1', address: '10.0.0.2/24', up: true },
    );
    this.a.link.set('lo', { up: true });
  }

  context(): ToolContext {
    const { netns } = this.kernel;
    return { ns: this.inside, findNetns: (n) => netns.find(n), listNetns: () => netns.list() };
  }

  ip(words: string): ToolResult {
    return ipTool(this.context(), words.split(' '));
  }

  /** Everything that could change. */
  state(): string {
    const { a } = this;
    const links = a.link.list().map(({ counters: _counters, ...link }) => link);
    return JSON.stringify([links, a.addr.list(), a.route.list(), a.neigh.list().length]);
  }
}

/** Line by line what Linux 6.18 says to root without CAP_NET_ADMIN and CAP_SYS_ADMIN. */
const REFUSED: readonly (readonly [words: string, stderr: string, code: number])[] = [
  ['link set v0 up', 'RTNETLINK answers: Operation not permitted', 2],
  ['link set v0 mtu 50', 'RTNETLINK answers: Operation not permitted', 2],
  ['link add x type veth', 'RTNETLINK answers: Operation not permitted', 2],
  ['link del v0', 'RTNETLINK answers: Operation not permitted', 2],
  ['link set nope up', 'Cannot find device "nope"', 1],
  ['link set v0 netns b', 'RTNETLINK answers: Operation not permitted', 2],
  ['addr add 10.0.0.2/24 dev v0', 'RTNETLINK answers: Operation not permitted', 2],
  ['addr del 10.0.0.9/24 dev v0', 'RTNETLINK answers: Operation not permitted', 2],
  ['route add 10.9.0.0/16 dev v0', 'RTNETLINK answers: Operation not permitted', 2],
  ['route del 10.9.0.0/16', 'RTNETLINK answers: Operation not permitted', 2],
  [
    'neigh add 10.0.0.7 lladdr 02:00:00:00:00:01 dev v0',
    'RTNETLINK answers: Operation not permitted',
    2,
  ],
  ['netns add foo', 'mount --make-shared /run/netns failed: Operation not permitted', 1],
  ['netns set b 5', 'RTNETLINK answers: Operation not permitted', 2],
  ['-n b link', 'setting the network namespace "b" failed: Operation not permitted', 255],
];

test("E14: every change from inside is refused in Linux's words, and changes nothing", () => {
  const w = new World();
  w.a.seal();
  const before = w.state();
  for (const [words, stderr, code] of REFUSED) {
    const r = w.ip(words);
    assert.deepEqual([r.stderr.trimEnd(), r.code, r.stdout], [stderr, code, ''], words);
  }
  for (const words of ['-all link', 'netns del b', 'addr flush dev v0', 'route flush table main'])
    assert.match(w.ip(words).stderr, /Operation not permitted/, words);
  const tc = tcTool(w.context(), 'qdisc add dev v0 root netem delay 1ms'.split(' '));
  assert.equal(tc.stderr.trimEnd(), 'RTNETLINK answers: Operation not permitted');
  const fdb = bridgeTool(w.context(), 'fdb add 02:00:00:00:00:01 dev v0'.split(' '));
  assert.match(fdb.stderr, /^RTNETLINK answers: Operation not permitted/);
  const sysctl = sysctlTool(w.context(), ['-w', 'net.ipv4.ip_forward=1']);
  assert.equal(
    sysctl.stderr.trimEnd(),
    'sysctl: setting key "net.ipv4.ip_forward": Operation not permitted',
  );
  const monitor = monitorTool(w.context(), ['monitor', 'all-nsid'], () => {});
  assert.ok(!('stop' in monitor) && /Operation not permitted/.test(monitor.stderr));
  for (const change of [
    () => w.inside.seal([]),
    () => w.inside.destroy(),
    () => w.inside.release(),
    () => {
      w.inside.hostname = 'x';
    },
    () => w.inside.qdisc.del('v0'),
  ])
    assert.throws(change, { code: 'EPERM' });
  assert.equal(w.state(), before);
});

test('E14: from inside all can be read, traffic flows, and the outside manages', () => {
  const w = new World();
  w.a.seal();
  assert.equal(w.ip('-br link').code, 0);
  assert.equal(w.inside.addr.list('v0')[0]?.local, '10.0.0.1');
  assert.equal(w.inside.sysctl.get('net.ipv4.ip_forward'), '0');
  const listener = Socket.create(w.a.net, AF_INET, SOCK_STREAM);
  const client = Socket.create(w.b.net, AF_INET, SOCK_STREAM);
  assert.ok(typeof listener !== 'number' && typeof client !== 'number');
  assert.equal(listener.bind({ family: AF_INET, addr: 0, port: 80 }), 0);
  listener.listen(1);
  client.connect({ family: AF_INET, addr: ipv4('10.0.0.1'), port: 80 });
  w.clock.runFor(w.kernel.core, 1_000_000);
  assert.ok(typeof listener.accept() !== 'number');
  w.a.ip('link set v0 mtu 1400');
  w.a.ip('addr add 10.0.0.9/24 dev v0');
  w.a.sysctl.set('net.ipv4.ip_forward', 1);
  assert.equal(w.inside.link.show('v0').mtu, 1400);
  w.b.ip('-n a link set v0 down');
  assert.equal(w.a.link.show('v0').up, false);
});

test('E14: capabilities go one by one, and for sockets that are there already', () => {
  const w = new World();
  const make = (type: number, protocol = 0, cred?: typeof SUPERVISOR): string => {
    const s = Socket.create(w.a.net, AF_INET, type, protocol, cred);
    return typeof s === 'number' ? errnoName(s) : 'ok';
  };
  const old = Socket.create(w.a.net, AF_INET, SOCK_DGRAM);
  assert.ok(typeof old !== 'number');
  assert.equal(old.setsockopt(1, 36, 7), 0, 'SO_MARK');
  assert.equal(make(SOCK_RAW, 1), 'ok');
  w.a.seal(['CAP_NET_RAW']);
  assert.equal(make(SOCK_RAW, 1), 'EPERM');
  assert.equal(make(SOCK_RAW, 1, SUPERVISOR), 'ok', 'the host is not inside');
  assert.throws(() => w.inside.capture(() => {}), { code: 'EPERM' });
  w.inside.link.set('v0', { mtu: 1300 });
  w.inside.seal(['CAP_NET_BIND_SERVICE']);
  w.a.seal();
  assert.equal(errnoName(old.bind({ family: AF_INET, addr: 0, port: 80 })), 'EACCES');
  assert.equal(old.bind({ family: AF_INET, addr: 0, port: 8080 }), 0);
  assert.equal(errnoName(old.setsockopt(1, 36, 7)), 'EPERM');
  assert.throws(() => w.inside.link.set('v0', { mtu: 1400 }), { code: 'EPERM' });
});

test('E14: who is inside of an open namespace manages it, as far as it goes', () => {
  const w = new World();
  w.inside.link.add({ kind: 'dummy', name: 'd', up: true });
  assert.ok(w.a.link.show('d').up);
  assert.throws(() => w.inside.link.set('d', { netns: w.b }), { code: 'EPERM' });
  assert.throws(() => w.inside.link.add({ kind: 'veth', peer: { netns: w.b } }), { code: 'EPERM' });
  assert.match(w.ip('-n b addr add 10.9.0.1/24 dev v1').stderr, /Operation not permitted/);
  const user = w.a.inside(unprivileged(1000));
  assert.throws(() => user.link.del('d'), { code: 'EPERM' });
  assert.equal(user.link.list().length, 3);
});
