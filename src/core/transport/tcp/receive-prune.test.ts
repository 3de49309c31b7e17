/** A full receive buffer: copied together, then pruned; counted as the kernel counts (RFC 2018 §8). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIB } from '../../mib.ts';
import { LOCAL_PORT, Peer } from './peer.test.ts';
import { TcpSock } from './sock.ts';

function accept(p: Peer, rcvbuf: number, sackOk = true): TcpSock {
  const listener = new TcpSock(p.net, 2);
  listener.rcvbuf = rcvbuf;
  listener.rcvbufLocked = true;
  listener.bind(0, LOCAL_PORT);
  listener.listen(8);
  p.send('S', 0, 0, 0, 65535, { mss: 1000, sackOk });
  p.next();
  p.send('.', 1, 1);
  const sk = listener.accept();
  assert.ok(sk instanceof TcpSock);
  p.sent = [];
  return sk;
}

function counter(p: Peer, name: keyof typeof MIB): number {
  return p.net.mib[MIB[name]] as number;
}

test('small segments behind a gap are copied together before any is thrown away', () => {
  const p = new Peer();
  const sk = accept(p, 100_000);
  for (let i = 0; i < 200; i++) p.send('.', 1001 + i * 50, 1, 50);
  assert.ok(counter(p, 'TcpExtTCPRcvCollapsed') > 50);
  assert.equal(counter(p, 'TcpExtOfoPruned'), 0);
  assert.ok(sk.rmemAlloc <= 101_000, String(sk.rmemAlloc));
  // The gap is filled: everything is there, in order.
  p.send('.', 1, 1, 1000);
  assert.equal((sk.rcvNxt - p.isn) | 0, 11_001);
  const got = sk.recvmsg(20_000, 0);
  assert.ok(typeof got !== 'number');
  const all = Buffer.concat(got.data);
  assert.equal(all.length, 11_000);
  for (let i = 0; i < 200; i++)
    assert.equal(all[1000 + i * 50 + 7], (1001 + i * 50) & 0xff, `segment ${i}`);
  assert.equal(sk.rmemAlloc, 0);
});

test('bytes in order that nobody reads are copied together, too, and read as they came', () => {
  const p = new Peer();
  const sk = accept(p, 60_000);
  let seq = 1;
  for (let i = 0; i < 150; i++) {
    p.send('.', seq, 1, 10);
    seq += 10;
  }
  assert.ok(counter(p, 'TcpExtPruneCalled') > 0);
  assert.ok(counter(p, 'TcpExtTCPRcvCollapsed') > 0);
  const got = sk.recvmsg(10_000, 0);
  assert.ok(typeof got !== 'number');
  const all = Buffer.concat(got.data);
  assert.equal(all.length, (sk.rcvNxt - p.isn - 1) | 0);
  for (let i = 0; i * 10 < all.length; i++) assert.equal(all[i * 10], (1 + i * 10) & 0xff);
  assert.equal(sk.rmemAlloc, 0);
});

test('what lies farthest behind the gap is thrown away first, and the SACK blocks are taken back', () => {
  const p = new Peer();
  const sk = accept(p, 40_000);
  // Lone bytes cannot be copied together.
  for (let i = 0; i < 60; i++) p.send('.', 2001 + i * 200, 1, 1);
  assert.ok(sk.rmemAlloc <= 41_000);
  for (let i = 0; i < 6; i++) p.send('.', 1 + i * 100, 1, 100);
  assert.ok(counter(p, 'TcpExtOfoPruned') > 0);
  assert.equal(sk.sackBlocks.length, 0);
  assert.equal((sk.rcvNxt - p.isn) | 0, 601);
});

test('a hundred thousand lone bytes cost bounded memory and time', { timeout: 20_000 }, () => {
  const p = new Peer();
  const sk = accept(p, 4_000_000);
  sk.rcvWnd = 1_000_000;
  const started = performance.now();
  for (let i = 0; i < 100_000; i++) {
    p.send('.', 3 + ((i * 7919) % 100_000) * 3, 1, 1);
    if (i % 100 === 0) p.sent = [];
  }
  assert.ok(sk.rmemAlloc <= 4_010_000, String(sk.rmemAlloc));
  assert.ok(performance.now() - started < 15_000);
});
