/** Flags of a device as iproute2 prints them (`print_link_flags`). */
import {
  IFF_ALLMULTI,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_MASTER,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  IFF_PROMISC,
  IFF_RUNNING,
  IFF_SLAVE,
  type NetDevice,
} from '../link/net-device.ts';
import type { LinkPeer } from './info.ts';

/** In iproute2's order (`print_link_flags`), without what is derived. */
const FLAGS: readonly (readonly [number, string])[] = [
  [IFF_LOOPBACK, 'LOOPBACK'],
  [IFF_BROADCAST, 'BROADCAST'],
  [IFF_POINTOPOINT, 'POINTOPOINT'],
  [IFF_MULTICAST, 'MULTICAST'],
  [IFF_NOARP, 'NOARP'],
  [IFF_ALLMULTI, 'ALLMULTI'],
  [IFF_PROMISC, 'PROMISC'],
  [IFF_MASTER, 'MASTER'],
  [IFF_SLAVE, 'SLAVE'],
];

/** `IFF_*` without prefix, in the order of iproute2. */
export function flagNames(dev: NetDevice, link: LinkPeer | null): string[] {
  const names = dev.up && (dev.flags & IFF_RUNNING) === 0 ? ['NO-CARRIER'] : [];
  for (const [bit, name] of FLAGS) if ((dev.flags & bit) !== 0) names.push(name);
  if (dev.up) names.push('UP');
  if (dev.up && dev.carrier) names.push('LOWER_UP');
  if (link !== null && link.netnsId === null && !link.up) names.push('M-DOWN');
  return names;
}
