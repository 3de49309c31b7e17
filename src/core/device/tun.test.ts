/** tun and tap against what Linux 6.18's /dev/net/tun answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { EBADF, EBUSY, EEXIST, EINVAL, EIO } from '../errno.ts';
import { Kernel } from '../kernel.ts';
import {
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  IFF_UP,
  type NetDevice,
} from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import type { Packet } from '../packet.ts';
import { ETH_P_IP, EthHeader } from '../wire/ethernet.ts';
import { Ipv4Header } from '../wire/ipv4.ts';
import { TCP_ACK, TcpHeader } from '../wire/tcp.ts';
import { type TunMode, TunPort, tunAdd, tunAttach } from './tun.ts';

function world(mode: TunMode): { kernel: Kernel; net: NetNs; dev: NetDevice; port: TunPort } {
  const kernel = new Kernel({ env: new VirtualClock(), seed: 1 });
  const net = kernel.addNetNs('a');
  const dev = tunAdd(net, 'tun0', { mode });
  assert.ok(typeof dev !== 'number');
  assert.equal(dev.carrier, false);
  const port = tunAttach(dev);
  assert.ok(port instanceof TunPort);
  return { kernel, net, dev, port };
}

function ipPacket(kernel: Kernel, data: number): Packet {
  const pkt = kernel.newPacket(ETH_P_IP);
  pkt.ip = new Ipv4Header(1, 2, 6, 64, 0);
  pkt.tcp = new TcpHeader(1, 2, 0, 0, TCP_ACK, 1, 0, null, 0);
  pkt.data = [new Uint8Array(data)];
  pkt.len = data;
  return pkt;
}

const IP = Uint8Array.from([0x45, ...new Array<number>(19).fill(0)]);

test('a tun device is an IP device, a tap device an Ethernet one', () => {
  const { net, dev } = world('tun');
  assert.equal(dev.flags & (IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST), 0x1090);
  assert.deepEqual([dev.type, dev.hardHeaderLen, dev.mtu, dev.txQueueLen], [0xfffe, 0, 1500, 500]);
  const tap = tunAdd(net, 'tap0', { mode: 'tap', mac: 0x020000000007 });
  assert.ok(typeof tap !== 'number');
  assert.deepEqual(
    [tap.type, tap.hardHeaderLen, tap.txQueueLen, tap.mac],
    [1, 14, 1000, 0x020000000007],
  );
  assert.equal(tunAdd(net, 'tun0', { mode: 'tun' }), -EEXIST);
  assert.equal(tunAdd(net, 'a/b', { mode: 'tun' }), -EINVAL);
});

test('one port at a time; the carrier is the port', () => {
  const { dev, port } = world('tun');
  assert.equal(dev.carrier, true);
  assert.equal(tunAttach(dev), -EBUSY);
  port.close();
  port.close();
  assert.equal(dev.carrier, false);
  assert.equal(port.receive(IP), -EBADF);
  assert.ok(tunAttach(dev) instanceof TunPort);
});

test('writes to tun: results and counters', () => {
  const { kernel, dev, port } = world('tun');
  assert.equal(port.receive(IP), -EIO);
  dev.flags |= IFF_UP;
  assert.equal(port.receive(new Uint8Array(0)), -EINVAL);
  assert.equal(port.receive(Uint8Array.of(0x15, 1)), -EINVAL);
  assert.equal(dev.stats.rxDropped, 3);
  assert.equal(port.receive(Uint8Array.of(0x65)), 1);
  assert.equal(port.receive(IP), 20);
  assert.deepEqual([dev.stats.rxPackets, dev.stats.rxBytes], [2, 21]);
  assert.equal(kernel.backlogLength, 2);
});

test('writes to tap: a short frame is refused and not counted', () => {
  const { dev, port } = world('tap');
  dev.flags |= IFF_UP;
  assert.equal(port.receive(new Uint8Array(13)), -EINVAL);
  assert.equal(dev.stats.rxDropped, 0);
  assert.equal(port.receive(new Uint8Array(14)), 14);
});

test('the host may use its buffer again', () => {
  const { kernel, dev, port } = world('tun');
  dev.flags |= IFF_UP;
  const buffer = Uint8Array.from([...IP, 7]);
  buffer[3] = 21;
  port.receive(buffer);
  buffer.fill(0xff);
  assert.deepEqual(dev.backlog[0]?.data, [Uint8Array.of(7)]);
  assert.equal(kernel.backlogLength, 1);
});

test('what nobody reads waits, up to the queue length, then is dropped', () => {
  const { kernel, net, dev, port } = world('tun');
  dev.txQueueLen = 2;
  for (let i = 0; i < 3; i++) dev.ops.xmit(ipPacket(kernel, i), dev);
  assert.equal(dev.stats.txDropped, 1);
  assert.equal(net.drops.get('FULL_RING'), 1);
  assert.equal(dev.stats.txPackets, 0);
  assert.equal(port.read()?.length, 40);
  const seen: number[] = [];
  port.onTransmit = (frame) => seen.push(frame.length);
  dev.ops.xmit(ipPacket(kernel, 100), dev);
  assert.deepEqual(seen, [41, 140]);
  assert.deepEqual([dev.stats.txPackets, dev.stats.txBytes], [3, 221]);
  assert.equal(port.read(), null);
});

test('GSO packets are cut, unless the host cuts them', () => {
  const { kernel, dev, port } = world('tap');
  const gso = (): Packet => {
    const pkt = ipPacket(kernel, 2500);
    pkt.eth = new EthHeader(1, 2, ETH_P_IP);
    pkt.gsoSize = 1000;
    return pkt;
  };
  const seen: number[] = [];
  port.onTransmit = (frame) => seen.push(frame.length);
  dev.ops.xmit(gso(), dev);
  assert.deepEqual(seen, [1054, 1054, 554]);
  const whole: [number, number][] = [];
  port.onTransmitGso = (frame, size) => whole.push([frame.length, size]);
  dev.ops.xmit(gso(), dev);
  assert.deepEqual(whole, [[2554, 1000]]);
});

test('without a port everything is dropped, with a reason', () => {
  const { kernel, net, dev, port } = world('tun');
  port.close();
  dev.ops.xmit(ipPacket(kernel, 1), dev);
  assert.equal(net.drops.get('DEV_READY'), 1);
  assert.equal(dev.stats.txDropped, 1);
});
