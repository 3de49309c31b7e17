/**
 * Hostile peers of an established connection, and strangers who guess at it (RFC 5961): what they send costs
 * bounded memory and few answers, the connection's own transfer goes on, and counters tell. The figures are those
 * of docs/hostile.md.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addRoute } from '../../../../test/world.ts';
import { MIB } from '../../mib.ts';
import type { Packet } from '../../packet.ts';
import { Random } from '../../util/random.ts';
import type { Ipv4Header } from '../../wire/ipv4.ts';
import { TcpHeader, TcpOptions, tcpOptionsLen } from '../../wire/tcp.ts';
import { TCP_ESTABLISHED } from './constants.ts';
import { Peer, write } from './peer.test.ts';
import { checkInvariants, TwoHosts } from './two-hosts.test.ts';

const SECOND = 1_000_000;

/** An upload that is read as it comes, for half a second; bytes that arrived. `disturb` is called every millisecond. */
function goodput(disturb: (t: TwoHosts) => void): {
  readonly bytes: number;
  readonly t: TwoHosts;
} {
  const t = new TwoHosts({ seed: 4, delayUs: 5000 });
  const { client, server } = t.establish();
  let bytes = 0;
  for (let ms = 0; ms < 500; ms++) {
    write(client, 30_000);
    t.run(1000);
    const got = server.recvmsg(1e9, 0);
    if (typeof got !== 'number') bytes += got.len;
    disturb(t);
    if (ms % 100 === 0) {
      checkInvariants(client);
      checkInvariants(server);
    }
  }
  return { bytes, t };
}

/** What a stranger sends who knows addresses and ports. */
function forge(
  t: TwoHosts,
  o: { readonly flags: number; readonly seq: number; readonly ack: number; readonly len: number },
): void {
  const model = t.log.find((l) => l.from === 'a' && l.pkt.tcp !== null)?.pkt as Packet;
  const pkt = t.kernel.newPacket(model.proto);
  const h = model.tcp as TcpHeader;
  pkt.eth = model.eth;
  pkt.ip = model.ip?.copy() ?? null;
  pkt.tcp = new TcpHeader(h.sport, h.dport, o.seq, o.ack, o.flags, 1000, 0, null, 0);
  pkt.data = o.len === 0 ? [] : [new Uint8Array(o.len)];
  pkt.len = o.len;
  pkt.dev = t.devB;
  t.kernel.enqueue(pkt, t.devB);
  t.kernel.run();
}

test('strangers: forged ACKs, SYNs, RSTs and data at random do not slow a connection down', {
  timeout: 60_000,
}, () => {
  const calm = goodput(() => {}).bytes;
  const random = new Random(9, 'stranger');
  const answers = { n: 0, data: 0 };
  const { bytes, t } = goodput((world) => {
    const before = world.log.length;
    for (let i = 0; i < 10; i++) {
      const flags = [16, 2, 4, 24, 17, 20][random.below(6)] as number;
      const len = (flags & 8) !== 0 ? 100 : 0;
      if (len > 0 || (flags & 1) !== 0) answers.data++;
      forge(world, { flags, seq: random.i32(), ack: random.i32(), len });
    }
    // What the upload itself sends leaves in other moments.
    answers.n += world.log.length - before;
  });
  assert.ok(bytes >= calm * 0.97, `${bytes} of ${calm}`);
  // Of 5,000 forged segments those with text or FIN are answered, as on Linux (`tcp_oow_rate_limited`); of all
  // others, RFC 5961's challenge ACKs included, one each half second.
  assert.ok(answers.n <= answers.data + 4, `${answers.n} answers to ${answers.data}`);
  const { mib } = t.b;
  const skipped =
    (mib[MIB.TcpExtTCPACKSkippedChallenge] as number) + (mib[MIB.TcpExtTCPACKSkippedSeq] as number);
  assert.ok(skipped > 500, `${skipped} skipped`);
});

/** SYNs of a flood: a million at full length (`SYNS=1000000 npm test -- tcp/hostile`). */
const SYNS = Number(process.env['SYNS'] ?? 20_000);

test('SYN flood beside an upload: bounded state, the same goodput, and an honest peer gets in', {
  timeout: 300_000,
}, () => {
  const calm = goodput(() => {}).bytes;
  const random = new Random(11, 'flood');
  const perMs = Math.ceil(SYNS / 500);
  let model: Packet | undefined;
  let most = 0;
  let answers = 0;
  const { bytes, t } = goodput((world) => {
    const { b, devB, kernel, log } = world;
    // Sources of all the world: what is answered leaves by the gateway, and nobody there wants it.
    if (model === undefined) addRoute(b, '0.0.0.0/0', { dev: devB, via: '10.0.0.1' });
    model ??= log.find((l) => l.from === 'a' && l.pkt.tcp !== null)?.pkt as Packet;
    const to = model.tcp as TcpHeader;
    const options = new TcpOptions();
    options.mss = 1460;
    const len = tcpOptionsLen(options);
    for (let i = 0; i < perMs; i++) {
      const pkt = kernel.newPacket(model.proto);
      pkt.eth = model.eth;
      const ip = (model.ip as Ipv4Header).copy();
      ip.src = (0x0b000000 + random.below(0x10000000)) | 0;
      pkt.ip = ip;
      const sport = 1024 + random.below(60_000);
      pkt.tcp = new TcpHeader(sport, to.dport, random.i32(), 0, 2, 65535, 0, options, len);
      pkt.dev = devB;
      kernel.enqueue(pkt, devB);
      if (i % 64 === 63) kernel.run();
    }
    kernel.run();
    most = Math.max(most, b.tcp.connections.count);
    for (const { from, pkt } of log) if (from === 'b' && pkt.tcp?.flags === 0x12) answers++;
    log.length = 0;
  });
  const sent = perMs * 500;
  const { mib } = t.b;
  assert.ok(bytes >= calm * 0.97, `${bytes} of ${calm}`);
  assert.ok(most <= 20, `${most} entries`);
  const cookies = mib[MIB.TcpExtSyncookiesSent] as number;
  assert.ok(cookies >= sent * 0.99 && cookies <= sent, `${cookies} cookies for ${sent} SYNs`);
  assert.equal(mib[MIB.TcpExtTCPReqQFullDoCookies], cookies);
  assert.ok(answers >= cookies && answers <= sent + 20 * 6, `${answers} SYN-ACKs`);
  // The door is open: by a cookie.
  const guest = t.connect(80);
  t.run(SECOND);
  assert.equal(guest.state, TCP_ESTABLISHED);
  assert.equal(mib[MIB.TcpExtSyncookiesRecv], 1);
});

test('ACK loop: two ends that a forged segment has set against each other fall silent', () => {
  const t = new TwoHosts({ delayUs: 100 });
  const { client, server } = t.establish();
  write(client, 1000);
  t.run(SECOND);
  // Each believes that the other has sent what it has not.
  client.sndNxt = (client.sndNxt + 5000) | 0;
  client.sndUna = client.sndNxt;
  client.writeSeq = client.sndNxt;
  server.sndNxt = (server.sndNxt + 5000) | 0;
  server.sndUna = server.sndNxt;
  server.writeSeq = server.sndNxt;
  const from = t.log.length;
  forge(t, { flags: 16, seq: (server.rcvNxt - 9000) | 0, ack: server.sndNxt, len: 0 });
  t.run(10 * SECOND);
  // Half a second each (net.ipv4.tcp_invalid_ratelimit): not ten thousand.
  assert.ok(t.log.length - from <= 50, `${t.log.length - from} segments in 10 s`);
});

test('tiny segments in order, never read: memory stays within the receive buffer', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1000, sackOk: true });
  let at = 1;
  for (let i = 0; i < 50_000; i++) {
    p.send('.', at, 1, 1);
    at = (sk.rcvNxt - p.isn) | 0;
    if (i % 100 === 0) p.sent = [];
  }
  assert.ok(sk.rmemAlloc <= sk.rcvbuf + 2048, `${sk.rmemAlloc} of ${sk.rcvbuf}`);
  assert.ok(sk.rcvbuf <= p.net.sysctl.tcpRmem[2]);
  checkInvariants(sk);
  const got = sk.recvmsg(1e6, 0);
  assert.ok(typeof got !== 'number' && got.len === at - 1);
  assert.equal(sk.rmemAlloc, 0);
});

test('overlapping and ancient segments: each byte once, D-SACKs for the rest, no growth', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1000, sackOk: true });
  const random = new Random(5, 'overlap');
  let read = 0;
  for (let i = 0; i < 20_000; i++) {
    const near = (sk.rcvNxt - p.isn) | 0;
    // A third of it long gone, the rest around what is expected.
    const seq =
      random.below(3) === 0
        ? near - 1_000_000 - random.below(1e9)
        : near + random.below(9000) - 4000;
    p.send('.', seq, 1, 1 + random.below(1500));
    if (i % 10 === 0) {
      const got = sk.recvmsg(1e6, 0);
      if (typeof got !== 'number') read += got.len;
    }
    if (i % 200 === 0) {
      p.sent = [];
      checkInvariants(sk);
      assert.ok(sk.rmemAlloc <= sk.rcvbuf + 8192);
    }
  }
  const rest = sk.recvmsg(1e6, 0);
  if (typeof rest !== 'number') read += rest.len;
  assert.equal(read, ((sk.rcvNxt - p.isn) | 0) - 1);
  assert.ok((p.net.mib[MIB.TcpExtDelayedACKLost] as number) > 0);
});

test('sequence numbers and timestamps pass zero, and PAWS still knows old from new (RFC 7323 §5)', () => {
  const p = new Peer();
  p.isn = 0xffff_f000 | 0;
  const start = 0xffff_fff0;
  const ts = (n: number): [number, number] => [(start + n) | 0, 0];
  const sk = p.accept({ mss: 1000, sackOk: true, ts: ts(0) });
  for (let i = 0; i < 10; i++) p.send('.', 1 + 1000 * i, 1, 1000, 65535, { ts: ts(2 + 4 * i) });
  assert.equal((sk.rcvNxt - p.isn) | 0, 10_001);
  assert.ok(sk.rcvNxt > 0 && sk.tsRecent > 0, 'both have wrapped');
  // A segment from before the wrap: its timestamp is old, though the number is larger.
  p.send('.', 10_001, 1, 1000, 65535, { ts: ts(1) });
  assert.equal((sk.rcvNxt - p.isn) | 0, 10_001);
  assert.equal(p.net.mib[MIB.TcpExtPAWSEstab], 1);
});

test('a window that shrinks, closes for ever, opens by a byte: bounded, patient, never silly', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1000, sackOk: true });
  let taken = 0;
  for (let n = write(sk, 50_000); n > 0; n = write(sk, 50_000)) taken += n;
  assert.ok(sk.wmemQueued <= sk.sndbuf + 65_536, `${sk.wmemQueued} of ${sk.sndbuf}`);
  const sent = (sk.sndNxt - p.iss) | 0;
  p.send('.', 1, sent, 0, 0);
  // Ten minutes at zero: probes back off to two minutes and go on, as long as they are answered.
  p.sent = [];
  let probes = 0;
  for (let s = 0; s < 600; s++) {
    p.run(SECOND);
    for (const _ of p.sent) {
      probes++;
      p.send('.', 1, sent, 0, 0);
    }
    p.sent = [];
  }
  assert.equal(sk.err, 0);
  assert.ok(probes > 5 && probes < 25, `${probes} probes`);
  // A window of a byte, again and again: RFC 1122 §4.2.3.4, no segment goes for it at once.
  for (let i = 1; i <= 100; i++) p.send('.', 1, sent, 0, i % 3);
  const silly = p.sent.filter((pkt) => pkt.len > 0).length;
  assert.ok(silly <= 2, `${silly} silly segments`);
  assert.ok(taken > 0);
  checkInvariants(sk);
});

test('a closed window and nobody at home: an orphan gives up (net.ipv4.tcp_orphan_retries)', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1000, sackOk: true });
  write(sk, 20_000);
  p.send('.', 1, 1, 0, 0);
  sk.close();
  let s = 0;
  for (; s < 3600 && p.net.tcp.socks.has(sk); s++) {
    p.sent = [];
    p.run(SECOND);
  }
  assert.ok(s < 900, `${s} s`);
  assert.equal(p.net.tcp.orphanCount, 0);
});
