/**
 * A frame arrives: for whom it is, captures, the device's rx handler, then the protocol (Linux
 * `__netif_receive_skb_core`, `eth_type_trans`).
 *
 * RX 2/4. From: `device/veth.ts` To: `network/ipv4/input.ts`
 */
import { drop } from '../drop.ts';
import {
  type Packet,
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
} from '../packet.ts';
import { isGroupMac } from '../util/address.ts';
import { IFF_UP, type NetDevice } from './net-device.ts';

/** Handlers that may pass a packet on to an upper device: more than this is a loop of devices. */
const MAX_HANDLERS = 8;

/** Takes a packet that `pkt.dev` received. */
export function netifReceive(pkt: Packet): void {
  let dev = pkt.dev as NetDevice;
  if ((dev.flags & IFF_UP) === 0) {
    drop(dev.net, pkt, 'DEV_READY', dev.name);
    return;
  }
  if (pkt.timeUs === 0) pkt.timeUs = dev.net.kernel.nowUs;
  pkt.pktType = classify(pkt, dev);
  tapIncoming(pkt, dev);
  for (let n = 0; dev.rxHandler !== null; n++) {
    if (n === MAX_HANDLERS) {
      drop(dev.net, pkt, 'NOT_SPECIFIED', dev.name);
      return;
    }
    if (dev.rxHandler(pkt)) return;
    if (pkt.dev === dev) break;
    dev = pkt.dev as NetDevice;
    tapIncoming(pkt, dev);
  }
  const handler = dev.net.kernel.protocols.ether.get(pkt.proto);
  if (handler !== undefined) {
    handler(pkt);
    return;
  }
  dev.stats.rxDropped++;
  drop(dev.net, pkt, 'UNHANDLED_PROTO', dev.name);
}

/** Linux `eth_type_trans`; devices without link-layer addresses receive for themselves. */
export function classify(pkt: Packet, dev: NetDevice): number {
  const eth = pkt.eth;
  if (eth === null || eth.dst === dev.mac) return PACKET_HOST;
  if (eth.dst === dev.broadcast) return PACKET_BROADCAST;
  return isGroupMac(eth.dst) ? PACKET_MULTICAST : PACKET_OTHERHOST;
}

function tapIncoming(pkt: Packet, dev: NetDevice): void {
  const kernel = dev.net.kernel;
  if (kernel.tracer !== null) kernel.tracer.receive(dev, pkt);
  if (kernel.taps !== null) for (const t of kernel.taps) t.tap(pkt, dev, false);
  if (dev.net.taps !== null) for (const t of dev.net.taps) t.tap(pkt, dev, false);
  if (dev.taps !== null) for (const t of dev.taps) t.tap(pkt, dev, false);
}
