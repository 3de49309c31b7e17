/** Not built yet. */
import type { NetDevice } from '../link/net-device.ts';
import type { NetdevEvent } from '../protocols.ts';
export function bridgeEvent(_event: NetdevEvent, _dev: NetDevice): void {}
