/** Not built yet. */
import type { NetNs } from '../net.ts';
import type { NetdevEvent } from '../protocols.ts';
import type { NetDevice } from './net-device.ts';
export class Neighbour {
  dead = false;
}
export class NeighbourTable {
  constructor(readonly_net: NetNs) {
    void readonly_net;
  }
}
export function neighbourEvent(_event: NetdevEvent, _dev: NetDevice): void {}
