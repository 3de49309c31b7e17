/** `ip link add … type venet [addr A]…`: OpenVZ's device; its words are Warren's own. */
import { venetAdd, venetOf } from '../../device/venet.ts';
import { EADDRINUSE, EINVAL } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { formatIpv4, parseIpv4 } from '../../util/address.ts';
import { type KindAdd, kernelError } from './kind.ts';

export interface VenetOptions {
  /** Addresses that the parent gives to the child; none: those that it gives itself. For life. */
  readonly addresses?: readonly string[];
}

export interface VenetInfo extends Required<VenetOptions> {
  readonly kind: 'venet';
  /** The parent's. */
  readonly hub: boolean;
}

/** `link HUB` makes a child; without it, it is a hub. */
export function addVenet({ spec, common, lower }: KindAdd): NetDevice | number {
  const addresses = (spec.venet?.addresses ?? []).map((text) => {
    const addr = parseIpv4(text);
    if (addr === undefined) kernelError(EINVAL, `"${text}" is not an IPv4 address`);
    return addr;
  });
  if (lower === undefined) {
    if (addresses.length > 0) kernelError(EINVAL, 'addresses are for a child: it needs link');
    return venetAdd(common);
  }
  if (venetOf(lower)?.hub !== true)
    kernelError(EINVAL, `${lower.name} is not the venet of a parent`);
  const made = venetAdd({ ...common, hub: lower, addresses });
  if (made === -EINVAL) kernelError(EADDRINUSE, 'Address already assigned to another venet device');
  return made;
}

export function venetInfo(dev: NetDevice): VenetInfo | null {
  const state = venetOf(dev);
  if (state === null) return null;
  return { kind: 'venet', hub: state.hub, addresses: state.given.map(formatIpv4) };
}
