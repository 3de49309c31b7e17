/**
 * Goodput of one TCP connection over a bottleneck with random loss, in virtual time: what docs/goodput.md
 * shows. Equal cases give equal bytes, on every machine.
 */
import { vethAdd } from '../../src/core/device/veth.ts';
import { Kernel } from '../../src/core/kernel.ts';
import { devOpen } from '../../src/core/link/device-state.ts';
import type { NetDevice } from '../../src/core/link/net-device.ts';
import { Netem } from '../../src/core/link/netem.ts';
import { NETEM_DEFAULTS } from '../../src/core/link/netem-options.ts';
import type { NetNs } from '../../src/core/net.ts';
import { inetAddrAdd } from '../../src/core/network/ipv4/device.ts';
import { AF_INET } from '../../src/core/transport/sock.ts';
import { TCP_CONGESTION } from '../../src/core/transport/sockopt-names.ts';
import { TcpSock } from '../../src/core/transport/tcp/sock.ts';
import { ipv4 } from '../../src/core/util/address.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';

export const LOSSES: readonly number[] = [0, 0.001, 0.01, 0.03, 0.1];
export const RTTS_MS: readonly number[] = [1, 20, 100];
export const RATES_MBIT: readonly number[] = [10, 100, 1000];
export const ALGORITHMS: readonly string[] = ['reno', 'cubic', 'bbr'];

/** Payload of a segment with timestamps, and what it takes on an Ethernet wire. */
export const MSS = 1448;
const FRAME = 1514;
const PORT = 5001;
const CHUNK: Uint8Array = new Uint8Array(65_536);

export interface GoodputCase {
  readonly algorithm: string;
  /** Fraction of the data segments that the wire loses. */
  readonly loss: number;
  readonly rttMs: number;
  readonly rateMbit: number;
}

/** Seconds that are measured; as many before are not, for slow start to end. */
export function secondsOf(c: GoodputCase): number {
  return c.rateMbit >= 1000 ? 5 : 20;
}

function address(net: NetNs, dev: NetDevice, addr: string): void {
  devOpen(net.loopback);
  devOpen(dev);
  inetAddrAdd(dev, { local: ipv4(addr), prefixLen: 24 });
}

/** Packets of a bandwidth-delay product. */
function bdpPackets(c: GoodputCase): number {
  return Math.ceil((c.rateMbit * 1e6 * c.rttMs * 1e-3) / 8 / FRAME);
}

class Transfer {
  readonly clock: VirtualClock = new VirtualClock(1);
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  private readonly client: TcpSock;
  private readonly listener: TcpSock;
  private server: TcpSock | null = null;
  private ready = true;
  private received = 0;

  constructor(c: GoodputCase) {
    const a = this.kernel.addNetNs('a');
    const b = this.kernel.addNetNs('b');
    // What it asks routers would take part in the lottery of losses.
    for (const net of [a, b])
      net.ipv6.confDefault = net.ipv6.confDefault.with('routerSolicitations', 0);
    const pair = vethAdd({ net: a, name: 'eth0' }, { net: b, name: 'eth0' });
    if (typeof pair === 'number') throw new Error(`veth: ${pair}`);
    address(a, pair[0], '10.0.0.1');
    address(b, pair[1], '10.0.0.2');
    const delayUs = (c.rttMs * 1000) / 2;
    // On the wire a bandwidth-delay product, in the queue another and 50 packets.
    const limit = 2 * bdpPackets(c) + 50;
    pair[0].qdisc = new Netem(pair[0], {
      ...NETEM_DEFAULTS,
      limit,
      delayUs,
      rate: (c.rateMbit * 1e6) / 8,
      loss: c.loss === 0 ? null : { model: 'random', probability: c.loss, correlation: 0 },
    });
    pair[1].qdisc = new Netem(pair[1], { ...NETEM_DEFAULTS, limit: 100_000, delayUs });
    this.listener = new TcpSock(b, AF_INET);
    this.listener.bind(0, PORT);
    this.listener.listen(1);
    this.client = new TcpSock(a, AF_INET);
    this.client.setOption(TCP_CONGESTION, c.algorithm);
    const wake = (): void => {
      this.ready = true;
    };
    this.client.onEvent = wake;
    this.listener.onEvent = wake;
    this.client.connect(ipv4('10.0.0.2'), PORT);
  }

  /** What the programs at both ends do when they are woken. */
  private step(): void {
    this.ready = false;
    if (this.server === null) {
      const child = this.listener.accept();
      if (typeof child !== 'number') {
        this.server = child;
        child.onEvent = this.client.onEvent;
      }
    }
    while (this.client.sendOwned(CHUNK, 0) > 0);
    if (this.server === null) return;
    for (;;) {
      const got = this.server.recvmsg(1 << 20, 0);
      if (typeof got === 'number') return;
      for (const slice of got.data) this.received += slice.length;
      if (got.data.length === 0) return;
    }
  }

  /** Bytes that arrive in the next `us`. */
  run(us: number): number {
    const before = this.received;
    const end = this.kernel.nowUs + us;
    while (this.clock.runUntil(this.kernel, () => this.ready, end - this.kernel.nowUs)) this.step();
    return this.received - before;
  }
}

/** Mbit/s of payload, to a hundredth. */
export function goodput(c: GoodputCase): number {
  const transfer = new Transfer(c);
  const seconds = secondsOf(c);
  transfer.run(seconds * 1e6);
  return Math.round((transfer.run(seconds * 1e6) * 8) / seconds / 1e4) / 100;
}

/** What the wire lets through if the sender fills it: netem loses a packet before it takes its turn. */
function limitOf(c: GoodputCase): number {
  return (c.rateMbit * MSS) / FRAME;
}

/** Average window in segments that the algorithm's equation gives; Infinity: loss does not matter. */
function windowOf(c: GoodputCase): number {
  if (c.loss === 0 || c.algorithm === 'bbr') return Number.POSITIVE_INFINITY;
  // Mathis et al., CCR 27(3): 1/√(2p/3). RFC 9438 §5.1 with C = 0.4, and §4.3 where that is more.
  const mathis = Math.sqrt(1.5 / c.loss);
  if (c.algorithm === 'reno') return mathis;
  return Math.max(mathis, 1.054 * (c.rttMs / 1000 / c.loss) ** 0.75);
}

/** Mbit/s that theory expects, at most what the wire lets through. */
export function theory(c: GoodputCase): number {
  const mbit = (windowOf(c) * MSS * 8) / (c.rttMs * 1000);
  return Math.min(mbit, limitOf(c));
}

/** Figures of goodput and theory as the document has them. */
export function figure(mbit: number): string {
  if (mbit >= 100) return mbit.toFixed(0);
  return mbit >= 10 ? mbit.toFixed(1) : mbit.toFixed(2);
}

/** One row: the case, and for each algorithm the goodput and theory beside it. */
export function row(loss: number, rttMs: number, rateMbit: number): string {
  const cells = ALGORITHMS.map((algorithm) => {
    const c = { algorithm, loss, rttMs, rateMbit };
    return `${figure(goodput(c))} | ${figure(theory(c))}`;
  });
  return `| ${rateMbit} | ${rttMs} | ${loss * 100} % | ${cells.join(' | ')} |`;
}
