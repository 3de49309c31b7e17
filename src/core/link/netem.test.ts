/** netem in virtual time: each impairment against its definition. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { parseNetem } from '../control/netem-words.ts';
import { Kernel } from '../kernel.ts';
import type { Packet } from '../packet.ts';
import { ETH_P_IP, EthHeader } from '../wire/ethernet.ts';
import { frameLength } from '../wire/frame.ts';
import { Ipv4Header } from '../wire/ipv4.ts';
import { TCP_ACK, TcpHeader } from '../wire/tcp.ts';
import { IFF_UP, NetDevice } from './net-device.ts';
import { Netem } from './netem.ts';
import { jitterAt } from './netem-chance.ts';

interface Sent {
  readonly id: number;
  readonly timeUs: number;
  readonly pkt: Packet;
}

class World {
  readonly clock = new VirtualClock();
  readonly kernel: Kernel;
  readonly sent: Sent[] = [];
  readonly netem: Netem;

  constructor(words: string, seed = 1) {
    this.kernel = new Kernel({ env: this.clock, seed });
    const net = this.kernel.addNetNs('a');
    const xmit = (pkt: Packet): void => {
      this.sent.push({ id: pkt.id, timeUs: this.kernel.nowUs, pkt });
    };
    const dev = new NetDevice(net, { kind: 'test', movable: true, xmit }, 'eth0', 2, 1);
    dev.flags |= IFF_UP;
    this.netem = new Netem(dev, parseNetem(words));
  }

  /** A frame of `len` bytes, IP header included. */
  packet(len: number, tos = 0): Packet {
    const pkt = this.kernel.newPacket(ETH_P_IP);
    pkt.eth = new EthHeader(1, 2, ETH_P_IP);
    pkt.ip = new Ipv4Header(1, 2, 200, 64, tos);
    pkt.data = [new Uint8Array(len - 34)];
    pkt.len = len - 34;
    return pkt;
  }

  send(count: number, gapUs = 0, len = 100): void {
    for (let i = 0; i < count; i++) {
      this.kernel.run();
      this.netem.enqueue(this.packet(len));
      if (gapUs > 0) this.clock.runFor(this.kernel, gapUs);
    }
  }

  finish(): Sent[] {
    this.clock.runIdle(this.kernel);
    return this.sent;
  }

  ids(): number[] {
    return this.finish().map((s) => s.id);
  }
}

test('delay: each packet that much later, in order', () => {
  const w = new World('delay 10ms');
  w.send(3, 100);
  assert.deepEqual(
    w.finish().map((s) => [s.id, s.timeUs]),
    [
      [1, 10_000],
      [2, 10_100],
      [3, 10_200],
    ],
  );
  assert.equal(w.kernel.timers.count, 0);
});

test('without delay a packet leaves at once', () => {
  const w = new World('');
  w.send(1);
  assert.equal(w.sent.length, 1);
});

test('jitter stays in its range and reorders', () => {
  const w = new World('delay 10ms 2ms');
  w.send(500, 10);
  const late = w.finish().map((s) => s.timeUs - (s.id - 1) * 10);
  assert.ok(Math.min(...late) >= 8_000 && Math.min(...late) < 8_100);
  assert.ok(Math.max(...late) <= 12_001 && Math.max(...late) > 11_900);
  assert.notDeepEqual(
    w.sent.map((s) => s.id),
    Array.from({ length: 500 }, (_, i) => i + 1),
  );
});

test('distributions have the quantiles of the tables of iproute2', () => {
  // From normal.dist, pareto.dist, paretonormal.dist, divided by their scale of 8192.
  const tables: ['normal' | 'pareto' | 'paretonormal', number[]][] = [
    ['normal', [-2.3341, -0.6744, 0.0, 0.6746, 1.2811, 2.3271]],
    ['pareto', [-0.6624, -0.5325, -0.3201, 0.1166, 0.8717, 3.9999]],
    ['paretonormal', [-1.0802, -0.5679, -0.24, 0.256, 0.974, 3.5817]],
  ];
  const at = [0.01, 0.25, 0.5, 0.75, 0.9, 0.99];
  for (const [name, want] of tables)
    at.forEach((q, i) => {
      const got = jitterAt(name, q);
      assert.ok(Math.abs(got - (want[i] ?? 0)) < 0.01, `${name} at ${q}: ${got}`);
    });
});

test('loss: as often as told; drops have a reason', () => {
  const w = new World('loss 10%');
  w.send(10_000);
  const lost = 10_000 - w.finish().length;
  assert.ok(lost > 900 && lost < 1100, String(lost));
  assert.equal(w.netem.stats.dropped, lost);
  assert.equal(w.kernel.findNetNs('a')?.drops.get('QDISC_DROP'), lost);
});

test('loss 100% loses all', () => {
  const w = new World('loss 100%');
  w.send(1000);
  assert.equal(w.finish().length, 0);
});

test('Gilbert-Elliott: bursts of the expected length', () => {
  const w = new World('loss gemodel 1% 10%');
  w.send(50_000);
  const ids = w.ids();
  let bursts = 0;
  ids.forEach((id, i) => {
    if (i > 0 && id - (ids[i - 1] ?? 0) > 1) bursts++;
  });
  const lost = 50_000 - ids.length;
  // Bad for p / (p + r) of the time, for 1 / r packets in a row.
  assert.ok(Math.abs(lost / 50_000 - 0.0909) < 0.015, String(lost));
  assert.ok(Math.abs(lost / bursts - 10) < 1.5, String(lost / bursts));
});

test('four states: p13 and p31 alone behave as two states, p14 loses singly', () => {
  const single = new World('loss state 0% 100% 0% 100% 10%');
  single.send(10_000);
  const ids = single.ids();
  const longest = ids.map((id, i) => id - (ids[i - 1] ?? 0)).reduce((a, b) => Math.max(a, b));
  assert.equal(longest, 2);
  assert.ok(Math.abs(10_000 - ids.length - 909) < 100, String(ids.length));
});

test('ecn marks what it would lose, if the sender can', () => {
  const w = new World('loss 100% ecn');
  w.netem.enqueue(w.packet(100, 2));
  w.netem.enqueue(w.packet(100, 0));
  assert.deepEqual(
    w.finish().map((s) => s.pkt.ip?.tos),
    [3],
  );
});

test('duplicate: twice, never more', () => {
  const w = new World('duplicate 100% delay 1ms');
  w.send(3);
  assert.deepEqual(w.ids(), [1, 1, 2, 2, 3, 3]);
});

test('corrupt: a bit of the frame, noticed where a checksum covers it', () => {
  const w = new World('corrupt 100%');
  let flagged = 0;
  for (let i = 0; i < 200; i++) w.netem.enqueue(w.packet(60));
  for (const { pkt } of w.finish()) {
    // Less if the bit was in the total length.
    assert.ok(frameLength(pkt) <= 60);
    if (pkt.flags !== 0) flagged++;
  }
  // 20 of 60 bytes are IP header, where it is noticed.
  assert.ok(flagged > 40 && flagged < 95, String(flagged));
});

test('reorder with gap: each fifth packet overtakes', () => {
  const w = new World('delay 10ms reorder 100% gap 5');
  w.send(10);
  assert.deepEqual(w.ids(), [5, 10, 1, 2, 3, 4, 6, 7, 8, 9]);
  assert.equal(w.netem.stats.requeues, 2);
});

test('rate: packets leave one after the other, with overhead and cells', () => {
  const w = new World('rate 8mbit');
  w.send(3, 0, 1000);
  assert.deepEqual(
    w.finish().map((s) => s.timeUs),
    [1000, 2000, 3000],
  );
  // ATM: 100 + 10 bytes are 3 cells of 53.
  const atm = new World('rate 8mbit 10 48 5');
  atm.send(2, 0, 100);
  assert.deepEqual(
    atm.finish().map((s) => s.timeUs),
    [159, 318],
  );
});

test('rate and delay: what waited for the wire is not delayed again', () => {
  const w = new World('delay 5ms rate 8mbit');
  w.send(3, 0, 1000);
  // As sch_netem: the delay counts from the packet's arrival, the rate from the packet before.
  assert.deepEqual(
    w.finish().map((s) => s.timeUs),
    [6000, 7000, 8000],
  );
});

test('limit: what does not fit is dropped', () => {
  const w = new World('limit 3 delay 1ms');
  w.send(5);
  assert.equal(w.netem.stats.backlogPackets, 3);
  assert.equal(w.netem.stats.backlogBytes, 300);
  assert.deepEqual(w.ids(), [1, 2, 3]);
  assert.equal(w.netem.stats.backlogPackets, 0);
  assert.equal(w.kernel.findNetNs('a')?.drops.get('QDISC_OVERLIMIT'), 2);
});

test('reset drops what waits and leaves no timer', () => {
  const w = new World('delay 1s');
  w.send(5);
  w.netem.reset();
  assert.equal(w.kernel.timers.count, 0);
  assert.equal(w.finish().length, 0);
});

test('a GSO packet meets the wire as its segments', () => {
  const w = new World('rate 8mbit');
  const pkt = w.packet(34 + 2000);
  if (pkt.ip !== null) pkt.ip.protocol = 6;
  pkt.tcp = new TcpHeader(1, 2, 0, 0, TCP_ACK, 1, 0, null, 0);
  pkt.gsoSize = 946;
  w.netem.enqueue(pkt);
  assert.deepEqual(
    w.finish().map((s) => [s.timeUs, frameLength(s.pkt)]),
    [
      [1000, 1000],
      [2000, 1000],
      [2162, 162],
    ],
  );
});

test('the same seed gives the same losses, another one others', () => {
  const run = (seed: number): number[] => {
    const w = new World('loss 30% 25% delay 5ms 1ms distribution normal', seed);
    w.send(200);
    return w.ids();
  };
  assert.deepEqual(run(3), run(3));
  assert.notDeepEqual(run(3), run(4));
});
