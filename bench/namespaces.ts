/**
 * Time and memory of a namespace. Time: guests with lo up, a veth with an address, a default route, and the veth's other
 * end at a bridge of the host's; memory: 10,000 namespaces at the ends of veths, idle. The reference is the kernel of this machine, told the same with `ip -batch`; where
 * that is not possible (not root, no `ip`), what it took on Linux 6.18.
 */
import { spawnSync } from 'node:child_process';
import { Kernel } from '../src/core/control/kernel.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';
import type { Result } from './measure.ts';

const COUNT = 10_000;
const GUESTS = 10_000;
/** Guests at one bridge: what one of them says to all is heard by as many. */
const PORTS = 100;
/** Guests that Linux is asked for. */
const LINUX_COUNT = 100;
/** Measured on Linux 6.18: milliseconds to make and to delete one, KiB of one. */
const LINUX_MS = 4;
const LINUX_DELETE_MS = 24;
const LINUX_KIB = 350;
/** Until nothing happens any more, µs of virtual time. */
const SETTLED_US = 10_000_000;

export async function run(): Promise<Result[]> {
  const linuxMs = linuxMilliseconds() ?? LINUX_MS;
  make(1000);
  collect();
  const start = performance.now();
  const kernel = make(GUESTS);
  const us = ((performance.now() - start) * 1000) / GUESTS;
  const destroyStart = performance.now();
  for (const ns of kernel.netns.list()) if (ns.name !== 'host') ns.destroy();
  const destroyUs = ((performance.now() - destroyStart) * 1000) / GUESTS;
  return [
    row('make a guest: lo, veth, address, route, bridge port', 'µs', linuxMs * 1000, us),
    // `ip netns del` returns before the kernel has cleaned up: what that took was measured apart.
    row('destroy it', 'µs', LINUX_DELETE_MS * 1000, destroyUs),
    row('memory of a namespace with lo, veth, address, route', 'KiB', LINUX_KIB, pairs()),
  ];
}

/** Smaller is better here: the ratio says how many times smaller. */
function row(name: string, unit: string, reference: number, value: number): Result {
  return { name, unit, reference, value, ratio: reference / value };
}

function make(count: number): Kernel {
  const kernel = new Kernel({ env: new VirtualClock(1), seed: 1 });
  const host = kernel.netns.add('host');
  for (let i = 0; i < count; i++) {
    const bridge = `br${Math.floor(i / PORTS)}`;
    if (i % PORTS === 0) host.link.add({ name: bridge, kind: 'bridge' });
    if (i % PORTS === 0) host.link.set(bridge, { up: true });
    const guest = kernel.netns.add(`g${i}`);
    guest.link.set('lo', { up: true });
    kernel.veth(
      { netns: guest, name: 'eth0', address: `10.0.0.${1 + (i % PORTS)}/24`, up: true },
      { netns: host, name: `v${i}`, up: true },
    );
    host.link.set(`v${i}`, { master: bridge });
    guest.route.add({ dst: 'default', via: '10.0.0.254' });
  }
  return kernel;
}

/** KiB of each of two namespaces at the ends of a veth. */
function pairs(): number {
  collect();
  const before = memory();
  const kernel = new Kernel({ env: new VirtualClock(1), seed: 1 });
  for (let i = 0; i < COUNT; i += 2) {
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
  (kernel.core.env as VirtualClock).runFor(kernel.core, SETTLED_US);
  collect();
  return (memory() - before) / 1024 / COUNT;
}

/** What the kernel of this machine takes for each, inside a namespace of its own; undefined: not possible here. */
function linuxMilliseconds(): number | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const names = Array.from({ length: LINUX_COUNT }, (_, i) => `warren-bench-${process.pid}-${i}`);
  const host = `warren-bench-${process.pid}`;
  const ip = (lines: readonly string[], ns?: string): boolean => {
    const args = ns === undefined ? ['-batch', '-'] : ['-n', ns, '-batch', '-'];
    return spawnSync('ip', args, { input: lines.join('\n') }).status === 0;
  };
  const destroy = (): boolean => ip([...names, host].map((n) => `netns del ${n}`));
  try {
    const start = performance.now();
    let ok = ip([`netns add ${host}`]);
    ok &&= ip(['link add br0 up type bridge'], host);
    ok &&= ip(names.map((n) => `netns add ${n}`));
    ok &&= ip(
      names.flatMap((n, i) => [`link add v${i} up master br0 type veth peer name eth0 netns ${n}`]),
      host,
    );
    for (const [i, n] of names.entries())
      ok &&= ip(
        [
          'link set lo up',
          'link set eth0 up',
          `addr add 10.0.0.${1 + i}/24 dev eth0`,
          'route add default via 10.0.0.254',
        ],
        n,
      );
    const made = performance.now();
    if (!ok) return undefined;
    return (made - start) / LINUX_COUNT;
  } finally {
    destroy();
  }
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
