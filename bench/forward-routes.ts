/**
 * Packets per second through a router with 5, 1,000 and a million routes, to destinations as traffic has them. The
 * reference is the router with 5.
 */
import { Kernel } from '../src/core/control/kernel.ts';
import { RT_TABLE_MAIN } from '../src/core/network/route/fib.ts';
import { FibInfo, FibNexthop, NO_METRICS } from '../src/core/network/route/fib-info.ts';
import { FibRoute } from '../src/core/network/route/fib-route.ts';
import { RTN_UNICAST } from '../src/core/network/route/route.ts';
import { Socket } from '../src/core/socket/socket.ts';
import { AF_INET, SOCK_DGRAM } from '../src/core/transport/sock.ts';
import { ipv4 } from '../src/core/util/address.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';
import type { Result } from './measure.ts';
import { internet, traffic } from './prefixes.ts';

const PAYLOAD = new Uint8Array(22);
const BURST = 64;
const PACKETS = 1 << 18;

export async function run(): Promise<Result[]> {
  const addresses = traffic(internet(1_000_000), PACKETS);
  let reference = 0;
  return [5, 1000, 1_000_000].map((count) => {
    const value = routed(count, addresses);
    if (count === 5) reference = value;
    return {
      name: `forwarding with ${count.toLocaleString('en')} routes`,
      unit: 'Mpps',
      reference,
      value,
      ratio: value / reference,
    };
  });
}

/** Millions of packets per second that leave the router. */
function routed(count: number, addresses: Int32Array): number {
  const clock = new VirtualClock(1);
  const kernel = new Kernel({ env: clock, seed: 1 });
  const [a, r, b] = [kernel.netns.add('a'), kernel.netns.add('r'), kernel.netns.add('b')];
  kernel.veth(
    { netns: a, name: 'eth0', address: '10.0.0.1/24', up: true },
    { netns: r, name: 'eth0', address: '10.0.0.2/24', up: true },
  );
  const [out] = kernel.veth(
    { netns: r, name: 'eth1', address: '10.0.1.1/24', up: true },
    { netns: b, name: 'eth1', address: '10.0.1.2/24', up: true },
  );
  r.sysctl.set('net.ipv4.ip_forward', '1');
  a.ip('route add default via 10.0.0.2');
  const dev = r.net.devs.find('eth1');
  if (dev === undefined || out === undefined) throw new Error('no eth1');
  const info = new FibInfo({
    type: RTN_UNICAST,
    scope: 0,
    protocol: 3,
    prefsrc: 0,
    priority: 0,
    nexthops: [new FibNexthop(dev, ipv4('10.0.1.2'), 1, 253, 0)],
    metrics: NO_METRICS,
  });
  const table = r.net.ipv4.table(RT_TABLE_MAIN);
  for (const p of internet(count))
    table.insert(new FibRoute(RT_TABLE_MAIN, p.addr, p.length, 0, info), true);
  const sender = Socket.create(a.net, AF_INET, SOCK_DGRAM);
  if (typeof sender === 'number') throw new Error(`socket: ${sender}`);
  const pass = (): void => {
    for (let i = 0; i < PACKETS; i += BURST) {
      for (let k = 0; k < BURST; k++)
        sender.sendto(PAYLOAD, 0, { family: AF_INET, addr: addresses[i + k] as number, port: 9 });
      kernel.core.run();
    }
  };
  pass();
  clock.runFor(kernel.core, 10_000);
  let best = 0;
  for (let round = 0; round < 3; round++) {
    const before = dev.stats.txPackets;
    const start = performance.now();
    pass();
    best = Math.max(best, (dev.stats.txPackets - before) / (performance.now() - start) / 1000);
  }
  return best;
}
