/** Devices that move: what the kernel's own tools cannot show; the rest is in `test/linux`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutIpv6 } from '../../../test/world.ts';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { Kernel } from '../control/kernel.ts';
import type { Namespace } from '../control/namespace.ts';
import { type TunPort, tunAdd, tunAttach } from '../device/tun.ts';
import { vethAdd } from '../device/veth.ts';
import { EBUSY, EEXIST, EINVAL, ENODEV, errnoName } from '../errno.ts';
import { Socket } from '../socket/socket.ts';
import { AF_INET, EPOLLIN, EPOLLOUT, SOCK_DGRAM, SOCK_STREAM } from '../transport/sock.ts';
import { ipv4 } from '../util/address.ts';
import { devMove, moveRefusal } from './move.ts';
import type { NetDevice } from './net-device.ts';

const S = 1_000_000;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;

class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  readonly a: Namespace = this.kernel.netns.add('a');
  readonly b: Namespace = this.kernel.netns.add('b');
  readonly c: Namespace = this.kernel.netns.add('c');

  constructor() {
    // Nothing but IPv4 is told of and seen here.
    for (const ns of [this.a, this.b, this.c]) withoutIpv6(ns.net);
  }

  /** 10.0.0.1 in a, 10.0.0.2 in b. */
  wire(): void {
    this.kernel.veth(
      { netns: this.a, name: 'v0', address: '10.0.0.1/24', up: true },
      { netns: this.b, name: 'v1', address: '10.0.0.2/24', up: true },
    );
  }

  run(us: number): void {
    this.clock.runFor(this.kernel.core, us);
  }

  socket(ns: Namespace, type: number): Socket {
    const s = Socket.create(ns.net, AF_INET, type);
    assert.ok(typeof s !== 'number');
    return s;
  }

  device(ns: Namespace, name: string): NetDevice {
    const dev = ns.net.devs.find(name);
    assert.ok(dev !== undefined);
    return dev;
  }
}

function to(addr: string, port: number): { family: 2; addr: number; port: number } {
  return { family: AF_INET, addr: ipv4(addr), port };
}

/** A connected pair: [client in a, server in b]. */
function connect(w: World): [Socket, Socket] {
  const listener = w.socket(w.b, SOCK_STREAM);
  assert.equal(listener.bind(to('10.0.0.2', 80)), 0);
  assert.equal(listener.listen(1), 0);
  const client = w.socket(w.a, SOCK_STREAM);
  client.connect(to('10.0.0.2', 80));
  w.run(S);
  assert.ok((client.poll() & EPOLLOUT) !== 0);
  const server = listener.accept();
  assert.ok(typeof server !== 'number');
  return [client, server];
}

test('S6: a connection outlives the journey of its device', () => {
  const w = new World();
  w.wire();
  const [client, server] = connect(w);
  w.a.link.set('v0', { netns: w.c });
  assert.equal(client.send(new Uint8Array(100)), 100, 'queued, as on Linux');
  w.run(3 * S);
  assert.equal(server.poll() & EPOLLIN, 0);
  w.c.link.set('v0', { netns: w.a });
  w.a.link.set('v0', { up: true });
  w.a.addr.add({ local: '10.0.0.1/24', dev: 'v0' });
  w.run(60 * S);
  const got = server.recv(1000);
  assert.ok(typeof got !== 'number' && got.len === 100);
  assert.equal(server.send(new Uint8Array(7)), 7);
  w.run(S);
  const back = client.recv(1000);
  assert.ok(typeof back !== 'number' && back.len === 7);
});

test('S6: a socket that is bound to the device sends into the void', () => {
  const w = new World();
  w.wire();
  const s = w.socket(w.a, SOCK_DGRAM);
  assert.equal(s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, 'v0'), 0);
  assert.equal(s.sendto(new Uint8Array(1), 0, to('10.0.0.2', 9)), 1);
  w.a.link.set('v0', { netns: w.c });
  const sent = s.sendto(new Uint8Array(1), 0, to('10.0.0.2', 9));
  assert.equal(errnoName(sent), 'ENODEV');
  assert.equal(s.getsockopt(SOL_SOCKET, SO_BINDTODEVICE), -ENODEV);
});

test('S6: the host keeps its end of a tun device, which now speaks to the new namespace', () => {
  const w = new World();
  const dev = tunAdd(w.a.net, 'tun0', { mode: 'tun' });
  assert.ok(typeof dev !== 'number');
  const port = tunAttach(dev);
  assert.ok(typeof port !== 'number');
  w.a.link.set('tun0', { netns: w.c, name: 'tun7' });
  assert.equal(dev.name, 'tun7');
  w.c.link.set('tun7', { up: true });
  w.c.addr.add({ local: '10.5.0.1/24', dev: 'tun7' });
  const frames: Uint8Array[] = [];
  port.onTransmit = (frame) => frames.push(frame);
  assert.equal(port.receive(echoRequest()), 28);
  w.run(S);
  assert.equal(frames.length, 1, 'the echo');
  assert.equal(w.c.stats().mib['Icmp.InEchos'], 1);
  assert.equal(w.a.stats().mib['Icmp.InEchos'], 0);
  endPort(port);
});

function endPort(port: TunPort): void {
  port.close();
}

/** 10.5.0.2 pings 10.5.0.1; checksums included. */
function echoRequest(): Uint8Array {
  const hex = '4500001c00000000400166d50a0500020a0500010800f7ff00000000';
  return Uint8Array.from(hex.match(/../g) ?? [], (x) => Number.parseInt(x, 16));
}

test('S6: what waits when a device moves is lost, and never seen in the new namespace', () => {
  const w = new World();
  w.wire();
  const s = w.socket(w.b, SOCK_DGRAM);
  w.run(S);
  for (let i = 0; i < 5; i++) s.sendto(new Uint8Array(1), 0, to('10.0.0.1', 9));
  // The request for the address waits in v0's backlog.
  assert.equal(w.kernel.core.backlogLength, 1);
  w.a.link.set('v0', { netns: w.c });
  assert.equal(w.kernel.core.backlogLength, 0);
  w.c.link.set('v0', { up: true });
  w.run(S);
  assert.equal(w.a.net.drops.get('DEV_READY'), 1);
});

test('S6: refused moves change nothing', () => {
  const w = new World();
  w.wire();
  vethAdd({ net: w.c.net, name: 'v0', ifindex: 40 }, { net: w.c.net, name: 'x' });
  const dev = w.device(w.a, 'v0');
  const before = JSON.stringify([w.a.link.list(), w.a.addr.list(), w.a.route.list()]);
  assert.equal(devMove(dev, { net: w.c.net }), -EEXIST);
  assert.equal(devMove(dev, { net: w.c.net, name: 'x' }), -EEXIST);
  assert.equal(devMove(dev, { net: w.c.net, name: 'a/b' }), -EINVAL);
  assert.equal(devMove(dev, { net: w.b.net, ifindex: 1 }), -EBUSY);
  assert.equal(
    moveRefusal(dev, { net: w.b.net, ifindex: 1 })?.detail,
    'The ifindex 1 is not available in the target netns.',
  );
  assert.equal(devMove(w.a.net.loopback, { net: w.b.net }), -EINVAL);
  for (const set of [{ mtu: 9 }, { address: '01:00:00:00:00:00' }, { master: 'nope' }])
    assert.throws(() => w.a.link.set('v0', { netns: w.b, ...set }));
  assert.throws(() => w.a.link.set('v0', { netns: w.b, name: 'v1' }), { code: 'EEXIST' });
  assert.throws(() => w.a.link.set('v0', { newIfindex: 5 }), { code: 'EINVAL' });
  assert.equal(JSON.stringify([w.a.link.list(), w.a.addr.list(), w.a.route.list()]), before);
  const gone = w.kernel.netns.add('gone');
  gone.destroy();
  assert.equal(devMove(dev, { net: gone.net }), -EINVAL);
});

test('S19: one stream tells of every namespace, in order, as it was then', () => {
  const w = new World();
  w.wire();
  const seen: string[] = [];
  const stop = w.kernel.watch((e) => {
    const what = 'link' in e ? `${e.link.name} ${e.link.flags.join(',')}` : '';
    const moved = 'movedTo' in e && e.movedTo !== null ? ` to ${e.movedTo.netns.name}` : '';
    seen.push(`${e.netns.name} ${e.kind} ${what}${moved}`.trim());
  });
  w.a.link.set('v0', { netns: w.c });
  assert.deepEqual(seen, [
    'a newlink v0 BROADCAST,MULTICAST',
    'a deladdr',
    'a delroute',
    'a newnsid',
    'a dellink v0 BROADCAST,MULTICAST to c',
    'c newnsid',
    'c newlink v0 BROADCAST,MULTICAST',
    'b newnsid',
    'b newlink v1 NO-CARRIER,BROADCAST,MULTICAST,UP',
  ]);
  seen.length = 0;
  w.kernel.netns.add('d');
  assert.deepEqual(seen, ['d newlink lo LOOPBACK', 'd newnetns']);
  stop();
  w.c.link.set('v0', { up: true });
  assert.equal(seen.length, 2);
});
