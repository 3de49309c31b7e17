/**
 * A frame leaves: captures, queue, driver (Linux `__dev_queue_xmit`, `dev_hard_start_xmit`).
 *
 * TX 4/5. From: `link/neighbour.ts` To: `device/veth.ts`
 */
import { drop } from '../drop.ts';
import { ENETDOWN, ENOBUFS } from '../errno.ts';
import type { Packet } from '../packet.ts';
import { segment } from './gso.ts';
import type { NetDevice } from './net-device.ts';

/** Sends `pkt` through `pkt.dev`; `pkt.eth` is there if the device has link-layer headers. Takes ownership. */
export function devQueueXmit(pkt: Packet): number {
  const dev = pkt.dev as NetDevice;
  if (!dev.up) {
    drop(dev.net, pkt, 'DEV_READY', dev.name);
    return -ENETDOWN;
  }
  if (pkt.gsoSize > 0 && needsSegments(pkt, dev)) return xmitSegments(pkt, dev);
  return xmitOne(pkt, dev);
}

function needsSegments(pkt: Packet, dev: NetDevice): boolean {
  return dev.gsoMaxSize === 0 || pkt.len > dev.gsoMaxSize;
}

function xmitSegments(pkt: Packet, dev: NetDevice): number {
  for (const part of segment(pkt)) {
    part.dev = dev;
    const errno = xmitOne(part, dev);
    if (errno !== 0) return errno;
  }
  return 0;
}

function xmitOne(pkt: Packet, dev: NetDevice): number {
  if (dev.qdisc !== null) {
    if (!dev.carrier) {
      drop(dev.net, pkt, 'QDISC_DROP', dev.name);
      return -ENOBUFS;
    }
    tapOutgoing(pkt, dev);
    dev.qdisc.enqueue(pkt);
    return 0;
  }
  if (!dev.carrier && dev.ops.kind !== 'tun') {
    // Linux attaches noop_qdisc to a device that has lost its carrier.
    dev.stats.txDropped++;
    drop(dev.net, pkt, 'QDISC_DROP', dev.name);
    return -ENOBUFS;
  }
  tapOutgoing(pkt, dev);
  dev.ops.xmit(pkt, dev);
  return 0;
}

function tapOutgoing(pkt: Packet, dev: NetDevice): void {
  const kernel = dev.net.kernel;
  if (kernel.tracer !== null) kernel.tracer.transmit(dev, pkt);
  if (kernel.taps !== null) for (const t of kernel.taps) t.tap(pkt, dev, true);
  if (dev.net.taps !== null) for (const t of dev.net.taps) t.tap(pkt, dev, true);
  if (dev.taps !== null) for (const t of dev.taps) t.tap(pkt, dev, true);
}
