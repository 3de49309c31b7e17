/** DCTCP: alpha follows the share of marks, and the receiver tells each change of them at once (RFC 8257). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EINPROGRESS } from '../../errno.ts';
import type { Packet } from '../../packet.ts';
import { AF_INET } from '../sock.ts';
import { setCongestionControl } from './congestion-table.ts';
import { Peer, write } from './peer.test.ts';
import { TcpSock } from './sock.ts';
import { TwoHosts } from './two-hosts.test.ts';

function alphaOf(sk: TcpSock): number {
  const info = sk.ca.getInfo?.(sk) ?? new Uint8Array(16);
  return new DataView(info.buffer).getUint32(4, true);
}

/** An upload of two seconds with DCTCP on both sides, over a wire that marks every `every`-th data segment. */
function upload(every: number): TcpSock {
  const t = new TwoHosts({ delayUs: 5000 });
  const listener = t.listen(t.b, 80);
  assert.equal(setCongestionControl(listener, 'dctcp'), 0);
  let n = 0;
  t.setWire((pkt: Packet) => {
    const { ip } = pkt;
    if (ip !== null && pkt.len > 0) {
      assert.equal(ip.tos & 3, 2, 'data are ECN-capable');
      if (every > 0 && ++n % every === 0) ip.tos |= 3;
    }
    return [5000];
  });
  const client = new TcpSock(t.a, AF_INET);
  assert.equal(setCongestionControl(client, 'dctcp'), 0);
  assert.equal(client.connect(t.addrB, 80), -EINPROGRESS);
  let server: TcpSock | number = -11;
  t.clock.runUntil(t.kernel, () => {
    server = listener.accept();
    return typeof server !== 'number';
  });
  for (let ms = 0; ms < 2000; ms++) {
    write(client, 60_000);
    t.run(1000);
    if (typeof server !== 'number') (server as TcpSock).recvmsg(1e9, 0);
  }
  return client;
}

test('alpha goes to 0 without marks, and to the share of them', () => {
  assert.ok(alphaOf(upload(0)) < 40);
  // What was counted as marked is what was marked, ACK by ACK.
  const some = upload(4);
  const share = some.deliveredCe / some.delivered;
  assert.ok(Math.abs(share - 0.25) < 0.01, `${share} marked`);
  const few = alphaOf(upload(40));
  assert.ok(few > 20 && few < alphaOf(some) && alphaOf(some) < 700, `${few}, ${alphaOf(some)}`);
  const all = upload(1);
  assert.ok(alphaOf(all) > 900);
  assert.ok(all.sndCwnd <= 8, `${all.sndCwnd}`);
});

test('the receiver sends an ACK at each change of the mark, the delayed one first', () => {
  const p = new Peer();
  const listener = p.listen();
  assert.equal(setCongestionControl(listener, 'dctcp'), 0);
  p.send('SEW', 0, 0, 0, 65535, { mss: 1000 });
  assert.match(p.next(), /^SE\. 0:0 ack 1$/);
  p.send('.', 1, 1);
  const sk = listener.accept();
  assert.ok(sk instanceof TcpSock);
  // Past the first segments, which are all acknowledged at once.
  sk.ackQuick = 0;
  sk.pingpong = 3;
  p.send('.', 1, 1, 100, 65535, { ecn: 2 });
  sk.ackQuick = 0;
  p.send('.', 101, 1, 100, 65535, { ecn: 2 });
  p.sent = [];
  p.send('.', 201, 1, 100, 65535, { ecn: 3 });
  const told = p.sent.map((pkt) => [
    ((pkt.tcp?.ack ?? 0) - p.isn) | 0,
    ((pkt.tcp?.flags ?? 0) & 0x40) !== 0,
    (pkt.ip?.tos ?? 0) & 3,
  ]);
  assert.deepEqual(told.at(-1), [301, true, 2]);
  if (told.length > 1) assert.deepEqual(told[0], [201, false, 2]);
  p.sent = [];
  p.send('.', 301, 1, 100, 65535, { ecn: 2 });
  assert.equal(((p.sent.at(-1)?.tcp?.flags ?? 0) & 0x40) !== 0, false);
});

test('without ECN it is Reno', () => {
  const p = new Peer();
  const listener = p.listen();
  setCongestionControl(listener, 'dctcp');
  p.send('S', 0, 0, 0, 65535, { mss: 1000 });
  p.next();
  p.send('.', 1, 1);
  const sk = listener.accept();
  assert.ok(sk instanceof TcpSock);
  assert.equal(sk.ca.name, 'dctcp-reno');
  write(sk, 100);
  assert.equal((p.sent.at(-1)?.ip?.tos ?? 3) & 3, 0);
});
