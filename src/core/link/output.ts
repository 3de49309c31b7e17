/**
 * A frame leaves: filters, queue, segmentation, captures, driver (Linux `__dev_queue_xmit`, `dev_hard_start_xmit`).
 * Drivers count what they sent.
 *
 * TX 4/5. From: `link/neighbour.ts` To: `device/veth.ts`
 */
import { drop } from '../drop.ts';
import { ipLength, type Packet } from '../packet.ts';
import { segment } from './gso.ts';
import { IFF_UP, type NetDevice } from './net-device.ts';
import { isTapped, runTaps } from './taps.ts';
import { tcEgress } from './tc.ts';

/**
 * Sends `pkt` through `pkt.dev`; `pkt.eth` is set if the device has link-layer headers. Takes ownership.
 * Returns 0 or `-errno`.
 */
export function devQueueXmit(pkt: Packet): number {
  const dev = pkt.dev as NetDevice;
  if ((dev.flags & IFF_UP) === 0 || !dev.carrier) {
    // LINUX: a device that is down or has lost its carrier has `noop_qdisc`, which drops and returns
    // NET_XMIT_CN: the sender hears nothing (`net_xmit_errno`).
    dev.stats.txDropped++;
    drop(dev.net, pkt, 'QDISC_DROP', dev.name);
    return 0;
  }
  if (dev.tc !== null && !tcEgress(pkt, dev, dev.tc)) return 0;
  if (pkt.txStamp !== null) pkt.txStamp.queued(pkt);
  if (dev.qdisc !== null) dev.qdisc.enqueue(pkt);
  else {
    // It was made for a queue that is gone.
    if (pkt.owner !== null) pkt.owner.released();
    pkt.owner = null;
    devHardStartXmit(pkt, dev);
  }
  return 0;
}

/** Gives a packet to the driver: what a qdisc calls when a packet's time has come. Takes ownership. */
export function devHardStartXmit(pkt: Packet, dev: NetDevice): void {
  if (pkt.gsoSize > 0 && (dev.gsoMaxSize === 0 || ipLength(pkt) > dev.gsoMaxSize)) {
    const parts = segment(pkt);
    for (let i = 0; i < parts.length; i++) xmitOne(parts[i] as Packet, dev);
  } else xmitOne(pkt, dev);
}

/** Linux `xmit_one`. */
function xmitOne(pkt: Packet, dev: NetDevice): void {
  const tracer = dev.net.kernel.tracer;
  if (tracer !== null) tracer.transmit(dev, pkt);
  if (isTapped(dev)) runTaps(pkt, dev, true);
  if (pkt.txStamp !== null) pkt.txStamp.left(pkt);
  dev.ops.xmit(pkt, dev);
}
