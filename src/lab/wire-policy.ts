/** The policy of a wire, for one of its ends. */
import type { PolicySet } from '../core/control/policy.ts';
import { formatIpv4 } from '../core/util/address.ts';
import type { WirePolicySpec } from './file.ts';

/**
 * A host sends from its own address and the MAC that it begins with; a router from the MAC alone, since it
 * carries what others say, and it may say that it is a router.
 */
export function portPolicy(
  spec: WirePolicySpec | undefined,
  address: number,
  isRouter: boolean,
): PolicySet | null {
  if (spec === undefined || spec === false) return null;
  const limits = spec === true ? {} : spec;
  const { macs } = limits;
  return {
    ...(macs === undefined ? { mac: 'first' } : {}),
    ...(isRouter ? { router: true } : { ip: formatIpv4(address) }),
    ...limits,
  };
}
