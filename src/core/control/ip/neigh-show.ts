/** `ip neigh show` (iproute2 `ip/ipneigh.c`, `print_neigh`). */
import type { NeighbourInfo } from '../info.ts';
import { Entry, type PrintOptions } from './entry.ts';

/** One neighbour; `devKnown`: the selector named the device, and the line leaves it out. */
export function neighEntry(n: NeighbourInfo, options: PrintOptions, devKnown: boolean): Entry {
  const out = new Entry();
  if (options.brief) return briefEntry(out, n);
  out.put('dst', n.dst, `${n.dst} `);
  if (!devKnown) out.put('dev', n.dev, `dev ${n.dev} `);
  if (n.lladdr !== null) out.put('lladdr', n.lladdr, `lladdr ${n.lladdr} `);
  if (options.stats > 0) {
    const times = [n.used, n.confirmed, n.updated].map(Math.floor);
    out.put('used', times[0] ?? 0, ` used ${times.join('/')}`);
    out.set('confirmed', times[1] ?? 0).set('updated', times[2] ?? 0);
    out.put('probes', n.probes, `probes ${n.probes} `);
  }
  if (n.router) out.put('router', null, 'router ');
  out.put('state', [n.state], `${n.state} `);
  return out.add('\n');
}

function briefEntry(out: Entry, n: NeighbourInfo): Entry {
  out.put('dst', n.dst, `${n.dst.padEnd(39)} `);
  out.put('dev', n.dev, `${n.dev.padEnd(16)} `);
  if (n.lladdr !== null) out.put('lladdr', n.lladdr, n.lladdr);
  return out.add('\n');
}
