/**
 * Time and memory of a namespace: 10,000 of them with lo up, a veth with an address, and a default route.
 * The reference is what the kernel of Linux 6.18 takes for the same: about 4 ms and 350 KiB each.
 */
import { Kernel } from '../src/core/control/kernel.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';
import type { Result } from './measure.ts';

const COUNT = 10_000;
/** Measured on Linux 6.18 with `ip -batch`: milliseconds and KiB for one namespace. */
const LINUX_MS = 4;
const LINUX_KIB = 350;
/** Until nothing happens any more, µs of virtual time. */
const SETTLED_US = 10_000_000;

export async function run(): Promise<Result[]> {
  make(200);
  collect();
  const heapBefore = memory();
  const start = performance.now();
  const kernel = make(COUNT);
  const us = ((performance.now() - start) * 1000) / COUNT;
  // Idle: duplicate address detection is over, and the groups are reported.
  (kernel.core.env as VirtualClock).runFor(kernel.core, SETTLED_US);
  collect();
  const kib = (memory() - heapBefore) / 1024 / COUNT;
  const destroyStart = performance.now();
  for (const ns of kernel.netns.list()) ns.destroy();
  const destroyUs = ((performance.now() - destroyStart) * 1000) / COUNT;
  return [
    row('make a namespace with lo, veth, address and route', 'µs', LINUX_MS * 1000, us),
    row('destroy it', 'µs', 24_000, destroyUs),
    row('memory of it', 'KiB', LINUX_KIB, kib),
  ];
}

/** Smaller is better here: the ratio says how many times smaller. */
function row(name: string, unit: string, reference: number, value: number): Result {
  return { name, unit, reference, value, ratio: reference / value };
}

function make(count: number): Kernel {
  const kernel = new Kernel({ env: new VirtualClock(1), seed: 1 });
  for (let i = 0; i < count; i += 2) {
    const a = kernel.netns.add(`a${i}`);
    const b = kernel.netns.add(`b${i}`);
    a.link.set('lo', { up: true });
    b.link.set('lo', { up: true });
    kernel.veth(
      { netns: a, name: 'eth0', address: '10.0.0.1/24', up: true },
      { netns: b, name: 'eth0', address: '10.0.0.2/24', up: true },
    );
    a.route.add({ dst: 'default', via: '10.0.0.2' });
    b.route.add({ dst: 'default', via: '10.0.0.1' });
  }
  return kernel;
}

function memory(): number {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

function collect(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error('run with --expose-gc: npm run bench');
  gc();
  gc();
}
