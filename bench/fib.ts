/**
 * Look-ups, changes and memory of routing tables of 5, 1,000 and a million routes. The reference of each look-up is a
 * plain array access by the same addresses, in the same run: what the processor's memory allows.
 */
import { Kernel } from '../src/core/control/kernel.ts';
import type { NetNs } from '../src/core/net.ts';
import { RT_TABLE_MAIN } from '../src/core/network/route/fib.ts';
import { FibInfo, FibNexthop, NO_METRICS } from '../src/core/network/route/fib-info.ts';
import { FibRoute } from '../src/core/network/route/fib-route.ts';
import { fibLookup } from '../src/core/network/route/lookup.ts';
import { PrefixTrie } from '../src/core/network/route/prefix-trie.ts';
import { RTN_UNICAST } from '../src/core/network/route/route.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';
import { best, type Result } from './measure.ts';
import { anywhere, internet, type Prefix, traffic } from './prefixes.ts';

const LOOKUPS = 1 << 20;
const ROUNDS = 7;

export async function run(): Promise<Result[]> {
  const rows: Result[] = [];
  for (const count of [5, 1000, 1_000_000]) rows.push(...measure(count));
  return rows;
}

function measure(count: number): Result[] {
  const prefixes = internet(count);
  const name = `${count.toLocaleString('en')} routes`;
  const random = anywhere(LOOKUPS);
  const zipf = traffic(prefixes, LOOKUPS);
  const net = namespace();
  const infos = ways(net);
  const table = net.ipv4.table(RT_TABLE_MAIN);
  collect();
  const before = memory();
  const start = performance.now();
  for (const p of prefixes) table.insert(routeOf(p, infos), true);
  const seconds = (performance.now() - start) / 1000;
  collect();
  const mib = (memory() - before) / 2 ** 20;
  const rows = [
    rate(`${name}: a packet's look-up, random`, random, () => packets(net, random)),
    rate(`${name}: a packet's look-up, Zipf`, zipf, () => packets(net, zipf)),
  ];
  if (count > 1024) {
    const trie = new PrefixTrie();
    for (const p of prefixes) trie.add(p.addr, p.length);
    rows.push(
      rate(`${name}: longest prefix alone, random`, random, () => prefixesOf(trie, random)),
    );
    rows.push(rate(`${name}: longest prefix alone, Zipf`, zipf, () => prefixesOf(trie, zipf)));
    const changes = seconds === 0 ? 0 : prefixes.length / seconds / 1e6;
    rows.push({
      name: `${name}: put in`,
      unit: 'M/s',
      reference: 0.5,
      value: changes,
      ratio: changes / 0.5,
    });
    const replaced = churn(net, prefixes, infos);
    rows.push({
      name: `${name}: taken out and put in`,
      unit: 'M/s',
      reference: 0.5,
      value: replaced,
      ratio: replaced / 0.5,
    });
    rows.push({ name: `${name}: memory`, unit: 'MiB', reference: 32, value: mib, ratio: 32 / mib });
  }
  return rows;
}

/** Changes per second, millions: routes that go and come back. */
function churn(net: NetNs, prefixes: readonly Prefix[], infos: readonly FibInfo[]): number {
  const table = net.ipv4.table(RT_TABLE_MAIN);
  const some = prefixes
    .filter((p, i) => p.length > 8 && i % 10 === 0)
    .map((p) => routeOf(p, infos));
  const seconds = best(() => {
    for (const route of some) table.remove(route);
    for (const route of some) table.insert(route, true);
  }, 3);
  return (2 * some.length) / seconds / 1e6;
}

function packets(net: NetNs, addresses: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < LOOKUPS; i++) {
    const found = fibLookup(net, { dst: addresses[i] as number, tos: 0, scope: 0, oif: 0 });
    sum += typeof found === 'number' ? found : found.prefixLen;
  }
  return sum;
}

function prefixesOf(trie: PrefixTrie, addresses: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < LOOKUPS; i++) sum += trie.find(addresses[i] as number);
  return sum;
}

function accesses(slots: Int32Array, addresses: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < LOOKUPS; i++) sum += slots[(addresses[i] as number) >>> 16] as number;
  return sum;
}

/** Millions of look-ups per second beside as many array accesses. */
function rate(name: string, addresses: Int32Array, lookups: () => number): Result {
  const slots = new Int32Array(1 << 16);
  const reference = best(() => accesses(slots, addresses), ROUNDS);
  const own = best(lookups, ROUNDS);
  const perSecond = (s: number): number => LOOKUPS / s / 1e6;
  return {
    name,
    unit: 'M/s',
    reference: perSecond(reference),
    value: perSecond(own),
    ratio: reference / own,
  };
}

function namespace(): NetNs {
  const kernel = new Kernel({ env: new VirtualClock(1), seed: 1 });
  const [a, b] = [kernel.netns.add('a'), kernel.netns.add('b')];
  kernel.veth(
    { netns: a, name: 'eth0', address: '10.0.0.1/16', up: true },
    { netns: b, name: 'eth0', up: true },
  );
  return a.net;
}

/** What 64 gateways make of a route. */
function ways(net: NetNs): FibInfo[] {
  const dev = net.devs.find('eth0');
  if (dev === undefined) throw new Error('no eth0');
  return Array.from(
    { length: 64 },
    (_, n) =>
      new FibInfo({
        type: RTN_UNICAST,
        scope: 0,
        protocol: 3,
        prefsrc: 0,
        priority: 0,
        nexthops: [new FibNexthop(dev, 0x0a000100 + n, 1, 253, 0)],
        metrics: NO_METRICS,
      }),
  );
}

function routeOf(p: Prefix, infos: readonly FibInfo[]): FibRoute {
  return new FibRoute(RT_TABLE_MAIN, p.addr, p.length, 0, infos[p.way] as FibInfo);
}

function memory(): number {
  // `external` counts the memory of typed arrays.
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function collect(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error('run with --expose-gc: npm run bench');
  gc();
  gc();
}
