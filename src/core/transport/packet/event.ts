/** What becomes of packet sockets when something happens to their device (Linux `packet_notifier`). */
import type { NetDevice } from '../../link/net-device.ts';
import type { NetdevEvent } from '../../protocols.ts';
import { dropMembershipsOf } from './membership.ts';

export function packetEvent(event: NetdevEvent, dev: NetDevice): void {
  const state = dev.net.packetSocks;
  if (state === null) return;
  if (event !== 'up' && event !== 'down' && event !== 'unregister') return;
  for (const sk of state.socks) {
    if (event === 'unregister') dropMembershipsOf(sk, dev);
    if (sk.device !== dev) continue;
    if (event === 'up') sk.hook();
    else sk.deviceGone(event === 'unregister');
  }
}
