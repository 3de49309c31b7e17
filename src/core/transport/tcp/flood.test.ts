/** What a hostile peer sends costs bounded memory and time, and counters tell of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIB } from '../../mib.ts';
import { Random } from '../../util/random.ts';
import { LOCAL_PORT, Peer, REMOTE, REMOTE_PORT, write } from './peer.test.ts';
import { TcpSock } from './sock.ts';
import { checkInvariants } from './two-hosts.test.ts';

test('SYN flood: cookies keep the state bounded and the door open (RFC 4987 §3.6)', () => {
  const p = new Peer();
  const listener = p.listen();
  for (let i = 0; i < 20_000; i++) {
    p.port = 1024 + i;
    p.send('S', 0, 0, 0, 65535, { mss: 1400, sackOk: true, wscale: 7, ts: [100, 0] });
    if (i % 500 === 0) p.sent = [];
  }
  assert.ok(p.net.tcp.connections.count <= 9, `${p.net.tcp.connections.count}`);
  assert.ok((p.net.mib[MIB.TcpExtSyncookiesSent] as number) > 19_900);
  // An honest peer gets through, with its options, although nothing was kept for it.
  p.port = REMOTE_PORT;
  p.sent = [];
  p.send('S', 0, 0, 0, 65535, { mss: 1460, sackOk: true, wscale: 7, ts: [100, 0] });
  const answer = p.sent[0]?.tcp;
  assert.ok(answer !== null && answer !== undefined);
  p.next();
  p.iss = answer.seq;
  p.sent = [];
  p.send('.', 1, 1, 0, 65535, { ts: [101, answer.options?.tsVal ?? 0] });
  const sk = listener.accept();
  assert.ok(sk instanceof TcpSock);
  assert.ok(sk.sackOk !== 0 && sk.sndWscale === 7 && sk.tstampOk && sk.mssClamp === 1460);
  // A cookie that is not ours gets a RST.
  p.port = 999;
  p.sent = [];
  p.send('.', 1, 12345);
  assert.equal(p.sent[0]?.tcp?.flags, 4);
});

test('without cookies a full queue drops SYNs (net.ipv4.tcp_syncookies = 0)', () => {
  const p = new Peer();
  p.net.sysctl = p.net.sysctl.with('tcpSyncookies', 0);
  const sk = new TcpSock(p.net, 2);
  sk.bind(0, LOCAL_PORT);
  sk.listen(4);
  for (let i = 0; i < 20; i++) {
    p.port = 2000 + i;
    p.send('S', 0, 0, 0, 65535, { mss: 1400 });
  }
  assert.equal(p.sent.length, 5);
  assert.equal(p.net.mib[MIB.TcpExtListenDrops], 15);
});

test('accept queue: n + 1 connections, then SYNs and third segments are dropped', () => {
  const p = new Peer();
  const sk = new TcpSock(p.net, 2);
  sk.bind(0, LOCAL_PORT);
  sk.listen(1);
  for (let i = 0; i < 5; i++) {
    p.port = 3000 + i;
    p.send('S', 0, 0, 0, 65535, { mss: 1400 });
    const answer = p.sent.shift()?.tcp;
    if (answer === null || answer === undefined) continue;
    p.iss = answer.seq;
    p.send('.', 1, 1);
  }
  assert.equal(sk.acceptQueue?.length, 2);
  assert.equal(p.net.mib[MIB.TcpExtListenOverflows], 3);
});

test('tiny segments out of order: the queue stays within the buffer (CVE-2018-5390)', {
  timeout: 20_000,
}, () => {
  const p = new Peer();
  const listener = p.listen();
  listener.rcvbuf = 200_000;
  listener.rcvbufLocked = true;
  p.send('S', 0, 0, 0, 65535, { mss: 1000, sackOk: true });
  p.next();
  p.send('.', 1, 1);
  const sk = listener.accept();
  assert.ok(sk instanceof TcpSock);
  const random = new Random(3, 'flood');
  for (let i = 0; i < 30_000; i++) {
    p.send('.', 2 + random.below(60_000), 1, 1 + random.below(3));
    if (i % 100 === 0) p.sent = [];
  }
  assert.ok(sk.rmemAlloc <= 210_000, `${sk.rmemAlloc}`);
  checkInvariants(sk);
  // The stream goes on where it was.
  p.send('.', 1, 1, 1);
  assert.ok(((sk.rcvNxt - p.isn) | 0) >= 2);
});

test('random SACK blocks do not upset the scoreboard (CVE-2019-11477, CVE-2019-11478)', {
  timeout: 20_000,
}, () => {
  const p = new Peer();
  p.dev.gsoMaxSize = 65_536;
  const sk = p.accept({ mss: 8, sackOk: true, wscale: 10 }, 60_000);
  assert.ok(sk.mssCache >= 48);
  sk.sndbuf = 4_000_000;
  sk.sndbufLocked = true;
  sk.sndCwnd = 5_000;
  write(sk, 200_000);
  const random = new Random(5, 'sack');
  for (let i = 0; i < 3_000; i++) {
    const sack: number[] = [];
    for (let b = 0; b < 4; b++) {
      const start = random.below(210_000);
      sack.push(start, start + random.below(300));
    }
    p.send('.', 1, 1, 0, 60_000, { sack });
    if (i % 50 === 0) {
      checkInvariants(sk);
      p.sent = [];
    }
    if (i % 500 === 0) p.run(1_000_000);
    if (sk.err !== 0) break;
  }
  checkInvariants(sk);
});

test('segments at random never break the sums, whatever the state', { timeout: 30_000 }, () => {
  const random = new Random(11, 'fuzz');
  for (let round = 0; round < 60; round++) {
    const p = new Peer();
    const sk = p.accept({ mss: 1000, sackOk: true, ts: [1000, 0] });
    write(sk, 30_000);
    for (let i = 0; i < 200; i++) {
      let flags = random.chance(0.95) ? '.' : '';
      if (random.chance(0.05)) flags += 'S';
      if (random.chance(0.03)) flags += 'F';
      if (random.chance(0.01)) flags += 'R';
      if (random.chance(0.1)) flags += 'U';
      if (random.chance(0.1)) flags += 'E';
      const near = (sk.rcvNxt - p.isn) | 0;
      const seq = near + (random.chance(0.5) ? 0 : random.below(5000) - 1000);
      const base = (sk.sndUna - p.iss) | 0;
      const ack = base + (random.chance(0.7) ? random.below(3000) : 0);
      const len = random.chance(0.5) ? random.below(1500) : 0;
      const ts: [number, number] = [1000 + i * (random.chance(0.9) ? 1 : -5), 0];
      const sack = random.chance(0.3) ? [base + 1000, base + 1000 + random.below(9000)] : undefined;
      const win = random.chance(0.9) ? 65535 : random.below(100);
      const urg = random.below(3000);
      p.send(flags, seq, ack, len, win, sack === undefined ? { ts, urg } : { ts, sack, urg });
      if (random.chance(0.2)) write(sk, random.below(3000) + 1);
      if (random.chance(0.2)) sk.recvmsg(random.below(5000), 0);
      if (random.chance(0.1)) p.run(random.below(2_000_000));
      checkInvariants(sk);
    }
    sk.close();
    p.run(2_000_000_000);
    assert.equal(p.net.tcp.socks.size, 1, 'the listener alone is left');
  }
  assert.ok(REMOTE !== 0);
});
