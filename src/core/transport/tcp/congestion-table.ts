/** The congestion controls that exist (`net.ipv4.tcp_available_congestion_control`). */
import { bbr } from './bbr.ts';
import type { CongestionControl } from './congestion.ts';
import { cubic } from './cubic.ts';
import { reno } from './newreno.ts';

export const CONGESTION_CONTROLS: readonly Readonly<CongestionControl>[] = [reno, cubic, bbr];

/** Algorithms that anybody may choose (`net.ipv4.tcp_allowed_congestion_control`). */
export function isNonRestricted(name: string, defaultName: string): boolean {
  return name === defaultName || findCongestionControl(name)?.nonRestricted === true;
}

/** By name; undefined if there is none. */
export function findCongestionControl(name: string): Readonly<CongestionControl> | undefined {
  return CONGESTION_CONTROLS.find((c) => c.name === name);
}
