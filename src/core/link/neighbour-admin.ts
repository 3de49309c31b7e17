/** `ip neigh add|change|replace|del` (Linux `neigh_add`, `neigh_delete`). */
import { EEXIST, EINVAL, ENOBUFS, ENOENT } from '../errno.ts';
import {
  NEIGH_UPDATE_ADMIN,
  NEIGH_UPDATE_OVERRIDE,
  NUD_FAILED,
  NUD_PERMANENT,
} from './neighbour-state.ts';
import type { NeighbourTable } from './neighbour-table.ts';
import type { NetDevice } from './net-device.ts';

/** What RTM_NEWNEIGH says. */
export interface NeighSpec<A = number> {
  readonly dev: NetDevice;
  readonly addr: A;
  /** null: without an address; an entry that has one keeps it. */
  readonly mac: number | null;
  /** `NUD_*` */
  readonly state: number;
  /** NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE */
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly replace: boolean;
  /** NTF_USE: resolve the address now; `state` and `mac` do not matter. */
  readonly use?: boolean;
}

/**
 * Makes or changes an entry. `-ENOENT`, `-EEXIST`, `-EINVAL` (no address known), `-ENOBUFS` (table full),
 * with the kernel's sentence in `table.extack`.
 */
export function neighAdd<A>(table: NeighbourTable<A>, spec: NeighSpec<A>): number {
  table.extack = '';
  let flags = NEIGH_UPDATE_ADMIN | NEIGH_UPDATE_OVERRIDE;
  let neigh = table.find(spec.dev, spec.addr);
  if (neigh === undefined) {
    if (!spec.create) return -ENOENT;
    const made = table.create(spec.dev, spec.addr, (spec.state & NUD_PERMANENT) !== 0);
    if (made === null) return table.protocol.hasDevice(spec.dev) ? -ENOBUFS : -EINVAL;
    neigh = made;
  } else {
    if (spec.exclusive) return -EEXIST;
    if (!spec.replace) flags &= ~NEIGH_UPDATE_OVERRIDE;
  }
  if (spec.use !== true) return neigh.update(spec.mac, spec.state, flags);
  neigh.use();
  return 0;
}

/** Deletes an entry. `-ENOENT`: there is none. */
export function neighDel<A>(table: NeighbourTable<A>, dev: NetDevice, addr: A): number {
  table.extack = '';
  const neigh = table.find(dev, addr);
  if (neigh === undefined) return -ENOENT;
  const errno = neigh.update(null, NUD_FAILED, NEIGH_UPDATE_ADMIN | NEIGH_UPDATE_OVERRIDE);
  table.remove(neigh);
  return errno;
}
