/**
 * Two hosts on a wire that loses, delays, duplicates and reorders, in virtual time: what the tests of
 * this folder share, and the property that whatever the wire does the stream arrives as it was sent.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { vethAdd } from '../../device/veth.ts';
import { EINPROGRESS } from '../../errno.ts';
import { Kernel } from '../../kernel.ts';
import { devOpen } from '../../link/device-state.ts';
import { segment } from '../../link/gso.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Qdisc } from '../../link/qdisc.ts';
import type { NetNs } from '../../net.ts';
import { inetAddrAdd } from '../../network/ipv4/device.ts';
import type { Packet } from '../../packet.ts';
import { ipv4 } from '../../util/address.ts';
import { Random } from '../../util/random.ts';
import { AF_INET, type Received } from '../sock.ts';
import { TCP_CLOSE, TCPCB_LOST, TCPCB_SACKED_ACKED, TCPCB_SACKED_RETRANS } from './constants.ts';
import { TcpSock } from './sock.ts';

/** Decides what a wire does with a segment: µs until each copy arrives; none: it is lost. */
export type Wire = (pkt: Packet) => readonly number[];

/** A queue that cuts bursts into segments and gives each to `wire`. */
class TestQdisc implements Qdisc {
  readonly kind = 'test';
  readonly paces = false;
  wire: Wire;
  private readonly dev: NetDevice;

  constructor(dev: NetDevice, wire: Wire) {
    this.dev = dev;
    this.wire = wire;
  }

  enqueue(pkt: Packet): number {
    for (const part of pkt.gsoSize > 0 ? segment(pkt) : [pkt]) {
      for (const delay of this.wire(part)) {
        const copy = part.clone();
        const kernel = this.dev.net.kernel;
        kernel.timer(() => this.dev.ops.xmit(copy, this.dev)).set(kernel.nowUs + delay);
      }
    }
    return 0;
  }

  reset(): void {}
}

export class TwoHosts {
  readonly clock: VirtualClock;
  readonly kernel: Kernel;
  readonly a: NetNs;
  readonly b: NetNs;
  readonly devA: NetDevice;
  readonly devB: NetDevice;
  readonly addrA: number = ipv4('10.0.0.1');
  readonly addrB: number = ipv4('10.0.0.2');
  /** Every segment that entered the wire, in order. */
  readonly log: { readonly us: number; readonly from: 'a' | 'b'; readonly pkt: Packet }[] = [];
  private readonly qdiscs: TestQdisc[] = [];

  constructor(options: { seed?: number; mtu?: number; delayUs?: number } = {}) {
    const seed = options.seed ?? 1;
    this.clock = new VirtualClock(seed);
    this.kernel = new Kernel({ env: this.clock, seed });
    this.a = this.kernel.addNetNs('a');
    this.b = this.kernel.addNetNs('b');
    const mtu = options.mtu ?? 1500;
    const pair = vethAdd({ net: this.a, name: 'eth0', mtu }, { net: this.b, name: 'eth0', mtu });
    assert.ok(typeof pair !== 'number');
    [this.devA, this.devB] = pair;
    for (const net of [this.a, this.b]) devOpen(net.loopback);
    devOpen(this.devA);
    devOpen(this.devB);
    inetAddrAdd(this.devA, { local: this.addrA, prefixLen: 24 });
    inetAddrAdd(this.devB, { local: this.addrB, prefixLen: 24 });
    const delay = options.delayUs ?? 100;
    this.setWire((pkt) => [pkt.tcp === null ? 1 : delay]);
  }

  /** What both directions do from now on; ARP passes always. */
  setWire(wire: Wire): void {
    const make = (dev: NetDevice, from: 'a' | 'b'): void => {
      const q = new TestQdisc(dev, (pkt) => {
        if (pkt.tcp === null) return [1];
        this.log.push({ us: this.kernel.nowUs, from, pkt });
        return wire(pkt);
      });
      dev.qdisc = q;
      this.qdiscs.push(q);
    };
    make(this.devA, 'a');
    make(this.devB, 'b');
  }

  run(us: number): void {
    this.clock.runFor(this.kernel, us);
  }

  listen(net: NetNs, port: number, backlog = 16): TcpSock {
    const sk = new TcpSock(net, AF_INET);
    assert.equal(sk.bind(0, port), 0);
    assert.equal(sk.listen(backlog), 0);
    return sk;
  }

  connect(port: number): TcpSock {
    const sk = new TcpSock(this.a, AF_INET);
    assert.equal(sk.connect(this.addrB, port), -EINPROGRESS);
    return sk;
  }

  /** A connection from a to b, established. */
  establish(): { client: TcpSock; server: TcpSock; listener: TcpSock } {
    const listener = this.listen(this.b, 80);
    const client = this.connect(80);
    let server: TcpSock | number = -11;
    this.clock.runUntil(this.kernel, () => {
      server = listener.accept();
      return typeof server !== 'number';
    });
    assert.ok((server as TcpSock | number) instanceof TcpSock, 'not accepted');
    return { client, server: server as unknown as TcpSock, listener };
  }
}

/** The sums that a connection keeps agree with its queues. */
export function checkInvariants(sk: TcpSock): void {
  let packets = 0;
  let sacked = 0;
  let lost = 0;
  let retrans = 0;
  let wmem = 0;
  let seq = sk.sndUna;
  for (let i = 0; i < sk.rtxQueue.length; i++) {
    const seg = sk.rtxQueue.at(i);
    assert.ok(seg !== null);
    assert.ok(((seg.seq - seq) | 0) <= 0 || i > 0, 'rtx queue starts behind SND.UNA');
    if (i > 0) assert.equal(seg.seq, seq, 'rtx queue has a gap');
    seq = seg.endSeq;
    packets += seg.pcount;
    if ((seg.sacked & TCPCB_SACKED_ACKED) !== 0) sacked += seg.pcount;
    if ((seg.sacked & TCPCB_LOST) !== 0) lost += seg.pcount;
    if ((seg.sacked & TCPCB_SACKED_RETRANS) !== 0) retrans += seg.pcount;
    wmem += seg.truesize;
    assert.equal(
      seg.len,
      seg.data.reduce((n, d) => n + d.length, 0),
      'segment length',
    );
  }
  if (sk.rtxQueue.length > 0) assert.equal(seq, sk.sndNxt, 'rtx queue ends at SND.NXT');
  for (let i = 0; i < sk.writeQueue.length; i++) {
    const seg = sk.writeQueue.at(i);
    assert.ok(seg !== null);
    if (i === 0) assert.equal(seg.seq, sk.sndNxt, 'write queue starts at SND.NXT');
    else assert.equal(seg.seq, seq, 'write queue has a gap');
    seq = seg.endSeq;
    wmem += seg.truesize;
  }
  assert.equal(sk.packetsOut, packets, 'packets_out');
  assert.equal(sk.lostOut, lost, 'lost_out');
  assert.equal(sk.retransOut, retrans, 'retrans_out');
  if (sk.sackOk !== 0) assert.equal(sk.sackedOut, sacked, 'sacked_out');
  assert.ok(sk.sackedOut + sk.lostOut <= sk.packetsOut, 'left_out');
  assert.equal(sk.wmemQueued, wmem, 'wmem_queued');
  let rmem = 0;
  for (let i = 0; i < sk.receiveQueue.length; i++) rmem += sk.receiveQueue.at(i)?.truesize ?? 0;
  for (const seg of sk.receiveQueue.ofo) rmem += seg.truesize;
  assert.equal(sk.rmemAlloc, rmem, 'rmem_alloc');
}

function byteAt(i: number): number {
  return (Math.imul(i, 0x9e3779b1) >>> 24) & 0xff;
}

/** Takes what has arrived and compares it; returns the new count. */
function take(sk: TcpSock, max: number, from: number): number {
  const r: Received | number = sk.recvmsg(max, 0);
  if (typeof r === 'number') return from;
  let n = from;
  for (const slice of r.data)
    for (const byte of slice) assert.equal(byte, byteAt(n++), `byte ${n - 1}`);
  return n;
}

interface Trouble {
  readonly seed: number;
  readonly loss: number;
  readonly dup: number;
  readonly reorder: number;
  readonly size: number;
  readonly write: number;
  readonly read: number;
  readonly rcvbuf: number;
  readonly reno: boolean;
  readonly sack: boolean;
  readonly timestamps: boolean;
  readonly scaling: boolean;
  readonly gso: boolean;
  readonly startNearWrap: boolean;
}

const trouble = fc.record({
  seed: fc.nat(1e6),
  loss: fc.constantFrom(0, 0.01, 0.05, 0.1),
  dup: fc.constantFrom(0, 0.02),
  reorder: fc.constantFrom(0, 0.05, 0.3),
  size: fc.integer({ min: 1, max: 300_000 }),
  write: fc.integer({ min: 1, max: 70_000 }),
  read: fc.integer({ min: 1, max: 100_000 }),
  rcvbuf: fc.constantFrom(0, 0, 4608, 20_000),
  reno: fc.boolean(),
  sack: fc.boolean(),
  timestamps: fc.boolean(),
  scaling: fc.boolean(),
  gso: fc.boolean(),
  startNearWrap: fc.boolean(),
});

/** Sends `size` bytes from a to b over the bad wire, then closes both ways. */
export function transfer(t: Trouble): void {
  const w = new TwoHosts({ seed: t.seed });
  const random = new Random(t.seed, 'wire');
  for (const net of [w.a, w.b]) {
    net.sysctl = net.sysctl.with('tcpCongestionControl', t.reno ? 'reno' : 'cubic');
    net.sysctl = net.sysctl.with('tcpSack', t.sack ? 1 : 0);
    net.sysctl = net.sysctl.with('tcpTimestamps', t.timestamps ? 1 : 0);
    net.sysctl = net.sysctl.with('tcpWindowScaling', t.scaling ? 1 : 0);
  }
  if (!t.gso) {
    w.devA.gsoMaxSize = 0;
    w.devB.gsoMaxSize = 0;
  }
  w.setWire(() => {
    if (random.chance(t.loss)) return [];
    const delay = (): number => 5_000 + (random.chance(t.reorder) ? random.below(20_000) : 0);
    return random.chance(t.dup) ? [delay(), delay()] : [delay()];
  });
  const listener = w.listen(w.b, 80);
  if (t.rcvbuf !== 0) {
    listener.rcvbuf = t.rcvbuf;
    listener.rcvbufLocked = true;
  }
  if (t.startNearWrap) {
    const isn = w.a.tcp.secrets.isn.bind(w.a.tcp.secrets);
    w.a.tcp.secrets.isn = (...tuple) => (isn(...tuple) & 0) | -70_000;
  }
  const client = w.connect(80);
  let server: TcpSock | null = null;
  let sent = 0;
  let got = 0;
  let shut = false;
  for (
    let step = 0;
    step < 60_000 + t.size && !(shut && got === t.size && client.state === TCP_CLOSE);
    step++
  ) {
    if (server === null) {
      const child = listener.accept();
      if (typeof child !== 'number') server = child;
    }
    while (sent < t.size) {
      const chunk = new Uint8Array(Math.min(t.write, t.size - sent));
      for (let i = 0; i < chunk.length; i++) chunk[i] = byteAt(sent + i);
      const n = client.sendmsg(chunk, 0, null);
      if (n <= 0) break;
      sent += n;
    }
    if (sent === t.size && !shut) {
      client.shutdown(1);
      shut = true;
    }
    if (server !== null) {
      got = take(server, t.read, got);
      if (got === t.size && server.doneReceiving) server.shutdown(1);
      checkInvariants(server);
    }
    checkInvariants(client);
    // Without SACK a bad wire means timeouts that double: give them hours.
    w.clock.runFor(w.kernel, step < 5_000 ? 3_000 : 300_000);
    if (client.err !== 0) assert.fail(`client failed: ${client.err}`);
    if (shut && got === t.size && server?.doneReceiving === true && step % 1000 === 999) break;
  }
  assert.equal(got, t.size);
  client.close();
  server?.close();
  listener.close();
  w.run(400_000_000);
  assert.equal(w.a.tcp.socks.size + w.b.tcp.socks.size, 0, 'sockets left');
  assert.equal(w.a.tcp.connections.count + w.b.tcp.connections.count, 0, 'connections left');
}

test('whatever the wire does, the stream arrives intact (RFC 9293 §3.4)', {
  timeout: 120_000,
}, () => {
  fc.assert(fc.property(trouble, transfer), { numRuns: 60 });
});
