/**
 * One host and a peer that the test plays, segment by segment, in virtual time: sequence numbers are
 * relative to each side's first, as in packetdrill's scripts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutIpv6 } from '../../../../test/world.ts';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { EINPROGRESS } from '../../errno.ts';
import { Kernel } from '../../kernel.ts';
import { devOpen, registerDevice } from '../../link/device-state.ts';
import { IFF_NOARP, IFF_POINTOPOINT, NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { inetAddrAdd } from '../../network/ipv4/device.ts';
import type { Packet } from '../../packet.ts';
import { ipv4 } from '../../util/address.ts';
import { ETH_P_IP } from '../../wire/ethernet.ts';
import { IPPROTO_TCP, Ipv4Header } from '../../wire/ipv4.ts';
import { TcpHeader, TcpOptions, tcpOptionsLen } from '../../wire/tcp.ts';
import { AF_INET } from '../sock.ts';
import { TcpSock } from './sock.ts';

const FLAGS: readonly (readonly [string, number])[] = [
  ['S', 2],
  ['F', 1],
  ['R', 4],
  ['P', 8],
  ['U', 32],
  ['E', 64],
  ['W', 128],
  ['.', 16],
];
const ARPHRD_NONE = 0xfffe;
/** Round-trip time of an accepted connection's handshake. */
const RTT_US = 50_000;
export const LOCAL: number = ipv4('192.168.0.1');
export const REMOTE: number = ipv4('192.0.2.1');
export const LOCAL_PORT = 8080;
export const REMOTE_PORT = 40_000;

export interface SegmentOptions {
  readonly mss?: number;
  readonly wscale?: number;
  readonly sackOk?: boolean;
  readonly sack?: readonly number[];
  /** TSval, TSecr as the peer means them; the echo is translated. */
  readonly ts?: readonly [number, number];
  readonly ecn?: number;
  readonly urg?: number;
}

/** A host with a point-to-point device whose other end is the test. */
export class Peer {
  readonly clock: VirtualClock = new VirtualClock(1);
  readonly kernel: Kernel;
  readonly net: NetNs;
  readonly dev: NetDevice;
  /** What the host sent and nobody looked at yet. */
  sent: Packet[] = [];
  times: number[] = [];
  /** First sequence number of the host; known from its SYN or SYN-ACK. */
  iss = 0;
  isn = 1000;
  port: number = REMOTE_PORT;
  private known = false;

  constructor() {
    this.kernel = new Kernel({ env: this.clock, seed: 1 });
    this.net = withoutIpv6(this.kernel.addNetNs('host'));
    const ops = {
      kind: 'test',
      movable: false,
      xmit: (pkt: Packet): void => {
        this.sent.push(pkt);
        this.times.push(this.kernel.nowUs);
      },
    };
    this.dev = new NetDevice(this.net, ops, 'tun0', this.net.devs.nextIndex(), ARPHRD_NONE);
    this.dev.flags = IFF_NOARP | IFF_POINTOPOINT;
    this.dev.hardHeaderLen = 0;
    this.dev.gsoMaxSize = 0;
    registerDevice(this.dev);
    devOpen(this.net.loopback);
    devOpen(this.dev);
    inetAddrAdd(this.dev, { local: LOCAL, peer: REMOTE, prefixLen: 32 });
    this.run(0);
  }

  run(us: number): void {
    this.clock.runFor(this.kernel, us);
  }

  /** A segment of the peer's: `send('P.', 1, 1, 1000)`. */
  send(
    flags: string,
    seq: number,
    ack: number,
    len = 0,
    win = 65535,
    o: SegmentOptions = {},
  ): void {
    let bits = 0;
    for (const [letter, bit] of FLAGS) if (flags.includes(letter)) bits |= bit;
    const options = new TcpOptions();
    options.mss = o.mss ?? 0;
    options.wscale = o.wscale ?? -1;
    options.sackPermitted = o.sackOk ?? false;
    if (o.sack !== undefined) options.sack = o.sack.map((s) => (s + this.iss) | 0);
    if (o.ts !== undefined) {
      options.timestamps = true;
      [options.tsVal, options.tsEcr] = o.ts;
    }
    const optionsLen = tcpOptionsLen(options);
    const pkt = this.kernel.newPacket(ETH_P_IP);
    pkt.ip = new Ipv4Header(REMOTE, LOCAL, IPPROTO_TCP, 64, o.ecn ?? 0);
    pkt.tcp = new TcpHeader(
      this.port,
      this.local,
      (seq + this.isn) | 0,
      (bits & 16) !== 0 ? (ack + this.iss) | 0 : 0,
      bits,
      win,
      o.urg ?? 0,
      optionsLen === 0 ? null : options,
      optionsLen,
    );
    pkt.len = len;
    if (len > 0) pkt.data = [new Uint8Array(len).fill(seq & 0xff)];
    this.kernel.enqueue(pkt, this.dev);
    this.kernel.run();
  }

  local: number = LOCAL_PORT;

  /** The next segment of the host's as text, `'P. 1:1001 ack 1'`; `''`: there is none. */
  next(): string {
    const pkt = this.sent.shift();
    this.times.shift();
    if (pkt === undefined) return '';
    const h = pkt.tcp as TcpHeader;
    if (!this.known && (h.flags & 2) !== 0) {
      this.iss = h.seq;
      this.known = true;
      this.local = h.sport;
    }
    const letters = FLAGS.filter(([, bit]) => (h.flags & bit) !== 0).map(([l]) => l);
    const seq = (h.seq - this.iss) | 0;
    let text = `${letters.join('')} ${seq}:${seq + pkt.len}`;
    if ((h.flags & 16) !== 0) text += ` ack ${(h.ack - this.isn) | 0}`;
    const sack = h.options?.sack ?? null;
    if (sack !== null) text += ` sack ${sack.map((s) => (s - this.isn) | 0).join(',')}`;
    return text;
  }

  /** Exactly these segments were sent since the last look. */
  expect(...texts: string[]): void {
    const got: string[] = [];
    for (let t = this.next(); t !== ''; t = this.next()) got.push(t);
    assert.deepEqual(got, texts);
  }

  /** Runs `us` and tells at which milliseconds something was sent. */
  sendTimes(us: number): number[] {
    const start = this.kernel.nowUs;
    this.sent = [];
    this.times = [];
    this.run(us);
    const times = this.times.map((t) => Math.round((t - start) / 1000));
    this.sent = [];
    this.times = [];
    return times;
  }

  listen(): TcpSock {
    const sk = new TcpSock(this.net, AF_INET);
    assert.equal(sk.bind(0, LOCAL_PORT), 0);
    assert.equal(sk.listen(8), 0);
    return sk;
  }

  /** Accepts a connection of the peer's. */
  accept(o: SegmentOptions = { mss: 1000 }, win = 65535): TcpSock {
    const listener = this.listen();
    this.send('S', 0, 0, 0, win, o);
    assert.match(this.next(), /^SE?\. 0:0 ack 1$/);
    this.run(RTT_US);
    this.send('.', 1, 1, 0, win, o.ts === undefined ? {} : { ts: [o.ts[0] + 1, 0] });
    const sk = listener.accept();
    assert.ok(sk instanceof TcpSock);
    return sk;
  }

  connect(): TcpSock {
    const sk = new TcpSock(this.net, AF_INET);
    this.local = 0;
    assert.equal(sk.connect(REMOTE, REMOTE_PORT), -EINPROGRESS);
    return sk;
  }
}

/** Writes `n` bytes. */
export function write(sk: TcpSock, n: number, flags = 0): number {
  return sk.sendmsg(new Uint8Array(n).fill(0x61), flags, null);
}

test('SYN is repeated at 1, 2, 3, 4, 5, 7 … s (net.ipv4.tcp_syn_linear_timeouts)', () => {
  const p = new Peer();
  const sk = p.connect();
  assert.deepEqual(p.sendTimes(20_000_000), [1000, 2000, 3000, 4000, 5000, 7000, 11000, 19000]);
  p.run(200_000_000);
  assert.equal(sk.err, 110);
});

test('SYN-ACK is repeated at 1, 3, 7, 15, 31 s, then the request is forgotten', () => {
  const p = new Peer();
  p.listen();
  p.send('S', 0, 0, 0, 65535, { mss: 1000 });
  assert.equal(p.next(), 'S. 0:0 ack 1');
  assert.deepEqual(p.sendTimes(100_000_000), [1000, 3000, 7000, 15000, 31000]);
  assert.equal(p.net.tcp.connections.count, 0);
});

test('a lost segment: tail loss probe, then timeouts that double (RFC 8985 §7, RFC 6298 §5.5)', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1000, sackOk: true });
  write(sk, 500);
  p.expect('P. 1:501 ack 1');
  const times = p.sendTimes(4_000_000);
  // Alone, the segment waits for the peer's delayed ACK as well: 250 ms is SRTT + 200 ms, and earlier.
  assert.deepEqual(times, [250, 500, 1000, 2000, 4000]);
});

test('Nagle: one small segment in flight, the rest waits and goes together (RFC 896)', () => {
  const p = new Peer();
  const sk = p.accept();
  write(sk, 10);
  write(sk, 10);
  write(sk, 10);
  p.expect('P. 1:11 ack 1');
  p.send('.', 1, 11);
  p.expect('P. 11:31 ack 1');
  sk.setOption(1, 1);
  p.send('.', 1, 31);
  write(sk, 10);
  write(sk, 10);
  p.expect('P. 31:41 ack 1', 'P. 41:51 ack 1');
});

test('TCP_CORK holds a partial segment, for 200 ms at most', () => {
  const p = new Peer();
  const sk = p.accept();
  sk.setOption(3, 1);
  write(sk, 2500);
  p.expect('. 1:1001 ack 1', '. 1001:2001 ack 1');
  p.send('.', 1, 2001);
  p.expect();
  const times = p.sendTimes(250_000);
  assert.equal(times.length, 1);
  write(sk, 10);
  sk.setOption(3, 0);
  p.send('.', 1, 2501);
  p.expect('P. 2501:2511 ack 1');
});

test('zero window: probes at RTO doubling, data when it opens (RFC 9293 §3.8.6.1)', () => {
  const p = new Peer();
  const sk = p.accept();
  write(sk, 1000);
  p.expect('P. 1:1001 ack 1');
  p.send('.', 1, 1001, 0, 0);
  write(sk, 1000);
  const times = p.sendTimes(4_000_000);
  assert.equal(times.length, 4);
  for (let i = 1; i < 4; i++)
    assert.ok((times[i] as number) > 1.9 * (times[i - 1] as number), `${times}`);
  p.send('.', 1, 1001, 0, 5000);
  p.expect('P. 1001:2001 ack 1');
});

test('keepalive: idle 1, interval 1, 3 probes, then RST and ETIMEDOUT (RFC 1122 §4.2.3.6)', () => {
  const p = new Peer();
  const sk = p.accept();
  sk.setOption(4, 1);
  sk.setOption(5, 1);
  sk.setOption(6, 3);
  sk.setKeepAlive(true);
  p.run(3_500_000);
  p.expect('. 0:0 ack 1', '. 0:0 ack 1', '. 0:0 ack 1');
  p.run(1_000_000);
  p.expect('R. 1:1 ack 1');
  assert.equal(sk.err, 110);
});

test('the first segments are acknowledged at once, those of an interactive connection after 40 ms', () => {
  const p = new Peer();
  const sk = p.accept();
  p.send('P.', 1, 1, 100);
  p.expect('. 1:1 ack 101');
  sk.recvmsg(1000, 0);
  write(sk, 100);
  p.expect('P. 1:101 ack 101');
  p.run(10_000);
  p.send('P.', 101, 101, 100);
  p.expect();
  assert.deepEqual(p.sendTimes(100_000), [40]);
});

test('SACK: out-of-order data is reported newest first, duplicates as D-SACK (RFC 2018 §4, RFC 2883 §4)', () => {
  const p = new Peer();
  p.accept({ mss: 1000, sackOk: true });
  p.send('.', 1001, 1, 1000);
  p.expect('. 1:1 ack 1 sack 1001,2001');
  p.send('.', 3001, 1, 1000);
  p.expect('. 1:1 ack 1 sack 3001,4001,1001,2001');
  p.send('.', 3001, 1, 1000);
  p.expect('. 1:1 ack 1 sack 3001,4001,3001,4001,1001,2001');
  p.send('.', 2001, 1, 1000);
  p.expect('. 1:1 ack 1 sack 1001,4001');
  p.send('.', 1, 1, 1000);
  p.expect('. 1:1 ack 4001');
  p.send('.', 1, 1, 1000);
  p.expect('. 1:1 ack 4001 sack 1,1001');
});

test('three duplicate ACKs without SACK: fast retransmit, then partial ACKs (RFC 6582 §3.2)', () => {
  const p = new Peer();
  const sk = p.accept();
  write(sk, 10_000);
  p.sent = [];
  for (let i = 0; i < 3; i++) p.send('.', 1, 1);
  assert.equal(p.next(), '. 1:1001 ack 1');
  p.sent = [];
  p.send('.', 1, 3001);
  assert.equal(p.next(), '. 3001:4001 ack 1');
  assert.equal(sk.caState, 3);
  p.send('.', 1, 10_001);
  write(sk, 1000);
  p.send('.', 1, 11_001);
  assert.equal(sk.caState, 0);
});

test('SACK loss recovery: RACK marks at once, PRR lets out segment by segment, cubic 10 → 7', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1000, sackOk: true });
  write(sk, 10_000);
  p.sent = [];
  p.run(40_000);
  for (const end of [2001, 3001, 4001]) p.send('.', 1, 1, 0, 65535, { sack: [1001, end] });
  p.expect('. 1:1001 ack 1');
  assert.equal(sk.caState, 3);
  assert.equal(sk.sndSsthresh, 7);
  p.run(50_000);
  p.send('.', 1, 10_001);
  assert.equal(sk.caState, 0);
  assert.ok(sk.sndCwnd === 7 || sk.sndCwnd === 8, `${sk.sndCwnd}`);
});

test('a spurious recovery is undone by D-SACK (RFC 3708)', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1000, sackOk: true });
  write(sk, 10_000);
  p.run(40_000);
  for (const end of [2001, 3001, 4001]) p.send('.', 1, 1, 0, 65535, { sack: [1001, end] });
  p.run(50_000);
  assert.equal(sk.caState, 3);
  p.send('.', 1, 10_001);
  assert.ok(sk.sndCwnd < 10);
  p.send('.', 1, 10_001, 0, 65535, { sack: [1, 1001] });
  assert.equal(sk.caState, 0);
  assert.ok(sk.sndCwnd >= 10, `${sk.sndCwnd}`);
});

test('a timeout: everything is lost, cwnd 1, then slow start (RFC 5681 §3.1)', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1000 });
  p.run(1000);
  write(sk, 10_000);
  p.sent = [];
  p.run(270_000);
  p.expect('. 1:1001 ack 1');
  assert.equal(sk.sndCwnd, 1);
  assert.equal(sk.caState, 4);
  p.send('.', 1, 1001);
  p.expect('. 1001:2001 ack 1', '. 2001:3001 ack 1');
});

test('slow start adds what was acknowledged, in segments; an idle connection falls back', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1000 }, 65535);
  write(sk, 20_000);
  p.run(10_000);
  p.send('.', 1, 10_001);
  assert.equal(sk.sndCwnd, 20);
  p.run(10_000);
  p.send('.', 1, 20_001);
  p.run(5_000_000);
  write(sk, 1000);
  assert.equal(sk.sndCwnd, 10);
});

test('ECN: negotiated when asked, a mark is echoed until CWR, an echo reduces (RFC 3168 §6.1)', () => {
  const p = new Peer();
  const listener = p.listen();
  p.send('SEW', 0, 0, 0, 65535, { mss: 1000 });
  assert.equal(p.next(), 'SE. 0:0 ack 1');
  p.send('.', 1, 1);
  const sk = listener.accept();
  assert.ok(sk instanceof TcpSock);
  p.send('.', 1, 1, 1000, 65535, { ecn: 3 });
  p.expect('E. 1:1 ack 1001');
  p.send('W.', 1001, 1, 1000, 65535, { ecn: 2 });
  assert.match(p.next(), /^\. 1:1 ack 2001$/);
  write(sk, 10_000);
  assert.equal((p.sent[0] as Packet).ip?.tos, 2);
  p.sent = [];
  p.send('E.', 2001, 1001);
  assert.equal(sk.caState, 2);
  assert.equal(sk.sndSsthresh, 7);
});

test('PAWS: an old timestamp is dropped and answered, a RST is not judged by it (RFC 7323 §5.3)', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1000, ts: [10_000, 0] });
  p.send('.', 1, 1, 100, 65535, { ts: [9_000, 0] });
  p.expect('. 1:1 ack 1');
  assert.equal(sk.rcvNxt, (p.isn + 1) | 0);
  p.send('.', 1, 1, 100);
  p.expect('. 1:1 ack 101');
  p.send('R', 101, 0, 0, 0, { ts: [9_000, 0] });
  assert.equal(sk.err, 104);
});

test('TCP_DEFER_ACCEPT: a bare ACK is not enough, data is', () => {
  const p = new Peer();
  const sk = p.listen();
  sk.setOption(9, 5);
  p.send('S', 0, 0, 0, 65535, { mss: 1000 });
  assert.equal(p.next(), 'S. 0:0 ack 1');
  p.send('.', 1, 1);
  assert.equal(sk.accept(), -11);
  p.send('P.', 1, 1, 10);
  assert.ok(sk.accept() instanceof TcpSock);
});

test('half-close, TIME-WAIT, and a new SYN that takes it over (RFC 9293 §3.6, RFC 6191)', () => {
  const p = new Peer();
  const sk = p.accept();
  sk.shutdown(1);
  p.expect('F. 1:1 ack 1');
  p.send('.', 1, 2, 100);
  p.expect('. 2:2 ack 101');
  p.send('F.', 101, 2);
  p.expect('. 2:2 ack 102');
  assert.equal(p.net.tcp.twCount, 1);
  sk.close();
  p.isn += 500_000;
  p.send('S', 0, 0, 0, 65535, { mss: 1000 });
  assert.equal(p.next(), 'S. 65539:65539 ack 1');
  assert.equal(p.net.tcp.twCount, 0);
});

test('simultaneous close: CLOSING, then TIME-WAIT (RFC 9293 §3.6 figure 13)', () => {
  const p = new Peer();
  const sk = p.accept();
  sk.close();
  p.expect('F. 1:1 ack 1');
  p.send('F.', 1, 1);
  p.expect('. 2:2 ack 2');
  p.send('.', 2, 2);
  assert.equal(p.net.tcp.twCount, 1);
  p.run(61_000_000);
  assert.equal(p.net.tcp.twCount, 0);
});

test('window: small reads are not announced (RFC 1122 §4.2.3.3)', () => {
  const p = new Peer();
  const listener = p.listen();
  listener.rcvbuf = 8192;
  listener.rcvbufLocked = true;
  p.send('S', 0, 0, 0, 65535, { mss: 536 });
  const syn = p.sent[0]?.tcp as TcpHeader;
  assert.equal(syn.window, 2920);
  p.next();
  p.send('.', 1, 1);
  const sk = listener.accept();
  assert.ok(sk instanceof TcpSock);
  for (let seq = 1; seq < 4000; seq += 536) p.send('.', seq, 1, 536);
  p.run(300_000);
  p.sent = [];
  sk.recvmsg(100, 0);
  p.expect();
});

test('the namespace goes: no packet, no timer, nothing left', () => {
  const p = new Peer();
  const sk = p.accept();
  write(sk, 5000);
  p.sent = [];
  p.net.tcp.destroy();
  p.run(10_000_000);
  p.expect();
  assert.equal(p.net.tcp.socks.size, 0);
  assert.equal(p.net.tcp.connections.count, 0);
});
