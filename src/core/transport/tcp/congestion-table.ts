/** The congestion controls that exist (`net.ipv4.tcp_available_congestion_control`). */
import type { CongestionControl } from './congestion.ts';
import { cubic } from './cubic.ts';
import { reno } from './newreno.ts';

export const CONGESTION_CONTROLS: readonly Readonly<CongestionControl>[] = [reno, cubic];

/** By name; undefined if there is none. */
export function findCongestionControl(name: string): Readonly<CongestionControl> | undefined {
  return CONGESTION_CONTROLS.find((c) => c.name === name);
}
