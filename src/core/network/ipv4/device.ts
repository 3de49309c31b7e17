/** Not built yet. */
import type { NetDevice } from '../../link/net-device.ts';
import type { NetdevEvent } from '../../protocols.ts';
export class Ipv4Device {}
export function inetdevEvent(_event: NetdevEvent, _dev: NetDevice): void {}
