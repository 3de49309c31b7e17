/** Pacing, BBR, path MTU probes: what needs a clock (Linux `tcp_bbr.c`, `tcp_pacing_check`, RFC 4821). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { segmentCount } from '../../link/gso.ts';
import { MIB } from '../../mib.ts';
import { CONGESTION_CONTROLS, isNonRestricted } from './congestion-table.ts';
import { Peer, write } from './peer.test.ts';
import type { TcpSock } from './sock.ts';

/** TCP_CONGESTION */
const TCP_CONGESTION = 13;

/** Segments that the host sent since the last look, and when the first and last left. */
function taken(p: Peer): { segs: number; first: number; last: number } {
  const segs = p.sent.reduce((n, pkt) => n + segmentCount(pkt), 0);
  const first = p.times[0] ?? 0;
  const last = p.times[p.times.length - 1] ?? 0;
  p.sent = [];
  p.times = [];
  return { segs, first, last };
}

function bulk(p: Peer, cc: string): TcpSock {
  const listener = p.listen();
  assert.equal(listener.setOption(TCP_CONGESTION, cc), 0);
  p.send('S', 0, 0, 0, 65535, { mss: 1000, sackOk: true, wscale: 10 });
  p.next();
  p.run(50_000);
  p.send('.', 1, 1, 0, 1000, {});
  const sk = listener.accept();
  assert.ok(typeof sk !== 'number');
  sk.sndbuf = 1_000_000;
  write(sk, 300_000);
  return sk;
}

test('SO_MAX_PACING_RATE: ten segments at once, then as the rate allows', () => {
  const p = new Peer();
  const listener = p.listen();
  p.send('S', 0, 0, 0, 65535, { mss: 1000, sackOk: true, wscale: 10 });
  p.next();
  p.run(50_000);
  p.send('.', 1, 1, 0, 1000, {});
  const sk = listener.accept();
  assert.ok(typeof sk !== 'number');
  sk.maxPacingRate = 100_000;
  sk.pacingRate = 100_000;
  sk.pacingNeeded = true;
  sk.sndbuf = 1_000_000;
  sk.sndCwnd = 60;
  write(sk, 50_000);
  const burst = taken(p);
  assert.ok(burst.segs >= 10 && burst.segs <= 12, `${burst.segs}`);
  p.run(100_000);
  const paced = taken(p);
  // 100 ms at 100 kB/s are ten segments of 1000 bytes.
  assert.ok(paced.segs >= 9 && paced.segs <= 12, `${paced.segs}`);
  assert.ok(paced.last - paced.first > 70_000, `${paced.last - paced.first}`);
});

test('without pacing a window leaves at once', () => {
  const p = new Peer();
  const sk = bulk(p, 'cubic');
  assert.equal(sk.pacingNeeded, false);
  const burst = taken(p);
  assert.equal(burst.segs, 10);
  assert.equal(burst.first, burst.last);
});

/** Acknowledges all at the pace of a link: `us` for each segment, `rtt` after it was sent. */
function link(p: Peer, sk: TcpSock, rounds: number, us: number): void {
  for (let i = 0; i < rounds; i++) {
    p.run(us);
    const una = (sk.sndUna - p.iss) | 0;
    const nxt = (sk.sndNxt - p.iss) | 0;
    if (nxt - una >= 1000 && p.kernel.nowUs - sk.lsndtime + 300_000_000 >= 0)
      p.send('.', 1, una + 1000, 0, 1000);
    if (sk.wmemQueued < 500_000) write(sk, 100_000);
    p.sent = [];
    p.times = [];
  }
}

test('BBR: finds the bandwidth, leaves startup, drains, and cycles', () => {
  const p = new Peer();
  const sk = bulk(p, 'bbr');
  assert.equal(sk.pacingNeeded, true);
  assert.equal(sk.sndSsthresh, 0x7fffffff);
  link(p, sk, 3000, 1000);
  // One segment of 1000 bytes a millisecond, 1 % below it, with a gain between 0.75 and 1.25.
  assert.ok(sk.pacingRate > 0.7e6 && sk.pacingRate < 1.3e6, `${sk.pacingRate}`);
  assert.notEqual(sk.sndSsthresh, 0x7fffffff, 'drain sets it');
  const info = sk.ca.getInfo?.(sk);
  assert.ok(info !== undefined);
  const view = new DataView(info.buffer);
  const bw = Number(view.getBigUint64(0, true));
  assert.ok(bw > 0.9e6 && bw < 1.1e6, `${bw}`);
  assert.ok([320, 192, 256].includes(view.getUint32(12, true)));
});

test('BBR: a window of four for 200 ms when the minimum is ten seconds old', () => {
  const p = new Peer();
  const sk = bulk(p, 'bbr');
  let least = 1000;
  for (let s = 0; s < 120; s++) {
    link(p, sk, 100, 1000);
    least = Math.min(least, sk.sndCwnd);
  }
  assert.equal(least, 4);
});

test('algorithms: reno and bbr are for everybody, and the default', () => {
  assert.deepEqual(
    CONGESTION_CONTROLS.map((c) => c.name),
    ['reno', 'cubic', 'bbr', 'dctcp'],
  );
  assert.equal(isNonRestricted('cubic', 'cubic'), true);
  assert.equal(isNonRestricted('cubic', 'reno'), false);
  assert.equal(isNonRestricted('bbr', 'reno'), true);
  assert.equal(isNonRestricted('dctcp', 'reno'), false);
  assert.equal(isNonRestricted('vegas', 'reno'), false);
});

test('a black hole: after three timeouts smaller segments, net.ipv4.tcp_base_mss, then half (RFC 4821 §7.7)', () => {
  const p = new Peer();
  p.net.sysctl = p.net.sysctl.with('tcpMtuProbing', 1);
  const sk = p.accept({ mss: 1460 });
  write(sk, 3000);
  const sizes = new Set<number>();
  for (let i = 0; i < 200; i++) {
    p.run(500_000);
    for (const pkt of p.sent) sizes.add(pkt.len);
    p.sent = [];
  }
  assert.deepEqual([...sizes].slice(0, 3), [1460, 80, 1024]);
  assert.ok(sizes.has(512), [...sizes].join());
  assert.equal(sk.mtupEnabled, true);
});

test('a probe that is lost costs nothing but itself (RFC 4821 §7.6.2)', () => {
  const p = new Peer();
  p.dev.gsoMaxSize = 65_536;
  p.net.sysctl = p.net.sysctl.with('tcpMtuProbing', 2);
  const listener = p.listen();
  p.send('S', 0, 0, 0, 65535, { mss: 1460, sackOk: true });
  p.next();
  p.run(50_000);
  p.send('.', 1, 1);
  const sk = listener.accept();
  assert.ok(typeof sk !== 'number');
  sk.sndbuf = 1_000_000;
  write(sk, 10_000);
  p.sent = [];
  p.run(50_000);
  // Slow start has made room for a probe.
  p.send('.', 1, ((sk.sndNxt - p.iss) | 0) as number);
  write(sk, 10_000);
  // LINUX: half way between tcp_base_mss and the largest, though segments have that size already.
  assert.equal(sk.mtupProbeSize, 1282);
  const probe = p.sent.find((pkt) => pkt.len === sk.mtupProbeSize - 40);
  assert.ok(probe?.tcp, 'no probe');
  const start = (probe.tcp.seq - p.iss) | 0;
  const cwnd = sk.sndCwnd;
  p.run(50_000);
  const end = start + probe.len;
  p.send('.', 1, start, 0, 65535, { sack: [end, end + 4 * sk.mssCache] });
  assert.equal(p.net.mib[MIB.TcpExtTCPMTUPFail], 1);
  assert.equal(sk.mtupProbeSize, 0);
  assert.ok(sk.sndCwnd >= cwnd, `${sk.sndCwnd} < ${cwnd}`);
});
