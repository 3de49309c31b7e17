/**
 * Look-ups, changes and memory of an IPv6 table of 200,000 prefixes. The reference of a look-up is the structure before:
 * a hash table for each length, from the longest on.
 */
import { Kernel } from '../src/core/control/kernel.ts';
import type { NetNs } from '../src/core/net.ts';
import { RT_TABLE_MAIN } from '../src/core/network/route/fib.ts';
import { NO_METRICS } from '../src/core/network/route/fib-info.ts';
import { RTN_UNICAST } from '../src/core/network/route/route.ts';
import { FibNexthop6, FibRoute6 } from '../src/core/network/route6/fib.ts';
import { HashFib6 } from '../src/core/network/route6/hash-fib.ts';
import { fib6Lookup } from '../src/core/network/route6/lookup.ts';
import { PrefixTrie6 } from '../src/core/network/route6/prefix-trie6.ts';
import { IN6ADDR_ANY, type Ip6Addr } from '../src/core/util/ip6-addr.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';
import { best, type Result } from './measure.ts';
import { destinations6, internet6, type Prefix6, traffic6 } from './prefixes6.ts';

const LOOKUPS = 1 << 19;
const ROUNDS = 5;
const COUNT = 200_000;
const LONGER_THAN_ALL = 129;

export function run(): Promise<Result[]> {
  const prefixes = internet6(COUNT);
  const random = destinations6(prefixes, LOOKUPS);
  const zipf = traffic6(prefixes, LOOKUPS);
  const net = namespace();
  const routes = prefixes.map((p) => routeOf(net, p));
  const trie = new PrefixTrie6();
  for (const p of prefixes) trie.add(p.addr, p.length);
  const hash = new HashFib6();
  for (const r of routes) hash.insert(r);
  const table = net.ipv6.table(RT_TABLE_MAIN);
  const start = performance.now();
  for (const r of routes) table.insert(r);
  const seconds = (performance.now() - start) / 1000;
  const rows: Result[] = [];
  for (const [name, list] of [
    ['random', random],
    ['Zipf', zipf],
  ] as const) {
    const before = rate(list, (a) => hash.match(a, LONGER_THAN_ALL)?.length ?? 0);
    rows.push(
      row(
        `200,000 prefixes: longest prefix alone, ${name}`,
        before,
        rate(list, (a) => trie.find(a)),
      ),
    );
    rows.push(
      row(
        `200,000 prefixes: a packet's look-up, ${name}`,
        before,
        rate(list, (a) => packet(net, a)),
      ),
    );
  }
  rows.push(row('200,000 prefixes: put in', 0.5, prefixes.length / seconds / 1e6));
  const mib = trie.bytes / 2 ** 20;
  rows.push({
    name: '200,000 prefixes: memory of the trie',
    unit: 'MiB',
    reference: 32,
    value: mib,
    ratio: 32 / mib,
  });
  return Promise.resolve(rows);
}

function row(name: string, reference: number, value: number): Result {
  return { name, unit: 'M/s', reference, value, ratio: value / reference };
}

/** Millions of look-ups a second. */
function rate(list: readonly Ip6Addr[], look: (addr: Ip6Addr) => number): number {
  let sum = 0;
  const seconds = best(() => {
    for (let i = 0; i < list.length; i++) sum += look(list[i] as Ip6Addr);
  }, ROUNDS);
  if (sum === 0) throw new Error('nothing was found');
  return list.length / seconds / 1e6;
}

function packet(net: NetNs, dst: Ip6Addr): number {
  const found = fib6Lookup(net, { dst, src: IN6ADDR_ANY, oif: 0, strict: false });
  return typeof found === 'number' ? 0 : found.route.prefixLen;
}

function namespace(): NetNs {
  const kernel = new Kernel({ env: new VirtualClock(), seed: 1 });
  const ns = kernel.netns.add('router');
  ns.link.set('lo', { up: true });
  ns.link.add({ kind: 'dummy', name: 'd0', up: true });
  return ns.net;
}

function routeOf(net: NetNs, p: Prefix6): FibRoute6 {
  const dev = net.devs.find('d0');
  if (dev === undefined) throw new Error('no device');
  return new FibRoute6({
    table: RT_TABLE_MAIN,
    dst: p.addr,
    prefixLen: p.length,
    metric: 1024,
    type: RTN_UNICAST,
    protocol: 3,
    prefsrc: null,
    nexthops: [new FibNexthop6(dev, null, 1, 0)],
    metrics: NO_METRICS,
    expiresUs: Number.POSITIVE_INFINITY,
  });
}
