/** What a capture writes, block by block; tcpdump reads it in test/linux. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { Kernel } from '../kernel.ts';
import type { Packet } from '../packet.ts';
import { ETH_P_IP, EthHeader } from '../wire/ethernet.ts';
import { Ipv4Header } from '../wire/ipv4.ts';
import { TCP_ACK, TcpHeader } from '../wire/tcp.ts';
import { Capture } from './capture.ts';
import { NetDevice } from './net-device.ts';

/** Type of each block, after a check that its two lengths are right. */
function types(blocks: readonly Uint8Array[]): number[] {
  return blocks.map((b) => {
    const view = new DataView(b.buffer, b.byteOffset, b.byteLength);
    assert.equal(b.length % 4, 0);
    assert.equal(view.getUint32(4, true), b.length);
    assert.equal(view.getUint32(b.length - 4, true), b.length);
    return view.getUint32(0, true);
  });
}

function world(): { kernel: Kernel; dev: NetDevice; packet: (len: number) => Packet } {
  const kernel = new Kernel({ env: new VirtualClock(1, 1_700_000_000_000_000), seed: 1 });
  const ops = { kind: 'test', movable: true, xmit: () => {} };
  const dev = new NetDevice(kernel.addNetNs('a'), ops, 'eth0', 2, 1);
  const packet = (len: number): Packet => {
    const pkt = kernel.newPacket(ETH_P_IP);
    pkt.eth = new EthHeader(1, 2, ETH_P_IP);
    pkt.ip = new Ipv4Header(1, 2, 6, 64, 0);
    pkt.tcp = new TcpHeader(1, 2, 0, 0, TCP_ACK, 1, 0, null, 0);
    pkt.data = [new Uint8Array(len)];
    pkt.len = len;
    return pkt;
  };
  return { kernel, dev, packet };
}

test('section, then each interface before its first packet', () => {
  const { kernel, dev, packet } = world();
  const blocks: Uint8Array[] = [];
  const capture = new Capture(kernel, (b) => blocks.push(b), { comment: () => 'why' });
  assert.deepEqual(kernel.taps, [capture]);
  capture.tap(packet(1), dev, false);
  capture.tap(packet(2), dev, true);
  dev.name = 'eth1';
  capture.tap(packet(3), dev, true);
  assert.deepEqual(types(blocks), [0x0a0d0d0a, 1, 6, 6, 1, 6]);
  assert.equal(capture.packets, 3);
  assert.ok(Buffer.from(blocks[4] ?? []).includes('a/eth1'));
  assert.ok(Buffer.from(blocks[5] ?? []).includes('why'));
  capture.close();
  assert.equal(kernel.taps, null);
});

test('a packet: time, lengths, direction, id', () => {
  const { dev, packet } = world();
  const blocks: Uint8Array[] = [];
  const capture = new Capture(dev, (b) => blocks.push(b), { snaplen: 60 });
  const other = new Capture(dev, () => {});
  capture.tap(packet(100), dev, true);
  const b = blocks[2] ?? new Uint8Array(0);
  const view = new DataView(b.buffer);
  const time = view.getUint32(12, true) * 2 ** 32 + view.getUint32(16, true);
  assert.equal(time, 1_700_000_000_000_000);
  assert.deepEqual([view.getUint32(20, true), view.getUint32(24, true)], [60, 154]);
  const options = Buffer.from(b.subarray(28 + 60, -4)).toString('hex');
  assert.equal(options, '0200040002000000' + '050008000100000000000000' + '00000000');
  capture.close();
  assert.deepEqual(dev.taps, [other]);
});

test('a filter chooses; packets are not changed', () => {
  const { dev, packet } = world();
  const capture = new Capture(dev, () => {}, { filter: (_pkt, _dev, outgoing) => outgoing });
  const pkt = packet(100_000);
  pkt.gsoSize = 1000;
  capture.tap(pkt, dev, false);
  assert.equal(capture.packets, 0);
  // Longer than an IP packet can be: shown as its segments.
  capture.tap(pkt, dev, true);
  assert.equal(capture.packets, 100);
  assert.deepEqual([pkt.len, pkt.gsoSize], [100_000, 1000]);
});

test('a device without Ethernet header, and one whose packets lack it', () => {
  const { dev, packet } = world();
  const blocks: Uint8Array[] = [];
  const capture = new Capture(dev, (b) => blocks.push(b));
  const pkt = packet(0);
  pkt.eth = null;
  capture.tap(pkt, dev, true);
  assert.equal(new DataView(blocks[2]?.buffer ?? new ArrayBuffer(0)).getUint32(20, true), 54);
  const l3: Uint8Array[] = [];
  dev.hardHeaderLen = 0;
  new Capture(dev, (b) => l3.push(b)).tap(pkt, dev, true);
  assert.equal(new DataView(l3[1]?.buffer ?? new ArrayBuffer(0)).getUint16(8, true), 101);
  assert.equal(new DataView(l3[2]?.buffer ?? new ArrayBuffer(0)).getUint32(20, true), 40);
});
