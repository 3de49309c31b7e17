/** veth pairs: carrier, crossing, counters, limits, and their common end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { EADDRNOTAVAIL, EEXIST, EINVAL } from '../errno.ts';
import { Kernel } from '../kernel.ts';
import {
  devClose,
  devOpen,
  devRename,
  devSetMac,
  devSetMtu,
  operState,
  unregisterDevice,
} from '../link/device-state.ts';
import { IFF_LOWER_UP, type NetDevice } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import type { NetNs } from '../net.ts';
import type { Packet } from '../packet.ts';
import { ARPHRD_ETHER } from '../wire/arp.ts';
import { EthHeader } from '../wire/ethernet.ts';
import { vethAdd, vethPeer } from './veth.ts';

/** An EtherType that nobody handles. */
const PROTO = 0x88b5;

function makePair(): { kernel: Kernel; a: NetNs; b: NetNs; va: NetDevice; vb: NetDevice } {
  const kernel = new Kernel({ env: new VirtualClock(3) });
  const a = kernel.addNetNs('a');
  const b = kernel.addNetNs('b');
  const pair = vethAdd({ net: a, name: 'va' }, { net: b, name: 'vb' });
  assert.ok(typeof pair !== 'number');
  return { kernel, a, b, va: pair[0], vb: pair[1] };
}

function frame(kernel: Kernel, from: NetDevice, to: NetDevice, len: number): Packet {
  const pkt = kernel.newPacket(PROTO, from);
  pkt.eth = new EthHeader(to.mac, from.mac, PROTO);
  pkt.data = [new Uint8Array(len)];
  pkt.len = len;
  return pkt;
}

test('the carrier is there while both ends are up; states are those of ip link', () => {
  const { va, vb } = makePair();
  assert.equal(va.type, ARPHRD_ETHER);
  assert.deepEqual([operState(va), va.carrier, va.carrierChanges], ['DOWN', false, 1]);
  devOpen(va);
  assert.deepEqual([operState(va), va.carrier], ['DOWN', false]);
  devOpen(vb);
  assert.deepEqual([operState(va), operState(vb), va.carrierChanges], ['UP', 'UP', 2]);
  assert.ok((va.flags & IFF_LOWER_UP) !== 0);
  devClose(vb);
  assert.deepEqual([va.up, va.carrier, (va.flags & IFF_LOWER_UP) !== 0], [true, false, false]);
});

test('in one namespace a peer that is down shows as LOWERLAYERDOWN', () => {
  const kernel = new Kernel({ env: new VirtualClock() });
  const net = kernel.addNetNs();
  const pair = vethAdd({ net, name: 'veth%d' }, { net, name: 'veth%d' });
  assert.ok(typeof pair !== 'number');
  // The peer is made first.
  assert.deepEqual(
    pair.map((d) => [d.name, d.ifindex]),
    [
      ['veth1', 3],
      ['veth0', 2],
    ],
  );
  devOpen(pair[0]);
  assert.equal(operState(pair[0]), 'LOWERLAYERDOWN');
});

test('told of up before told of the carrier, once each', () => {
  const { kernel, va, vb } = makePair();
  const seen: string[] = [];
  devOpen(vb);
  kernel.protocols.netdev.push((event, dev) => seen.push(`${dev.name} ${event}`));
  devOpen(va);
  assert.deepEqual(seen, ['va up', 'va change', 'vb change']);
  seen.length = 0;
  devClose(va);
  assert.deepEqual(seen, ['va goingDown', 'va down', 'vb change']);
});

test('a frame crosses as the same object, without what must not cross, and is counted', () => {
  const { kernel, b, va, vb } = makePair();
  devOpen(va);
  devOpen(vb);
  let got: Packet | null = null;
  vb.rxHandler = (pkt) => {
    got = pkt;
    return true;
  };
  const pkt = frame(kernel, va, vb, 84);
  pkt.mark = 5;
  pkt.priority = 5;
  assert.equal(devQueueXmit(pkt), 0);
  assert.equal(got, null, 'never a direct call');
  kernel.run();
  assert.equal(got, pkt);
  assert.deepEqual([pkt.mark, pkt.priority, pkt.dev, pkt.pktType], [0, 0, vb, 0]);
  assert.deepEqual([va.stats.txPackets, va.stats.txBytes], [1, 98]);
  assert.deepEqual([vb.stats.rxPackets, vb.stats.rxBytes], [1, 98]);
  vb.rxHandler = null;
  devQueueXmit(frame(kernel, va, vb, 84));
  kernel.run();
  assert.equal(vb.stats.rxDropped, 1);
  assert.equal(b.drops.get('UNHANDLED_PROTO'), 1);
});

test('larger than the MTU of the peer: lost, unless it is many segments', () => {
  const { kernel, a, va, vb } = makePair();
  devOpen(va);
  devOpen(vb);
  assert.equal(devSetMtu(va, 9000), 0);
  devQueueXmit(frame(kernel, va, vb, 1504));
  assert.equal(vb.stats.rxPackets, 1, 'room for a VLAN tag');
  devQueueXmit(frame(kernel, va, vb, 1505));
  assert.deepEqual([vb.stats.rxPackets, vb.stats.rxDropped, va.stats.txDropped], [1, 1, 1]);
  assert.equal(a.drops.get('PKT_TOO_BIG'), 1);
  const big = frame(kernel, va, vb, 60_000);
  big.gsoSize = 1448;
  devQueueXmit(big);
  assert.equal(vb.stats.rxPackets, 2);
});

test('without carrier frames are lost, and the sender hears nothing', () => {
  const { kernel, a, va, vb } = makePair();
  devOpen(va);
  assert.equal(devQueueXmit(frame(kernel, va, vb, 84)), 0);
  assert.deepEqual([va.stats.txDropped, a.drops.get('QDISC_DROP')], [1, 1]);
});

test('a full backlog counts on both ends', () => {
  const { kernel, va, vb } = makePair();
  devOpen(va);
  devOpen(vb);
  vb.net.sysctl = vb.net.sysctl.with('netdevMaxBacklog', 3);
  for (let i = 0; i < 5; i++) devQueueXmit(frame(kernel, va, vb, 84));
  assert.deepEqual([vb.stats.rxPackets, vb.stats.rxDropped, va.stats.txDropped], [3, 2, 2]);
});

test('the ends die together, with the packets on their way', () => {
  const { kernel, a, b, va, vb } = makePair();
  devOpen(va);
  devOpen(vb);
  devQueueXmit(frame(kernel, va, vb, 84));
  const gone: string[] = [];
  for (const net of [a, b])
    net.events.subscribe((e) => e.kind === 'dellink' && gone.push(net.name ?? ''));
  unregisterDevice(va);
  assert.deepEqual([va.dead, vb.dead, vethPeer(va)], [true, true, null]);
  assert.deepEqual([b.devs.find('vb'), a.devs.find('va')], [undefined, undefined]);
  assert.deepEqual(gone.sort(), ['a', 'b']);
  assert.equal(kernel.backlogLength, 0);
  kernel.run();
  assert.ok(kernel.idle);
});

test('refusals are Linux ones, and nothing is made', () => {
  const { a, b, va } = makePair();
  const add = (x: object, y: object = {}): unknown =>
    vethAdd({ net: a, name: 'x', ...x }, { net: b, name: 'y', ...y });
  assert.equal(add({ name: 'va' }), -EEXIST);
  assert.equal(add({}, { name: 'vb' }), -EEXIST);
  assert.equal(add({}, { net: a, name: 'x' }), -EEXIST);
  assert.equal(add({ name: 'a/b' }), -EINVAL);
  assert.equal(add({ mtu: 67 }), -EINVAL);
  assert.equal(add({}, { mac: 0x010000000001 }), -EADDRNOTAVAIL);
  assert.deepEqual([a.devs.size, b.devs.size], [2, 2]);
  assert.deepEqual([devSetMtu(va, 67), devSetMtu(va, 65_536)], [-EINVAL, -EINVAL]);
  assert.equal(devSetMac(va, 0), -EADDRNOTAVAIL);
  assert.equal(devRename(va, 'lo'), -EEXIST);
  assert.equal(devRename(va, 'p%d'), 0);
  assert.equal(va.name, 'p0');
});
