/** Words of the kinds of `control/kinds`: `ip link add … type KIND` and `ip link set DEV type KIND`. */
import { formatIpv4 } from '../../util/address.ts';
import type { VrfOptions } from '../kinds/vrf.ts';
import type { LinkAdd } from '../link-add.ts';
import type { LinkSet } from '../link-set.ts';
import { tableNumber } from '../names.ts';
import { bondOptions } from './bond-words.ts';
import type { IpContext } from './ip.ts';
import { ipvlanOptions } from './ipvlan-words.ts';
import { netkitOptions, netkitPolicy } from './netkit-words.ts';
import { tunnelOptions } from './tunnel-words.ts';
import { vxlanOptions } from './vxlan-words.ts';
import {
  abbreviates,
  CommandError,
  EXIT_PARSE,
  EXIT_USAGE,
  notImplemented,
  type Words,
  wrongArgument,
} from './words.ts';

/** Options of a new device; null: no such kind. */
export function otherKind(kind: string, words: Words): LinkAdd | null {
  switch (kind) {
    case 'ifb':
      return withoutOptions(kind, words);
    case 'ipvlan':
      return { kind, ipvlan: ipvlanOptions(words) };
    case 'venet':
      return { kind, venet: { addresses: venetAddresses(words) } };
    case 'ipip':
    case 'sit':
    case 'gre':
    case 'gretap':
      return { kind, tunnel: tunnelOptions(kind, words) };
    case 'vxlan': {
      const vxlan = vxlanOptions(words);
      return vxlan === undefined ? { kind } : { kind, vxlan };
    }
    case 'bond':
      return { kind, bond: bondOptions(words) };
    case 'vrf':
      return vrfOptions(words);
    default:
      return null;
  }
}

/** iproute2 has no parser for such a kind. */
function withoutOptions(kind: LinkAdd['kind'], words: Words): LinkAdd {
  if (words.empty) return { kind };
  throw new CommandError(
    `Garbage instead of arguments "${words.peek} ...". Try "ip link help".`,
    EXIT_USAGE,
  );
}

/** `addr A`, once for each. */
function venetAddresses(words: Words): readonly string[] {
  const addresses: string[] = [];
  while (!words.empty) {
    const word = words.next();
    if (word !== 'addr') throw new CommandError(`venet: unknown option "${word}"?`, EXIT_PARSE);
    addresses.push(formatIpv4(words.address()));
  }
  return addresses;
}

/** `table N` (iproute2 `ip/iplink_vrf.c`). */
function vrfOptions(words: Words): LinkAdd {
  const kind = 'vrf';
  let vrf: VrfOptions | undefined;
  while (!words.empty) {
    const word = words.next();
    if (!abbreviates(word, 'table'))
      throw new CommandError(`vrf: unknown option "${word}"?`, EXIT_PARSE);
    const table = words.next();
    if (tableNumber(table) === undefined) throw wrongArgument('invalid table ID\n', table);
    vrf = { table };
  }
  return vrf === undefined ? { kind } : { kind, vrf };
}

/** Changes of a device of this kind. */
export function kindChanges(_ctx: IpContext, kind: string, words: Words): LinkSet {
  switch (kind) {
    case 'ipvlan':
      return { ipvlan: ipvlanOptions(words) };
    case 'ipip':
    case 'sit':
    case 'gre':
    case 'gretap':
      return { tunnel: tunnelOptions(kind, words) };
    case 'bond':
      return { bond: bondOptions(words) };
    case 'netkit': {
      const netkit = netkitOptions(words);
      if (words.empty) return { netkit };
      words.next();
      const peerPolicy = netkitPolicy(words);
      return { netkit: peerPolicy === undefined ? netkit : { ...netkit, peerPolicy } };
    }
    default:
      throw notImplemented(
        `ip link set type ${kind}`,
        'see docs/devices.md for kinds with options',
      );
  }
}
