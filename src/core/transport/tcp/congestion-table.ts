/** The congestion controls that exist (`net.ipv4.tcp_available_congestion_control`). */
import { ENOENT, EPERM } from '../../errno.ts';
import { bbr } from './bbr.ts';
import type { CongestionControl } from './congestion.ts';
import { TCP_CLOSE, TCP_LISTEN } from './constants.ts';
import { cubic } from './cubic.ts';
import { dctcp } from './dctcp.ts';
import { reno } from './newreno.ts';
import type { TcpSock } from './sock.ts';

export const CONGESTION_CONTROLS: readonly Readonly<CongestionControl>[] = [
  reno,
  cubic,
  bbr,
  dctcp,
];

/** Algorithms that anybody may choose (`net.ipv4.tcp_allowed_congestion_control`). */
export function isNonRestricted(name: string, defaultName: string): boolean {
  return name === defaultName || findCongestionControl(name)?.nonRestricted === true;
}

/** TCP_CONGESTION (`tcp_set_congestion_control`): 0 or `-errno`. */
export function setCongestionControl(sk: TcpSock, name: string): number {
  if (sk.caLocked) return -EPERM;
  const ca = findCongestionControl(name);
  if (ca === undefined) return -ENOENT;
  sk.caSetsockopt = true;
  if (sk.ca === ca) return 0;
  sk.ca.release(sk);
  sk.ca = ca;
  sk.caPriv = null;
  if (sk.state !== TCP_CLOSE && sk.state !== TCP_LISTEN) {
    sk.priorSsthresh = 0;
    ca.init(sk);
  }
  return 0;
}

/** By name; undefined if there is none. */
export function findCongestionControl(name: string): Readonly<CongestionControl> | undefined {
  return CONGESTION_CONTROLS.find((c) => c.name === name);
}
