/** Cutting and putting together: each undoes the other, in any order, in bounded memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createWorld, type World } from '../../../../test/world.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import { ETH_P_IP } from '../../wire/ethernet.ts';
import { flatten } from '../../wire/frame.ts';
import { IP_DF, Ipv4Header } from '../../wire/ipv4.ts';
import { fragment } from './fragment.ts';
import { Reassembly } from './reassembly.ts';

function bed(): [World, NetNs, NetDevice] {
  const world = createWorld();
  const net = world.addNet('a');
  const [dev] = world.wire({ net }, { net: world.addNet('b') });
  return [world, net, dev];
}

/** A packet of a protocol without header of its own. */
function packet(dev: NetDevice, data: Uint8Array, id = 1): Packet {
  const pkt = dev.net.kernel.newPacket(ETH_P_IP);
  pkt.dev = dev;
  pkt.ip = new Ipv4Header(0x0a000001, 0x0a000002, 253, 64, 0);
  pkt.ip.id = id;
  pkt.data = [data];
  pkt.len = data.length;
  return pkt;
}

function bytes(pkt: Packet): Uint8Array {
  return flatten(pkt.data, pkt.len);
}

test('what is cut and comes in any order, some of it twice, is whole again', () => {
  const [, net, dev] = bed();
  const size = fc.integer({ min: 1, max: 9000 });
  const mtu = fc.integer({ min: 68, max: 3000 });
  fc.assert(
    fc.property(size, mtu, fc.infiniteStream(fc.nat()), (len, limit, random) => {
      const reassembly = new Reassembly(net);
      const data = Uint8Array.from({ length: len }, (_, i) => (i * 31) >> 3);
      const parts = fragment(packet(dev, data), limit) ?? [];
      assert.ok(parts.every((p) => p.len + 20 <= limit));
      if (parts.length === 1) return;
      const order = [...parts, parts[0] as Packet]
        .map((pkt) => ({ pkt: pkt.clone(), key: random.next().value }))
        .sort((a, b) => a.key - b.key);
      net.sysctl = net.sysctl.with('ipfragMaxDist', 0);
      const whole = order.map(({ pkt }) => reassembly.add(pkt)).filter((p) => p !== null);
      assert.equal(whole.length, 1);
      assert.deepEqual(bytes(whole[0] as Packet), data);
      reassembly.destroy();
    }),
    { numRuns: 200 },
  );
});

test('memory for fragments is bounded, and comes back when their time is over', () => {
  const [world, net, dev] = bed();
  net.sysctl = net.sysctl.with('ipfragHighThresh', 100_000);
  const { reassembly } = net.ipv4;
  for (let id = 0; id < 5000; id++) {
    const [first] = fragment(packet(dev, new Uint8Array(2000), id), 1000) ?? [];
    assert.equal(reassembly.add(first as Packet), null);
  }
  assert.ok(reassembly.memory <= 100_000 + 2000, String(reassembly.memory));
  assert.ok(reassembly.pending > 10);
  assert.ok((net.mib[MIB.IpReasmFails] ?? 0) > 4000);
  world.run(31_000_000);
  assert.equal(reassembly.memory, 0);
  assert.equal(reassembly.pending, 0);
});

test('an id that is used again after ipfrag_max_dist fragments starts a datagram anew', () => {
  const [, net, dev] = bed();
  const { reassembly } = net.ipv4;
  const old = fragment(packet(dev, new Uint8Array(2000), 7), 1500) ?? [];
  assert.equal(reassembly.add(old[0] as Packet), null);
  for (let id = 100; id < 200; id++)
    reassembly.add((fragment(packet(dev, new Uint8Array(2000), id), 1500) ?? [])[0] as Packet);
  assert.equal(reassembly.add(old[1] as Packet), null);
  assert.equal(net.drops.get('FRAG_TOO_FAR'), 1);
});

test('a packet that says DF and is cut all the same leaves without it', () => {
  const [, , dev] = bed();
  const pkt = packet(dev, new Uint8Array(3000));
  (pkt.ip as Ipv4Header).frag = IP_DF;
  for (const part of fragment(pkt, 1500) ?? []) assert.equal((part.ip?.frag ?? 0) & IP_DF, 0);
});

test('parts that differ in whether they know ECN are refused; one CE marks the whole', () => {
  const [, net, dev] = bed();
  for (const [first, second, result] of [
    [2, 2, 2],
    [2, 3, 3],
    [1, 2, 1],
    [0, 2, -1],
    [0, 3, -1],
  ] as const) {
    const reassembly = new Reassembly(net);
    const parts = fragment(packet(dev, new Uint8Array(2000)), 1500) ?? [];
    for (const [i, tos] of [first, second].entries()) (parts[i]?.ip as Ipv4Header).tos = tos;
    reassembly.add(parts[0] as Packet);
    const whole = reassembly.add(parts[1] as Packet);
    assert.equal(whole === null ? -1 : whole.ip?.tos, result);
  }
});
