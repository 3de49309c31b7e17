/** fq: packets leave when their sender says, flows do not wait for each other, limits hold. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, createWorld, openSocket, tcp, udp, type World } from '../../../test/world.ts';
import { parseNetem } from '../control/netem-words.ts';
import { MIB } from '../mib.ts';
import type { NetNs } from '../net.ts';
import { SO_MAX_PACING_RATE, SO_SNDBUF, SOL_SOCKET } from '../transport/sockopt-names.ts';
import { FQ_DEFAULTS, Fq, type FqOptions } from './fq.ts';
import type { NetDevice } from './net-device.ts';
import { Netem } from './netem.ts';

interface Left {
  readonly us: number;
  readonly len: number;
  readonly sport: number;
}

interface Wire {
  readonly w: World;
  readonly a: NetNs;
  readonly b: NetNs;
  readonly dev: NetDevice;
  readonly left: Left[];
}

/** Two hosts, and what leaves the first, with the time. */
function wire(options: Partial<FqOptions> | null): Wire {
  const w = createWorld();
  const a = w.addNet('a');
  const b = w.addNet('b');
  const [dev, back] = w.wire({ net: a, cidr: '10.0.0.1/24' }, { net: b, cidr: '10.0.0.2/24' });
  if (options !== null) dev.qdisc = new Fq(dev, { ...FQ_DEFAULTS, ...options });
  back.qdisc = new Netem(back, parseNetem('delay 20ms'));
  // As a driver without segmentation: each segment leaves by itself.
  dev.gsoMaxSize = 0;
  const left: Left[] = [];
  w.kernel.tracer = {
    receive: () => {},
    drop: () => {},
    transmit: (d, pkt) => {
      const head = pkt.tcp ?? pkt.udp;
      if (d === dev && pkt.len > 0 && head !== null)
        left.push({ us: w.clock.nowUs(), len: pkt.len, sport: head.sport });
    },
  };
  return { w, a, b, dev, left };
}

function upload(p: Wire, bytes: number, rate: number): void {
  const listener = openSocket(p.b, 1);
  assert.equal(listener.bind(at('10.0.0.2', 80)), 0);
  listener.listen(5);
  const client = tcp(p.a);
  client.setsockopt(SOL_SOCKET, SO_SNDBUF, 1_000_000);
  if (rate > 0) client.setsockopt(SOL_SOCKET, SO_MAX_PACING_RATE, rate);
  client.connect(at('10.0.0.2', 80));
  p.w.run(50_000);
  assert.equal(client.send(new Uint8Array(bytes)), bytes);
}

test('packets of a connection leave at its pacing rate, as they do without fq by its own timer', () => {
  const times = [{}, null].map((options) => {
    const p = wire(options);
    upload(p, 60_000, 1_000_000);
    p.w.run(1_000_000);
    assert.equal(
      p.left.reduce((n, l) => n + l.len, 0),
      60_000,
    );
    return p.left.map((l) => l.us);
  });
  const [queued = [], own = []] = times;
  assert.equal(queued.length, own.length);
  queued.forEach((us, i) => {
    assert.ok(Math.abs(us - (own[i] as number)) < 3000, `packet ${i}: ${us} and ${own[i]}`);
  });
  // 1448 bytes at 1 MB/s, once the first ten went at once.
  const gap = ((queued.at(-1) as number) - (queued[15] as number)) / (queued.length - 16);
  assert.ok(Math.abs(gap - 1448) < 150, `${gap} µs`);
});

test('a connection that asked for nothing is paced, too, and keeps little in the queue', () => {
  const p = wire({});
  upload(p, 60_000, 0);
  p.w.run(200_000);
  const bursts = new Map<number, number>();
  for (const l of p.left) bursts.set(l.us, (bursts.get(l.us) ?? 0) + 1);
  // A probe of the tail may come on top.
  assert.ok(p.left.reduce((n, l) => n + l.len, 0) >= 60_000);
  assert.ok(Math.max(...bursts.values()) <= 10, `${[...bursts.values()].join(' ')} at once`);
  assert.ok(p.dev.qdisc instanceof Fq);
  assert.equal(p.dev.qdisc.stats.backlogPackets, 0);
  assert.equal(p.dev.qdisc.stats.dropped, 0);
  assert.ok(p.dev.qdisc.throttledTimes > 0);
});

test('maxrate holds for each flow, and flows do not wait for each other', () => {
  const p = wire({ maxRate: 100_000 });
  const socks = [udp(p.a), udp(p.a)];
  socks.forEach((s, i) => {
    s.bind(at('10.0.0.1', 1000 + i));
  });
  p.w.run(1000);
  socks[0]?.sendto(new Uint8Array(10), 0, at('10.0.0.2', 9));
  p.w.run(200_000);
  p.left.length = 0;
  const from = p.w.clock.nowUs();
  for (let i = 0; i < 20; i++)
    for (const s of socks) s.sendto(new Uint8Array(958), 0, at('10.0.0.2', 9));
  p.w.run(1_000_000);
  for (const sport of [1000, 1001]) {
    const mine = p.left.filter((l) => l.sport === sport);
    assert.equal(mine.length, 20);
    // 1000 bytes each with their headers at 100 kB/s: 10 ms apart.
    const took = (mine.at(-1) as Left).us - from;
    assert.ok(Math.abs(took - 190_000) < 3000, `${took} µs`);
  }
});

test('limits: of all packets, of a flow, and how far ahead', () => {
  const p = wire({ maxRate: 1000, limit: 15, flowLimit: 10 });
  const socks = [udp(p.a), udp(p.a)];
  socks[0]?.sendto(new Uint8Array(1), 0, at('10.0.0.2', 9));
  p.w.run(1_000_000);
  for (const s of socks)
    for (let i = 0; i < 20; i++) s.sendto(new Uint8Array(100), 0, at('10.0.0.2', 9));
  const q = p.dev.qdisc;
  assert.ok(q instanceof Fq);
  assert.equal(q.stats.backlogPackets, 15);
  // One packet of each flow left at once; then ten of the first stay, and five of the second.
  assert.equal(q.stats.dropped, 40 - 2 - 15);
  assert.equal(q.flowsOverLimit, 9);
  assert.equal(q.throttledCount, 2);
  q.reset();
  assert.equal(q.stats.backlogPackets, 0);
  assert.equal(q.flowCount, 0);
});

test('what still waits in the queue is not sent again (TCPSpuriousRtxHostQueues)', () => {
  const p = wire({});
  const listener = openSocket(p.b, 1);
  listener.bind(at('10.0.0.2', 80));
  listener.listen(5);
  const client = tcp(p.a);
  client.connect(at('10.0.0.2', 80));
  p.w.run(50_000);
  // From now on one packet each ten seconds.
  assert.ok(p.dev.qdisc instanceof Fq);
  p.dev.qdisc.reset();
  p.dev.qdisc = new Fq(p.dev, { ...FQ_DEFAULTS, maxRate: 150 });
  client.send(new Uint8Array(1448));
  client.send(new Uint8Array(1448));
  p.w.run(5_000_000);
  assert.ok((p.a.mib[MIB.TcpExtTCPSpuriousRtxHostQueues] as number) > 0);
  assert.equal(p.left.length, 1);
});
