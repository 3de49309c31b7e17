/** ICMP errors and path MTU (RFC 5461, RFC 5927, RFC 1191); times of timeouts that the application sets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIB } from '../../mib.ts';
import { IPPROTO_TCP } from '../../wire/ipv4.ts';
import { LOCAL, Peer, REMOTE, REMOTE_PORT, write } from './peer.test.ts';
import type { TcpSock } from './sock.ts';

/** An ICMP error that quotes a segment of `sk` at `seq`, relative. */
function icmp(p: Peer, sk: TcpSock, type: number, code: number, seq: number, info = 0): void {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, sk.sport);
  view.setUint16(2, sk.dport);
  view.setInt32(4, (p.iss + seq) | 0);
  const pkt = p.kernel.newPacket(0x800);
  pkt.dev = p.dev;
  p.kernel.protocols.inetError[IPPROTO_TCP]?.(pkt, {
    type,
    code,
    info,
    src: LOCAL,
    dst: REMOTE,
    bytes,
  } as never);
  p.kernel.run();
}

test('fragmentation needed: smaller segments at once, no sign of congestion (RFC 1191 §6.4)', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1460 });
  write(sk, 4000);
  p.expect('. 1:1461 ack 1', '. 1461:2921 ack 1', 'P. 2921:4001 ack 1');
  const cwnd = sk.sndCwnd;
  icmp(p, sk, 3, 4, 1, 1200);
  p.expect('. 1:1161 ack 1', '. 1161:1461 ack 1', '. 1461:2621 ack 1', '. 2621:2921 ack 1');
  assert.equal(sk.mssCache, 1160);
  assert.equal(sk.sndCwnd, cwnd);
  icmp(p, sk, 3, 4, 9_000_000, 600);
  assert.equal(sk.mssCache, 1160);
  assert.equal(p.net.mib[MIB.TcpExtOutOfWindowIcmps], 1);
});

test('host unreachable: aborts SYN_SENT, is remembered by an established connection (RFC 5461 §3)', () => {
  const p = new Peer();
  const opening = p.connect();
  p.next();
  icmp(p, opening, 3, 1, 0);
  assert.equal(opening.err, 113);
  const q = new Peer();
  const sk = q.accept();
  write(sk, 10);
  icmp(q, sk, 3, 1, 1);
  assert.equal(sk.err, 0);
  assert.equal(sk.errSoft, 113);
  q.run(2_000_000_000);
  assert.equal(sk.err, 113, 'the reason of the timeout');
});

test('TCP_USER_TIMEOUT and TCP_SYNCNT end a connection early (RFC 5482)', () => {
  const p = new Peer();
  const sk = p.connect();
  sk.setOption(7, 1);
  p.run(2_900_000);
  assert.equal(sk.err, 0);
  p.run(300_000);
  assert.equal(sk.err, 110);
  const q = new Peer();
  const est = q.accept();
  est.setOption(18, 700);
  write(est, 10);
  q.run(900_000);
  assert.equal(est.err, 0);
  q.run(400_000);
  assert.equal(est.err, 110);
});

test('ephemeral ports: connect() takes even ones, bind(0) odd ones', () => {
  const p = new Peer();
  const ports = new Set<number>();
  for (let i = 0; i < 40; i++) ports.add(p.connect().sport);
  assert.equal(ports.size, 40);
  for (const port of ports) assert.equal(port % 2, 0);
  assert.ok(!ports.has(REMOTE_PORT + 1));
});
