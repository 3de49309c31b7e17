/**
 * S17: the three ways in which a packet appears right inside a namespace: its device is there, a driver picks by MAC, a
 * filter's verdict picks for each packet. V2: filters that mark. And tc's own: redirection, copies, order.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { NetError } from '../errno.ts';
import { contextCredentials } from '../socket/context.ts';
import { type Credentials, ROOT } from '../socket/credentials.ts';
import { Socket } from '../socket/socket.ts';
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM } from '../transport/sock.ts';
import { SO_REUSEADDR, SOL_SOCKET } from '../transport/sockopt-names.ts';
import { ipv4 } from '../util/address.ts';
import { ip6 } from '../util/ip6-addr.ts';
import { Kernel } from './kernel.ts';
import type { Namespace } from './namespace.ts';

class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  readonly host: Namespace = this.kernel.netns.add('host');
  readonly outside: Namespace = this.kernel.netns.add('outside');
  /** Namespaces in which packets were seen on their way, by device: `host eth0`. */
  seen: string[] = [];

  /** The outside and the host's card, which has no address unless it is given one. */
  constructor() {
    this.kernel.veth(
      { netns: this.outside, name: 'o0', address: '10.0.0.1/24', up: true },
      { netns: this.host, name: 'eth0', mac: '02:00:00:00:00:aa', up: true },
    );
    this.kernel.core.tracer = {
      receive: (dev, pkt) => {
        if ((pkt.ip?.protocol ?? 1) !== 1 && dev.net !== this.outside.net)
          this.seen.push(`${dev.net.name} ${dev.name}`);
      },
      transmit: () => {},
      drop: () => {},
    };
  }

  guest(name: string, address: string): Namespace {
    const ns = this.kernel.netns.add(name);
    this.kernel.veth(
      { netns: ns, name: 'eth0', address, up: true },
      { netns: this.host, name, up: true },
    );
    ns.ip('link set lo up');
    return ns;
  }

  socket(
    ns: Namespace,
    type: number,
    port = 0,
    cred: Credentials = ROOT,
    family: number = AF_INET,
  ): Socket {
    const s = Socket.create(ns.net, family, type, 0, cred);
    assert.ok(typeof s !== 'number');
    if (port === 0) return s;
    s.setsockopt(SOL_SOCKET, SO_REUSEADDR, type === SOCK_STREAM ? 1 : 0);
    const any = family === AF_INET ? at('0.0.0.0', port) : at6('::', port);
    assert.equal(s.bind(any), 0);
    if (type === SOCK_STREAM) s.listen(4);
    return s;
  }

  run(ms = 100): void {
    this.clock.runFor(this.kernel.core, ms * 1000);
  }
}

const at = (addr: string, port: number) => ({ family: AF_INET, addr: ipv4(addr), port }) as const;
const at6 = (addr: string, port: number) =>
  ({ family: AF_INET6, addr: 0, addr6: ip6(addr), port }) as const;
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

/** All that a socket of datagrams has heard. */
function heard(s: Socket): string[] {
  const out: string[] = [];
  for (let got = s.recv(99); typeof got !== 'number'; got = s.recv(99))
    out.push(new TextDecoder().decode(got.data[0] ?? new Uint8Array(0)));
  return out;
}

test('S17: direct assignment: the card is in the namespace, and nobody else sees its packets', () => {
  const w = new World();
  const a = w.kernel.netns.add('a');
  w.host.link.set('eth0', { netns: a, up: true });
  a.ip('addr add 10.0.0.2/24 dev eth0');
  const server = w.socket(a, SOCK_DGRAM, 53);
  server.setsockopt(0, 12, 1);
  w.socket(w.outside, SOCK_DGRAM).sendto(text('x'), 0, at('10.0.0.2', 53));
  w.run();
  const got = server.recv(9);
  assert.ok(typeof got !== 'number');
  assert.equal(got.control.find((c) => c.type === 2)?.value, 64, 'no router was on the way');
  assert.deepEqual(w.seen, ['a eth0'], 'it was received once');
});

test('S17: a driver picks by MAC: one card, two namespaces', () => {
  const w = new World();
  const guests = [2, 3].map((n) => {
    const ns = w.kernel.netns.add(`g${n}`);
    ns.ip('link set lo up');
    w.host.ip(`link add m${n} link eth0 netns g${n} type macvlan mode private`);
    ns.ip(`link set m${n} up`);
    ns.ip(`addr add 10.0.0.${n}/24 dev m${n}`);
    return w.socket(ns, SOCK_DGRAM, 53);
  });
  const client = w.socket(w.outside, SOCK_DGRAM);
  for (const n of [2, 3, 3]) client.sendto(text(`to ${n}`), 0, at(`10.0.0.${n}`, 53));
  w.run();
  assert.deepEqual(guests.map(heard), [['to 2'], ['to 3', 'to 3']]);
  assert.equal(w.host.stats().mib['Ip.InReceives'], 0, 'the host itself saw none');
});

test('S17: a verdict picks the namespace of each packet, before any socket: two guests with one address', () => {
  const w = new World();
  const [a, b] = [w.guest('a', '10.0.0.5/24'), w.guest('b', '10.0.0.5/24')];
  w.outside.ip('neigh add 10.0.0.5 lladdr 02:00:00:00:00:aa dev o0');
  w.outside.ip('addr add 10.0.0.9/24 dev o0');
  const { filter } = w.host;
  filter.add('eth0', {
    protocol: 0x0800,
    match: { srcIp: '10.0.0.9' },
    actions: [{ kind: 'netns', netns: b, dev: 'eth0' }],
  });
  filter.add('eth0', { pref: 60000, protocol: 0x0800, actions: [{ kind: 'netns', netns: a }] });
  for (const ns of [a, b]) {
    ns.ip(`neigh add 10.0.0.1 lladdr ${w.outside.link.show('o0').address} dev eth0`);
    ns.ip(`neigh add 10.0.0.9 lladdr ${w.outside.link.show('o0').address} dev eth0`);
    filter.add(ns.name ?? '', { actions: [{ kind: 'mirred', mode: 'redirect', dev: 'eth0' }] });
  }
  const servers = [a, b].map((ns) => w.socket(ns, SOCK_STREAM, 80));
  const clients = ['10.0.0.1', '10.0.0.9', '10.0.0.9'].map((from) => {
    const s = w.socket(w.outside, SOCK_STREAM);
    s.bind(at(from, 0));
    s.connect(at('10.0.0.5', 80));
    return s;
  });
  w.run();
  for (const s of clients) assert.equal(s.send(text('x')), 1, 'it is connected');
  const accepted = servers.map((s) => {
    let n = 0;
    while (typeof s.accept() !== 'number') n++;
    return n;
  });
  assert.deepEqual(accepted, [1, 2]);
  assert.equal(w.host.stats().mib['Ip.InReceives'], 0, 'no protocol of the host saw them');
  assert.deepEqual([...new Set(w.seen)].sort(), [
    'a eth0',
    'b eth0',
    'host a',
    'host b',
    'host eth0',
  ]);
});

test('S17: a function picks, IPv6 too; what it throws, and who is gone, drops', () => {
  const w = new World();
  const [a, b] = [w.guest('a', '10.0.0.5/24'), w.guest('b', '10.0.0.6/24')];
  for (const ns of [a, b]) ns.ip('addr add fd00::5/64 dev eth0 nodad');
  w.outside.ip('addr add fd00::1/64 dev o0 nodad');
  w.outside.ip('neigh add fd00::5 lladdr 02:00:00:00:00:aa dev o0');
  w.host.filter.add('eth0', {
    program: (pkt) => {
      if (pkt.udp === null) return 'pass';
      if (pkt.udp.dport === 66) throw new Error('no');
      if (pkt.udp.dport === 67) return 'drop';
      return { netns: pkt.udp.dport === 53 ? a : b };
    },
  });
  const servers = [
    w.socket(a, SOCK_DGRAM, 53, ROOT, AF_INET6),
    w.socket(b, SOCK_DGRAM, 54, ROOT, AF_INET6),
  ];
  const client = w.socket(w.outside, SOCK_DGRAM, 0, ROOT, AF_INET6);
  const send = (port: number): void => {
    client.sendto(text(`${port}`), 0, at6('fd00::5', port));
    w.run();
  };
  for (const port of [53, 54, 66, 67]) send(port);
  assert.deepEqual(servers.map(heard), [['53'], ['54']]);
  assert.equal(w.host.stats().drops.TC_INGRESS, 2);
  b.destroy();
  send(54);
  assert.equal(w.host.stats().drops.TC_INGRESS, 3);
});

test('S17, E14: who is inside gives packets to nobody', () => {
  const w = new World();
  const a = w.guest('a', '10.0.0.5/24');
  const inside = a.inside();
  const refused = { code: 'EPERM' };
  assert.throws(
    () => inside.filter.add('eth0', { actions: [{ kind: 'netns', netns: w.host }] }),
    refused,
  );
  assert.throws(() => inside.filter.add('eth0', { program: () => 'pass' }), refused);
  inside.filter.add('eth0', { actions: [{ kind: 'drop' }] });
  a.seal();
  assert.throws(() => inside.filter.detach('eth0'), refused);
  assert.equal(inside.filter.list('eth0').length, 1);
});

test('V2: filters mark, and the mark picks the sockets: equal binds of two tags on one card, both families', () => {
  const w = new World();
  w.host.ip('addr add 10.0.0.2/24 dev eth0');
  w.host.ip('addr add fd00::2/64 dev eth0 nodad');
  w.outside.ip('addr add fd00::1/64 dev o0 nodad');
  w.outside.ip('addr add 10.0.0.9/24 dev o0');
  w.outside.ip('addr add fd00::9/64 dev o0 nodad');
  const { filter } = w.host;
  const mark = (m: number) => [{ kind: 'skbedit', mark: m }] as const;
  filter.add('eth0', { pref: 1, protocol: 0x0800, match: { srcIp: '10.0.0.9' }, actions: mark(9) });
  filter.add('eth0', { pref: 2, protocol: 0x86dd, match: { srcIp: 'fd00::9' }, actions: mark(9) });
  filter.add('eth0', { pref: 3, actions: mark(1) });
  const tag = (m: number): Credentials => contextCredentials({ mark: m });
  const families = [
    {
      family: AF_INET,
      from: ['10.0.0.1', '10.0.0.9'].map((a) => at(a, 0)),
      to: at('10.0.0.2', 80),
    },
    {
      family: AF_INET6,
      from: ['fd00::1', 'fd00::9'].map((a) => at6(a, 0)),
      to: at6('fd00::2', 80),
    },
  ];
  for (const { family, from, to } of families) {
    const make = (type: number): Socket[] =>
      [1, 9].map((m) => w.socket(w.host, type, 80, tag(m), family));
    const [udp, tcp] = [make(SOCK_DGRAM), make(SOCK_STREAM)];
    from.forEach((source, i) => {
      const d = w.socket(w.outside, SOCK_DGRAM, 0, ROOT, family);
      d.bind(source);
      for (let k = 0; k <= i; k++) d.sendto(text(`${i}`), 0, to);
      const s = w.socket(w.outside, SOCK_STREAM, 0, ROOT, family);
      s.bind(source);
      s.connect(to);
    });
    w.run();
    assert.deepEqual(udp.map(heard), [['0'], ['1', '1']], `UDP ${family}`);
    for (const s of tcp) {
      const child = s.accept();
      assert.ok(typeof child !== 'number', `TCP ${family}`);
      assert.equal(typeof s.accept(), 'number');
      assert.equal(child.send(text('x')), 1);
    }
    for (const s of [...udp, ...tcp]) s.close();
  }
});

test('tc: the first that matches decides; continue asks the next; egress sees what leaves', () => {
  const w = new World();
  w.host.ip('addr add 10.0.0.2/24 dev eth0');
  const { filter } = w.host;
  const port = (dstPort: number | string) => ({ ipProto: 17, dstPort });
  filter.add('eth0', { pref: 5, match: port('10-19'), actions: [{ kind: 'continue' }] });
  filter.add('eth0', { pref: 6, match: port(11), actions: [{ kind: 'drop' }] });
  filter.add('eth0', { pref: 4, match: port(30), actions: [{ kind: 'drop' }] });
  filter.add('eth0', { at: 'egress', match: port(77), actions: [{ kind: 'drop' }] });
  const servers = [10, 11, 20, 30].map((p) => w.socket(w.host, SOCK_DGRAM, p));
  const client = w.socket(w.outside, SOCK_DGRAM);
  for (const p of [10, 11, 20, 30]) client.sendto(text(`${p}`), 0, at('10.0.0.2', p));
  const back = w.socket(w.outside, SOCK_DGRAM, 77);
  w.socket(w.host, SOCK_DGRAM).sendto(text('no'), 0, at('10.0.0.1', 77));
  w.run();
  assert.deepEqual(servers.map(heard), [['10'], [], ['20'], []]);
  assert.deepEqual(heard(back), []);
  assert.deepEqual(
    filter.list('eth0').map((f) => [f.pref, f.packets, f.bytes]),
    [
      [4, 1, 44],
      [5, 2, 88],
      [6, 1, 44],
    ],
  );
  assert.deepEqual([w.host.stats().drops.TC_INGRESS, w.host.stats().drops.TC_EGRESS], [2, 1]);
});

test('tc: mirred feeds an ifb, whose queue delays what comes in; a copy does not come back', () => {
  const w = new World();
  w.host.ip('addr add 10.0.0.2/24 dev eth0');
  w.host.ip('link add ifb0 type ifb');
  w.host.ip('link set ifb0 up');
  w.host.qdisc.add('ifb0', 'delay 50ms');
  w.outside.ip(`neigh add 10.0.0.2 lladdr 02:00:00:00:00:aa dev o0`);
  const { filter } = w.host;
  filter.add('eth0', { actions: [{ kind: 'mirred', mode: 'redirect', dev: 'ifb0' }] });
  const server = w.socket(w.host, SOCK_DGRAM, 53);
  const client = w.socket(w.outside, SOCK_DGRAM);
  client.sendto(text('late'), 0, at('10.0.0.2', 53));
  w.run(49);
  assert.deepEqual(heard(server), []);
  w.run(2);
  assert.deepEqual(heard(server), ['late'], 'and it was not redirected again');
  filter.del('eth0');
  filter.add('eth0', { actions: [{ kind: 'mirred', mode: 'mirror', dev: 'ifb0' }] });
  client.sendto(text('copy'), 0, at('10.0.0.2', 53));
  w.run(200);
  assert.deepEqual(heard(server), ['copy']);
});

test('tc: what is redirected in circles ends', () => {
  const w = new World();
  const { filter } = w.host;
  w.kernel.veth({ netns: w.host, name: 'p', up: true }, { netns: w.host, name: 'q', up: true });
  filter.add('p', { actions: [{ kind: 'mirred', mode: 'redirect', side: 'ingress', dev: 'q' }] });
  filter.add('q', { actions: [{ kind: 'mirred', mode: 'redirect', side: 'ingress', dev: 'p' }] });
  filter.add('p', { at: 'egress', actions: [{ kind: 'mirred', mode: 'redirect', dev: 'q' }] });
  filter.add('q', { at: 'egress', actions: [{ kind: 'mirred', mode: 'redirect', dev: 'p' }] });
  filter.add('eth0', {
    pref: 1,
    protocol: 0x0806,
    actions: [
      { kind: 'mirred', mode: 'mirror', side: 'ingress', dev: 'p' },
      { kind: 'mirred', mode: 'redirect', dev: 'p' },
    ],
  });
  w.socket(w.outside, SOCK_DGRAM).sendto(text('x'), 0, at('10.0.0.2', 53));
  w.run(5);
  assert.deepEqual([w.host.stats().drops.TC_INGRESS, w.host.stats().drops.TC_EGRESS], [1, 1]);
});

test('tc: refusals say what the kernel says, and change nothing', () => {
  const w = new World();
  const { filter } = w.host;
  const refusal = (code: string, detail?: string) => (e: unknown) =>
    e instanceof NetError && e.code === code && (detail === undefined || e.detail === detail);
  assert.throws(
    () => filter.detach('eth0'),
    refusal('ENOENT', 'Cannot find specified qdisc on specified device.'),
  );
  assert.throws(() => filter.del('eth0'), refusal('EINVAL', "Parent Qdisc doesn't exists."));
  assert.throws(
    () => filter.add('eth0', { actions: [{ kind: 'mirred', mode: 'redirect', dev: 'nope' }] }),
    refusal('EINVAL'),
  );
  assert.equal(filter.attached('eth0'), null, 'a refused filter leaves no hook behind');
  filter.attach('eth0', 'ingress');
  assert.throws(
    () => filter.attach('eth0'),
    refusal('EEXIST', 'Exclusivity flag on, cannot modify.'),
  );
  assert.throws(() => filter.add('eth0', { at: 'egress', actions: [] }), refusal('EINVAL'));
  filter.add('eth0', { pref: 3, actions: [{ kind: 'pass' }] });
  assert.throws(() => filter.add('eth0', { pref: 3 }), refusal('EEXIST'));
  assert.throws(() => filter.add('eth0', { pref: 3, protocol: 0x0800 }), refusal('EINVAL'));
  assert.throws(() => filter.add('eth0', { match: { srcIp: '10.0.0.0/8' } }), refusal('EINVAL'));
  assert.throws(() => filter.del('eth0', { pref: 9 }), refusal('ENOENT'));
  w.host.link.set('eth0', { netns: w.outside });
  w.outside.link.set('eth0', { netns: w.host });
  assert.equal(filter.attached('eth0'), null, 'a device that moves loses it');
});
