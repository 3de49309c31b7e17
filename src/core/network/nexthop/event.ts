/** What devices mean to nexthops (Linux `nh_netdev_event`): without its device, or a carrier, a nexthop goes. */
import type { NetDevice } from '../../link/net-device.ts';
import type { NetdevEvent } from '../../protocols.ts';

export function nexthopEvent(event: NetdevEvent, dev: NetDevice): void {
  const { nexthops } = dev.net;
  if (nexthops === null) return;
  if (event === 'down' || event === 'unregister' || (event === 'change' && !dev.carrier))
    nexthops.flushDev(dev);
}
