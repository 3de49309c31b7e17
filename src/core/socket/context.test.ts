/** V1, E16: guests that own addresses of one namespace. V2: sockets of a tag hear the packets that have it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { Kernel } from '../control/kernel.ts';
import type { Namespace } from '../control/namespace.ts';
import { errnoName } from '../errno.ts';
import { AF_INET, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from '../transport/sock.ts';
import { formatIpv4, ipv4 } from '../util/address.ts';
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
