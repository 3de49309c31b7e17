/**
 * What Linux sent, scenario by scenario (test/data/linux-tcp.json, made by linux_tcp.py there): the same
 * steps here give the same segments, the same TCP_INFO and the same counters.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { segment } from '../../link/gso.ts';
import { MIB } from '../../mib.ts';
import type { NumberField } from '../../sysctl.ts';
import { IPPROTO_TCP } from '../../wire/ipv4.ts';
import type { TcpHeader } from '../../wire/tcp.ts';
import { tcpInfo } from './info.ts';
import { LOCAL, Peer, REMOTE, type SegmentOptions, write } from './peer.test.ts';
import { TcpSock } from './sock.ts';

type Step = readonly [string, ...unknown[]];
interface Fact {
  readonly name: string;
  readonly steps: readonly Step[];
  /** Milliseconds that each step waits. */
  readonly window?: number;
  readonly results: readonly unknown[];
  readonly counters: Readonly<Record<string, number>>;
}

interface AcceptOptions {
  readonly mss?: number;
  readonly sackOk?: boolean;
  readonly wscale?: number;
  readonly ts?: readonly [number, number];
  readonly win?: number;
  readonly ecn?: number;
  readonly cc?: string;
}

interface SendOptions {
  readonly sack?: readonly number[];
  readonly ts?: readonly [number, number];
  readonly ecn?: number;
}

const FACTS: { scenarios: Fact[] } = JSON.parse(readFileSync('test/data/linux-tcp.json', 'utf8'));
/** Receiving is told by other tests; these differ with how the peer's ACKs are looked at. */
const IGNORED = /^TcpExtTCP(HP|Pure|OrigDataSent|Ack|RcvCoalesce)/;

class Replay {
  readonly p: Peer = new Peer();
  sk: TcpSock | null = null;
  tsecr = 0;
  readonly window: number;

  constructor(window: number) {
    this.window = window;
    this.p.dev.gsoMaxSize = 65536;
  }

  /** What was sent since the last look, as the recording writes it. */
  sent(): string[] {
    const out: string[] = [];
    const packets = this.p.sent;
    this.p.sent = [];
    for (const whole of packets)
      for (const pkt of segment(whole)) {
        const ecn = (pkt.ip?.tos ?? 0) & 3;
        const h = pkt.tcp as TcpHeader;
        if (h.options?.timestamps) this.tsecr = h.options.tsVal;
        this.p.sent = [pkt];
        const text = this.p.next().replace(/ sack .*/, '');
        out.push(ecn === 0 ? text : `${text} ect ${ecn}`);
      }
    return out;
  }

  run(ms: number): string[] {
    this.p.run(ms * 1000);
    return this.sent();
  }

  step([what, ...a]: Step): unknown {
    const sk = this.sk as TcpSock;
    switch (what) {
      case 'sysctl':
        this.sysctl(a[0] as string, a[1] as number);
        return null;
      case 'accept':
        return this.accept(a[0] as AcceptOptions);
      case 'send': {
        const [flags, seq, ack, len = 0, win = 65535, o = {}] = a as [
          string,
          number,
          number,
          number?,
          number?,
          SendOptions?,
        ];
        this.p.send(flags, seq, ack, len, win, this.options(o));
        break;
      }
      case 'write':
        write(sk, a[0] as number, (a[1] as number | undefined) ?? 0);
        break;
      case 'opt':
        this.option(sk, a[0] as number, a[1] as number, a[2] as number);
        break;
      case 'shutdown':
        sk.shutdown(1);
        break;
      case 'mtu':
        this.tooBig(sk, a[0] as number, a[1] as number);
        break;
      case 'run':
        return this.run(a[0] as number);
      case 'info':
        return this.info(sk);
    }
    return this.run(this.window);
  }

  private options(o: SendOptions): SegmentOptions {
    return o.ts === undefined
      ? (o as SegmentOptions)
      : { ...o, ts: [o.ts[0], o.ts[1] === 0 ? 0 : this.tsecr] };
  }

  private sysctl(name: string, value: number): void {
    const field = FIELDS[name];
    if (field === undefined) assert.fail(name);
    this.p.net.sysctl = this.p.net.sysctl.with(field, value);
  }

  private option(sk: TcpSock, level: number, name: number, value: number): void {
    if (level === 6) assert.equal(sk.setOption(name, value), 0);
    else if (level === 1 && name === 9) sk.setKeepAlive(value !== 0);
    else assert.fail(`option ${level} ${name}`);
  }

  private accept(o: AcceptOptions): string[] {
    const listener = this.p.listen();
    assert.equal(listener.setOption(13, o.cc ?? 'cubic'), 0);
    const { win = 65535, ecn = 0, ts, cc: _cc, ...rest } = o;
    this.p.send(ecn === 0 ? 'S' : 'SEW', 0, 0, 0, win, ts === undefined ? rest : { ...rest, ts });
    const out = this.sent();
    this.p.run(50_000);
    this.p.send('.', 1, 1, 0, win, ts === undefined ? {} : { ts: [ts[0] + 1, this.tsecr] });
    const sk = listener.accept();
    assert.ok(sk instanceof TcpSock);
    this.sk = sk;
    return out;
  }

  private tooBig(sk: TcpSock, mtu: number, seq: number): void {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, sk.sport);
    view.setUint16(2, sk.dport);
    view.setInt32(4, (this.p.iss + seq) | 0);
    const pkt = this.p.kernel.newPacket(0x800);
    pkt.dev = this.p.dev;
    const error = { type: 3, code: 4, info: mtu, src: LOCAL, dst: REMOTE, bytes };
    this.p.kernel.protocols.inetError[IPPROTO_TCP]?.(pkt, error as never);
    this.p.kernel.run();
  }

  private info(sk: TcpSock): Record<string, number> {
    const i = tcpInfo(sk);
    return {
      state: i.state,
      ca: i.caState,
      retransmits: i.retransmits,
      probes: i.probes,
      backoff: i.backoff,
      mss: i.sndMss,
      unacked: i.unacked,
      sacked: i.sacked,
      lost: i.lost,
      retrans: i.retrans,
      pmtu: i.pmtu,
      ssthresh: i.sndSsthresh,
      cwnd: i.sndCwnd,
      reordering: i.reordering,
      totalRetrans: i.totalRetrans,
      bytesAcked: i.bytesAcked,
      segsOut: i.segsOut,
      notsent: i.notsentBytes,
      dataSegsOut: i.dataSegsOut,
      delivered: i.delivered,
      deliveredCe: i.deliveredCe,
      bytesSent: i.bytesSent,
      bytesRetrans: i.bytesRetrans,
      dsackDups: i.dsackDups,
      reordSeen: i.reordSeen,
      rehash: i.rehash,
      totalRto: i.totalRto,
      totalRtoRecoveries: i.totalRtoRecoveries,
    };
  }

  counters(): Record<string, number> {
    const out: Record<string, number> = {};
    for (const name of Object.keys(MIB) as (keyof typeof MIB)[]) {
      const n = this.p.net.mib[MIB[name]];
      if (n !== 0 && name.startsWith('Tcp') && !IGNORED.test(name)) out[name] = n as number;
    }
    return out;
  }
}

/** The steps with their results, one a line, so that a difference shows where it began. */
function lines(fact: Fact, results: readonly unknown[]): string[] {
  return fact.steps.map((s, i) => `${JSON.stringify(s)} => ${JSON.stringify(results[i])}`);
}

for (const fact of FACTS.scenarios)
  test(`as Linux: ${fact.name}`, () => {
    const r = new Replay(fact.window ?? 30);
    const results = fact.steps.map((s) => r.step(s));
    assert.deepEqual(lines(fact, results), lines(fact, fact.results));
    const expected = Object.entries(fact.counters).filter(([k]) => !IGNORED.test(k));
    assert.deepEqual(r.counters(), Object.fromEntries(expected));
  });

/** The settings that the scenarios change. */
const FIELDS: Readonly<Record<string, NumberField>> = {
  'net.ipv4.tcp_ecn': 'tcpEcn',
  'net.ipv4.tcp_mtu_probing': 'tcpMtuProbing',
  'net.ipv4.tcp_recovery': 'tcpRecovery',
  'net.ipv4.tcp_thin_linear_timeouts': 'tcpThinLinearTimeouts',
};
