/** Bumps the counters of a namespace (Linux `NET_INC_STATS`, `NET_ADD_STATS`). */
import type { NetNs } from '../../net.ts';

/** @param index of `MIB` */
export function count(net: NetNs, index: number): void {
  const mib = net.mib;
  mib[index] = (mib[index] as number) + 1;
}

export function countBy(net: NetNs, index: number, n: number): void {
  const mib = net.mib;
  mib[index] = (mib[index] as number) + n;
}
