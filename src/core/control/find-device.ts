/** A device by its name, or the error that iproute2 and rtnetlink give. */
import { ENODEV, NetError } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';

/** The device of that name; ENODEV. */
export function findDevice(net: NetNs, name: string): NetDevice {
  const dev = net.devs.find(name);
  if (dev === undefined) throw new NetError(ENODEV, 'rtnetlink', `Cannot find device "${name}"`);
  return dev;
}
