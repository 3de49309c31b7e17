/** Which of our addresses to use, and whether an address is ours (Linux `net/ipv4/devinet.c`). */
import type { NetDevice } from '../../link/net-device.ts';
import { maskOf } from '../../util/address.ts';
import type { Ipv4Address } from './device.ts';

const RT_SCOPE_LINK = 253;
const RT_SCOPE_HOST = 254;

/**
 * A source address for `dst` (0: none in particular) on `dev`, of a scope that is not larger than `scope`
 * (`inet_select_addr`); 0 when there is none.
 */
export function inetSelectAddr(dev: NetDevice, dst: number, scope: number): number {
  const own = bestOf(dev, dst, scope);
  if (own !== 0) return own;
  for (const other of dev.net.devs) {
    const address = other.ipv4?.addresses.find(
      (a) => !a.secondary && a.scope !== RT_SCOPE_LINK && a.scope <= scope,
    );
    if (address !== undefined) return address.local;
  }
  return 0;
}

function bestOf(dev: NetDevice, dst: number, scope: number): number {
  let fallback = 0;
  // Addresses of host scope go on the link only where route_localnet says so.
  const largest = dev.ipv4?.conf.routeLocalnet === 1 ? RT_SCOPE_LINK : RT_SCOPE_HOST;
  for (const a of dev.ipv4?.addresses ?? []) {
    if (a.secondary || Math.min(a.scope, largest) > scope) continue;
    if (dst === 0 || contains(a, dst)) return a.local;
    if (fallback === 0) fallback = a.local;
  }
  return fallback;
}

/** Are both addresses in one subnet of `dev` (`inet_addr_onlink`)? */
export function onSubnet(dev: NetDevice, a: number, b: number): boolean {
  return dev.ipv4?.addresses.some((x) => contains(x, a) && contains(x, b)) === true;
}

/** Is `local` an address of `dev`, and, when given, `dst` on its subnet (`inet_confirm_addr`)? */
export function inetConfirmAddr(
  dev: NetDevice,
  dst: number,
  local: number,
  scope: number,
): boolean {
  return (
    dev.ipv4?.addresses.some(
      (a) =>
        a.local === local && (dst === 0 || contains(a, dst)) && (scope === 0 || a.scope < scope),
    ) === true
  );
}

function contains(a: Ipv4Address, addr: number): boolean {
  const mask = maskOf(a.prefixLen);
  return (a.address & mask) === (addr & mask);
}
