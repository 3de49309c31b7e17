/** Bridges: learning, flooding, ageing, and what follows the ports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutIpv6 } from '../../../test/world.ts';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { EBUSY, EEXIST, EINVAL, ELOOP, ENOENT, EPERM } from '../errno.ts';
import { Kernel } from '../kernel.ts';
import {
  devClose,
  devOpen,
  devSetMac,
  devSetMtu,
  operState,
  unregisterDevice,
} from '../link/device-state.ts';
import type { NetDevice } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import { MAC_BROADCAST } from '../util/address.ts';
import { EthHeader } from '../wire/ethernet.ts';
import { bridgeAdd, bridgeAddPort, bridgeDelPort } from './bridge.ts';
import { bridgeFdbAdd, bridgeFdbDel } from './bridge-admin.ts';
import { type Bridge, bridgeOf, bridgePortOf } from './bridge-port.ts';
import { vethAdd } from './veth.ts';

/** An EtherType that nobody handles. */
const PROTO = 0x88b5;
const S = 1_000_000;
const MULTICAST = 0x01005e000005;

/** A switch with three hosts: `ports[i]` is wired to `hosts[i]`, whose MAC is `0x02…10 + i`. */
class World {
  readonly clock = new VirtualClock(5);
  readonly kernel = new Kernel({ env: this.clock });
  readonly net = withoutIpv6(this.kernel.addNetNs('switch'));
  readonly br: NetDevice;
  readonly bridge: Bridge;
  readonly ports: NetDevice[] = [];
  readonly hosts: NetDevice[] = [];
  /** Names of the devices that received, in order. */
  got: string[] = [];

  constructor() {
    const br = bridgeAdd(this.net, 'br0', {});
    assert.ok(typeof br !== 'number');
    this.br = br;
    const bridge = bridgeOf(br);
    assert.ok(bridge !== null);
    this.bridge = bridge;
    devOpen(br);
    for (let i = 0; i < 3; i++) {
      const pair = vethAdd(
        { net: this.net, name: `p${i}`, mac: 0x020000000030 + i },
        { net: withoutIpv6(this.kernel.addNetNs()), name: `h${i}`, mac: 0x020000000010 + i },
      );
      assert.ok(typeof pair !== 'number');
      for (const dev of pair) devOpen(dev);
      assert.equal(bridgeAddPort(br, pair[0]), 0);
      this.ports.push(pair[0]);
      this.hosts.push(pair[1]);
    }
    const tap = { tap: (_p: unknown, dev: NetDevice, out: boolean) => this.note(dev, out) };
    for (const dev of [...this.hosts, br]) dev.taps = [tap];
  }

  private note(dev: NetDevice, outgoing: boolean): void {
    if (!outgoing) this.got.push(dev.name);
  }

  host(i: number): NetDevice {
    return this.hosts[i] as NetDevice;
  }

  port(i: number): NetDevice {
    return this.ports[i] as NetDevice;
  }

  /** Who receives a frame that `from` sends. */
  send(from: NetDevice, dst: number, src = from.mac, len = 100): string {
    this.got = [];
    const pkt = this.kernel.newPacket(PROTO, from);
    pkt.eth = new EthHeader(dst, src, PROTO);
    pkt.data = [new Uint8Array(len)];
    pkt.len = len;
    devQueueXmit(pkt);
    this.clock.runFor(this.kernel, 0);
    return this.got.sort().join(' ');
  }
}

test('unknown destinations are flooded, known ones are not', () => {
  const w = new World();
  const [a, b] = [w.host(0), w.host(1)];
  assert.equal(w.send(a, b.mac), 'h1 h2');
  assert.equal(w.send(b, a.mac), 'h0', 'learnt from the first frame');
  assert.equal(w.send(a, b.mac), 'h1');
  assert.equal(w.send(a, a.mac), '', 'not back where it came from');
  assert.equal(w.send(a, MAC_BROADCAST), 'br0 h1 h2');
  assert.equal(w.send(a, MULTICAST), 'br0 h1 h2');
  assert.equal(w.br.stats.multicast, 1);
  assert.equal(w.send(w.br, MAC_BROADCAST), 'h0 h1 h2');
  assert.equal(w.send(w.br, b.mac), 'h1');
});

test('the bridge takes what is for itself and for its ports', () => {
  const w = new World();
  assert.equal(w.br.mac, w.port(0).mac, 'the lowest');
  assert.equal(w.send(w.host(1), w.br.mac), 'br0');
  assert.equal(w.send(w.host(1), w.port(2).mac), 'br0');
  assert.deepEqual([w.br.stats.rxPackets, w.br.stats.rxBytes], [2, 200]);
});

test('reserved groups stay on their link, except the one of spanning tree while that is off', () => {
  const w = new World();
  assert.equal(w.send(w.host(0), 0x0180c2000000), 'br0 h1 h2');
  assert.equal(w.send(w.host(0), 0x0180c2000001), '');
  assert.equal(w.net.drops.get('MAC_IEEE_MAC_CONTROL'), 1);
  for (const last of [2, 0xe, 0xf]) assert.equal(w.send(w.host(0), 0x0180c2000000 + last), '');
  assert.equal(w.send(w.host(0), 0x0180c2000010), 'br0 h1 h2');
  assert.equal(w.send(w.host(0), w.host(1).mac, MULTICAST), '', 'a group as source');
  assert.equal(w.send(w.host(0), w.host(1).mac, 0), '');
  assert.equal(w.net.drops.get('MAC_INVALID_SOURCE'), 2);
});

test('an address that moved is found at its new place; our own cannot be stolen', () => {
  const w = new World();
  const wanderer = 0x0200000000aa;
  w.send(w.host(0), MAC_BROADCAST, wanderer);
  assert.equal(w.send(w.host(1), wanderer), 'h0');
  w.send(w.host(2), MAC_BROADCAST, wanderer);
  assert.equal(w.send(w.host(1), wanderer), 'h2');
  w.send(w.host(2), MAC_BROADCAST, w.br.mac);
  assert.equal(w.send(w.host(1), w.br.mac), 'br0');
});

test('addresses are forgotten after 300 s, and no timer runs when none is left', () => {
  const w = new World();
  const [a, b] = [w.host(0), w.host(1)];
  w.send(a, MAC_BROADCAST);
  w.clock.runFor(w.kernel, 200 * S);
  w.send(a, MAC_BROADCAST);
  w.clock.runFor(w.kernel, 299 * S);
  assert.equal(w.send(b, a.mac), 'h0');
  w.clock.runFor(w.kernel, 2 * S);
  assert.equal(w.send(b, a.mac), 'h0 h2');
  w.clock.runFor(w.kernel, 400 * S);
  assert.equal(w.bridge.fdb.learned, 0);
  assert.equal(w.kernel.timers.count, 0);
});

test('the table is bounded', () => {
  const w = new World();
  w.bridge.fdb.maxLearned = 100;
  for (let i = 0; i < 500; i++) w.send(w.host(0), w.br.mac, 0x021111000000 + i);
  assert.equal(w.bridge.fdb.learned, 100);
});

test('a port forwards while it is up with carrier, and forgets what was behind it', () => {
  const w = new World();
  w.send(w.host(0), MAC_BROADCAST);
  assert.ok(w.bridge.fdb.find(w.host(0).mac) !== undefined);
  devClose(w.host(0));
  assert.equal(bridgePortOf(w.port(0))?.state, 0);
  assert.equal(w.bridge.fdb.find(w.host(0).mac), undefined);
  assert.ok(w.bridge.fdb.find(w.port(0).mac)?.local);
  assert.equal(w.send(w.host(1), w.host(0).mac), 'h2');
  devOpen(w.host(0));
  assert.equal(w.send(w.host(1), w.host(0).mac), 'h0 h2');
});

test('carrier, MAC and MTU follow the ports, as on Linux', () => {
  const kernel = new Kernel({ env: new VirtualClock() });
  const net = kernel.addNetNs();
  const br = bridgeAdd(net, 'br0', { mtu: 1400 });
  const pair = vethAdd({ net, name: 'a', mac: 0x020000000005 }, { net, name: 'b' });
  assert.ok(typeof br !== 'number' && typeof pair !== 'number');
  const [a, b] = pair;
  devOpen(br);
  assert.equal(operState(br), 'UNKNOWN');
  bridgeAddPort(br, a);
  assert.deepEqual([operState(br), br.mtu, br.mac], ['DOWN', 1500, a.mac]);
  devOpen(a);
  devOpen(b);
  assert.deepEqual([operState(br), br.carrierChanges], ['UP', 2]);
  devSetMtu(a, 1300);
  assert.equal(br.mtu, 1300);
  devSetMac(a, 0x020000000004);
  assert.equal(br.mac, 0x020000000004);
  bridgeDelPort(a);
  assert.deepEqual([operState(br), br.mtu, br.mac], ['DOWN', 1500, 0]);
  assert.deepEqual(bridgeOf(br)?.fdb.list(), []);
  // What somebody chose stays.
  devSetMac(br, 0x020000000077);
  devSetMtu(br, 1450);
  bridgeAddPort(br, a);
  assert.deepEqual([br.mtu, br.mac], [1450, 0x020000000077]);
  const named = bridgeOf(br)
    ?.fdb.list()
    .map((e) => `${e.dev.name} ${e.local}`);
  assert.deepEqual(named, ['br0 true', 'a true']);
});

test('enslaving: what Linux refuses', () => {
  const w = new World();
  const other = bridgeAdd(w.net, 'br1', {});
  assert.ok(typeof other !== 'number');
  assert.equal(bridgeAddPort(w.br, other), -ELOOP);
  assert.equal(bridgeAddPort(w.br, w.net.loopback), -EINVAL);
  assert.equal(bridgeAddPort(w.br, w.host(0)), -EINVAL, 'another namespace');
  assert.equal(bridgeAddPort(other, w.port(0)), -EBUSY);
  assert.equal(bridgeDelPort(w.host(0)), -EINVAL);
});

test('configured entries, isolated ports, hairpin', () => {
  const w = new World();
  const mac = 0x020000000099;
  assert.equal(bridgeFdbAdd(w.port(2), mac, { kind: 'static', exclusive: true }), 0);
  assert.equal(bridgeFdbAdd(w.port(2), mac, { kind: 'static', exclusive: true }), -EEXIST);
  assert.equal(bridgeFdbAdd(w.port(2), 0, { kind: 'static', exclusive: true }), -EINVAL);
  assert.equal(bridgeFdbAdd(w.br, 0x020000000098, { kind: 'static', exclusive: true }), -EINVAL);
  assert.equal(bridgeFdbDel(w.port(1), mac), -ENOENT);
  assert.equal(w.send(w.host(0), mac), 'h2');
  w.clock.runFor(w.kernel, 400 * S);
  assert.equal(w.send(w.host(0), mac), 'h2', 'static ones do not age');
  devClose(w.host(1));
  assert.equal(
    bridgeFdbAdd(w.port(1), 0x020000000097, { kind: 'dynamic', exclusive: true }),
    -EPERM,
  );
  devOpen(w.host(1));
  for (const i of [0, 2]) {
    const port = bridgePortOf(w.port(i));
    assert.ok(port !== null);
    port.isolated = true;
  }
  assert.equal(w.send(w.host(0), mac), '');
  assert.equal(w.send(w.host(1), mac), 'h2');
  const port = bridgePortOf(w.port(1));
  assert.ok(port !== null);
  port.hairpin = true;
  w.send(w.host(1), MAC_BROADCAST);
  assert.equal(w.send(w.host(1), w.host(1).mac), 'h1');
});

test('ports and bridge go one by one, and leave nothing behind', () => {
  const w = new World();
  w.send(w.host(0), MAC_BROADCAST);
  unregisterDevice(w.host(0));
  assert.equal(w.bridge.ports.length, 2);
  assert.equal(w.br.mac, w.port(1).mac);
  unregisterDevice(w.br);
  assert.equal(w.port(1).master, null);
  assert.equal(w.port(1).rxHandler, null);
  assert.equal(w.kernel.timers.count, 0);
  assert.ok(w.port(1).up);
});
