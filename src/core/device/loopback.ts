/** Not built yet. */
import { IFF_LOOPBACK, NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
export function loopbackSetup(net: NetNs): NetDevice {
  const dev = new NetDevice(net, { kind: '', movable: false, xmit: () => {} }, 'lo', 1, 772);
  dev.flags = IFF_LOOPBACK;
  return dev;
}
