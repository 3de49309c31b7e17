/** The lab's DNS server: names of its own, names of others, and input that means no good (E1). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kernel } from '../../core/control/kernel.ts';
import { AF_INET, type Namespace, parseIpv4, SOCK_DGRAM, Socket } from '../../core/index.ts';
import { Random } from '../../core/util/random.ts';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { dns } from './dns.ts';
import { encodeName } from './message.ts';
import { DnsServer } from './server.ts';

const at = (text: string): number => parseIpv4(text) ?? 0;

class World {
  readonly clock: VirtualClock = new VirtualClock(1);
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 3 });
  readonly server: Namespace = this.kernel.netns.add('server');
  readonly host: Namespace = this.kernel.netns.add('host');
  readonly socket: Socket;

  constructor() {
    this.kernel.veth(
      { netns: this.server, name: 'eth0', address: '10.0.0.1/24', up: true },
      { netns: this.host, name: 'eth0', address: '10.0.0.2/24', up: true },
    );
    this.socket = udp(this.host, 0);
    this.wait(0.01);
  }

  wait(seconds: number): void {
    this.clock.runFor(this.kernel.core, seconds * 1e6);
  }

  /** What the server answers: rcode, authority, and the data of the answers. */
  ask(name: string, type: number, waitS = 0.01): string {
    this.send(query(name, type));
    this.wait(waitS);
    return this.heard();
  }

  send(bytes: Uint8Array): void {
    this.socket.sendto(bytes, 0, { family: AF_INET, addr: at('10.0.0.1'), port: 53 });
  }

  heard(): string {
    const got = this.socket.recv(4096);
    if (typeof got === 'number') return 'nothing';
    const bytes = Buffer.concat([...got.data]);
    const [flags, answers] = [bytes.readUInt16BE(2), bytes.readUInt16BE(6)];
    const aa = (flags & 0x400) !== 0 ? ' aa' : '';
    return `${flags & 15}${aa} ${answers}: ${bytes.subarray(-4).toString('hex')}`;
  }
}

function udp(ns: Namespace, port: number): Socket {
  const made = Socket.create(ns.net, AF_INET, SOCK_DGRAM);
  assert.ok(typeof made !== 'number');
  assert.equal(made.bind({ family: AF_INET, addr: 0, port }), 0);
  return made;
}

function query(name: string, type: number): Uint8Array {
  return Uint8Array.of(
    0x12,
    0x34,
    1,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
    ...encodeName(name),
    0,
    type,
    0,
    1,
  );
}

const HOSTS = new Map([
  ['web', ['10.0.0.80', 'fd00::80']],
  ['example.org', ['192.0.2.7']],
]);

test('E1: names of its domain are answered with authority, absent ones and absent types with the reason', () => {
  const w = new World();
  const server = new DnsServer(w.server, { domain: 'lab.test', hosts: HOSTS });
  assert.equal(w.ask('web.lab.test', 1), '0 aa 1: 0a000050');
  assert.equal(w.ask('WEB.Lab.TEST', 1), '0 aa 1: 0a000050');
  assert.equal(w.ask('web.lab.test', 28), '0 aa 1: 00000080');
  assert.equal(w.ask('web.lab.test', 255).slice(0, 7), '0 aa 2:');
  assert.equal(w.ask('80.0.0.10.in-addr.arpa', 12).slice(0, 7), '0 aa 1:');
  assert.equal(w.ask('example.org', 1), '0 aa 1: c0000207');
  assert.equal(w.ask('web.lab.test', 16).slice(0, 7), '0 aa 0:');
  assert.equal(w.ask('nobody.lab.test', 1).slice(0, 7), '3 aa 0:');
  assert.equal(w.ask('else.where', 1).slice(0, 4), '5 0:');
  server.stop();
  assert.equal(w.ask('web.lab.test', 1), 'nothing');
});

test('E1: other names are asked of somebody else; silence is a failure, forgery is not heard', () => {
  const w = new World();
  const other = w.kernel.netns.add('other');
  w.kernel.veth(
    { netns: w.server, name: 'eth1', address: '10.1.0.1/24', up: true },
    { netns: other, name: 'eth0', address: '10.1.0.2/24', up: true },
  );
  const upstream = new DnsServer(other, {
    domain: 'org',
    hosts: new Map([['deep.org', ['192.0.2.99']]]),
  });
  const server = new DnsServer(w.server, {
    domain: 'lab.test',
    hosts: HOSTS,
    forward: [at('10.1.0.2')],
  });
  assert.equal(w.ask('deep.org', 1), '0 aa 1: c0000263');
  upstream.stop();
  // Somebody who was not asked sends an answer to every port.
  const forger = udp(w.host, 53);
  w.send(query('deep.org', 1));
  w.wait(0.01);
  for (let port = 32_768; port < 33_000; port++)
    forger.sendto(query('deep.org', 1), 0, { family: AF_INET, addr: at('10.0.0.1'), port });
  w.wait(4);
  assert.equal(w.heard(), 'nothing');
  w.wait(2);
  assert.equal(w.heard().slice(0, 4), '2 0:');
  // What waits is bounded: the rest fails at once.
  for (let i = 0; i < 300; i++) w.send(query(`n${i}.org`, 1));
  w.wait(1);
  let failed = 0;
  while (w.heard() !== 'nothing') failed++;
  assert.equal(failed, 300 - 256);
  w.wait(10);
  server.stop();
});

test('E1: bytes of any kind do not hurt', () => {
  const w = new World();
  const server = new DnsServer(w.server, { domain: 'lab.test', hosts: HOSTS });
  const random = new Random(2, 'dns-fuzz');
  const base = query('web.lab.test', 1);
  for (let i = 0; i < 2000; i++) {
    const bytes = base.slice(0, random.below(2) === 0 ? random.below(base.length) : base.length);
    for (let n = random.below(6); n > 0 && bytes.length > 0; n--)
      bytes[random.below(bytes.length)] = random.below(256);
    w.send(bytes);
    if (i % 50 === 0) w.wait(0.01);
  }
  w.wait(1);
  while (w.heard() !== 'nothing');
  assert.equal(w.ask('web.lab.test', 1), '0 aa 1: 0a000050');
  server.stop();
});

test('E1: dns is a command; wrong words are told', () => {
  const w = new World();
  let err = '';
  let code: number | undefined;
  const io = {
    out: () => {},
    err: (text: string) => {
      err += text;
    },
    exit: (n: number) => {
      code = n;
    },
  };
  const running = dns(w.server, ['--domain', 'x.test', '--host', 'a,10.0.0.9'], io);
  assert.equal(w.ask('a.x.test', 1), '0 aa 1: 0a000009');
  dns(w.server, [], io);
  assert.match(err, /Address already in use/);
  running.stop();
  assert.equal(code, 0);
  for (const [words, told] of [
    [['--host', 'a'], /"a" is not NAME,ADDR/],
    [['--host', 'a,nine'], /"nine" is no address/],
    [['--forward', 'x'], /"x" is no IPv4 address/],
    [['--what', 'x'], /"--what" is no option/],
    [['--ttl'], /--ttl wants an argument/],
  ] as const) {
    err = '';
    dns(w.server, words, io);
    assert.match(err, told);
  }
});
