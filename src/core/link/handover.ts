/**
 * The verdict that picks the namespace of each packet (S17; Savochkin's "netfilter modules selecting namespaces for each
 * incoming packet"): what a device of the host received appears inside a namespace, on a device there, before
 * anything looked for a route or a socket. As `bpf_redirect_peer` does it, but to any device of any namespace.
 *
 * From: `link/tc.ts`. To: `link/input.ts`
 */
import { drop } from '../drop.ts';
import type { NetNs } from '../net.ts';
import { PACKET_HOST, type Packet, scrubPacket } from '../packet.ts';
import { EthHeader } from '../wire/ethernet.ts';
import { frameLength } from '../wire/frame.ts';
import { IFF_LOOPBACK, type NetDevice } from './net-device.ts';
import { TC_ACT_STOLEN, type TcAction } from './tc.ts';

export class Handover implements TcAction {
  readonly kind = 'netns';
  readonly net: NetNs;
  /** Where it appears; null: on the first device that is up, lo if there is no other. */
  readonly devName: string | null;

  constructor(net: NetNs, devName: string | null) {
    this.net = net;
    this.devName = devName;
  }

  act(pkt: Packet, dev: NetDevice): number {
    const target = this.target();
    if (
      target === undefined ||
      (pkt.eth === null && target.hardHeaderLen > 0 && pkt.arp !== null)
    ) {
      drop(dev.net, pkt, 'TC_INGRESS', `${dev.name} netns`);
      return TC_ACT_STOLEN;
    }
    const forHost = pkt.pktType === PACKET_HOST;
    if (target.net !== dev.net) scrubPacket(pkt);
    const { eth } = pkt;
    if (target.hardHeaderLen === 0) pkt.eth = null;
    // What was for the host is for the namespace that gets it.
    else if (eth !== null && forHost && eth.dst !== target.mac)
      pkt.eth = new EthHeader(target.mac, eth.src, eth.proto);
    const len = frameLength(pkt);
    if (target.net.kernel.enqueue(pkt, target)) {
      target.stats.rxPackets++;
      target.stats.rxBytes += len;
    }
    return TC_ACT_STOLEN;
  }

  private target(): NetDevice | undefined {
    const { net, devName } = this;
    if (net.dead) return undefined;
    if (devName !== null) return net.devs.find(devName);
    for (const dev of net.devs) if (dev.up && (dev.flags & IFF_LOOPBACK) === 0) return dev;
    return net.loopback;
  }
}
