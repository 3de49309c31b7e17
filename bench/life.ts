/**
 * Namespaces that come and go (S7): 100,000 of them, every tenth with a wire to a bridge and a datagram
 * under way. What a cycle takes, at the beginning and at the end, and what memory is left over. The
 * reference is what Linux 6.18 takes from `ip netns del` until the namespace is gone.
 */
import { Kernel } from '../src/core/control/kernel.ts';
import { Socket } from '../src/core/socket/socket.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';
import type { Result } from './measure.ts';

const CYCLES = 100_000;
/** Cycles before memory is first looked at, and for the times at both ends. */
const PART = 5000;
/** Microseconds. */
const LINUX_US = 24_000;

export async function run(): Promise<Result[]> {
  const clock = new VirtualClock(1);
  const kernel = new Kernel({ env: clock, seed: 1 });
  const hub = kernel.netns.add('hub');
  // A bridge asks for routers for as long as it is up: no timer of a guest's.
  hub.sysctl.set('net.ipv6.conf.default.router_solicitations', 0);
  hub.link.add({ kind: 'bridge', name: 'br0', up: true });
  const cycle = (i: number): void => {
    const ns = kernel.netns.add('n');
    ns.link.set('lo', { up: true });
    if (i % 10 === 0) {
      kernel.veth(
        { netns: ns, name: 'eth0', address: '10.0.0.1/24', up: true },
        { netns: hub, name: 'port', up: true },
      );
      hub.link.set('port', { master: 'br0' });
      const s = Socket.create(ns.net, 2, 2);
      if (typeof s === 'number') throw new Error('no socket');
      s.sendto(new Uint8Array(1), 0, { family: 2, addr: 0x0a000002, port: 9 });
      s.close();
    }
    kernel.netns.del('n');
    if (i % 100 === 0) clock.runFor(kernel.core, 1000);
  };
  const many = (count: number): number => {
    const start = performance.now();
    for (let i = 0; i < count; i++) cycle(i);
    return ((performance.now() - start) * 1000) / count;
  };
  many(PART);
  const first = many(PART);
  const before = memory();
  many(CYCLES - 3 * PART);
  const last = many(PART);
  clock.runFor(kernel.core, 400_000_000);
  const left = (memory() - before) / 1024;
  const counts = [
    kernel.core.namespaces.size - 1,
    kernel.core.timers.count,
    hub.link.list().length - 2,
  ];
  if (counts.some((n) => n !== 0)) throw new Error(`left behind: ${counts.join(' ')}`);
  return [
    row('a namespace comes and goes, the first 10,000', LINUX_US, first),
    row('a namespace comes and goes, the last 5,000', LINUX_US, last),
    {
      name: 'memory left after 100,000',
      unit: 'KiB',
      reference: 1024,
      value: left,
      ratio: left / 1024,
    },
  ];
}

function row(name: string, reference: number, value: number): Result {
  return { name, unit: 'µs', reference, value, ratio: reference / value };
}

function memory(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error('run with --expose-gc: npm run bench');
  gc();
  gc();
  return process.memoryUsage().heapUsed;
}
