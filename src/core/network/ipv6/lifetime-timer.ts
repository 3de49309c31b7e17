/** When something is to be done about the addresses of a device; what it is, is in `lifetime.ts`. */
import {
  IFA_F_DADFAILED,
  IFA_F_DEPRECATED,
  IFA_F_PERMANENT,
  IFA_F_TEMPORARY,
  IFA_F_TENTATIVE,
  INFINITE_LIFETIME6,
  type Ipv6Address,
} from './address.ts';
import type { Ipv6Device } from './device.ts';

/** Its lifetime cannot end. */
export function lasts(a: Ipv6Address): boolean {
  return (a.flags & IFA_F_PERMANENT) !== 0 && a.preferredLft === INFINITE_LIFETIME6;
}

/** It was made, and is another's: it goes. */
export function isTaken(a: Ipv6Address): boolean {
  return (a.flags & (IFA_F_PERMANENT | IFA_F_DADFAILED)) === IFA_F_DADFAILED;
}

/** When `seconds` of an address are over. */
export function endUs(a: Ipv6Address, seconds: number): number {
  return a.updatedUs + seconds * 1e6;
}

/** How long before its end an address must have its successor, seconds (RFC 8981 §3.8: REGEN_ADVANCE). */
export function regenAdvance(ipv6: Ipv6Device): number {
  const { conf, neighConf } = ipv6;
  const probing = conf.regenMaxRetry * conf.dadTransmits * Math.max(neighConf.retransTimeMs, 10);
  return conf.regenMinAdvance + Math.floor(probing / 1000);
}

/** When a temporary address must have its successor; Infinity: it has one, or needs none. */
export function regenUs(ipv6: Ipv6Device, a: Ipv6Address): number {
  const state = a.flags & (IFA_F_TEMPORARY | IFA_F_TENTATIVE);
  if (state !== IFA_F_TEMPORARY || a.preferredLft === INFINITE_LIFETIME6)
    return Number.POSITIVE_INFINITY;
  const waits = a.auto !== null && a.auto.publicAddr !== null && a.auto.regenCount === 0;
  return waits ? endUs(a, a.preferredLft - regenAdvance(ipv6)) : Number.POSITIVE_INFINITY;
}

export function armLifetimes(ipv6: Ipv6Device): void {
  const { kernel } = ipv6.dev.net;
  let nextUs = Number.POSITIVE_INFINITY;
  for (const a of ipv6.addresses) {
    if (lasts(a)) continue;
    if (isTaken(a)) nextUs = kernel.nowUs;
    nextUs = Math.min(nextUs, regenUs(ipv6, a));
    if (a.validLft !== INFINITE_LIFETIME6) nextUs = Math.min(nextUs, endUs(a, a.validLft));
    if (a.preferredLft !== INFINITE_LIFETIME6 && (a.flags & IFA_F_DEPRECATED) === 0)
      nextUs = Math.min(nextUs, endUs(a, a.preferredLft));
  }
  if (nextUs === Number.POSITIVE_INFINITY) {
    ipv6.lifetimeTimer?.clear();
    return;
  }
  ipv6.lifetimeTimer ??= kernel.timer(() => kernel.protocols.addressesDue6(ipv6.dev));
  ipv6.lifetimeTimer.set(Math.max(nextUs, kernel.nowUs));
}
