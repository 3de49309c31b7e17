/** DHCP in virtual time: the states of RFC 2131 by the clock, what servers owe whom, and hostile input (E1). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kernel } from '../../core/control/kernel.ts';
import { type Namespace, parseIpv4, parseMac } from '../../core/index.ts';
import { Random } from '../../core/util/random.ts';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { DhcpClient } from './client.ts';
import { dhcp } from './dhcp.ts';
import { DhcpLink } from './link.ts';
import {
  BOOTREQUEST,
  DHCPACK,
  DHCPDISCOVER,
  DHCPNAK,
  DHCPOFFER,
  DHCPREQUEST,
  type DhcpMessage,
  decodeDhcp,
  encodeDhcp,
  messageType,
  OPT_CLIENT_ID,
  OPT_LEASE_TIME,
  OPT_MESSAGE_TYPE,
  OPT_OVERLOAD,
  OPT_REQUESTED_IP,
  OPT_ROUTER,
  u32,
} from './message.ts';
import { DhcpServer } from './server.ts';

const at = (text: string): number => parseIpv4(text) ?? 0;

class World {
  readonly clock: VirtualClock = new VirtualClock(1);
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 3 });
  readonly server: Namespace = this.kernel.netns.add('server');
  readonly lines: string[] = [];

  constructor() {
    this.server.ip('link add br0 type bridge mcast_snooping 0');
    this.server.ip('link set br0 up');
    this.server.ip('addr add 10.0.0.1/24 dev br0');
  }

  host(name: string, mac?: string): Namespace {
    const ns = this.kernel.netns.add(name);
    const address = mac === undefined ? '' : `address ${mac} `;
    ns.ip(`link add eth0 ${address}type veth peer name ${name} netns server`);
    ns.ip('link set lo up');
    ns.ip('link set eth0 up');
    this.server.ip(`link set ${name} up`);
    this.server.ip(`link set ${name} master br0`);
    return ns;
  }

  serve(more: Partial<ConstructorParameters<typeof DhcpServer>[1]> = {}): DhcpServer {
    return new DhcpServer(this.server, {
      device: 'br0',
      first: at('10.0.0.100'),
      last: at('10.0.0.103'),
      leaseSeconds: 600,
      dns: [at('10.0.0.1')],
      domain: 'lab.test',
      ...more,
    });
  }

  client(ns: Namespace): DhcpClient {
    return new DhcpClient(ns, { device: 'eth0', log: (line) => this.lines.push(line) });
  }

  wait(seconds: number): void {
    this.clock.runFor(this.kernel.core, seconds * 1e6);
  }
}

function addresses(ns: Namespace): string[] {
  return [...ns.ip('-4 addr show dev eth0').matchAll(/inet (\S+)/g)].map((m) => m[1] as string);
}

/** The bridge's ports forward at once. */
const ready = 40;

test('E1: a client gets address, route and names, renews at T1, and has given all back when it stops', () => {
  const w = new World();
  const server = w.serve();
  const ns = w.host('h');
  w.wait(ready);
  const client = w.client(ns);
  w.wait(1);
  assert.equal(client.state, 'bound');
  assert.deepEqual(addresses(ns), ['10.0.0.100/24']);
  assert.match(ns.ip('route show'), /default via 10\.0\.0\.1 dev eth0/);
  assert.deepEqual(client.lease?.dns, ['10.0.0.1']);
  assert.equal(client.lease?.domain, 'lab.test');
  assert.equal(client.lease?.seconds, 600);
  assert.match(ns.ip('addr show dev eth0'), /valid_lft 599sec preferred_lft 599sec/);
  // T1 is half of the lease.
  w.wait(297);
  assert.equal(w.lines.filter((l) => l.includes('renew')).length, 0);
  w.wait(4);
  assert.deepEqual(
    w.lines.filter((l) => l.includes('renew')),
    ['sending renew to server 10.0.0.1'],
  );
  assert.equal(client.state, 'bound');
  w.wait(10_000);
  assert.deepEqual(addresses(ns), ['10.0.0.100/24']);
  assert.equal(server.leases().length, 1);
  client.stop();
  w.wait(1);
  assert.deepEqual(addresses(ns), []);
  assert.deepEqual(server.leases(), []);
});

test('E1: without an answer it asks less and less often, for ever (RFC 2131 §4.1)', () => {
  const w = new World();
  const ns = w.host('h');
  w.wait(ready);
  const client = w.client(ns);
  const times: number[] = [];
  let seen = 0;
  for (let s = 0; s < 400; s++) {
    if (w.lines.length > seen) times.push(s);
    seen = w.lines.length;
    w.wait(1);
  }
  const gaps = times.slice(1).map((t, i) => t - (times[i] as number));
  [4, 8, 16, 32, 64, 64].forEach((wanted, i) => {
    assert.ok(Math.abs((gaps[i] ?? 0) - wanted) <= 2, `${gaps}`);
  });
  const server = w.serve();
  w.wait(70);
  assert.equal(client.state, 'bound');
  assert.equal(server.leases().length, 1);
});

test('E1: who does not hear of its server rebinds at T2, and loses its address at the end of the lease', () => {
  const w = new World();
  const server = w.serve();
  const ns = w.host('h');
  w.wait(ready);
  const client = w.client(ns);
  w.wait(1);
  server.stop();
  w.wait(400);
  assert.equal(client.state, 'renewing');
  w.wait(140);
  assert.equal(client.state, 'rebinding');
  assert.deepEqual(addresses(ns), ['10.0.0.100/24']);
  w.wait(70);
  assert.equal(client.state, 'selecting');
  assert.deepEqual(addresses(ns), []);
  // Another server takes over; it knows nothing of the lease.
  w.serve({ first: at('10.0.0.50'), last: at('10.0.0.60') });
  w.wait(70);
  assert.deepEqual(addresses(ns), ['10.0.0.50/24']);
});

test('E1: a server that starts anew confirms the leases of before that are renewed', () => {
  const w = new World();
  const first = w.serve();
  const ns = w.host('h');
  w.wait(ready);
  const client = w.client(ns);
  w.wait(1);
  first.stop();
  const second = w.serve();
  w.wait(301);
  assert.equal(client.state, 'bound');
  assert.equal(second.leases()[0]?.address, '10.0.0.100');
});

test('E1: each client has an address of its own, a full range none, and a host that is named its own', () => {
  const w = new World();
  const server = w.serve({
    hosts: new Map([[parseMac('02:00:00:00:00:99') ?? 0, at('10.0.0.7')]]),
  });
  const hosts = [1, 2, 3, 4, 5].map((n) => w.host(`h${n}`));
  const named = w.host('named', '02:00:00:00:00:99');
  w.wait(ready);
  const clients = [...hosts, named].map((ns) => w.client(ns));
  w.wait(30);
  const got = hosts.flatMap(addresses);
  assert.deepEqual([...new Set(got)].sort(), [
    '10.0.0.100/24',
    '10.0.0.101/24',
    '10.0.0.102/24',
    '10.0.0.103/24',
  ]);
  assert.deepEqual(addresses(named), ['10.0.0.7/24']);
  assert.equal(server.leases().length, 5);
  // One goes, and who waited gets its address.
  const leaving = clients.findIndex((c) => c.lease?.address === '10.0.0.102');
  clients[leaving]?.stop();
  w.wait(70);
  assert.equal(server.leases().length, 5);
});

/** Talks to the server as it likes. */
class Raw {
  readonly got: DhcpMessage[] = [];
  readonly link: DhcpLink;

  constructor(ns: Namespace) {
    this.link = new DhcpLink(ns, { device: 'eth0', port: 68 }, (data) => {
      const m = decodeDhcp(data);
      if (m !== null) this.got.push(m);
    });
  }

  send(type: number, more: Partial<DhcpMessage> = {}, options: [number, Uint8Array][] = []): void {
    const data = encodeDhcp({
      op: BOOTREQUEST,
      xid: 7,
      secs: 0,
      broadcast: false,
      ciaddr: 0,
      yiaddr: 0,
      siaddr: 0,
      giaddr: 0,
      chaddr: this.link.mac,
      options: new Map([[OPT_MESSAGE_TYPE, Uint8Array.of(type)], ...options]),
      ...more,
    });
    this.bytes(data);
  }

  bytes(data: Uint8Array): void {
    this.link.sendFrame(data, { src: 0, dst: -1, port: 67 });
  }
}

test('E1: a server refuses addresses of other networks, and keeps still about those that it does not know', () => {
  const w = new World();
  w.serve();
  const raw = new Raw(w.host('h'));
  w.wait(ready);
  raw.send(DHCPREQUEST, {}, [[OPT_REQUESTED_IP, u32(at('192.168.7.7'))]]);
  w.wait(1);
  assert.deepEqual(raw.got.map(messageType), [DHCPNAK]);
  raw.send(DHCPREQUEST, {}, [[OPT_REQUESTED_IP, u32(at('10.0.0.101'))]]);
  w.wait(1);
  assert.equal(raw.got.length, 1);
  raw.send(DHCPDISCOVER, { broadcast: true });
  w.wait(1);
  assert.equal(messageType(raw.got[1] as DhcpMessage), DHCPOFFER);
  raw.send(DHCPREQUEST, {}, [[OPT_REQUESTED_IP, u32(at('10.0.0.100'))]]);
  w.wait(1);
  assert.equal(messageType(raw.got[2] as DhcpMessage), DHCPACK);
});

test('E1: clients that invent themselves fill the range for a minute, and no more memory than that', () => {
  const w = new World();
  const server = w.serve();
  const ns = w.host('h');
  const raw = new Raw(w.host('x'));
  w.wait(ready);
  for (let i = 0; i < 600; i++)
    raw.send(DHCPDISCOVER, { chaddr: 0x020000000000 + i }, [
      [OPT_CLIENT_ID, Uint8Array.of(1, i >> 8, i & 255)],
    ]);
  w.wait(1);
  const client = w.client(ns);
  w.wait(5);
  assert.equal(client.state, 'selecting');
  w.wait(130);
  assert.equal(client.state, 'bound');
  const sizes = server as unknown as Record<'entries' | 'byClient', Map<unknown, unknown>>;
  assert.ok(sizes.entries.size <= 4 && sizes.byClient.size <= 4);
});

test('E1: bytes of any kind harm neither a server nor a client', () => {
  const w = new World();
  w.serve();
  const ns = w.host('h');
  const raw = new Raw(w.host('x'));
  w.wait(ready);
  const random = new Random(9, 'dhcp');
  const seed = encodeDhcp({
    op: BOOTREQUEST,
    xid: 1,
    secs: 0,
    broadcast: true,
    ciaddr: 0,
    yiaddr: 0,
    siaddr: 0,
    giaddr: 0,
    chaddr: raw.link.mac,
    options: new Map([[OPT_MESSAGE_TYPE, Uint8Array.of(1)]]),
  });
  for (let i = 0; i < 3000; i++) {
    const data = seed.slice(0, random.below(3) === 0 ? random.below(seed.length) : seed.length);
    for (let n = random.below(8); n > 0; n--) data[random.below(data.length)] = random.below(256);
    for (let n = random.below(8); n > 0 && data.length > 245; n--)
      data[240 + random.below(data.length - 240)] = random.below(256);
    if (random.below(2) === 0) raw.bytes(data);
    else raw.link.sendFrame(data, { src: at('10.0.0.1'), dst: -1, port: 68 });
    if (i % 200 === 0) w.wait(0.1);
  }
  w.wait(200);
  const client = w.client(ns);
  w.wait(100);
  assert.equal(client.state, 'bound');
});

test('E1: options in pieces and in other fields are read (RFC 3396, RFC 2132 §9.3)', () => {
  const base = encodeDhcp({
    op: 2,
    xid: 1,
    secs: 0,
    broadcast: false,
    ciaddr: 0,
    yiaddr: 0,
    siaddr: 0,
    giaddr: 0,
    chaddr: 5,
    options: new Map([
      [OPT_OVERLOAD, Uint8Array.of(3)],
      [OPT_ROUTER, u32(at('10.0.0.1'))],
    ]),
  });
  base.set([OPT_LEASE_TIME, 4, 0, 0, 1, 0, 255], 108);
  base.set([OPT_ROUTER, 4, 10, 0, 0, 2, 255], 44);
  const m = decodeDhcp(base);
  assert.ok(m !== null);
  assert.deepEqual([...(m.options.get(OPT_ROUTER) ?? [])], [10, 0, 0, 1, 10, 0, 0, 2]);
  assert.deepEqual([...(m.options.get(OPT_LEASE_TIME) ?? [])], [0, 0, 1, 0]);
});

test('E1: dhcp client and dhcp server are commands; wrong words are told', () => {
  const w = new World();
  const ns = w.host('h');
  w.wait(ready);
  let out = '';
  let err = '';
  let code: number | undefined;
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    exit: (n: number) => {
      code = n;
    },
  };
  const words = '-i br0 --range 10.0.0.20,10.0.0.30,300 --router 10.0.0.254 --dns 10.0.0.1,8.8.8.8';
  const server = dhcp(w.server, ['server', ...words.split(' ')], io);
  dhcp(ns, ['client', '-i', 'eth0', '-q'], io);
  w.wait(1);
  assert.match(
    out,
    /^10\.0\.0\.20\/24 via 10\.0\.0\.254 dns 10\.0\.0\.1,8\.8\.8\.8 from 10\.0\.0\.1$/m,
  );
  assert.equal(code, 0);
  assert.deepEqual(addresses(ns), ['10.0.0.20/24']);
  server.stop();
  w.wait(400);
  assert.deepEqual(addresses(ns), [], 'nobody renewed: the kernel took it');
  for (const [line, told] of [
    ['', /usage/],
    ['both', /neither client nor server/],
    ['client', /-i DEV is missing/],
    ['client -i nope', /No such device/],
    ['server -i br0', /--range FIRST,LAST is missing/],
    ['server -i br0 --range 10.0.0.9,10.0.0.8', /a range has 1 to/],
    ['server -i br0 --range 10.9.0.1,10.9.0.8', /no address in the network/],
    ['server -i br0 --range 10.0.0.x,10.0.0.8', /"10\.0\.0\.x" is no IPv4 address/],
  ] as const) {
    err = '';
    dhcp(w.server, line === '' ? [] : line.split(' '), io);
    assert.match(err, told, line);
    assert.equal(code, 2);
  }
});
