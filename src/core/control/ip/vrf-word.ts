/** `vrf NAME` of `ip route` (iproute2 `ipvrf_get_table`). */
import { vrfTable } from '../kinds/index.ts';
import type { IpContext } from './ip.ts';
import { wrongArgument } from './words.ts';

/** The table of a vrf. */
export function vrfWord(ctx: IpContext, name: string): number {
  const table = vrfTable(ctx.ns, name);
  if (table === undefined) throw wrongArgument('Invalid VRF\n', name);
  return table;
}
