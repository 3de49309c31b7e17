/**
 * `npm run bench [-- name…]`: every benchmark, or those named; each figure beside its reference from the same
 * run. These are ratios on a shared machine: read the last column.
 */
import type { Result } from './measure.ts';

const ALL: Readonly<Record<string, () => Promise<{ run(): Promise<Result[]> }>>> = {
  packet: () => import('./packet.ts'),
  forward: () => import('./forward.ts'),
  'netns-cost': () => import('./netns-cost.ts'),
  thread: () => import('./thread.ts'),
  fib: () => import('./fib.ts'),
  fib6: () => import('./fib6.ts'),
  'forward-routes': () => import('./forward-routes.ts'),
  namespaces: () => import('./namespaces.ts'),
  life: () => import('./life.ts'),
  bulk: () => import('./bulk.ts'),
  http: () => import('./http.ts'),
  clients: () => import('./clients.ts'),
  virtual: () => import('./virtual.ts'),
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !Object.hasOwn(ALL, name));
if (unknown !== undefined) {
  console.error(`there is no benchmark "${unknown}"; there are ${Object.keys(ALL).join(', ')}`);
  process.exit(2);
}
const number = (n: number): string => (n >= 100 ? n.toFixed(0) : n.toPrecision(3));
console.log(`Node ${process.version}`);
for (const [name, load] of Object.entries(ALL)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const { run } = await load();
  for (const r of await run())
    console.log(
      `${r.name.padEnd(56)} ${number(r.value).padStart(9)} ${r.unit.padEnd(8)} reference ${number(r.reference).padStart(9)}   ${r.ratio.toFixed(2)}×`,
    );
}
process.exit(0);
