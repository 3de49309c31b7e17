/**
 * What was learnt about single destinations: a smaller path MTU (RFC 1191 §3), a better gateway (RFC 1122
 * §3.2.2.2). Bounded, and forgotten after a while (Linux `fib_nh_exception`; S7).
 */
import type { NetNs } from '../../net.ts';
import { maskOf } from '../../util/address.ts';
import { IP_MAX_MTU } from '../../wire/ipv4.ts';
import type { Route } from './route.ts';

/** Destinations that are remembered; the oldest goes first. */
const MAX_EXCEPTIONS = 2048;

export interface RouteException {
  pmtu: number;
  locked: boolean;
  gateway: number;
  expiresUs: number;
}

/** A router said that packets to `dst` may have `mtu` bytes (`ip_rt_update_pmtu`). */
export function updatePmtu(net: NetNs, dst: number, mtu: number, route: Route | null): void {
  const { sysctl, kernel, ipv4 } = net;
  const old = ipv4.exceptions.get(dst);
  const oldMtu = route?.mtu(kernel.nowUs) ?? IP_MAX_MTU;
  if (oldMtu < mtu || route?.mtuLock === true || route?.pmtuLocked === true) return;
  const known = old !== undefined && kernel.nowUs < old.expiresUs ? old : undefined;
  if (known !== undefined && known.pmtu !== 0 && known.pmtu < mtu) return;
  const locked = mtu < sysctl.minPmtu;
  const pmtu = locked ? Math.min(oldMtu, sysctl.minPmtu) : mtu;
  // Said again and again, it is remembered once in half its time.
  const left = (known?.expiresUs ?? 0) - kernel.nowUs;
  if (known?.pmtu === pmtu && !locked && left > (sysctl.mtuExpires * 1e6) / 2) return;
  remember(net, dst, {
    pmtu,
    locked,
    gateway: known?.gateway ?? 0,
    expiresUs: kernel.nowUs + sysctl.mtuExpires * 1e6,
  });
}

/** A router said that `gateway` is the better way to `dst`. */
export function updateGateway(net: NetNs, dst: number, gateway: number): void {
  const known = findException(net, dst);
  remember(net, dst, {
    pmtu: known?.pmtu ?? 0,
    locked: known?.locked ?? false,
    gateway,
    expiresUs: net.kernel.nowUs + 300_000_000,
  });
}

/** What is known and still holds. */
export function findException(net: NetNs, dst: number): RouteException | undefined {
  if (!net.ipv4.hasExceptions) return undefined;
  const { exceptions } = net.ipv4;
  const found = exceptions.get(dst);
  if (found === undefined) return undefined;
  if (net.kernel.nowUs < found.expiresUs) return found;
  exceptions.delete(dst);
  return undefined;
}

/** Routes to this prefix changed: what was learnt of their ways is not about the new ones (Linux `fib_nh_exceptions`). */
export function forgetExceptions(net: NetNs, dst: number, prefixLen: number): void {
  const { ipv4 } = net;
  if (!ipv4.hasExceptions) return;
  const mask = maskOf(prefixLen);
  for (const known of [...ipv4.exceptions.keys()])
    if (((known ^ dst) & mask) === 0) ipv4.exceptions.delete(known);
}

function remember(net: NetNs, dst: number, exception: RouteException): void {
  const { exceptions } = net.ipv4;
  exceptions.delete(dst);
  if (exceptions.size >= MAX_EXCEPTIONS) {
    for (const oldest of exceptions.keys()) {
      exceptions.delete(oldest);
      break;
    }
  }
  exceptions.set(dst, exception);
  net.ipv4.changed();
}
