/** The devices of a namespace that ends (Linux `default_device_exit_net`, `default_device_exit_batch`; S7). */
import type { NetNs } from '../net.ts';
import { unregisterDevice, unregisterDevices } from './device-state.ts';
import { devMove } from './move.ts';
import type { NetDevice } from './net-device.ts';

/**
 * Real devices go to the initial namespace; the others end, pairs with their peers elsewhere; lo goes last.
 */
export function destroyDevices(net: NetNs): void {
  for (const dev of [...net.devs]) if (dev.ops.real === true) giveBack(dev);
  unregisterDevices([...net.devs].filter((dev) => dev !== net.loopback).reverse());
  unregisterDevice(net.loopback);
}

/** Under its own name, or as `dev<index>`, or as the first free `dev%d`. */
function giveBack(dev: NetDevice): void {
  const init = dev.net.kernel.initNet();
  const fallback = `dev${dev.ifindex}`;
  const taken = init.devs.find(fallback) !== undefined;
  devMove(dev, { net: init, name: taken ? 'dev%d' : fallback });
}
