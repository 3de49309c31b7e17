/** Shows a frame to whoever captures (Linux `dev_queue_xmit_nit`, the `ptype_all` loop). */
import type { Packet } from '../packet.ts';
import type { NetDevice } from './net-device.ts';

/** True when a captured frame would go anywhere: one cheap test on the way of every packet. */
export function isTapped(dev: NetDevice): boolean {
  return dev.net.kernel.taps !== null || dev.net.taps !== null || dev.taps !== null;
}

/** Captures of the kernel, of the namespace and of the device, in this order. */
export function runTaps(
  pkt: Packet,
  dev: NetDevice,
  outgoing: boolean,
  bottom: NetDevice = dev,
): void {
  const net = dev.net;
  for (const taps of [net.kernel.taps, net.taps, dev.taps]) {
    if (taps === null) continue;
    // A tap that closes itself replaces the list; this one stays as it is.
    for (const tap of taps) tap.tap(pkt, dev, outgoing, bottom);
  }
}
