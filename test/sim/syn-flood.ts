/**
 * A SYN flood against a listener that has an established connection: what it costs in memory and in time, and what
 * the connection still gets through (RFC 4987). `node scripts/run.mjs test/sim/syn-flood.ts` prints the figures
 * of a million SYNs.
 */
import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';
import { MIB } from '../../src/core/mib.ts';
import type { NetNs } from '../../src/core/net.ts';
import { ipv4 } from '../../src/core/util/address.ts';
import { ETH_P_IP } from '../../src/core/wire/ethernet.ts';
import { IPPROTO_TCP, Ipv4Header } from '../../src/core/wire/ipv4.ts';
import { TCP_SYN, TcpHeader, TcpOptions, tcpOptionsLen } from '../../src/core/wire/tcp.ts';
import { at, createWorld, tcp } from '../world.ts';

export interface Figures {
  readonly syns: number;
  readonly cookiesSent: number;
  /** Connections and requests that the victim holds at the end. */
  readonly held: number;
  /** Bytes that the established connection got through during the flood, and virtual seconds. */
  readonly goodput: number;
  readonly virtualSeconds: number;
  readonly realSeconds: number;
  readonly heapGrowthMiB: number;
}

/** SYNs of one virtual millisecond: a hundred thousand a second. */
const PER_MS = 100;

/** @param sourceBits how many low bits of the source address differ */
export function synFlood(syns: number, sourceBits = 16): Figures {
  const world = createWorld();
  const victim = world.addNet('victim');
  const friend = world.addNet('friend');
  const [dev] = world.wire(
    { net: victim, cidr: '10.0.0.1/8' },
    { net: friend, cidr: '10.0.0.2/8' },
  );
  const l = tcp(victim);
  l.bind(at('10.0.0.1', 80));
  l.listen(128);
  const c = tcp(friend);
  c.connect(at('10.0.0.1', 80));
  world.run(10_000);
  const s = l.accept();
  assert.ok(typeof s !== 'number');
  const options = new TcpOptions();
  options.mss = 1460;
  options.sackPermitted = true;
  const len = tcpOptionsLen(options);
  const chunk = new Uint8Array(65_536);
  let goodput = 0;
  const heap = process.memoryUsage().heapUsed;
  const started = performance.now();
  const from = world.clock.nowUs();
  for (let i = 0; i < syns; i++) {
    const pkt = victim.kernel.newPacket(ETH_P_IP);
    // Nobody answers ARP for these: the answers wait in a queue that is bounded as well.
    const src = (ipv4('10.1.0.0') + (i & (2 ** sourceBits - 1))) | 0;
    pkt.ip = new Ipv4Header(src, ipv4('10.0.0.1'), IPPROTO_TCP, 64, 0);
    pkt.tcp = new TcpHeader(1024 + (i % 60_000), 80, i | 0, 0, TCP_SYN, 65535, 0, options, len);
    world.kernel.enqueue(pkt, dev);
    if (i % PER_MS !== 0) continue;
    while (c.send(chunk) > 0);
    world.run(1000);
    const got = s.recv(10_000_000);
    if (typeof got !== 'number') goodput += got.len;
  }
  const figures = {
    syns,
    cookiesSent: counter(victim, 'TcpExtSyncookiesSent'),
    held: victim.tcp.connections.count,
    goodput,
    virtualSeconds: (world.clock.nowUs() - from) / 1_000_000,
    realSeconds: (performance.now() - started) / 1000,
    heapGrowthMiB: (process.memoryUsage().heapUsed - heap) / 2 ** 20,
  };
  return figures;
}

function counter(net: NetNs, name: keyof typeof MIB): number {
  return net.mib[MIB[name]] as number;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(synFlood(1_000_000));
