/** IGMP in virtual time: what takes longer than a comparison with the kernel may, and hostile input (E1). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { Kernel } from '../../control/kernel.ts';
import type { Namespace } from '../../control/namespace.ts';
import { Socket } from '../../socket/socket.ts';
import { AF_INET, AF_PACKET, SOCK_DGRAM } from '../../transport/sock.ts';
import { IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, SOL_IP } from '../../transport/sockopt-names.ts';
import { ipv4, multicastMac } from '../../util/address.ts';
import { Random } from '../../util/random.ts';
import { foldChecksum, sumPayload } from '../../wire/checksum.ts';
import { ETH_P_IP } from '../../wire/ethernet.ts';

const GROUP = ipv4('239.1.1.1');
const ALL = ipv4('224.0.0.1');

class World {
  readonly clock: VirtualClock = new VirtualClock(1);
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 5 });
  readonly a: Namespace = this.kernel.netns.add('a');
  readonly b: Namespace = this.kernel.netns.add('b');
  readonly tap: Socket;

  constructor() {
    for (const ns of [this.a, this.b]) ns.sysctl.set('net.ipv6.conf.all.disable_ipv6', '1');
    this.a.ip('link add a0 type veth peer name b0 netns b');
    for (const [ns, dev, n] of [
      [this.a, 'a0', 1],
      [this.b, 'b0', 2],
    ] as const) {
      ns.ip(`link set ${dev} up`);
      ns.ip(`addr add 10.0.0.${n}/24 dev ${dev}`);
    }
    this.tap = this.open(this.b, AF_PACKET, ETH_P_IP);
    this.wait(1);
  }

  open(ns: Namespace, family: number, proto: number): Socket {
    const made = Socket.create(ns.net, family, SOCK_DGRAM, proto);
    assert.ok(typeof made !== 'number');
    return made;
  }

  wait(seconds: number): void {
    this.clock.runFor(this.kernel.core, seconds * 1e6);
  }

  join(group = GROUP): Socket {
    const s = this.open(this.a, AF_INET, 0);
    const request = { multiaddr: group, address: ipv4('10.0.0.1') };
    assert.equal(s.setsockopt(SOL_IP, IP_ADD_MEMBERSHIP, request), 0);
    return s;
  }

  /** The types of messages that were heard: of version 3 with that of each record. */
  heard(): string[] {
    const out: string[] = [];
    for (;;) {
      const got = this.tap.recv(2000);
      if (typeof got === 'number') return out;
      const bytes = Buffer.concat([...got.data]).subarray(24);
      const kinds = bytes[0] === 0x22 ? `:${bytes[8]}` : '';
      out.push(`${(bytes[0] ?? 0).toString(16)}${kinds}`);
    }
  }

  send(dst: number, body: Uint8Array): void {
    const message = Uint8Array.from(body);
    if (message.length >= 4) {
      message[2] = 0;
      message[3] = 0;
      const sum = foldChecksum(sumPayload([message], 0));
      message[2] = sum >>> 8;
      message[3] = sum & 255;
    }
    const head = new DataView(new ArrayBuffer(20));
    head.setUint16(0, 0x45c0);
    head.setUint16(2, 20 + message.length);
    head.setUint16(8, 0x0102);
    head.setInt32(12, ipv4('10.0.0.2'));
    head.setInt32(16, dst);
    head.setUint16(10, foldChecksum(sumPayload([new Uint8Array(head.buffer)], 0)));
    const packet = Buffer.concat([new Uint8Array(head.buffer), message]);
    const ifindex = this.b.net.devs.find('b0')?.ifindex ?? 0;
    this.tap.sendto(packet, 0, {
      family: AF_PACKET,
      protocol: ETH_P_IP,
      ifindex,
      hatype: 0,
      pkttype: 0,
      halen: 6,
      addr: multicastMac(dst),
    });
  }
}

const v2Query = Uint8Array.of(0x11, 10, 0, 0, 0, 0, 0, 0);

test('E1: an old querier is believed for robustness times its interval and its response time', () => {
  const w = new World();
  w.join();
  w.wait(3);
  w.heard();
  w.send(ALL, v2Query);
  w.wait(2);
  assert.deepEqual(w.heard(), ['16']);
  // 2 · 125 s + 10 s (RFC 3376 §8.12).
  w.wait(230);
  const other = w.join(ipv4('239.5.5.5'));
  w.wait(15);
  assert.deepEqual(new Set(w.heard()), new Set(['16']));
  other.close();
  w.wait(20);
  w.heard();
  w.join(ipv4('239.6.6.6'));
  w.wait(3);
  assert.deepEqual(w.heard(), ['22:4', '22:4']);
});

test('E1: answers to a general query are spread over the time that it allows', () => {
  const delays: number[] = [];
  for (let seed = 0; seed < 5; seed++) {
    const w = new World();
    w.join();
    w.wait(3 + seed);
    w.heard();
    w.send(ALL, Uint8Array.of(0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0));
    let waited = 0;
    while (w.heard().length === 0 && waited < 11) {
      w.wait(0.1);
      waited += 0.1;
    }
    delays.push(waited);
    w.wait(11);
    assert.deepEqual(w.heard(), []);
  }
  assert.ok(Math.max(...delays) <= 10.1, `${delays}`);
});

test('E1: many groups are told in as many packets as the MTU makes necessary', () => {
  const w = new World();
  w.a.sysctl.set('net.ipv4.igmp_max_memberships', '400');
  const s = w.open(w.a, AF_INET, 0);
  for (let i = 0; i < 300; i++)
    s.setsockopt(SOL_IP, IP_ADD_MEMBERSHIP, {
      multiaddr: (ipv4('239.9.0.0') + i) | 0,
      address: ipv4('10.0.0.1'),
    });
  w.wait(0.005);
  assert.equal(w.heard().length, 2);
  w.wait(2);
  s.close();
  w.wait(3);
  const timers = w.kernel.core.timers.count;
  assert.equal(w.a.net.devs.find('a0')?.ipv4?.groups?.size, 0);
  assert.ok(timers < 10, `${timers} timers`);
});

test('E1: bytes of any kind neither throw nor are answered more than once each', () => {
  const w = new World();
  w.join();
  w.wait(3);
  w.heard();
  const random = new Random(7, 'igmp-fuzz');
  for (let i = 0; i < 3000; i++) {
    const body = Uint8Array.from({ length: random.below(40) }, () => random.below(256));
    if (body.length > 0 && random.below(2) === 0) body[0] = 0x11;
    if (body.length > 8 && random.below(2) === 0) body.set([0xef, 1, 1, 1], 4);
    w.send(random.below(2) === 0 ? ALL : GROUP, body);
    if (i % 100 === 0) w.wait(0.01);
  }
  w.wait(3000);
  assert.ok(w.heard().length < 3000);
  const timers = w.kernel.core.timers.count;
  assert.ok(timers < 10, `${timers} timers`);
  // It still works.
  w.wait(100_000);
  w.heard();
  w.join(ipv4('239.7.7.7')).setsockopt(SOL_IP, IP_DROP_MEMBERSHIP, {
    multiaddr: ipv4('239.7.7.7'),
    address: ipv4('10.0.0.1'),
  });
  w.wait(3);
  assert.ok(w.heard().length > 0);
});

test('E1: the end of a namespace, or of the device, leaves no timer', () => {
  const w = new World();
  const before = w.kernel.core.timers.count;
  w.join();
  assert.ok(w.kernel.core.timers.count > before);
  w.a.ip('link del a0');
  assert.ok(w.kernel.core.timers.count <= before);
});

test('E1: ip maddr lists groups as iproute2 does', () => {
  const w = new World();
  w.join();
  w.join();
  w.wait(1);
  const a0 = w.a.net.devs.find('a0')?.ifindex ?? 0;
  assert.equal(
    w.a.ip('-4 maddr show dev a0'),
    `${a0}:\ta0\n\tinet  239.1.1.1 users 2\n\tinet  224.0.0.1\n`,
  );
  const [json] = JSON.parse(w.a.ip('-j maddr show dev a0'));
  assert.equal(json.ifname, 'a0');
  assert.match(JSON.stringify(json.maddr), /\{"link":"01:00:5e:01:01:01"\}/);
  assert.throws(() => w.a.ip('maddr add 01:00:5e:00:00:09 dev a0'), /not implemented/);
  assert.throws(() => w.a.ip('maddr bla'), /Command "bla" is unknown/);
});
