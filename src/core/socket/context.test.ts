/** V1, E16: guests that own addresses of one namespace. V2: sockets of a tag hear the packets that have it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { Kernel } from '../control/kernel.ts';
import type { Namespace } from '../control/namespace.ts';
import { errnoName } from '../errno.ts';
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from '../transport/sock.ts';
import { formatIpv4, ipv4 } from '../util/address.ts';
import { ip6 } from '../util/ip6-addr.ts';
import { type ContextSpec, contextCredentials } from './context.ts';
import { type Credentials, ROOT } from './credentials.ts';
import { Socket } from './socket.ts';

class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  readonly host: Namespace = this.kernel.netns.add('host');
  readonly peer: Namespace = this.kernel.netns.add('peer');

  constructor() {
    this.kernel.veth(
      { netns: this.host, name: 'eth0', address: '10.0.0.1/24', up: true },
      { netns: this.peer, name: 'eth0', address: '10.0.0.9/24', up: true },
    );
    for (const n of [2, 3]) this.host.ip(`addr add 10.0.0.${n}/24 dev eth0`);
    this.host.ip('link set lo up');
  }

  socket(type: number, cred: Credentials = ROOT, ns = this.host): Socket {
    const s = Socket.create(ns.net, AF_INET, type, 0, cred);
    assert.ok(typeof s !== 'number', errnoName(Number(s)));
    return s;
  }

  run(): void {
    this.clock.runFor(this.kernel.core, 100_000);
  }
}

const at = (
  addr: string,
  port: number,
): { family: typeof AF_INET; addr: number; port: number } => ({
  family: AF_INET,
  addr: ipv4(addr),
  port,
});
const guest = (...addrs: string[]): Credentials => contextCredentials({ addrs4: addrs.map(ipv4) });
const said = (r: number): string => (r === 0 ? 'ok' : errnoName(r));

for (const [name, type] of [
  ['TCP', SOCK_STREAM],
  ['UDP', SOCK_DGRAM],
] as const)
  test(`V1: ${name}: INADDR_ANY is all of mine; overlaps get EADDRINUSE, others' addresses EADDRNOTAVAIL`, () => {
    const w = new World();
    const bind = (cred: Credentials, addr: string): [Socket, string] => {
      const s = w.socket(type, cred);
      const r = s.bind(at(addr, 8080));
      if (r === 0 && type === SOCK_STREAM) s.listen(4);
      return [s, said(r)];
    };
    const [x, y] = [guest('10.0.0.1'), guest('10.0.0.2', '10.0.0.3')];
    assert.equal(bind(x, '10.0.0.2')[1], 'EADDRNOTAVAIL', 'that of another');
    assert.equal(bind(x, '127.0.0.1')[1], 'EADDRNOTAVAIL', 'not mine either');
    const [sx, first] = bind(x, '0.0.0.0');
    const [sy, second] = bind(y, '0.0.0.0');
    assert.deepEqual([first, second], ['ok', 'ok'], 'both have all of theirs');
    assert.equal(bind(ROOT, '0.0.0.0')[1], 'EADDRINUSE', 'the host has all addresses');
    assert.equal(bind(ROOT, '10.0.0.2')[1], 'EADDRINUSE');
    assert.equal(bind(ROOT, '127.0.0.1')[1], 'ok', 'nobody has this one');
    assert.equal(bind(x, '10.0.0.1')[1], 'EADDRINUSE', 'its own wildcard');
    assert.equal(
      bind(guest('10.0.0.2'), '0.0.0.0')[1],
      'EADDRINUSE',
      'two guests with one address',
    );
    sx.close();
    sy.close();
    const [, host] = bind(ROOT, '0.0.0.0');
    // UDP of the host is kept off by the socket on 127.0.0.1.
    assert.equal(host, 'EADDRINUSE');
  });

test('V1: the host first: a wildcard of the host keeps all guests off', () => {
  const w = new World();
  const host = w.socket(SOCK_STREAM);
  assert.equal(host.bind(at('0.0.0.0', 80)), 0);
  assert.equal(
    said(w.socket(SOCK_STREAM, guest('10.0.0.1')).bind(at('0.0.0.0', 80))),
    'EADDRINUSE',
  );
});

test('V1: each guest answers for its own addresses, and speaks from them', () => {
  const w = new World();
  const [x, y] = [guest('10.0.0.1'), guest('10.0.0.3', '10.0.0.2')];
  const sx = w.socket(SOCK_STREAM, x);
  const sy = w.socket(SOCK_STREAM, y);
  for (const s of [sx, sy]) assert.equal(s.bind(at('0.0.0.0', 80)) + s.listen(4), 0);
  for (const [addr, server] of [
    ['10.0.0.1', sx],
    ['10.0.0.2', sy],
    ['10.0.0.3', sy],
  ] as const) {
    w.socket(SOCK_STREAM, ROOT, w.peer).connect(at(addr, 80));
    w.run();
    const child = server.accept();
    assert.ok(typeof child !== 'number', addr);
    assert.equal(formatIpv4(child.getsockname().addr), addr);
  }
  assert.equal(errnoName(Number(sx.accept())), 'EAGAIN');
  const server = w.socket(SOCK_DGRAM, ROOT, w.peer);
  server.bind(at('0.0.0.0', 53));
  for (const call of ['sendto', 'connect'] as const) {
    const client = w.socket(SOCK_DGRAM, y);
    if (call === 'connect') client.connect(at('10.0.0.9', 53));
    assert.equal(
      client.sendto(new Uint8Array(1), 0, call === 'connect' ? null : at('10.0.0.9', 53)),
      1,
    );
    w.run();
    const got = server.recv(10);
    assert.ok(typeof got !== 'number');
    assert.equal(formatIpv4(got.from?.addr ?? 0), '10.0.0.3', call);
  }
  const web = w.socket(SOCK_STREAM, ROOT, w.peer);
  web.bind(at('0.0.0.0', 80));
  web.listen(4);
  w.socket(SOCK_STREAM, y).connect(at('10.0.0.9', 80));
  w.run();
  const child = web.accept();
  assert.ok(typeof child !== 'number');
  assert.deepEqual(child.getpeername(), {
    ...at('10.0.0.3', 0),
    port: (child.getpeername() as { port: number }).port,
  });
});

test('V1: nobody gets out of a context: no raw sockets, no other mark', () => {
  const w = new World();
  const cred = guest('10.0.0.1');
  assert.equal(errnoName(Number(Socket.create(w.host.net, AF_INET, SOCK_RAW, 1, cred))), 'EPERM');
  const s = w.socket(SOCK_DGRAM, cred);
  assert.equal(errnoName(s.setsockopt(1, 36, 7)), 'EPERM', 'SO_MARK');
  w.host.destroy();
});

test('E16: filters see a call before the stack, and end it with their errno', () => {
  const w = new World();
  const calls: string[] = [];
  const see =
    (call: string) =>
    (_sk: unknown, to: { readonly addr: number; readonly port: number }): number => {
      calls.push(`${call} ${formatIpv4(to.addr)}:${to.port}`);
      return to.port === 25 ? -13 : 0;
    };
  const cred: Credentials = {
    ...ROOT,
    hooks: { bind: see('bind'), connect: see('connect'), sendmsg: see('sendmsg') },
  };
  const s = w.socket(SOCK_DGRAM, cred);
  assert.equal(errnoName(s.bind(at('10.0.0.1', 25))), 'EACCES');
  assert.equal(s.bind(at('10.0.0.1', 26)), 0);
  assert.equal(errnoName(s.sendto(new Uint8Array(1), 0, at('10.0.0.9', 25))), 'EACCES');
  assert.equal(errnoName(s.connect(at('10.0.0.9', 25))), 'EACCES');
  assert.deepEqual(calls, [
    'bind 10.0.0.1:25',
    'bind 10.0.0.1:26',
    'sendmsg 10.0.0.9:25',
    'connect 10.0.0.9:25',
  ]);
});

test('V2: a tag chooses the sockets: equal binds, and each hears its own packets', () => {
  const w = new World();
  const tag = (mark: number): Credentials => contextCredentials({ mark } satisfies ContextSpec);
  const sockets = [7, 8].map((mark) => w.socket(SOCK_DGRAM, tag(mark)));
  for (const s of sockets) assert.equal(s.bind(at('0.0.0.0', 53)), 0);
  assert.equal(said(w.socket(SOCK_DGRAM, tag(7)).bind(at('0.0.0.0', 53))), 'EADDRINUSE');
  assert.equal(
    said(w.socket(SOCK_DGRAM).bind(at('0.0.0.0', 53))),
    'EADDRINUSE',
    'the host hears all',
  );
  // On lo a packet keeps the mark of its sender.
  for (const mark of [8, 7, 8, 9]) {
    const client = w.socket(SOCK_DGRAM);
    client.setsockopt(1, 36, mark);
    client.sendto(new Uint8Array([mark]), 0, at('10.0.0.1', 53));
    w.run();
  }
  const heard = sockets.map((s) => {
    const all: number[] = [];
    for (let got = s.recv(9); typeof got !== 'number'; got = s.recv(9))
      all.push(got.data[0]?.[0] ?? -1);
    return all;
  });
  assert.deepEqual(heard, [[7], [8, 8]]);
});

test('V2: a connection belongs to the tag of its SYN, with tcp_fwmark_accept; a socket with a mark keeps its own', () => {
  const w = new World();
  const markOf = (own: number): number => {
    const server = w.socket(SOCK_STREAM);
    server.setsockopt(1, 2, 1);
    server.setsockopt(1, 36, own);
    server.bind(at('10.0.0.1', 80));
    server.listen(4);
    const client = w.socket(SOCK_STREAM);
    client.setsockopt(1, 36, 7);
    client.connect(at('10.0.0.1', 80));
    w.run();
    const child = server.accept();
    assert.ok(typeof child !== 'number');
    server.close();
    return Number(child.getsockopt(1, 36));
  };
  assert.deepEqual([markOf(0), markOf(9)], [0, 9]);
  w.host.sysctl.set('net.ipv4.tcp_fwmark_accept', '1');
  assert.deepEqual([markOf(0), markOf(9)], [7, 9]);
  w.host.sysctl.set('net.ipv4.tcp_syncookies', '2');
  assert.deepEqual([markOf(0), markOf(9)], [7, 9], 'from a cookie too');
});

test('V1, V2: contexts over IPv6: own addresses, equal wildcards, groups by mark', () => {
  const w = new World();
  for (const n of [1, 2]) w.host.ip(`addr add fd00::${n}/64 dev eth0 nodad`);
  w.peer.ip('addr add fd00::9/64 dev eth0 nodad');
  const at6 = (addr: string, port: number) =>
    ({ family: AF_INET6, addr: 0, addr6: ip6(addr), port }) as const;
  const six = (type: number, cred: Credentials, ns = w.host): Socket => {
    const s = Socket.create(ns.net, AF_INET6, type, 0, cred);
    assert.ok(typeof s !== 'number');
    return s;
  };
  const guests = [1, 2].map((n) => contextCredentials({ addrs6: [ip6(`fd00::${n}`)] }));
  for (const type of [SOCK_DGRAM, SOCK_STREAM]) {
    const servers = guests.map((cred) => {
      const s = six(type, cred);
      assert.equal(said(s.bind(at6('::', 80))), 'ok');
      if (type === SOCK_STREAM) s.listen(4);
      return s;
    });
    assert.equal(
      said(six(type, guests[0] as Credentials).bind(at6('fd00::2', 81))),
      'EADDRNOTAVAIL',
    );
    assert.equal(said(six(type, ROOT).bind(at6('::', 80))), 'EADDRINUSE');
    for (const n of [1, 2, 2]) {
      const c = six(type, ROOT, w.peer);
      if (type === SOCK_STREAM) c.connect(at6(`fd00::${n}`, 80));
      else c.sendto(new Uint8Array(1), 0, at6(`fd00::${n}`, 80));
    }
    w.run();
    const count = (s: Socket): number => {
      let n = 0;
      while (typeof (type === SOCK_STREAM ? s.accept() : s.recv(1)) !== 'number') n++;
      return n;
    };
    assert.deepEqual(servers.map(count), [1, 2]);
    const c = six(type, guests[1] as Credentials);
    c.connect(at6('fd00::9', 9));
    assert.equal(String(c.getsockname().addr6), 'fd00::2', 'it speaks from its own');
  }
  const tags = [7, 8].map((mark) => {
    const s = six(SOCK_DGRAM, contextCredentials({ mark }));
    s.bind(at6('::', 99));
    s.setsockopt(41, 20, { multiaddr: ip6('ff02::1:5'), ifindex: 2 });
    return s;
  });
  const sender = six(SOCK_DGRAM, ROOT);
  sender.setsockopt(1, 36, 8);
  sender.setsockopt(41, 17, 2);
  sender.sendto(new Uint8Array(1), 0, at6('ff02::1:5', 99));
  w.run();
  assert.deepEqual(
    tags.map((s) => typeof s.recv(1) !== 'number'),
    [false, true],
  );
});
