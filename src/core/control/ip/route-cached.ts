/** `ip route show cache`: what was learnt about single destinations (Linux `fib_dump_info_fnhe`, `rt6_dump_route`). */
import type { Entry } from './entry.ts';
import type { IpContext } from './ip.ts';
import { decision6Entry, decisionEntry } from './route-show.ts';

/** Path MTUs and gateways that hold now. */
export function cachedEntries(ctx: IpContext, is6: boolean): Entry[] {
  const { route, route6 } = ctx.ns;
  if (is6)
    return route6
      .cached()
      .map((dst) => decision6Entry(route6.get(dst), route6.match(dst), ctx.options));
  return route.cached().map((dst) => decisionEntry(route.get(dst), ctx.options));
}
